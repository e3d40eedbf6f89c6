"""A reference scan brought onto a result: grid by physical coordinates, then what shift or turn is left.

The shift is where the cross-correlation has its peak (not that of phases alone, which fails on smooth images),
refined by least squares (Lucas, Kanade, IJCAI 1981) with gain and offset free: the optimum of the correlation
coefficient. The reference is moved, the image that is not judged, by one interpolation, or none for whole pixels.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.invalid import fill
from napari_superres.core.units import METRES
from napari_superres.errors import EvaluationError, MissingExtraError, SettingsError
from napari_superres.evaluation.registration.match import LARGEST_SCALE, conform, cut_to, no_origin, unit_factor
from napari_superres.evaluation.registration.shifts import (
    SHORTEST,
    contrast,
    correlation,
    filled,
    peak,
    scenes,
    searched,
)

Transform = Literal["shift", "rigid", "affine"]
Floats = npt.NDArray[np.float64]
Pair = tuple[Image, Image]

_COARSER, _SMALLEST_SHIFT, LEAST_CORRELATION, _LEAST_GAIN = 1.05, 0.05, 0.3, 1e-4


@dataclass(frozen=True, slots=True)
class Registration:
    """A result and its reference, moved onto it.

    Attributes
    ----------
    result, reference
        The result's axes, one shape and grid, cut to what both show; a reference that was interpolated has nan.
    shift
        How far the middle of the reference was moved from its recorded position, along each spatial axis, in `unit`.
    pixels
        The same in pixels of the result.
    unit
        Of length; ``"pixel"`` where the pixel size is not known.
    correlation_before, correlation
        Pearson, by recorded position and after registration, both smoothed by 1.5 pixels, in the best channel.
    matrix
        ``(n+1, n+1)``, moves the reference onto the result in world coordinates; None where only a shift was applied.
    notes
        What was taken for granted, for the report.
    """

    result: Image
    reference: Image
    shift: tuple[float, ...]
    pixels: tuple[float, ...]
    unit: str
    correlation_before: float
    correlation: float
    matrix: Floats | None
    notes: tuple[str, ...]


def register(result: Image, reference: Image, *, transform: Transform = "shift") -> Registration:
    """Bring a reference onto a result, so that metrics do not measure how the sample lay.

    Nothing is moved by less than 0.05 pixels, nor where that does not help. Along Z nothing is looked for in fewer
    than 12 planes. In movies the middle frame is registered and all frames move with it.

    Parameters
    ----------
    result, reference
        Axes of one element may be missing in either. The reference may have finer pixels and any position and
        orientation; where a pixel size is unknown, both fields are taken to begin at the same corner.
    transform
        Looked for beyond recorded positions: a shift of up to a quarter of the field, or of its middle 1024 pixels
        (32 x 192 x 192 of volumes), from which it is found; rotation too; scale, shear too.

    Raises
    ------
    EvaluationError, MissingExtraError, SettingsError
        If the two do not fit or hardly overlap, or the reference is constant or more than 5 % coarser; if SimpleITK is
        needed and missing; if there is no such transform.
    """
    if transform not in get_args(Transform):
        raise SettingsError(f"transform must be one of {', '.join(get_args(Transform))}, got {transform!r}.")
    ours = conform(reference, result, ("result", "reference"))
    for axis in (a for a in result.axes if a in "TCS" and result.size(a) != ours.size(a)):
        said = f"result and reference must be as long along {axis}, got {result.size(axis)} and {ours.size(axis)}."
        raise EvaluationError(f"{said} Choose the same channels and frames.")
    mapping, notes = _mapping(result, ours)
    key = tuple(slice(n // 2, n // 2 + 1) if a == "T" else slice(n) for a, n in zip(ours.axes, ours.shape, strict=True))
    frames = result.replace(data=result.data[key]), ours.replace(data=ours.data[key])
    shift, before, after = _shift(*_placed(*frames, mapping), notes)
    moved = _translation(-shift)
    if transform != "shift":
        turn, after = _turn(frames, mapping @ moved, transform, after, notes)
        moved = moved @ turn
    common, placed = _placed(result, ours, mapping @ moved)
    if not np.may_share_memory(placed.data, ours.data):
        notes.append("the reference was interpolated by a cubic spline, once")
    centre = np.array([*((result.size(a) - 1) / 2 for a in result.spatial), 1.0])
    pixels = (centre - moved @ centre)[:-1]
    unit = str(result.units["X"]) if result.has_pixel_size else "pixel"
    sizes = [s * unit_factor(result.units[a], unit) for a, s in zip(result.spatial, result.pixel_size, strict=True)]
    matrix = result.affine @ np.linalg.inv(moved) @ np.linalg.inv(result.affine)
    return Registration(
        common,
        placed,
        tuple((pixels * (sizes if unit != "pixel" else 1)).tolist()),
        tuple(pixels.tolist()),
        unit,
        before,
        after,
        None if np.array_equal(moved[:-1, :-1], np.eye(len(pixels))) else matrix,
        tuple(notes),
    )


def _mapping(result: Image, reference: Image) -> tuple[Floats, list[str]]:
    """Return the matrix from pixels of the result to pixels of the reference by what is recorded, and notes."""
    n, notes = len(result.spatial), []
    mapping = np.linalg.inv(reference.affine) @ result.affine
    known = result.has_pixel_size and reference.has_pixel_size
    unknown = [a for a in result.spatial if not (known and result.units[a] in METRES and reference.units[a] in METRES)]
    for i, axis in enumerate(result.spatial):
        size, other = result.size(axis), reference.size(axis)
        if axis in unknown and abs(size - other) >= LARGEST_SCALE:
            said = f"without pixel size both must be as long along {axis}, got {size} and {other} pixels."
            raise EvaluationError(f"{said} Give the pixel size of both (--pixel-size).")
        if axis in unknown or size == other == 1:  # The position of a single plane does not matter.
            mapping[i, :] = mapping[:, i] = np.eye(n + 1)[i]
    if unknown:
        notes.append(f"pixel size unknown ({', '.join(unknown)}): pixels taken to be equal, from the same corner on")
    steps = np.linalg.norm(mapping[:n, :n], axis=0)
    if steps.min() * _COARSER < 1:
        worst, axis = 1 / steps.min(), result.spatial[steps.argmin()]
        said = f"the reference must be as fine as the result, got {worst:.3g} times its pixel size along {axis}."
        raise EvaluationError(f"{said} Detail cannot be scored against a coarser scan: compare at its pixel size.")
    if np.array_equal(_snapped(mapping, result)[:n, :n], np.eye(n)) and no_origin(reference, -mapping[:n, n]):
        notes.append("the reference has no recorded origin: fields of view taken to begin at the same corner")
        mapping[:n, n] = 0
    return mapping, notes


def _snapped(mapping: Floats, result: Image) -> Floats:
    """Return a mapping that hits whole pixels exactly where it nearly does."""
    out = mapping.copy()
    extent = np.array([result.size(a) - 1.0 for a in result.spatial])
    for row, whole in zip(out[:-1], np.rint(mapping[:-1]), strict=True):
        if np.abs(row - whole)[:-1] @ extent < _SMALLEST_SHIFT:
            row[:-1] = whole[:-1]
            row[-1] = whole[-1] if abs(row[-1] - whole[-1]) < _SMALLEST_SHIFT else row[-1]
    return out


def _placed(result: Image, reference: Image, mapping: Floats) -> Pair:
    """Return both on the result's grid, cut to the box in which both have pixels."""
    size = np.array([result.size(a) for a in result.spatial])
    n, mapping, offset = len(size), _snapped(mapping, result), np.zeros(len(size), dtype=int)
    if np.array_equal(mapping[:n], np.column_stack([np.eye(n), np.rint(mapping[:n, n])])):
        offset = mapping[:n, n].astype(int)
    else:
        reference = _resampled(reference, mapping, tuple(size.tolist()))
    start = np.maximum(0, -offset)
    shape = np.minimum(size, np.array([reference.size(a) for a in result.spatial]) - offset) - start
    if shape.min() > 0:
        pair = [cut_to(i, at.tolist(), shape.tolist()) for i, at in ((result, start), (reference, start + offset))]
        valid = np.isfinite(pair[0].data) & np.isfinite(pair[1].data)
        across = [tuple(i for i, b in enumerate(result.axes) if b != a) for a in result.spatial]
        used = [np.flatnonzero(valid.any(axis=axes)) for axes in across]
        first = [int(at.min(initial=size.max())) for at in used]
        shape = np.array([int(at.max(initial=-1)) + 1 - a for at, a in zip(used, first, strict=True)])
        if all(k >= SHORTEST or axis == "Z" for k, axis in zip(shape, result.spatial, strict=True)):
            common, ours = (cut_to(image, first, shape.tolist()) for image in pair)
            return common, ours.replace(affine=common.affine, units=common.units)
    raise EvaluationError(
        f"result and reference must overlap by {SHORTEST} valid pixels along Y and X, got origins {result.origin} and "
        f"{reference.origin}. Check that both show the same field of view, or remove wrong origins."
    )


def _resampled(reference: Image, mapping: Floats, shape: tuple[int, ...]) -> Image:
    """Return the reference on another grid; nan where its pixels, or the reach of the interpolation, end."""
    from scipy.ndimage import affine_transform, gaussian_filter, minimum_filter

    n = len(shape)
    sigma = (np.linalg.norm(mapping[:n, :n], axis=1) - 1).clip(min=0) / 2  # as scikit-image's resize
    reach = (mapping != np.rint(mapping)).any(axis=1)[:n] + np.ceil(2 * sigma).astype(int)  # spline, smoothing
    spatial = [reference.axes.index(a) for a in reference.spatial]
    volumes = np.moveaxis(np.asarray(reference.data), spatial, range(-n, 0))
    out = np.empty((*volumes.shape[:-n], *shape))
    for where in np.ndindex(*volumes.shape[:-n]):
        values = volumes[where].astype(np.float64)
        valid = np.isfinite(values)
        values = values if valid.all() else filled(fill(values, np.nan))
        values = affine_transform(gaussian_filter(values, sigma), mapping, output_shape=shape, mode="mirror")
        inner = minimum_filter(valid.astype(np.float64), size=2 * reach + 1, mode="constant")
        inside = affine_transform(inner, mapping, output_shape=shape, order=1) > 1 - 1e-6
        out[where] = np.where(inside, values, np.nan)
    return reference.replace(data=np.moveaxis(out, range(-n, 0), spatial))


def _shift(result: Image, reference: Image, notes: list[str]) -> tuple[Floats, float, float]:
    """Return the shift to apply, and the correlation without and with it; note why nothing is applied."""
    both = scenes(result, reference, middle=True)
    if not any(contrast(b) for _, b in both):
        raise EvaluationError("the reference must not be constant over the common field. Check that it overlaps.")
    found, before, after, _ = max((peak(a, b) for a, b in both), key=lambda found: found[2])
    shift = np.zeros(len(result.spatial))
    if after > LEAST_CORRELATION:
        shift[searched(result)] = np.where(np.abs(found) < _SMALLEST_SHIFT, 0.0, found)
    else:
        notes.append(f"no shift was found at which they correlate by {LEAST_CORRELATION}: the reference was not moved")
    return shift, before, after if shift.any() else before


def _translation(shift: Floats) -> Floats:
    return np.block([[np.eye(len(shift)), shift[:, None]], [np.zeros(len(shift)), 1.0]])


def _turn(pair: Pair, mapping: Floats, kind: Transform, before: float, notes: list[str]) -> tuple[Floats, float]:
    """Return what to do to pixels before `mapping`, and the correlation; the identity, and a note, if nothing helps."""
    try:
        import SimpleITK
    except ImportError as error:
        raise MissingExtraError("rotations need SimpleITK, which is missing. Run: pip install SimpleITK") from error
    common, placed = _placed(*pair, mapping)
    fixed, moving = max(scenes(common, placed), key=lambda scene: correlation(*scene))
    axes, n, total = searched(common), fixed.ndim, len(common.spatial)
    start = np.linalg.solve(pair[0].affine, common.affine)[axes, -1]
    size = np.asarray(common.pixel_size)[axes] / min(common.pixel_size)
    arrays = filled(fixed), filled(moving), (np.isfinite(fixed) & np.isfinite(moving)).astype(np.uint8)
    images = [SimpleITK.GetImageFromArray(v) for v in arrays]
    for image in images:  # X comes first.
        image.SetSpacing(size[::-1].tolist())
        image.SetOrigin((start * size)[::-1].tolist())
    rigid = SimpleITK.Euler2DTransform if n == 2 else SimpleITK.Euler3DTransform
    found = rigid() if kind == "rigid" else SimpleITK.AffineTransform(n)
    found.SetCenter(((start + (np.array(fixed.shape) - 1) / 2) * size)[::-1].tolist())
    levels = [4, 2, 1] if min(fixed.shape) >= 64 else [1]
    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(images[2])
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 200, gradientMagnitudeTolerance=1e-10)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(levels)
    method.SetSmoothingSigmasPerLevel([level - 1 for level in levels])
    method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(False)
    method.SetInitialTransform(found, inPlace=True)
    with suppress(RuntimeError, EvaluationError):  # The images were driven apart.
        method.Execute(*images[:2])
        lengths = _translation(np.array(found.TransformPoint([0.0] * n))[::-1])
        lengths[:n, :n] = np.reshape(found.GetMatrix(), (n, n))[::-1, ::-1]
        turn = np.eye(total + 1)
        turn[np.ix_([*axes, total], [*axes, total])] = lengths * [*size, 1] / np.array([[*size, 1]]).T
        after = max(correlation(*scene) for scene in scenes(*_placed(*pair, mapping @ turn), middle=True))
        if after > max(before + _LEAST_GAIN, LEAST_CORRELATION):
            return turn, after
    notes.append(f"no {kind} transform improves on the shift: none was applied")
    return np.eye(total + 1), before
