"""Whether an image fits a model: compares its pixel size, modality, noise and grey levels with the training."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.intensity import Intensities, Normalisation
from napari_superres.core.invalid import find_missing
from napari_superres.core.units import METRES
from napari_superres.models.card import ModelCard
from napari_superres.models.grid_map import grid_marker

_TOLERANCE = 1.05
"""Factor by which pixels may be smaller or larger than those of the training: stated sizes are rounded."""

ANY_MODALITY = ("", "any", "unknown")
"""Modalities of cards that name none."""

_NOISE_FACTOR, _NOISE_FLOOR = 1.5, 0.005
"""Noise may exceed that of the training by this factor, and by this fraction of the model's intensity scale."""

_OBLONG = 2.0
"""Ratio of the pixel's edges in Y and X above which a result is doubted. Networks are trained on square pixels."""

_SAMPLE_EDGE = 512

_MIN_LEVELS = 10
"""Grey levels below which networks fell below bicubic interpolation, or lost their gain, on images of their own kind.

Reduced to 8, 12 and 16 levels: em-x2 is -1.0, +0.2 and +0.8 dB above bicubic (1.2 with all levels) on electron
micrographs, and espcn-x2, which is told nothing, -1.6, -1.4 and -1.0 dB on photographs (1.0).
"""

_MOST_SPANS = 16.0
"""How many times wider or narrower than the author's test an image may be: dim images are usual, other units not."""

_BLENDING_NOISE = 0.32
"""Noise, in steps between grey levels, that blends them: single photons are counted in few levels, too."""


def doubts(card: ModelCard, image: Image, intensities: Intensities, channel: int = 0) -> tuple[str, ...]:
    """Return reasons to doubt a model's result on an image, each in words that say what does not fit.

    Parameters
    ----------
    card
        Card of the model.
    image
        Image to upscale; a part of one plane is read.
    intensities
        Intensities of the image, measured for this model.
    channel
        Channel whose noise and grey levels are judged.

    Returns
    -------
    tuple of str
        One text per reason, which says what to do; empty if the model suits the image.
    """
    judged = _most_noise(card) is not None or intensities.levels[channel] < _MIN_LEVELS
    noise = plane_noise(image, intensities.normalisation, channel) if judged else 0.0
    reasons = (
        _computed_doubt(card, image),
        _modality_doubt(card, image),
        pixel_size_doubt(card, plane_size(image), image.units.get("X")),
        _oblong_doubt(card, image),
        noise_doubt(card, noise),
        levels_doubt(card, intensities, noise, channel),
        range_doubt(card, intensities, channel),
    )
    return tuple(reason for reason in reasons if reason)


def find_cell(card: ModelCard, image: Image, intensities: Intensities, channel: int = 0) -> tuple[int, int] | None:
    """Return the cell of a card's grid that is nearest to an image whose blur is unknown; None if there is no grid.

    Parameters
    ----------
    card, image, intensities, channel
        As in `doubts`.
    """
    if card.grid is None:
        return None
    return grid_marker(card, 0.0, (0.0, plane_noise(image, intensities.normalisation, channel)))


def plane_size(image: Image) -> tuple[float, float]:
    """Return the pixel size along Y and X, in the image's unit, for any order of its axes."""
    y, x = (image.pixel_size[image.spatial.index(a)] for a in "YX")
    return y, x


def pixel_size_doubt(card: ModelCard, pixel_size: Sequence[float], unit: str | None) -> str:
    """Return a reason to doubt a result because of the pixel size; an empty text if there is none.

    Parameters
    ----------
    card
        Card of the model.
    pixel_size
        Pixel size of the image along Y and X.
    unit
        Unit of `pixel_size`; None = unknown, which is no reason to doubt.
    """
    if fits_pixels(card, pixel_size, unit) or card.pixel_size is None:
        return ""
    low, high = card.pixel_size
    others = [o.name for o in _same_scale(card) if o.pixel_size is not None and fits_pixels(o, pixel_size, unit)]
    instead = f", or use {' or '.join(others)}" if others else ""
    pixels = " x ".join(dict.fromkeys(f"{size * METRES[unit or ''] / METRES['micrometer']:.4g}" for size in pixel_size))
    return (
        f"The image does not fit {card.name}: its pixels ({pixels} µm) are outside the range of the training ({low:g} "
        f"to {high:g} µm). Resample the image to such pixels first, with `resample()`{instead}; otherwise compare the "
        "result with a reference before you trust it."
    )


def is_oblong(card: ModelCard, image: Image) -> bool:
    """Return whether pixels are not square, for a network that refines planes."""
    size = plane_size(image)
    is_even = len(set(card.scale)) == 1
    return is_even and not card.is_interpolation and image.has_pixel_size and max(size) > _OBLONG * min(size)


def _oblong_doubt(card: ModelCard, image: Image) -> str:
    """Return a reason to doubt if the pixels are not square; an empty text otherwise."""
    if not is_oblong(card, image):
        return ""
    y, x = plane_size(image)
    return (
        f"The image does not fit {card.name}: its pixels are not square ({y:.4g} x {x:.4g} {image.units['X']} along Y "
        "and X), and the training was on square ones. Resample the image to square pixels first, with `resample()`."
    )


def trained_pixel_size(card: ModelCard, pixel_size: Sequence[float], unit: str | None) -> tuple[float, ...] | None:
    """Return the pixel size nearest to the image's that the model was trained on.

    Parameters
    ----------
    card
        Card of the model.
    pixel_size
        Pixel size of the image along Y and X.
    unit
        Unit of `pixel_size` and of the returned one.

    Returns
    -------
    tuple of float or None
        Along Y and X; None if the image suits the model already, or if its pixel size or the card's is unknown.
    """
    if fits_pixels(card, pixel_size, unit) or card.pixel_size is None or unit is None:
        return None
    low, high = (size * METRES["micrometer"] / METRES[unit] for size in card.pixel_size)
    return tuple(min(max(size, low), high) for size in pixel_size)


def noise_level(plane: npt.NDArray[np.floating[Any]]) -> float:
    """Estimate the standard deviation of the noise in a plane from its second differences.

    Parameters
    ----------
    plane
        ``(Y, X)``, finite.

    Returns
    -------
    float
        In the unit of the plane; 0 for planes of fewer than 3 x 3 pixels.

    Notes
    -----
    Fine texture counts as noise. Immerkær: Fast noise variance estimation, 1996, doi:10.1006/cviu.1996.0060.
    """
    if min(plane.shape) < 3:
        return 0.0
    rows = plane[:-2] - 2 * plane[1:-1] + plane[2:]
    both = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(both).mean())


def knows_noise(card: ModelCard, noise: float) -> bool:
    """Return whether a model was trained or tested on so much noise, as a share of the range; False if it is silent."""
    most = _most_noise(card)
    return most is not None and noise <= _NOISE_FACTOR * most + _NOISE_FLOOR


def fits_pixels(card: ModelCard, pixel_size: Sequence[float], unit: str | None) -> bool:
    """Return whether pixels, along Y and X, are as large as those of the training; True if either is unknown."""
    if card.pixel_size is None or unit not in METRES:
        return True
    low, high = card.pixel_size
    sizes = [size * METRES[unit] / METRES["micrometer"] for size in pixel_size]
    return low / _TOLERANCE <= min(sizes) and max(sizes) <= high * _TOLERANCE


def _same_scale(card: ModelCard) -> list[ModelCard]:
    from napari_superres.models.library.registry import all_cards

    return [other for other in all_cards()[0] if other.scale == card.scale and not other.is_interpolation]


def computed_by(image: Image) -> str:
    """Return the names of the models that computed an image, as its record says; empty if it was recorded."""
    record = image.metadata.get("provenance")
    if not isinstance(record, Mapping):
        return ""
    parts = record.get("per_channel") or [record]
    models = [p["model"] for p in parts if isinstance(p, Mapping) and isinstance(p.get("model"), Mapping)]
    return ", ".join(dict.fromkeys(str(m.get("name", "?")) for m in models))


def _computed_doubt(card: ModelCard, image: Image) -> str:
    """Return a reason to doubt if the image was itself computed, as its record says; an empty text otherwise."""
    names = computed_by(image)
    if card.is_interpolation or not names:
        return ""
    return (
        f"The image does not fit {card.name}: it was itself computed by {names}, as its record says, and the training "
        "was on recorded images. Guesses of the first model become structures for the second. Use the recorded image."
    )


def _modality_doubt(card: ModelCard, image: Image) -> str:
    """Return a reason to doubt if the file names another modality than the card; an empty text otherwise."""
    modality, trained = image.metadata.get("modality"), card.modality
    if not modality or trained in ANY_MODALITY or str(modality).lower() in trained.lower():
        return ""
    others = [other.name for other in _same_scale(card) if other.modality == modality]
    instead = f"Use {' or '.join(others)}" if others else "Use interpolation, or a model of your own"
    return (
        f"The image does not fit {card.name}: the file says that it is {modality}, and the training was on {trained}. "
        f"{instead}; otherwise compare the result with a reference before you trust it."
    )


def noise_doubt(card: ModelCard, noise: float) -> str:
    """Return a reason to doubt if the image is noisier than all that the model knows; an empty text otherwise."""
    most = _most_noise(card)
    if most is None or knows_noise(card, noise):
        return ""
    loss = loss_in_tests(card, noise)
    found = f"the model was {loss:.1f} dB worse than bicubic interpolation in tests with such noise"
    return (
        f"The image does not fit {card.name}: it is noisier ({noise:.3f} of its range) than the images "
        f"{'that it improved' if loss else 'of the training and tests'} (at most {most:.3f}), "
        f"{f'and {found}' if loss else 'so noise may turn into texture'}. Use a model that was trained on noise, or "
        "denoise first."
    )


def loss_in_tests(card: ModelCard, noise: float) -> float:
    """Return by how many dB a model was worse than bicubic interpolation in tests with about so much noise, else 0."""
    cell = grid_marker(card, 0.0, (0.0, noise))
    return 0.0 if card.grid is None or cell is None else max(0.0, -float(np.mean(card.grid.over_bicubic[cell[0]])))


def _most_noise(card: ModelCard) -> float | None:
    """Return the most noise of the training, or of tests in which the model gained at half of the intensity.

    None if neither is known.
    """
    known = [] if card.noise is None else [card.noise[1]]
    if card.grid is not None:
        rows = zip(card.grid.photons, card.grid.over_bicubic, strict=True)
        known += [sqrt(0.5 / photons) for photons, gains in rows if photons is not None and np.mean(gains) >= 0]
    return max(known, default=None)


def levels_doubt(card: ModelCard, intensities: Intensities, noise: float, channel: int) -> str:
    """Return a reason to doubt if the image has few grey levels that noise does not blend; an empty text otherwise.

    A single grey level is no reason: there is nothing to sharpen.
    """
    levels, contrast = intensities.levels[channel], intensities.contrast[channel] / _span(intensities, channel)
    if card.is_interpolation or not 1 < levels < _MIN_LEVELS or noise > _BLENDING_NOISE * contrast / (levels - 1):
        return ""
    return (
        f"The image does not fit {card.name}: its channel has only {levels} grey levels, whose steps the network takes "
        "for structure. Use the image before it was reduced to so few, or interpolation."
    )


def range_doubt(card: ModelCard, intensities: Intensities, channel: int) -> str:
    """Return a reason to doubt if intensities reach the network as they are, and it was made for quite other ones."""
    seen = card.arguments.get("seen")
    if card.intensity != "none" or not isinstance(seen, list | tuple) or len(seen) != 2:
        return ""
    span = intensities.contrast[channel] / _span(intensities, channel)
    low, high = float(seen[0]), float(seen[1])
    if (high - low) / _MOST_SPANS <= span <= _MOST_SPANS * (high - low):
        return ""
    return (
        f"The image does not fit {card.name}: its intensities span {span:.3g} where they reach the network, and those "
        f"of its author's test span {high - low:.3g} ({low:.3g} to {high:.3g}). Bring the image to that range first, "
        "or set `intensity_range` if it is 0 to 1."
    )


def _span(intensities: Intensities, channel: int) -> float:
    return intensities.normalisation.high[channel] - intensities.normalisation.low[channel]


def plane_noise(image: Image, normalisation: Normalisation, channel: int) -> float:
    """Return the noise in the middle of one plane on the model's intensity scale; 0 if pixels hold no measurement."""
    index = tuple(
        slice(max(0, (n - _SAMPLE_EDGE) // 2), (n + _SAMPLE_EDGE) // 2)
        if a in "YX"
        else (channel if a == "C" else 0 if a == "S" else n // 2)
        for a, n in zip(image.axes, image.shape, strict=True)
    )
    values = np.asarray(image.data[index])
    if find_missing(values, image.no_data) is not None:
        return 0.0
    plane = normalisation.apply(values, channel, np.float32)
    return noise_level(plane) if np.isfinite(plane).all() else 0.0
