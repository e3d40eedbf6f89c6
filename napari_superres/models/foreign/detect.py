"""Networks that spandrel recognises by their weights, ready for scientific images.

spandrel pads an image and clamps the result to [0, 1]; here the network itself is called. Intensities are brought to
its range by one map over the whole image and back by its inverse, so that nothing beyond is cut off.
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
from napari_superres.models.foreign.imported import Foreign
from napari_superres.models.size_guard import no_larger_than

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

ARCHITECTURE = "spandrel"
"""What the card of such a model says; which network it is stands in its arguments."""


@cache
def spandrel() -> ModuleType:
    """Return the library.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import spandrel as library
    except ImportError as error:
        raise MissingExtraError(
            "models of other programs need spandrel. Install it with: pip install 'napari-superres-torch[zoo]'"
        ) from error
    found: ModuleType = library
    return found


@cache
def registry() -> Any:
    """Return the architectures known, those of spandrel_extra_arches among them where it is installed."""
    known = spandrel().MAIN_REGISTRY.copy()
    with contextlib.suppress(ImportError), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from spandrel_extra_arches import EXTRA_REGISTRY

        known.add(*EXTRA_REGISTRY)
    return known


def detect(path: Path, weights: Mapping[str, Tensor]) -> Foreign:
    """Return the model that some weights are of.

    Raises
    ------
    ModelFileError
        If no architecture fits them, or the network takes more than an image.
    """
    described = _described(path.name, weights)
    name, scale = described.architecture.name, described.scale
    channels, multiple = described.input_channels, described.size_requirements.multiple_of
    if channels != described.output_channels or channels not in (1, 3):
        raise ModelFileError(
            f"{path.name}: this {name} makes {described.output_channels} channels of {channels}; models here take and "
            "make 1 or 3."
        )
    tags = ", ".join(described.tags)
    card = ModelCard(
        name=name.replace(" ", "-").replace("+", "plus") or ARCHITECTURE,
        title=f"{name}{f' ({tags})' if tags else ''} x{scale}, {described.purpose}",
        architecture=ARCHITECTURE,
        arguments={"network": str(described.architecture.id), "batched": Detected(described).takes_batches(channels)},
        scale=(scale, scale),
        channels=channels,
        multiple=(multiple, multiple),
        color="per-channel",
        modality="unknown",
        training="by others; the file does not say on what",
        limits="Made by others for images that the file does not name: compare with a reference before you trust it.",
    )
    return Foreign(card, weights)


def build_detected(name: str, card: ModelCard, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of a model that was detected before.

    Raises
    ------
    ModelFileError
        If the weights are of another network than the card says.
    """
    described = _described(name, weights)
    if str(described.architecture.id) != card.arguments.get("network"):
        raise ModelFileError(
            f"{name}: the weights are of {described.architecture.name}, which is not what the card says. The file is "
            "damaged."
        )
    return Detected(described, batched=card.arguments.get("batched") is True)


def _described(name: str, weights: Mapping[str, Tensor]) -> "ImageModelDescriptor[nn.Module]":

    library = spandrel()
    try:
        # Some architectures print or warn while they are built.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), no_larger_than(weights):
            warnings.simplefilter("ignore")
            found = registry().load(dict(weights))
    except library.UnsupportedModelError as error:
        raise ModelFileError(
            f"{name}: spandrel recognises no architecture by these weights. Ask which network it is, or add it as a "
            "bioimage.io package."
        ) from error
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelFileError(f"{name}: the weights fit no network that spandrel can build ({said}).") from error
    if not isinstance(found, library.ImageModelDescriptor):
        raise ModelFileError(f"{name}: {found.architecture.name} needs a mask beside the image, and there is none.")

    return found


class Detected(nn.Module):
    """A network of spandrel that may be given any size of its multiple, by any thread.

    Parameters
    ----------
    described
        What spandrel made of the weights.
    batched
        Whether it may be given several images at once; else it gets one after the other.
    """

    def __init__(self, described: "ImageModelDescriptor[nn.Module]", *, batched: bool = True) -> None:
        super().__init__()
        self.batched = batched
        # What is left of one coarse block is a single pixel, which norms refuse.
        self.least = 2 * described.size_requirements.multiple_of if described.size_requirements.multiple_of > 16 else 0
        self.network = described.model.eval().requires_grad_(False)
        self.scale, self.sizes = described.scale, described.size_requirements
        self._call: Any = getattr(described, "_call_fn", None) or _call
        self._alone = _Lock()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, C, Y, X)`` on the finer grid."""
        height, width = x.shape[-2:]
        right, below = self.sizes.get_padding(max(width, self.least), max(height, self.least))
        right, below = right + max(0, self.least - width), below + max(0, self.least - height)
        # Always a copy: some networks change what they are given.
        padded = nn.functional.pad(x, (0, right, 0, below), "replicate").clone(memory_format=torch.contiguous_format)
        parts = [padded] if self.batched else [image[None] for image in padded]
        # Some keep masks or sizes from call to call.
        with self._alone:
            found = torch.cat([self._call(self.network, part) for part in parts])
        return found[..., : height * self.scale, : width * self.scale]

    @torch.inference_mode()
    def takes_batches(self, channels: int) -> bool:
        """Return whether two images at once give what each gives by itself."""
        edge = max(16, self.sizes.minimum, self.sizes.multiple_of)
        pair = torch.rand(2, channels, edge, edge, generator=torch.Generator().manual_seed(0))
        try:
            return torch.allclose(self(pair), torch.cat([self(pair[:1]), self(pair[1:])]), atol=1e-3)
        except (RuntimeError, ValueError, TypeError, LookupError, AssertionError):
            return False


def _call(network: nn.Module, x: Tensor) -> Any:
    return network(x)


class _Lock:
    """A lock that a copy of its network does not share."""

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
