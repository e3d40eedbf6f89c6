"""Move a reference onto a result: first by their recorded positions, then by the shift or rotation that is left.

The shift is found as in ``shifts``; a rotation or affine transform with SimpleITK. The reference is moved, not the
image that is judged. It is interpolated once, or not at all if it moves by whole pixels.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.invalid import fill
from napari_superres.core.options import checks_names
from napari_superres.core.units import METRES
from napari_superres.errors import EvaluationError, MissingExtraError, SettingsError
from napari_superres.evaluation.registration.lengths import length_unit, pixel_sizes
from napari_superres.evaluation.registration.match import LARGEST_SCALE, align_axes, crop_spatial, lacks_origin
from napari_superres.evaluation.registration.shifts import (
    MIN_LENGTH,
    Shift,
    contrast,
    correlation,
    fill_with_mean,
    find_shift,
    searchable_axes,
    smooth_channels,
)

Transform = Literal["shift", "rigid", "affine"]
Floats = npt.NDArray[np.float64]
Pair = tuple[Image, Image]

MIN_CORRELATION = 0.3
"""Correlation below which no shift or transform is applied."""

_MAX_COARSENESS, _MIN_SHIFT, _MIN_IMPROVEMENT = 1.05, 0.05, 1e-4
ALONG_LINES = "along the lines of the sample, where nothing changes, no shift can be measured"
"""Note on samples such as gratings, of which only the position across their lines is known."""

_FRAMES = 8
"""About the number of frames in which contrast is looked for."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A result, and its reference moved onto it.

    Attributes
    ----------
    result, reference
        Images with the axes of the result, the same shape and the same grid, cropped to their common field. Where the
        reference was interpolated, it may hold nan.
    shift
        How far the centre of the reference was moved from its recorded position, per spatial axis, in `unit`.
    pixels
        The same in pixels of the result.
    error
        Standard error of the length of `pixels`, in pixels of the result: from how the noise of both images pulls at
        the shift. Infinite where they do not say, such as along a line.
    unit
        Unit of length; ``"pixel"`` where the pixel size is unknown.
    correlation_before, correlation
        Pearson's coefficient at the recorded position and after registration, in the channel where it is highest. Both
        images are smoothed by 1.5 pixels for it.
    matrix
        ``(n+1, n+1)``, moves the reference onto the result in world coordinates; None if only a shift was applied.
    notes
        Assumptions, and why nothing was moved, for the report.
    """

    result: Image
    reference: Image
    shift: tuple[float, ...]
    pixels: tuple[float, ...]
    error: float
    unit: str
    correlation_before: float
    correlation: float
    matrix: Floats | None
    notes: tuple[str, ...]


@checks_names
def register(result: Image, reference: Image, *, transform: Transform = "shift") -> Registration:
    """Move a reference onto a result, so that metrics do not measure how the sample was placed.

    Nothing is moved by less than 0.05 pixels, by less than twice the error of the shift, or where moving does not
    improve the correlation. Along Z, no shift is searched in fewer than 12 planes. In movies, one frame is registered
    and all frames move with it: the frame nearest the middle that has contrast.

    Parameters
    ----------
    result, reference
        Images that may differ in axes of length 1. The reference may have finer pixels, another position and another
        orientation. Where a pixel size is unknown, both fields are taken to begin at the same corner.
    transform
        Transform to search beyond the recorded positions: ``"shift"``, ``"rigid"`` (shift and rotation) or
        ``"affine"`` (scale and shear too). Shifts of up to a quarter of the searched field are found. That field is
        the middle of the image, of at most 1024 x 1024 pixels, or 32 x 192 x 192 for volumes.

    Returns
    -------
    Registration

    Raises
    ------
    EvaluationError
        If the images do not fit or hardly overlap, or the reference is constant or more than 5 % coarser.
    MissingExtraError
        If ``"rigid"`` or ``"affine"`` is asked for without SimpleITK.
    SettingsError
        If `transform` is unknown.
    """
    if transform not in get_args(Transform):
        raise SettingsError(
            f"unknown transform {transform!r}.", remedy=f"Valid transforms: {', '.join(get_args(Transform))}."
        )
    aligned = align_axes(reference, result, ("result", "reference"))
    for axis in (a for a in result.axes if a in "TCS" and result.size(a) != aligned.size(a)):
        raise EvaluationError(
            f"result and reference must be as long along {axis}, got {result.size(axis)} and {aligned.size(axis)}.",
            remedy="Choose the same channels and frames.",
        )
    mapping, notes = _recorded_mapping(result, aligned)
    frames = _frame_with_contrast(result, aligned)
    shift, found = _search_shift(*_common_field(*frames, mapping), notes)
    before, after = found.before, found.after if shift.any() else found.before
    movement = _translation(-shift)
    if transform != "shift":
        refinement, after = _search_transform(frames, mapping @ movement, transform, after, notes)
        movement = movement @ refinement
    common, moved = _common_field(result, aligned, mapping @ movement)
    if not np.may_share_memory(moved.data, aligned.data):
        notes.append("the reference was interpolated by a cubic spline, once")
    return _registration(result, (common, moved), movement, found.error, (before, after), notes)


def _registration(
    result: Image, pair: Pair, movement: Floats, error: float, correlations: tuple[float, float], notes: list[str]
) -> Registration:
    """Return the registration, given the movement and its error in pixels of the result."""
    centre = np.array([*((result.size(a) - 1) / 2 for a in result.spatial), 1.0])
    pixels = (centre - movement @ centre)[:-1]
    unit = length_unit(result)
    sizes = pixel_sizes(result, result.spatial)
    matrix = result.affine @ np.linalg.inv(movement) @ np.linalg.inv(result.affine)
    return Registration(
        *pair,
        tuple((pixels * (sizes if unit != "pixel" else 1)).tolist()),
        tuple(pixels.tolist()),
        error,
        unit,
        *correlations,
        None if np.array_equal(movement[:-1, :-1], np.eye(len(pixels))) else matrix,
        tuple(notes),
    )


def _frame_with_contrast(result: Image, reference: Image) -> Pair:
    """Return the frame nearest the middle in which both images have at least half the contrast of other frames."""
    if (count := result.size("T")) == 1:
        return result, reference
    tried = sorted({(2 * i + 1) * count // (2 * _FRAMES) for i in range(_FRAMES)} | {count // 2})
    frames = {t: (_frame(result, t), _frame(reference, t)) for t in tried}
    # Smoothed frames are compared, so that noise alone is hardly contrast.
    smooth = {t: smooth_channels(*pair) for t, pair in frames.items()}
    seen = {
        t: np.max([[contrast(v) for v in channel] for channel in channels], axis=0) for t, channels in smooth.items()
    }
    most = np.max(list(seen.values()), axis=0)
    good = [t for t in tried if np.all(seen[t] >= most / 2)] or tried
    best = min(good, key=lambda t: abs(t - count // 2))
    return frames[best]


def _frame(image: Image, at: int) -> Image:
    key = tuple(slice(at, at + 1) if a == "T" else slice(n) for a, n in zip(image.axes, image.shape, strict=True))
    return image.replace(data=image.data[key])


def _recorded_mapping(result: Image, reference: Image) -> tuple[Floats, list[str]]:
    """Return the matrix from pixels of the result to pixels of the reference by their recorded positions, and notes."""
    n, notes = len(result.spatial), []
    mapping = np.linalg.inv(reference.affine) @ result.affine
    known = result.has_pixel_size and reference.has_pixel_size
    unknown = [a for a in result.spatial if not (known and result.units[a] in METRES and reference.units[a] in METRES)]
    for i, axis in enumerate(result.spatial):
        size, other = result.size(axis), reference.size(axis)
        if axis in unknown and abs(size - other) >= LARGEST_SCALE:
            raise EvaluationError(
                f"without pixel size both must be as long along {axis}, got {size} and {other} pixels.",
                remedy="Set `pixel_size` for both.",
            )
        if axis in unknown or size == other == 1:
            # The position of a single plane along its axis does not matter.
            mapping[i, :] = mapping[:, i] = np.eye(n + 1)[i]
    if unknown:
        notes.append(f"pixel size unknown ({', '.join(unknown)}): equal pixels and a common corner were assumed")
    steps = np.linalg.norm(mapping[:n, :n], axis=0)
    if steps.min() * _MAX_COARSENESS < 1:
        ratio, axis = 1 / steps.min(), result.spatial[steps.argmin()]
        raise EvaluationError(
            f"the reference must be as fine as the result, got {ratio:.3g} times its pixel size along {axis}: a "
            "coarser scan cannot score detail.",
            remedy="Compare at the pixel size of the reference.",
        )
    if np.array_equal(_snap_to_pixels(mapping, result)[:n, :n], np.eye(n)) and lacks_origin(reference, -mapping[:n, n]):
        notes.append("the reference has no recorded origin: fields of view taken to begin at the same corner")
        mapping[:n, n] = 0
    return mapping, notes


def _snap_to_pixels(mapping: Floats, result: Image) -> Floats:
    """Return a mapping whose rows are rounded to whole pixels where that changes no position noticeably."""
    snapped = mapping.copy()
    extent = np.array([result.size(a) - 1.0 for a in result.spatial])
    for row, whole in zip(snapped[:-1], np.rint(mapping[:-1]), strict=True):
        if np.abs(row - whole)[:-1] @ extent < _MIN_SHIFT:
            row[:-1] = whole[:-1]
            row[-1] = whole[-1] if abs(row[-1] - whole[-1]) < _MIN_SHIFT else row[-1]
    return snapped


def _common_field(result: Image, reference: Image, mapping: Floats) -> Pair:
    """Return both images on the grid of the result, cropped to the field in which both have finite pixels.

    `mapping` takes pixels of the result to pixels of the reference.
    """
    size = np.array([result.size(a) for a in result.spatial])
    n, mapping, offset = len(size), _snap_to_pixels(mapping, result), np.zeros(len(size), dtype=int)
    if np.array_equal(mapping[:n], np.column_stack([np.eye(n), np.rint(mapping[:n, n])])):
        offset = mapping[:n, n].astype(int)
    else:
        reference = _resample(reference, mapping, tuple(size.tolist()))
    start = np.maximum(0, -offset)
    shape = np.minimum(size, np.array([reference.size(a) for a in result.spatial]) - offset) - start
    if shape.min() > 0:
        pair = [
            crop_spatial(image, first.tolist(), shape.tolist())
            for image, first in ((result, start), (reference, start + offset))
        ]
        valid = np.isfinite(pair[0].data) & np.isfinite(pair[1].data)
        across = [tuple(i for i, b in enumerate(result.axes) if b != a) for a in result.spatial]
        used = [np.flatnonzero(valid.any(axis=axes)) for axes in across]
        first = [int(at.min(initial=size.max())) for at in used]
        shape = np.array([int(at.max(initial=-1)) + 1 - a for at, a in zip(used, first, strict=True)])
        if all(k >= MIN_LENGTH or axis == "Z" for k, axis in zip(shape, result.spatial, strict=True)):
            common, moved = (crop_spatial(image, first, shape.tolist()) for image in pair)
            return common, moved.replace(affine=common.affine, units=common.units)
    raise EvaluationError(
        f"result and reference must overlap by {MIN_LENGTH} valid pixels along Y and X, got origins {result.origin} "
        f"and {reference.origin}.",
        remedy="Check that both show the same field of view, or remove wrong origins.",
    )


def _resample(reference: Image, mapping: Floats, shape: tuple[int, ...]) -> Image:
    """Return the reference on another grid; nan where its pixels, or those that the interpolation needs, end."""
    from scipy.ndimage import affine_transform, gaussian_filter, minimum_filter

    n = len(shape)
    # The smoothing of scikit-image's resize suppresses aliasing where the reference has finer pixels.
    sigma = (np.linalg.norm(mapping[:n, :n], axis=1) - 1).clip(min=0) / 2
    # The spline reaches one pixel further, and the smoothing two standard deviations.
    reach = (mapping != np.rint(mapping)).any(axis=1)[:n] + np.ceil(2 * sigma).astype(int)
    spatial = [reference.axes.index(a) for a in reference.spatial]
    volumes = np.moveaxis(np.asarray(reference.data), spatial, range(-n, 0))
    out = np.empty((*volumes.shape[:-n], *shape))
    for index in np.ndindex(*volumes.shape[:-n]):
        values = volumes[index].astype(np.float64)
        valid = np.isfinite(values)
        values = values if valid.all() else fill_with_mean(fill(values, np.nan))
        values = affine_transform(gaussian_filter(values, sigma), mapping, output_shape=shape, mode="mirror")
        inner = minimum_filter(valid.astype(np.float64), size=2 * reach + 1, mode="constant")
        inside = affine_transform(inner, mapping, output_shape=shape, order=1) > 1 - 1e-6
        out[index] = np.where(inside, values, np.nan)
    return reference.replace(data=np.moveaxis(out, range(-n, 0), spatial))


def _search_shift(result: Image, reference: Image, notes: list[str]) -> tuple[Floats, Shift]:
    """Return the shift to apply along each spatial axis, and the shift that was found; note why they differ."""
    channels = smooth_channels(result, reference, middle=True)
    if not any(contrast(moving) for _, moving in channels):
        raise EvaluationError(
            "the reference must not be constant over the common field.", remedy="Check that both images overlap."
        )
    best = max((find_shift(fixed, moving) for fixed, moving in channels), key=lambda shift: shift.after)
    shift, length = np.zeros(len(result.spatial)), float(np.linalg.norm(best.pixels))
    notes += [] if best.along is None else [ALONG_LINES]
    if best.after <= MIN_CORRELATION:
        notes.append(f"no shift was found at which both correlate by {MIN_CORRELATION}: the reference was not moved")
    elif length > _MIN_SHIFT and length < 2 * best.error:
        notes.append(
            f"the shift of {length:.2g} pixels is smaller than twice its error of {best.error:.2g} pixels: the "
            "reference was not moved"
        )
    else:
        shift[searchable_axes(result)] = np.where(np.abs(best.pixels) < _MIN_SHIFT, 0.0, best.pixels)
    return shift, best


def _translation(shift: Floats) -> Floats:
    return np.block([[np.eye(len(shift)), shift[:, None]], [np.zeros(len(shift)), 1.0]])


def _search_transform(
    pair: Pair, mapping: Floats, kind: Transform, before: float, notes: list[str]
) -> tuple[Floats, float]:
    """Return the transform of pixels to apply before `mapping`, and the correlation with it.

    The identity, and a note, if no transform improves the correlation.
    """
    try:
        import SimpleITK
    except ImportError as error:
        raise MissingExtraError(
            "rotations need SimpleITK, which is not installed.", remedy="Run: pip install SimpleITK"
        ) from error
    common, moved = _common_field(*pair, mapping)
    fixed, moving = max(smooth_channels(common, moved), key=lambda channel: correlation(*channel))
    axes, n, total = searchable_axes(common), fixed.ndim, len(common.spatial)
    start = np.linalg.solve(pair[0].affine, common.affine)[axes, -1]
    size = np.asarray(common.pixel_size)[axes] / min(common.pixel_size)
    arrays = fill_with_mean(fixed), fill_with_mean(moving), (np.isfinite(fixed) & np.isfinite(moving)).astype(np.uint8)
    images = [SimpleITK.GetImageFromArray(v) for v in arrays]
    for image in images:  # SimpleITK counts X first.
        image.SetSpacing(size[::-1].tolist())
        image.SetOrigin((start * size)[::-1].tolist())
    rigid = SimpleITK.Euler2DTransform if n == 2 else SimpleITK.Euler3DTransform
    transform = rigid() if kind == "rigid" else SimpleITK.AffineTransform(n)
    transform.SetCenter(((start + (np.array(fixed.shape) - 1) / 2) * size)[::-1].tolist())
    method = _registration_method(images[2], fixed.shape)
    method.SetInitialTransform(transform, inPlace=True)
    # SimpleITK raises a RuntimeError where the search drives the images apart.
    with suppress(RuntimeError, EvaluationError):
        method.Execute(*images[:2])
        lengths = _translation(np.array(transform.TransformPoint([0.0] * n))[::-1])
        lengths[:n, :n] = np.reshape(transform.GetMatrix(), (n, n))[::-1, ::-1]
        matrix = np.eye(total + 1)
        matrix[np.ix_([*axes, total], [*axes, total])] = lengths * [*size, 1] / np.array([[*size, 1]]).T
        channels = smooth_channels(*_common_field(*pair, mapping @ matrix), middle=True)
        after = max(correlation(*channel) for channel in channels)
        if after > max(before + _MIN_IMPROVEMENT, MIN_CORRELATION):
            return matrix, after
    notes.append(f"no {kind} transform improves on the shift: none was applied")
    return np.eye(total + 1), before


def _registration_method(mask: Any, shape: tuple[int, ...]) -> Any:
    """Return a method that maximises the correlation inside a mask, from coarse to fine."""
    import SimpleITK

    levels = [4, 2, 1] if min(shape) >= 64 else [1]
    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(mask)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 200, gradientMagnitudeTolerance=1e-10)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(levels)
    method.SetSmoothingSigmasPerLevel([level - 1 for level in levels])
    method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(False)
    return method
