"""Two images on one grid: same axes, same pixels, the same places in the world, or a message why not."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.grid import crop_affine
from napari_superres.core.image import Image
from napari_superres.core.units import METRES, convert
from napari_superres.errors import EvaluationError

TOLERANCE = 0.1
"""Largest distance, in pixels of the result, at which two pixels still count as one place."""

LARGEST_SCALE = 8


@dataclass(frozen=True, slots=True)
class Matched:
    """A result and its reference, pixel for pixel.

    Attributes
    ----------
    result, reference
        Same axes (the result's), shape and grid; numpy data.
    start, reference_start
        Where the overlap begins in the result and in the reference that were given, per spatial axis of the result.
    notes
        What was taken for granted or cut off, for the report.
    """

    result: Image
    reference: Image
    start: tuple[int, ...]
    reference_start: tuple[int, ...]
    notes: tuple[str, ...]


def match(result: Image, reference: Image, *, names: tuple[str, str] = ("result", "reference")) -> Matched:
    """Cut two images of the same grid to their common part and bring the axes into one order.

    Parameters
    ----------
    result, reference
        Axes of one element may be missing in either. Where a pixel size is unknown, or the reference
        has no recorded origin, the fields of view are taken to begin at the same corner, and `notes` says so.
    names
        What messages call the two.

    Raises
    ------
    EvaluationError
        If axes, channels, pixel size or position do not fit; the message says what to do.
    """
    reference = conform(reference, result, names)
    for axis in result.axes:
        if axis in "TCS" and result.size(axis) != reference.size(axis):
            raise EvaluationError(
                f"{names[0]} and {names[1]} must have as many elements along {axis}, got {result.size(axis)} "
                f"and {reference.size(axis)}. Choose the same channels and frames."
            )
    shift, notes = _shift(result, reference, names)
    start, stop = [], []
    for axis, at in zip(result.spatial, shift, strict=True):
        start.append(max(0, at))
        stop.append(min(result.size(axis), at + reference.size(axis)))
    if any(b <= a for a, b in zip(start, stop, strict=True)):
        raise EvaluationError(
            f"{names[0]} and {names[1]} do not overlap: origins {result.origin} and {reference.origin}. "
            "Check that both show the same field of view, or remove wrong origins."
        )
    ref_start = [a - at for a, at in zip(start, shift, strict=True)]
    shape = [b - a for a, b in zip(start, stop, strict=True)]
    for name, image in zip(names, (result, reference), strict=True):
        cut = [
            f"{image.size(a) - n} along {a}" for a, n in zip(result.spatial, shape, strict=True) if image.size(a) > n
        ]
        if cut:
            notes.append(f"pixels of the {name} outside the common field were left out: {', '.join(cut)}")
    common = cut_to(result, start, shape)
    ours = cut_to(reference, ref_start, shape).replace(affine=common.affine, units=common.units)
    return Matched(common, ours, tuple(start), tuple(ref_start), tuple(notes))


def conform(reference: Image, result: Image, names: tuple[str, str]) -> Image:
    """Return the reference with the axes of the result, and its grid in the result's units."""
    for a, b, who in ((reference, result, names[1]), (result, reference, names[0])):
        extra = [f"{x} ({a.size(x)})" for x in a.axes if x not in b.axes and a.size(x) > 1]
        if extra:
            raise EvaluationError(
                f"axes must fit: {names[0]} has {result.axes} {result.shape}, {names[1]} has {reference.axes} "
                f"{reference.shape}; only the {who} has {', '.join(extra)}. Choose one of these, or give the axes."
            )
    data = np.asarray(reference.data)
    data = data[tuple(slice(None) if a in result.axes else 0 for a in reference.axes)]
    kept = "".join(a for a in reference.axes if a in result.axes)
    missing = "".join(a for a in result.axes if a not in kept)
    data = data.reshape((1,) * len(missing) + data.shape)
    data = data.transpose([(missing + kept).index(a) for a in result.axes])
    units = {**dict(reference.units), **{a: result.units.get(a) for a in missing}}
    return Image(data, result.axes, _affine_on(reference, result), units, channel_names=reference.channel_names)


def _affine_on(reference: Image, result: Image) -> npt.NDArray[np.float64]:
    """Return the reference's matrix over the result's spatial axes, in the result's units."""
    order = result.spatial
    affine = np.array(result.affine)
    common = [a for a in order if a in reference.spatial]
    factors = {a: unit_factor(reference.units[a], result.units[a]) for a in common}
    ours = [order.index(a) for a in common]
    theirs = [reference.spatial.index(a) for a in common]
    for row, their_row, axis in zip(ours, theirs, common, strict=True):
        affine[row, ours] = reference.affine[their_row, theirs] * factors[axis]
        affine[row, -1] = reference.affine[their_row, -1] * factors[axis]
    return affine


def unit_factor(unit: str | None, to: str | None) -> float:
    """Return by what a length in one unit is multiplied to be in another; 1 where either is unknown."""
    return convert(1.0, unit, to) if unit in METRES and to in METRES else 1.0


def _shift(result: Image, reference: Image, names: tuple[str, str]) -> tuple[list[int], list[str]]:
    """Return where the reference begins in pixels of the result, per spatial axis, and notes."""
    unknown = [n for n, i in zip(names, (result, reference), strict=True) if not i.has_pixel_size]
    if unknown:
        return _same_corner(result, reference, names), [
            f"pixel size unknown ({' and '.join(unknown)}): fields of view taken to begin at the same corner"
        ]
    n = len(result.spatial)
    mapping = np.linalg.inv(result.affine) @ reference.affine
    extent = np.array([min(result.size(a), reference.size(a)) for a in result.spatial]) - 1.0
    drift = np.abs(mapping[:n, :n] - np.eye(n)) @ extent
    if drift.max() > TOLERANCE:
        raise EvaluationError(
            f"{names[0]} and {names[1]} must lie on one grid, got pixels of {_sizes(result)} and {_sizes(reference)}"
            + ("" if _same_sizes(result, reference) else " (or a pixel size that is a little wrong)")
            + f": they drift apart by {drift.max():.3g} pixels. Upscale by the factor between the input and "
            "the reference, or correct the pixel size (--pixel-size)."
        )
    offset = mapping[:n, n]
    if no_origin(reference, offset):
        return _same_corner(result, reference, names), [
            "the reference has no recorded origin: fields of view taken to begin at the same corner"
        ]
    whole = np.rint(offset)
    sizes = np.array([[image.size(a) for a in result.spatial] for image in (result, reference)])
    if np.any(whole >= sizes[0]) or np.any(whole + sizes[1] <= 0):
        return [int(v) for v in whole], []  # far apart: that is what is wrong
    if np.abs(offset - whole).max() > TOLERANCE:
        raise EvaluationError(
            f"{names[1]} begins {_numbers(offset)} pixels from {names[0]} along {result.spatial}, "
            "not a whole number. Correct the origins, or resample the reference onto the result's grid."
        )
    return [int(v) for v in whole], []


def _same_corner(result: Image, reference: Image, names: tuple[str, str]) -> list[int]:
    """Return no shift, if sizes differ by no more than what a reduction by an integer leaves out."""
    for axis in result.spatial:
        if abs(result.size(axis) - reference.size(axis)) >= LARGEST_SCALE:
            raise EvaluationError(
                f"{names[0]} and {names[1]} must have one size, got {result.shape} and {reference.shape}. "
                "Upscale by the factor between the input and the reference, or give pixel sizes and origins."
            )
    return [0] * len(result.spatial)


def no_origin(reference: Image, offset: npt.NDArray[np.float64]) -> bool:
    """Whether both files began at 0, and only the finer pixels of the result moved its first centre.

    An input at origin 0 gives a result whose first centre lies ``(scale - 1) / 2`` of its own pixels before 0.
    """
    if any(reference.origin):
        return False
    scale = 2.0 * offset + 1.0
    whole = np.abs(scale - np.rint(scale)).max() < TOLERANCE and scale.min() >= 1 and scale.max() <= LARGEST_SCALE + 0.5
    return bool(whole and np.rint(scale).max() > 1)


def cut_to(image: Image, start: list[int], shape: list[int]) -> Image:
    """Return a box of an image along its spatial axes."""
    box = {a: slice(s, s + n) for a, s, n in zip(image.spatial, start, shape, strict=True)}
    data = np.asarray(image.data)[tuple(box.get(a, slice(None)) for a in image.axes)]
    return image.replace(data=data, affine=crop_affine(image.affine, start))


def _sizes(image: Image) -> str:
    return " x ".join(f"{s:.6g} {image.units[a] or 'px'}" for a, s in zip(image.spatial, image.pixel_size, strict=True))


def _same_sizes(result: Image, reference: Image) -> bool:
    return bool(np.allclose(result.pixel_size, reference.pixel_size, rtol=0.02))


def _numbers(values: npt.NDArray[Any]) -> str:
    return ", ".join(f"{v:.3g}" for v in values)
