"""Whether a model suits an image: what it was trained on, beside what the image says of itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.intensity import Normalisation
from napari_superres.core.units import METRES
from napari_superres.models.card import ModelCard

_TOLERANCE = 1.05
"""Factor by which pixels may be smaller or larger than those trained on."""

_ANY = ("", "any", "unknown")
_NOISIER = 1.5
_NOISE_FLOOR = 0.005
_SAMPLE = 512


def doubts(card: ModelCard, image: Image, normalisation: Normalisation, channel: int = 0) -> tuple[str, ...]:
    """Return reasons why a result should not be trusted, each a sentence that says what to do; none if it suits.

    Parameters
    ----------
    card
        Of the model.
    image
        To be upscaled; a part of one plane is read.
    normalisation
        Fitted to the image.
    channel
        Which one is looked at.
    """
    size = plane_size(image)
    found = (
        _modality(card, image),
        pixel_doubt(card, size, image.units.get("X")),
        _noise(card, image, normalisation, channel),
    )
    return tuple(sentence for sentence in found if sentence)


def plane_size(image: Image) -> tuple[float, float]:
    """Return the pixel size along Y and X, whatever the order of the axes."""
    y, x = (image.pixel_size[image.spatial.index(a)] for a in "YX")
    return y, x


def pixel_doubt(card: ModelCard, pixel_size: Sequence[float], unit: str | None) -> str:
    """Return a sentence if pixels are of another size than those the model was trained on, else an empty text.

    Parameters
    ----------
    card
        Of the model.
    pixel_size
        Along Y and X.
    unit
        Of `pixel_size`; None = unknown, which is no reason to doubt.
    """
    if _fits(card, pixel_size, unit) or card.pixel_size is None:
        return ""
    low, high = card.pixel_size
    others = [o.name for o in _same_scale(card) if o.pixel_size is not None and _fits(o, pixel_size, unit)]
    instead = f", or use {' or '.join(others)}" if others else ""
    found = " x ".join(dict.fromkeys(f"{size * METRES[unit or ''] / METRES['micrometer']:.4g}" for size in pixel_size))
    return (
        f"The pixels ({found} µm) are outside what {card.name} was trained on ({low:g} to {high:g} µm). "
        f"Resample the image to such pixels first (superres resample --for {card.name}){instead}; otherwise compare "
        "with a reference before you trust it."
    )


def trained_pixel_size(card: ModelCard, pixel_size: Sequence[float], unit: str | None) -> tuple[float, ...] | None:
    """Return the pixels nearest to those of an image that the model was trained on.

    Parameters
    ----------
    card
        Of the model.
    pixel_size
        Of the image along Y and X.
    unit
        Of `pixel_size`, and of what is returned.

    Returns
    -------
    tuple of float
        None where the image suits as it is, or it or the card does not say.
    """
    if _fits(card, pixel_size, unit) or card.pixel_size is None or unit is None:
        return None
    low, high = (size * METRES["micrometer"] / METRES[unit] for size in card.pixel_size)
    return tuple(min(max(size, low), high) for size in pixel_size)


def noise_level(plane: npt.NDArray[np.floating[Any]]) -> float:
    """Return the standard deviation of the noise in a plane, from its second differences.

    Immerkær: Fast noise variance estimation, 1996, doi:10.1006/cviu.1996.0060. Fine texture counts as noise.
    """
    if min(plane.shape) < 3:
        return 0.0
    rows = plane[:-2] - 2 * plane[1:-1] + plane[2:]
    both = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(both).mean())


def _fits(card: ModelCard, pixel_size: Sequence[float], unit: str | None) -> bool:
    if card.pixel_size is None or unit not in METRES:
        return True
    low, high = card.pixel_size
    sizes = [size * METRES[unit] / METRES["micrometer"] for size in pixel_size]
    # Rounding of a stated size is no reason to warn.
    return low / _TOLERANCE <= min(sizes) and max(sizes) <= high * _TOLERANCE


def _same_scale(card: ModelCard) -> list[ModelCard]:
    from napari_superres.models.library.registry import list_models

    return [other for other in list_models() if other.scale == card.scale and not other.is_interpolation]


def _modality(card: ModelCard, image: Image) -> str:
    """Return a sentence if the file said what made the image, and the model was trained on something else."""
    seen, trained = image.metadata.get("modality"), card.modality
    if not seen or trained in _ANY or str(seen).lower() in trained.lower():
        return ""
    others = [other.name for other in _same_scale(card) if other.modality == seen]
    instead = f"Use {' or '.join(others)}" if others else "Use interpolation, or a model of your own"
    return (
        f"The file says that it is {seen}, and {card.name} was trained on {trained}. {instead}; otherwise compare "
        "with a reference before you trust it."
    )


def _noise(card: ModelCard, image: Image, normalisation: Normalisation, channel: int) -> str:
    if card.noise is None:
        return ""
    index = tuple(
        slice(max(0, (n - _SAMPLE) // 2), (n + _SAMPLE) // 2)
        if a in "YX"
        else (channel if a == "C" else 0 if a == "S" else n // 2)
        for a, n in zip(image.axes, image.shape, strict=True)
    )
    seen = normalisation.apply(np.asarray(image.data[index]), channel, np.float32)
    level = noise_level(seen) if np.isfinite(seen).all() else 0.0
    most = card.noise[1]
    if level <= _NOISIER * most + _NOISE_FLOOR:
        return ""
    return (
        f"The image is noisier ({level:.3f} of its range) than those that {card.name} was trained on (at most "
        f"{most:.3f}): noise may come out as texture. Use a model that was trained on noise, or denoise first."
    )
