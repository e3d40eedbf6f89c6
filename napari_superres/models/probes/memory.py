"""Working memory of a network, measured in a small pass."""

import weakref
from collections import Counter
from collections.abc import Callable
from math import prod
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from napari_superres.models.architectures import list_architectures
from napari_superres.models.card import ModelCard

_ONNX_BYTES = 1024.0
"""Taken for each pixel of the result: two layers of 128 channels."""


def layer_bytes(network: nn.Module, image: Tensor) -> tuple[float, float]:
    """Return peak and largest tensor of a pass, in bytes in 32 bits, from the shapes that layers see.

    Parameters
    ----------
    network
        Of layers that take and make one tensor, as all of ours.
    image
        ``(1, C, (Z)YX)``.
    """
    peak, largest = 0.0, 0.0

    def watch(_: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> None:
        nonlocal peak, largest
        inside, outside = given[0].numel(), found.numel()
        peak, largest = max(peak, inside + outside), max(largest, inside, outside)

    hooks = [m.register_forward_hook(watch) for m in network.modules() if not list(m.children())]
    try:
        network(image)
    finally:
        for hook in hooks:
            hook.remove()
    # Long skips and a convolution's own scratch stay in memory besides what a layer reads and writes.
    return 4.0 * (2.0 * peak + image.numel()), 4.0 * largest


def pass_bytes(card: ModelCard, network: nn.Module, image: Tensor) -> tuple[float, float]:
    """Return peak and largest tensor of a pass, in bytes.

    Parameters
    ----------
    card, network
        Of a model.
    image
        ``(1, C, (Z)YX)``.
    """
    if card.architecture in ("interpolation", *list_architectures()):
        return layer_bytes(network, image)
    peak, largest = living_bytes(network, image)
    if card.architecture == "onnx":  # whose memory cannot be seen
        pixels = image[0, 0].numel() * prod(card.scale)
        return _ONNX_BYTES * pixels, _ONNX_BYTES * pixels / 4
    return peak, largest


def living_bytes(network: Callable[[Tensor], Tensor], image: Tensor) -> tuple[float, float]:
    """Return peak and largest tensor of a pass, in bytes, from what lives while any operation runs.

    For networks whose memory is not in their layers, such as attention between all pixels.
    """
    living = _Living()
    with living:
        network(image)
    return 2.0 * living.peak, living.largest


class _Living(TorchFunctionMode):
    """Counts the storages of tensors that operations made and that are still there."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.peak, self.largest = 0.0, 0.0, 0.0
        self._users: Counter[int] = Counter()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        for tensor in found if isinstance(found, list | tuple) else (found,):
            if isinstance(tensor, Tensor):
                self._meet(tensor)
        return found

    def _meet(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage.data_ptr(), float(storage.nbytes())
        if self._users[key] == 0:
            self.now += size
            self.peak, self.largest = max(self.peak, self.now), max(self.largest, size)
        self._users[key] += 1
        weakref.finalize(tensor, self._leave, key, size)

    def _leave(self, key: int, size: float) -> None:
        self._users[key] -= 1
        if self._users[key] == 0:
            self.now -= size
