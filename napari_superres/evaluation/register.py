"""A reference scan brought onto a result: grid by physical coordinates, then what shift or turn is left.

The shift is where the cross-correlation has its peak (not that of phases alone, which fails on smooth images),
refined by least squares (Lucas, Kanade, IJCAI 1981) with gain and offset free: the optimum of the correlation
coefficient. The reference is moved, the image that is not judged, by one interpolation, or none for whole pixels.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.invalid import fill
from napari_superres.core.units import METRES
from napari_superres.errors import EvaluationError, MissingExtraError, SettingsError
from napari_superres.evaluation.match import LARGEST_SCALE, conform, cut_to, match, no_origin, unit_factor

Transform = Literal["shift", "rigid", "affine"]
Floats = npt.NDArray[np.float64]
Pair = tuple[Image, Image]

MOST_DEFORMATION = 0.5
"""Local shift, in pixels of the result (95th percentile), above which the reference counts as deformed."""

_COARSER, _SMALLEST_SHIFT, _SHORTEST, _SMOOTHING, _LEAST_GAIN = 1.05, 0.05, 12, 1.5, 1e-4
_LEAST_CORRELATION, _LEAST_TILE_CORRELATION, _LEAST_SLOPES, _LEAST_CONTRAST = 0.3, 0.5, 0.3, 0.1


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
        Looked for beyond recorded positions: a shift of up to a quarter of the field; rotation too; scale, shear too.

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
        common, placed, tuple((pixels * (sizes if unit != "pixel" else 1)).tolist()), tuple(pixels.tolist()), unit,
        before, after, None if np.array_equal(moved[:-1, :-1], np.eye(len(pixels))) else matrix, tuple(notes),
    )  # fmt: skip


def local_shifts(result: Image, reference: Image, *, tile: int = 64) -> Image:
    """Return how far, place by place, the reference still lies from the result.

    Parameters
    ----------
    result, reference
        On one grid, as `register` returns them.
    tile
        Edge of the square or cube in which one shift is measured, in pixels, at least 16; neighbours overlap by half.

    Returns
    -------
    Image
        float32, length of the shift in pixels of the result, on its grid without C and S; nan where a tile has too
        little contrast, too little in common (correlation below 0.5), or nothing in common along some direction.

    Raises
    ------
    EvaluationError, SettingsError
        If the two do not lie on one grid; if `tile` is too small.
    """
    if tile < 16:
        raise SettingsError(f"tile must be at least 16 pixels, got {tile}. Use 64.")
    pair = match(result, reference)
    axes = "".join(a for a in pair.result.axes if a in "TZYX")
    lengths = np.full([pair.result.size(a) for a in axes], np.nan, dtype=np.float32)
    short = sorted({*range(len(pair.result.spatial))} - {*_searched(pair.result)})
    for frame in range(pair.result.size("T")):
        best = max(_scenes(pair.result, pair.reference, frame), key=lambda scene: _correlation(*scene))
        key = tuple(frame if a == "T" else slice(None) for a in axes)
        lengths[key] = np.expand_dims(_tile_shifts(*best, tile), short)
    return pair.result.replace(data=lengths, axes=axes, channel_names=(), metadata={})


def deformation(shifts: Image) -> str:
    """Return a warning if `local_shifts` found a deformation or nothing to measure; else an empty string."""
    values = np.asarray(shifts.data, np.float64)
    measured = values[np.isfinite(values)]
    if not measured.size:
        return "local shifts could not be measured: no part of the field has enough detail in common"
    most = float(np.percentile(measured, 95))
    if most <= MOST_DEFORMATION:
        return ""
    beyond = np.nonzero(np.nan_to_num(values) > MOST_DEFORMATION)
    where = ", ".join(f"{a} {at.min()} to {at.max()}" for a, at in zip(shifts.axes, beyond, strict=True))
    return (
        f"the reference is deformed against the result: it lies {most:.2g} pixels off (95th percentile), and more than "
        f"{MOST_DEFORMATION} pixels in {beyond[0].size / measured.size:.0%} of what could be measured, within {where}"
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
        used = np.nonzero(valid.any(axis=tuple(i for i, a in enumerate(result.axes) if a in "TCS")))
        first = [int(at.min(initial=size.max())) for at in used]
        shape = np.array([int(at.max(initial=-1)) + 1 - a for at, a in zip(used, first, strict=True)])
        if all(k >= _SHORTEST or axis == "Z" for k, axis in zip(shape, result.spatial, strict=True)):
            common, ours = (cut_to(image, first, shape.tolist()) for image in pair)
            return common, ours.replace(affine=common.affine, units=common.units)
    raise EvaluationError(
        f"result and reference must overlap by {_SHORTEST} valid pixels along Y and X, got origins {result.origin} and "
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
        values = values if valid.all() else _filled(fill(values, np.nan))
        values = affine_transform(gaussian_filter(values, sigma), mapping, output_shape=shape, mode="mirror")
        inner = minimum_filter(valid.astype(np.float64), size=2 * reach + 1, mode="constant")
        inside = affine_transform(inner, mapping, output_shape=shape, order=1) > 1 - 1e-6
        out[where] = np.where(inside, values, np.nan)
    return reference.replace(data=np.moveaxis(out, range(-n, 0), spatial))


def _searched(image: Image) -> list[int]:
    """Return which spatial axes are long enough to look for a shift."""
    return [i for i, a in enumerate(image.spatial) if a != "Z" or image.size(a) >= _SHORTEST]


def _scenes(result: Image, reference: Image, frame: int = 0) -> list[tuple[Floats, Floats]]:
    """Return both over the searched axes, channel by channel: smoothed, nan where there is too little to smooth."""
    from scipy.ndimage import gaussian_filter

    kept = [result.spatial[i] for i in _searched(result)]
    mean = tuple(i for i, a in enumerate(a for a in result.axes if a not in "TC") if a not in kept)
    scenes = []
    for channel in range(result.size("C")):
        key = tuple({"T": frame, "C": channel, "S": slice(3)}.get(a, slice(None)) for a in result.axes)
        both = []
        for image in (result, reference):
            values = np.asarray(image.data[key], np.float64).mean(axis=mean)
            weight = gaussian_filter(np.isfinite(values).astype(np.float64), _SMOOTHING)
            smooth = gaussian_filter(np.nan_to_num(values, posinf=0, neginf=0), _SMOOTHING) / weight.clip(min=0.5)
            both.append(np.where(weight > 0.5, smooth, np.nan))
        scenes.append((both[0], both[1]))
    return scenes


def _shift(result: Image, reference: Image, notes: list[str]) -> tuple[Floats, float, float]:
    """Return the shift to apply, and the correlation without and with it; note why nothing is applied."""
    scenes = _scenes(result, reference)
    if not any(_contrast(b) for _, b in scenes):
        raise EvaluationError("the reference must not be constant over the common field. Check that it overlaps.")
    found, before, after, _ = max((_peak(a, b) for a, b in scenes), key=lambda peak: peak[2])
    shift = np.zeros(len(result.spatial))
    if after > _LEAST_CORRELATION:
        shift[_searched(result)] = np.where(np.abs(found) < _SMALLEST_SHIFT, 0.0, found)
    else:
        notes.append(f"no shift was found at which they correlate by {_LEAST_CORRELATION}: the reference was not moved")
    return shift, before, after if shift.any() else before


def _translation(shift: Floats) -> Floats:
    return np.block([[np.eye(len(shift)), shift[:, None]], [np.zeros(len(shift)), 1.0]])


def _contrast(values: Floats) -> float:
    """Return the standard deviation; 0 where it is rounding only."""
    values = values[np.isfinite(values)]
    return float(values.std()) if values.size and values.std() > 1e-12 * np.abs(values).max() else 0.0


def _correlation(a: Floats, b: Floats) -> float:
    valid = np.isfinite(a) & np.isfinite(b)
    return float(np.corrcoef(a[valid], b[valid])[0, 1]) if _contrast(a[valid]) and _contrast(b[valid]) else 0.0


def _filled(values: Floats) -> Floats:
    valid = np.isfinite(values)
    return np.where(valid, values, values[valid].sum() / max(valid.sum(), 1))


def _peak(fixed: Floats, moving: Floats) -> tuple[Floats, float, float, float]:
    """Return the shift at which both correlate best, and the correlations without it, with it, and of slopes."""
    from scipy import ndimage
    from scipy.signal.windows import tukey
    from skimage.registration import phase_cross_correlation

    n, most = fixed.ndim, np.array(fixed.shape) // 4
    shift = step = nothing = np.zeros(n)
    if min(fixed.shape) < _SHORTEST or not (_contrast(fixed) and _contrast(moving)):
        return nothing, 0.0, 0.0, 0.0
    window = reduce(np.multiply.outer, [tukey(size + 2, 0.25)[1:-1] for size in fixed.shape])
    faded = ((v - v.mean()) * window for v in map(_filled, (fixed, moving)))
    shift = phase_cross_correlation(*faded, normalization=None)[0].clip(-most, most)
    splines, slopes = ndimage.spline_filter(_filled(moving), mode="mirror"), np.gradient(fixed)
    for _ in range(20):
        shift = shift + step
        low, high = (np.ceil(side.clip(min=0)).astype(int) + int(2 * _SMOOTHING) for side in (shift, -shift))
        inner = tuple(map(slice, low, fixed.shape - high))
        gone = np.isnan(np.roll(moving, np.rint(shift).astype(int), tuple(range(n))))
        moved = np.where(gone, np.nan, ndimage.shift(splines, shift, mode="mirror", prefilter=False))
        rows = np.stack([v[inner].ravel() for v in (fixed, moving, *slopes, moved, *np.gradient(moved))])
        rows = rows[:, np.isfinite(rows).all(axis=0)]
        if rows.shape[1] < fixed.size / 16:
            return nothing, 0.0, 0.0, 0.0
        rows -= rows.mean(axis=1, keepdims=True)
        # To first order, fixed is the gain times (moved less step times its slopes).
        gain, *change = np.linalg.lstsq(rows[n + 2 :] @ rows[n + 2 :].T, rows[n + 2 :] @ rows[0], rcond=1e-9)[0]
        step = (-np.array(change) / gain).clip(-1, 1) if gain > 0 else nothing
        outside = bool(np.any(np.abs(shift + step) >= most))  # Not a peak, but a slope that leads out of the search.
        if outside or np.abs(step).max() < 1e-3:
            break
    # In the direction in which they share least, such as along a line, slopes have only noise.
    one, two = rows[2 : n + 2], rows[n + 3 :]
    shared = min(_correlation(d @ one, d @ two) for d in np.linalg.eigh(one @ two.T + two @ one.T)[1].T)
    before, after = _correlation(rows[0], rows[1]), 0.0 if outside else _correlation(rows[0], rows[n + 2])
    return (shift, before, after, shared) if after > before or outside else (nothing, before, before, shared)


def _tile_shifts(fixed: Floats, moving: Floats, tile: int) -> Floats:
    """Return the length of the shift of the tile whose middle is nearest to each pixel."""
    edges = [min(tile, n) for n in fixed.shape]
    starts = [np.array([*range(0, n - e, e // 2), n - e]) for n, e in zip(fixed.shape, edges, strict=True)]
    lengths = np.full([len(s) for s in starts], np.nan)
    for where in np.ndindex(*lengths.shape):
        box = tuple(slice(s[k], s[k] + e) for s, k, e in zip(starts, where, edges, strict=True))
        if all(_contrast(v[box]) > _LEAST_CONTRAST * _contrast(v) for v in (fixed, moving)):
            shift, _, correlation, slopes = _peak(fixed[box], moving[box])
            if correlation > _LEAST_TILE_CORRELATION and slopes > _LEAST_SLOPES:
                lengths[where] = np.linalg.norm(shift)
    middles = [s + (e - 1) / 2 for s, e in zip(starts, edges, strict=True)]
    nearest = [np.abs(np.arange(n)[:, None] - m).argmin(axis=1) for n, m in zip(fixed.shape, middles, strict=True)]
    return np.asarray(lengths[np.ix_(*nearest)])


def _turn(pair: Pair, mapping: Floats, kind: Transform, before: float, notes: list[str]) -> tuple[Floats, float]:
    """Return what to do to pixels before `mapping`, and the correlation; the identity, and a note, if nothing helps."""
    try:
        import SimpleITK
    except ImportError as error:
        raise MissingExtraError("rotations need SimpleITK, which is missing. Run: pip install SimpleITK") from error
    common, placed = _placed(*pair, mapping)
    fixed, moving = max(_scenes(common, placed), key=lambda scene: _correlation(*scene))
    searched, n, total = _searched(common), fixed.ndim, len(common.spatial)
    start = np.linalg.solve(pair[0].affine, common.affine)[searched, -1]
    size = np.asarray(common.pixel_size)[searched] / min(common.pixel_size)
    arrays = _filled(fixed), _filled(moving), (np.isfinite(fixed) & np.isfinite(moving)).astype(np.uint8)
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
        turn[np.ix_([*searched, total], [*searched, total])] = lengths * [*size, 1] / np.array([[*size, 1]]).T
        after = max(_correlation(*scene) for scene in _scenes(*_placed(*pair, mapping @ turn)))
        if after > max(before + _LEAST_GAIN, _LEAST_CORRELATION):
            return turn, after
    notes.append(f"no {kind} transform improves on the shift: none was applied")
    return np.eye(total + 1), before
