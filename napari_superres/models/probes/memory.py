"""Working memory of a network, measured in one pass over a small image."""

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
"""Assumed bytes per pixel of the result for ONNX: two layers of 128 channels."""


def pass_bytes(card: ModelCard, network: nn.Module, image: Tensor) -> tuple[float, float]:
    """Measure peak memory and the largest tensor of a pass, in bytes.

    Parameters
    ----------
    card
        Card of the model.
    network
        Network of the model, or the module that interpolates.
    image
        ``(1, C, (Z)YX)``.
    """
    if card.architecture in ("interpolation", *list_architectures()):
        return layer_bytes(network, image)
    peak, largest = living_bytes(network, image)
    if card.architecture == "onnx":  # The memory of ONNX Runtime cannot be observed.
        pixels = image[0, 0].numel() * prod(card.scale)
        return _ONNX_BYTES * pixels, _ONNX_BYTES * pixels / 4
    return peak, largest


def layer_bytes(network: nn.Module, image: Tensor) -> tuple[float, float]:
    """Measure peak memory and the largest tensor of a pass, in bytes in 32-bit precision, by the shapes of layers.

    Parameters
    ----------
    network
        Network whose layers take one tensor and return one, as all of `models.architectures` do.
    image
        ``(1, C, (Z)YX)``.
    """
    peak, largest = 0.0, 0.0

    def watch(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal peak, largest
        read, written = inputs[0].numel(), output.numel()
        peak, largest = max(peak, read + written), max(largest, read, written)

    hooks = [m.register_forward_hook(watch) for m in network.modules() if not list(m.children())]
    try:
        network(image)
    finally:
        for hook in hooks:
            hook.remove()
    # Twice: long skips and the scratch memory of convolutions add to what a layer reads and writes.
    return 4.0 * (2.0 * peak + image.numel()), 4.0 * largest


def living_bytes(network: Callable[[Tensor], Tensor], image: Tensor) -> tuple[float, float]:
    """Measure peak memory and the largest tensor of a pass, in bytes, by the tensors alive during each operation.

    For networks whose memory is not in their layers, such as attention between all pixels.
    """
    storages = _LivingStorages()
    with storages:
        network(image)
    return 2.0 * storages.peak, storages.largest


class _LivingStorages(TorchFunctionMode):
    """Count the bytes of all storages that operations made and that are still referenced."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.peak, self.largest = 0.0, 0.0, 0.0
        self._users: Counter[int] = Counter()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, list | tuple) else (result,):
            if isinstance(tensor, Tensor):
                self._add(tensor)
        return result

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage.data_ptr(), float(storage.nbytes())
        if self._users[key] == 0:
            self.now += size
            self.peak, self.largest = max(self.peak, self.now), max(self.largest, size)
        self._users[key] += 1
        weakref.finalize(tensor, self._remove, key, size)

    def _remove(self, key: int, size: float) -> None:
        self._users[key] -= 1
        if self._users[key] == 0:
            self.now -= size
