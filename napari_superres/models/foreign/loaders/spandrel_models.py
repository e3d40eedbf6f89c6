"""Networks that spandrel recognises by their weights, prepared for scientific images.

spandrel pads an image and clamps the result to [0, 1]. Here the network itself is called: the engine brings the
intensities of the whole image to the network's range and inverts that afterwards, so nothing is clipped.
"""

import contextlib
import io
import threading
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from napari_superres.errors import MissingExtraError, ModelFileError
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.foreign_model import ForeignModel
from napari_superres.models.foreign.loaders.likeness import (
    ALIKE_DB,
    MADE_BY_OTHERS,
    colour_limit,
    likeness,
    likeness_limit,
)
from napari_superres.models.model_file import GET_AGAIN
from napari_superres.models.own_network import limit_network_size

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

ARCHITECTURE = "spandrel"
"""`ModelCard.architecture` of such a model; its arguments name the network."""

_UNLIKE_DB = 20.0
"""Likeness that trained networks surpass, those that invent textures too."""

_BUILD_ERRORS = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError)
_CALL_ERRORS = (RuntimeError, ValueError, TypeError, LookupError, AssertionError)


@cache
def import_spandrel() -> ModuleType:
    """Return the library.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import spandrel
    except ImportError as error:
        raise MissingExtraError(
            "models of other programs need spandrel.",
            remedy="Install it with: pip install 'napari-superres-torch[zoo]'",
        ) from error
    library: ModuleType = spandrel
    return library


@cache
def known_architectures() -> Any:
    """Return spandrel's registry of architectures, with those of spandrel_extra_arches if that is installed."""
    architectures = import_spandrel().MAIN_REGISTRY.copy()
    with contextlib.suppress(ImportError), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from spandrel_extra_arches import EXTRA_REGISTRY

        architectures.add(*EXTRA_REGISTRY)
    return architectures


def detect_spandrel(path: Path, weights: Mapping[str, Tensor]) -> ForeignModel | None:
    """Recognise the network that some weights belong to; None if spandrel knows no such network.

    Parameters
    ----------
    path
        The weights' file, for messages.
    weights
        Tensors by name.

    Returns
    -------
    ForeignModel or None
        The model, with a card that states what spandrel knows about it.

    Raises
    ------
    ModelFileError
        If spandrel cannot build the network that it recognises, or that takes more than an image.
    """
    descriptor = _describe(path.name, weights)
    if descriptor is None:
        return None
    name, scale = descriptor.architecture.name, descriptor.scale
    channels, multiple = descriptor.input_channels, descriptor.size_requirements.multiple_of
    if channels != descriptor.output_channels or channels not in (1, 3):
        raise ModelFileError(
            f"{path.name}: this {name} makes {descriptor.output_channels} channels of {channels}; "
            "models must take and make 1 or 3."
        )
    tags = ", ".join(descriptor.tags)
    network = SpandrelNetwork(descriptor)
    card = ModelCard(
        name=name.replace(" ", "-").replace("+", "plus") or ARCHITECTURE,
        title=f"{name}{f' ({tags})' if tags else ''} x{scale}, {descriptor.purpose}",
        architecture=ARCHITECTURE,
        arguments={"network": str(descriptor.architecture.id), "batched": network.takes_batches(channels)},
        scale=(scale, scale),
        channels=channels,
        multiple=(multiple, multiple),
        color="per-channel",
        modality="unknown",
        training="by others; the file does not say on what",
        limits=MADE_BY_OTHERS + colour_limit(channels) + _likeness_limit(descriptor.purpose, network, channels, scale),
    )
    return ForeignModel(card, weights)


def _likeness_limit(purpose: str, network: "SpandrelNetwork", channels: int, scale: int) -> str:
    """Return a sentence on a network that makes things finer but makes no finer form of its input; empty otherwise.

    Networks that restore or repaint change their input on purpose, as do those that were trained to look good.
    """
    alike_db = likeness(network, channels, scale, 1.0) if purpose == "SR" else ALIKE_DB
    return likeness_limit(alike_db) if alike_db < _UNLIKE_DB else ""


def build_spandrel(name: str, card: ModelCard, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of a card and weights that `detect_spandrel` returned.

    Raises
    ------
    ModelFileError
        If the weights belong to another network than the card states.
    """
    descriptor = _describe(name, weights)
    found = "a network that spandrel does not know" if descriptor is None else descriptor.architecture.name
    if descriptor is None or str(descriptor.architecture.id) != card.arguments.get("network"):
        raise ModelFileError(
            f"{name}: the weights are of {found}, which is not what the card says, so the file is damaged.",
            remedy=GET_AGAIN,
        )
    return SpandrelNetwork(descriptor, batched=card.arguments.get("batched") is True)


def _describe(name: str, weights: Mapping[str, Tensor]) -> "ImageModelDescriptor[nn.Module] | None":
    """Return spandrel's description of the network that the weights belong to, with the network; None if unknown."""
    library = import_spandrel()
    try:
        # Some architectures print or warn while they are built.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), limit_network_size(weights):
            warnings.simplefilter("ignore")
            descriptor = known_architectures().load(dict(weights))
    except library.UnsupportedModelError:
        return None
    except _BUILD_ERRORS as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelFileError(f"{name}: the weights fit no network that spandrel can build ({reason}).") from error
    if not isinstance(descriptor, library.ImageModelDescriptor):
        raise ModelFileError(f"{name}: {descriptor.architecture.name} needs a mask with the image, which models lack.")
    return descriptor


class SpandrelNetwork(nn.Module):
    """A network of spandrel that takes any size on its multiple, from any thread.

    Parameters
    ----------
    descriptor
        spandrel's description of the network, with the network.
    batched
        Whether the network may be given several images at once; otherwise it gets one after the other.
    """

    def __init__(self, descriptor: "ImageModelDescriptor[nn.Module]", *, batched: bool = True) -> None:
        super().__init__()
        self.batched = batched
        self.scale, self.sizes = descriptor.scale, descriptor.size_requirements
        # A single coarse block would shrink to one pixel, which norms refuse.
        self.smallest = 2 * self.sizes.multiple_of if self.sizes.multiple_of > 16 else 0
        self.network = descriptor.model.eval().requires_grad_(False)
        self._call: Any = getattr(descriptor, "_call_fn", None) or _call
        self._lock = _UnsharedLock()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, C, Y, X)`` on the finer grid."""
        height, width = x.shape[-2:]
        right, below = self.sizes.get_padding(max(width, self.smallest), max(height, self.smallest))
        right, below = right + max(0, self.smallest - width), below + max(0, self.smallest - height)
        # The input is always copied, because some networks change it in place.
        padded = nn.functional.pad(x, (0, right, 0, below), "replicate").clone(memory_format=torch.contiguous_format)
        parts = [padded] if self.batched else [image[None] for image in padded]
        # Some networks keep masks or sizes from call to call, so calls must not overlap.
        with self._lock:
            result = torch.cat([self._call(self.network, part) for part in parts])
        return result[..., : height * self.scale, : width * self.scale]

    @torch.inference_mode()
    def takes_batches(self, channels: int) -> bool:
        """Return whether two images at once give the same results as each alone."""
        edge = max(16, self.sizes.minimum, self.sizes.multiple_of)
        pair = torch.rand(2, channels, edge, edge, generator=torch.Generator().manual_seed(0))
        try:
            return torch.allclose(self(pair), torch.cat([self(pair[:1]), self(pair[1:])]), atol=1e-3)
        except _CALL_ERRORS:
            return False


def _call(network: nn.Module, x: Tensor) -> Any:
    return network(x)


class _UnsharedLock:
    """A lock that a copied or unpickled network does not share with the original."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return type(self)()

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()
