"""What speaks against making a stack isotropic from its own planes, seen before any training."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_superres.core.binning import bin_mean
from napari_superres.training.isotropic.geometry import Geometry
from napari_superres.training.isotropic.stack import Pixels

Floats = npt.NDArray[np.float32]

FEWEST_SLICES = 5
SMALLEST_PATCH = 6
"""Coarse pixels that the shorter edge of a plane must have, once it was made coarse."""

_RATIOS = (0.35, 1.6)
"""Ratio of the energies of differences along the coarse axis and across it between which structure counts as alike.

It was 0.5 to 1.2 for isotropic specimens, 8 for layers and 2 for a spacing that is wrong by a factor of two.
"""

_FLICKER = 1.15
"""Energy of differences of neighbouring slices over that of next-neighbours from which odd and even slices disagree.

Structure makes it smaller than 1, white noise 1.
"""

_MOVED, _CERTAIN = 0.5, 3.0
"""Shift between odd and even slices, in pixels, that is said, and the standard errors by which it must be certain."""

_FADING = 1.5
"""Brightness of the brighter end over the darker one from which slices are said to fade."""

_FLICKER_LEVEL = 0.03
"""Relative difference in brightness of odd and even slices that is said."""

_DARK = 0.05
"""Brightness, as a share of the brightest slice's, below which a slice is one of air."""

_SATURATED = 0.01


def structure_ratio(samples: Sequence[Floats], factor: int) -> float:
    """Return the energy of differences between slices over that between equally coarse pixels across them.

    1 for specimens that look alike along all axes. Around a cropped field, where columns along the coarse axis are
    constant, nothing is compared: its edges would count as structure across, of which there is none along.
    """
    ratios = []
    for whole in samples:
        sample = np.where(np.ptp(whole, axis=0) == 0, np.float32(np.nan), whole)
        for turned in (sample, sample.swapaxes(1, 2)):
            coarse = bin_mean(turned, (1, factor, 1))
            squares = [np.diff(coarse, axis=axis) ** 2 for axis in (0, 1)]
            along, across = (float(np.mean(s[np.isfinite(s)])) if np.isfinite(s).any() else 0.0 for s in squares)
            if along > 0 and across > 0:
                ratios.append(np.log(along / across))
    return float(np.exp(np.mean(ratios))) if ratios else 1.0


def brightness_trend(sample: Floats) -> tuple[npt.NDArray[np.float64], float]:
    """Return the brightness of each slice as far as it changes steadily or in turn, and how much brighter odd ones are.

    Both are what a recording does: fading by bleaching or depth, and passes of unequal light. What else differs from
    slice to slice is of the specimen.

    Returns
    -------
    trend
        ``(slices,)``, around 1.
    flicker
        Odd over even slices, less 1.
    """
    finite = np.where(np.isfinite(sample), sample, np.float32(0))
    level = np.maximum(finite.mean(axis=(1, 2), dtype=np.float64), 1e-6)
    index = np.arange(len(level))
    terms = np.stack([np.ones(len(level)), index - index.mean(), (-1.0) ** index], axis=1)
    weight = np.sqrt(level)[:, None]  # slices of air have no brightness to speak of
    fitted = np.linalg.lstsq(terms * weight, np.log(level) * weight[:, 0], rcond=None)[0]
    return np.asarray(np.exp(terms[:, 1:] @ fitted[1:]), dtype=np.float64), float(np.exp(-2 * fitted[2]) - 1)


def interleaved_brightness(sample: Floats) -> float:
    """Return by which share odd slices are brighter than even ones; 0 if it is within the error of its measurement.

    Structure changes from slice to slice, too, but not in turn. Dark slices, as of air, are left out.
    """
    level = np.nanmean(np.where(np.isfinite(sample), sample, np.nan), axis=(1, 2), dtype=np.float64)
    usable = level > _DARK * np.nanmax(level)
    bright = np.log(np.where(usable, level, np.nan))
    turns = (bright[1:-1] - (bright[:-2] + bright[2:]) / 2) * (-1.0) ** np.arange(len(bright) - 2)
    turns = turns[np.isfinite(turns)]
    if not len(turns):
        return 0.0
    middle, error = _median(turns)
    return float(np.expm1(middle)) if abs(middle) > _CERTAIN * error else 0.0


def _median(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the median along the first axis, and its standard error."""
    middle = np.median(values, axis=0)
    return middle, 1.86 * np.median(np.abs(values - middle), axis=0) / np.sqrt(len(values))


def interleaved_shift(sample: Floats) -> float:
    """Return by how many pixels odd slices lie beside even ones; 0 if it is within the error of its measurement.

    Drift and oblique structure move slices in one direction. Only a shift that alternates counts.
    """
    from skimage.registration import phase_cross_correlation

    filled = np.nan_to_num(sample)
    pairs = pairwise(filled)
    shifts = np.array([phase_cross_correlation(a, b, upsample_factor=10, normalization=None)[0] for a, b in pairs])
    alternating = shifts * (-1.0) ** np.arange(len(shifts))[:, None]
    # Some pairs, as of slices of air, have nothing to align by.
    middle, error = _median(alternating)
    return float(np.linalg.norm(np.where(np.abs(middle) > _CERTAIN * error, middle, 0.0)))


class Refusal(NamedTuple):
    """Why a stack should not be made isotropic from its own planes, and whether it could be all the same."""

    reason: str
    possible: bool


def find_refusal(pixels: Pixels, geometry: Geometry) -> Refusal | None:
    """Return why a stack should not be made isotropic from its own planes; None if nothing speaks against it."""
    slices, edge = len(pixels.samples[0]), min(min(p.shape) for p in pixels.planes)
    _, margin = geometry.profile.taps(geometry.factor)
    if slices < FEWEST_SLICES:
        few = f"{slices} {'slice is' if slices == 1 else 'slices are'} too few"
        need = f"at least {FEWEST_SLICES} are needed"
        return Refusal(f"{few} to learn from, and to check the result on; {need}", False)
    if (edge - 2 * margin) // geometry.factor < SMALLEST_PATCH:
        need = f"at least {SMALLEST_PATCH * geometry.factor + 2 * margin} pixels are needed"
        return Refusal(
            f"planes of {edge} pixels are too small to be made {geometry.factor} times coarser; {need}", False
        )
    finite = np.concatenate([p[np.isfinite(p)] for p in pixels.planes])
    if finite.size == 0:
        return Refusal("all its pixels are NaN, infinite or missing", False)
    if float(np.ptp(finite)) == 0:
        return Refusal("all its pixels are equal", False)
    ratio = structure_ratio(pixels.samples, geometry.factor)
    if not _RATIOS[0] <= ratio <= _RATIOS[1]:
        moved = max(interleaved_shift(sample) for sample in pixels.samples)
        if moved > _MOVED:
            why = "they were probably recorded in two passes, and the specimen moved: register them first"
            return Refusal(f"odd slices lie {moved:.1f} pixels beside even ones; {why}", True)
        trends = [brightness_trend(sample) for sample in pixels.samples]
        pairs = zip(pixels.samples, trends, strict=True)
        even = [np.asarray(sample / trend[:, None, None], dtype=np.float32) for sample, (trend, _) in pairs]
        if _RATIOS[0] <= structure_ratio(even, geometry.factor) <= _RATIOS[1]:
            flicker = max((f for _, f in trends), key=abs)
            if abs(flicker) < _FLICKER_LEVEL:
                return None  # it fades, which `notes` say
            how = "brighter" if flicker > 0 else "darker"
            why = "they were probably recorded in two passes: bring them to one brightness first"
            return Refusal(f"odd slices are {how} than even ones; {why}", True)
        how = f"{max(ratio, 1 / ratio):.1f} times {'more' if ratio > 1 else 'less'}"
        why = "it is layered, or the spacing is wrong, and its planes do not show how it continues"
        return Refusal(f"it varies {how} along {geometry.axis} than across: {why}", True)
    return None


def notes(pixels: Pixels) -> Iterator[str]:
    """Yield what the user should know of a stack, in sentences."""
    for sample in pixels.samples:
        near, far = (float(np.nanmean((sample[n:] - sample[:-n]) ** 2)) for n in (1, 2))
        if near > _FLICKER * far or interleaved_shift(sample) > _MOVED:
            yield (
                "Odd and even slices disagree: they lie beside each other, or neighbours differ more than slices two "
                "apart. They were probably recorded in two passes, and the specimen moved or brightened between them: "
                "register them first."
            )
            break
    flicker = max((interleaved_brightness(sample) for sample in pixels.samples), key=abs)
    if abs(flicker) > _FLICKER_LEVEL:
        yield (
            f"Odd slices are {abs(flicker):.0%} {'brighter' if flicker > 0 else 'darker'} than even ones: they were "
            "probably recorded in two passes. Bring them to one brightness first."
        )
    for sample in pixels.samples:
        bright = np.percentile(np.nan_to_num(sample), 95, axis=(1, 2))
        if np.ptp(bright) == 0:
            continue
        third = max(1, len(bright) // 3)
        first, last = float(bright[:third].mean()), float(bright[-third:].mean())
        steady = np.log(np.maximum(bright, 0.01))  # it fades by a share from slice to slice
        order = np.abs(np.corrcoef(np.arange(len(bright)), steady)[0, 1])
        if order > 0.9 and max(first, last) > _FADING * max(min(first, last), 0.01):
            yield (
                "Brightness changes steadily from slice to slice, as by bleaching or depth. One intensity range holds "
                "for all slices, so the dim ones are learnt less well: correct it first if it is not the specimen's."
            )
            break
    if pixels.saturated > _SATURATED:
        yield f"{pixels.saturated:.1%} of the pixels are saturated: what is lost there cannot be learnt."
