"""Crop a result and a reference to the same axes, pixels and position in the world, or say why that is impossible."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.grid import crop_affine
from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.registration.lengths import unit_factor

TOLERANCE = 0.1
"""Largest distance between the centres of two pixels that count as the same, in pixels of the result."""

LARGEST_SCALE = 8
"""Largest scale for which two images without recorded positions are taken to begin at the same corner."""


@dataclass(frozen=True, slots=True)
class MatchedPair:
    """A result and its reference on the same pixels.

    Attributes
    ----------
    result, reference
        Images with the same axes (those of the result), shape and grid; numpy data.
    start, reference_start
        First pixel of the common field in the given result and reference, for each spatial axis of the result.
    notes
        Assumptions, and pixels that were cut off, for the report.
    """

    result: Image
    reference: Image
    start: tuple[int, ...]
    reference_start: tuple[int, ...]
    notes: tuple[str, ...]


def match(result: Image, reference: Image, *, names: tuple[str, str] = ("result", "reference")) -> MatchedPair:
    """Crop two images with the same pixels to their common field, with their axes in the same order.

    Parameters
    ----------
    result, reference
        Images that may differ in axes of length 1. Both fields of view are taken to begin at the same corner where a
        pixel size is unknown, or the reference has no recorded origin; `notes` says so.
    names
        What messages call the two images.

    Raises
    ------
    EvaluationError
        If axes, channels, pixel size or position do not fit.
    """
    reference = align_axes(reference, result, names)
    for axis in result.axes:
        if axis in "TCS" and result.size(axis) != reference.size(axis):
            raise EvaluationError(
                f"{names[0]} and {names[1]} must have as many elements along {axis}, got {result.size(axis)} "
                f"and {reference.size(axis)}.",
                remedy="Choose the same channels and frames.",
            )
    shift, notes = _find_shift(result, reference, names)
    start, stop = [], []
    for axis, first in zip(result.spatial, shift, strict=True):
        start.append(max(0, first))
        stop.append(min(result.size(axis), first + reference.size(axis)))
    if any(b <= a for a, b in zip(start, stop, strict=True)):
        raise EvaluationError(
            f"{names[0]} and {names[1]} do not overlap: origins {result.origin} and {reference.origin}.",
            remedy="Check that both show the same field of view, or remove wrong origins.",
        )
    reference_start = [a - first for a, first in zip(start, shift, strict=True)]
    shape = [b - a for a, b in zip(start, stop, strict=True)]
    for name, image in zip(names, (result, reference), strict=True):
        cut = [
            f"{image.size(a) - n} along {a}" for a, n in zip(result.spatial, shape, strict=True) if image.size(a) > n
        ]
        if cut:
            notes.append(f"pixels of the {name} outside the common field were left out: {', '.join(cut)}")
    common = crop_spatial(result, start, shape)
    cropped = crop_spatial(reference, reference_start, shape).replace(affine=common.affine, units=common.units)
    return MatchedPair(common, cropped, tuple(start), tuple(reference_start), tuple(notes))


def align_axes(reference: Image, result: Image, names: tuple[str, str]) -> Image:
    """Return the reference with the axes of the result, and its affine in the units of the result.

    Raises
    ------
    EvaluationError
        If one image has an axis of several elements that the other lacks.
    """
    for a, b, name in ((reference, result, names[1]), (result, reference, names[0])):
        extra = [f"{x} ({a.size(x)})" for x in a.axes if x not in b.axes and a.size(x) > 1]
        if extra:
            raise EvaluationError(
                f"axes must fit: {names[0]} has {result.axes} {result.shape}, {names[1]} has {reference.axes} "
                f"{reference.shape}; only the {name} has {', '.join(extra)}.",
                remedy="Choose one element along these axes, or set `axes`.",
            )
    data = np.asarray(reference.data)
    data = data[tuple(slice(None) if a in result.axes else 0 for a in reference.axes)]
    kept = "".join(a for a in reference.axes if a in result.axes)
    missing = "".join(a for a in result.axes if a not in kept)
    data = data.reshape((1,) * len(missing) + data.shape)
    data = data.transpose([(missing + kept).index(a) for a in result.axes])
    units = {**dict(reference.units), **{a: result.units.get(a) for a in missing}}
    affine = affine_in_units_of(reference, result)
    return Image(data, result.axes, affine, units, channel_names=reference.channel_names)


def affine_in_units_of(reference: Image, result: Image) -> npt.NDArray[np.float64]:
    """Return the affine of the reference over the spatial axes of the result, in the units of the result."""
    order = result.spatial
    affine = np.array(result.affine)
    common = [a for a in order if a in reference.spatial]
    factors = {a: unit_factor(reference.units[a], result.units[a]) for a in common}
    rows = [order.index(a) for a in common]
    reference_rows = [reference.spatial.index(a) for a in common]
    for row, reference_row, axis in zip(rows, reference_rows, common, strict=True):
        affine[row, rows] = reference.affine[reference_row, reference_rows] * factors[axis]
        affine[row, -1] = reference.affine[reference_row, -1] * factors[axis]
    return affine


def _find_shift(result: Image, reference: Image, names: tuple[str, str]) -> tuple[list[int], list[str]]:
    """Return the position of the first pixel of the reference in the result, per spatial axis, and notes."""
    unknown = [n for n, i in zip(names, (result, reference), strict=True) if not i.has_pixel_size]
    if unknown:
        return _begin_at_same_corner(result, reference, names), [
            f"pixel size unknown ({' and '.join(unknown)}): fields of view taken to begin at the same corner"
        ]
    n = len(result.spatial)
    mapping = np.linalg.inv(result.affine) @ reference.affine
    extent = np.array([min(result.size(a), reference.size(a)) for a in result.spatial]) - 1.0
    drift = np.abs(mapping[:n, :n] - np.eye(n)) @ extent
    if drift.max() > TOLERANCE:
        if (orientation := _describe_turn(mapping[:n, :n], result.spatial)) and names[1] == "reference":
            raise EvaluationError(
                f"the {names[1]} must have the orientation of the {names[0]}, but is {orientation}.",
                remedy="Set `register`, which resamples the reference onto the grid of the result.",
            )
        raise EvaluationError(
            f"{names[0]} and {names[1]} must lie on one grid, got pixels of {_format_pixel_size(result)} and "
            f"{_format_pixel_size(reference)}"
            + ("" if _similar_pixel_sizes(result, reference) else " (or a pixel size that is a little wrong)")
            + f": they drift apart by {drift.max():.3g} pixels.",
            remedy="Upscale by the factor between the input and the reference, or correct `pixel_size`.",
        )
    offset = mapping[:n, n]
    if lacks_origin(reference, offset):
        return _begin_at_same_corner(result, reference, names), [
            "the reference has no recorded origin: fields of view taken to begin at the same corner"
        ]
    whole = np.rint(offset)
    sizes = np.array([[image.size(a) for a in result.spatial] for image in (result, reference)])
    if np.any(whole >= sizes[0]) or np.any(whole + sizes[1] <= 0):
        # Fields that do not overlap are the real error, not the fraction of a pixel between them.
        return [int(v) for v in whole], []
    if np.abs(offset - whole).max() > TOLERANCE:
        raise EvaluationError(
            f"{names[1]} begins {_format_numbers(offset)} pixels from {names[0]} along {result.spatial}, "
            "not a whole number.",
            remedy="Set `register`, which resamples the reference onto the grid of the result, or correct the origins."
            if names[1] == "reference"
            else "Correct the origins, or resample it.",
        )
    return [int(v) for v in whole], []


def _begin_at_same_corner(result: Image, reference: Image, names: tuple[str, str]) -> list[int]:
    """Return no shift, provided that the sizes differ by no more than the remainder of an integer reduction."""
    for axis in result.spatial:
        if abs(result.size(axis) - reference.size(axis)) >= LARGEST_SCALE:
            raise EvaluationError(
                f"{names[0]} and {names[1]} must have one size, got {result.shape} and {reference.shape}.",
                remedy="Upscale by the factor between the input and the reference, or give pixel sizes and origins.",
            )
    return [0] * len(result.spatial)


def lacks_origin(reference: Image, offset: npt.NDArray[np.float64]) -> bool:
    """Return whether both files began at origin 0, and only the finer pixels of the result moved its first centre.

    An input at origin 0 gives a result whose first centre lies ``(scale - 1) / 2`` of its own pixels before 0.

    Parameters
    ----------
    reference
        Image with its recorded origin.
    offset
        Position of its first pixel in pixels of the result, per spatial axis.
    """
    if any(reference.origin):
        return False
    scale = 2.0 * offset + 1.0
    whole = np.abs(scale - np.rint(scale)).max() < TOLERANCE and scale.min() >= 1 and scale.max() <= LARGEST_SCALE + 0.5
    return bool(whole and np.rint(scale).max() > 1)


def crop_spatial(image: Image, start: list[int], shape: list[int]) -> Image:
    """Return a part of an image, given by its first pixel and its shape along the spatial axes."""
    part = {a: slice(s, s + n) for a, s, n in zip(image.spatial, start, shape, strict=True)}
    data = np.asarray(image.data)[tuple(part.get(a, slice(None)) for a in image.axes)]
    return image.replace(data=data, affine=crop_affine(image.affine, start))


def _format_pixel_size(image: Image) -> str:
    return " x ".join(f"{s:.6g} {image.units[a] or 'px'}" for a, s in zip(image.spatial, image.pixel_size, strict=True))


def _similar_pixel_sizes(result: Image, reference: Image) -> bool:
    return bool(np.allclose(result.pixel_size, reference.pixel_size, rtol=0.02))


def _describe_turn(mapping: npt.NDArray[np.float64], axes: str) -> str:
    """Return how a grid is turned against another, in words; nothing if its axes lie along the other's."""
    direction = mapping / np.linalg.norm(mapping, axis=0)
    if np.abs(np.abs(direction) - np.eye(len(axes))).max() > 1e-3:
        return "rotated against it"
    mirrored = [axis for axis, cosine in zip(axes, np.diag(direction), strict=True) if cosine < 0]
    return f"mirrored along {' and '.join(mirrored)}" if mirrored else ""


def _format_numbers(values: npt.NDArray[Any]) -> str:
    return ", ".join(f"{v:.3g}" for v in values)
