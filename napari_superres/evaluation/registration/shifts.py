"""How far two images of one grid lie apart, as a whole and place by place.

The shift is where the cross-correlation has its peak (not divided by the spectra: phases alone fail on smooth
images), refined by least squares (Lucas, Kanade, IJCAI 1981) with gain and offset free, whose optimum is that of
the correlation coefficient.
"""

from functools import reduce

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError
from napari_superres.evaluation.registration.match import match

Floats = npt.NDArray[np.float64]

MOST_DEFORMATION = 0.5
"""Local shift, in pixels of the result (95th percentile), above which the reference counts as deformed."""

SHORTEST = 12
"""Planes below which no shift along Z is looked for."""

_SMOOTHING = 1.5
_LEAST_TILE_CORRELATION, _LEAST_SLOPES, _LEAST_CONTRAST = 0.5, 0.3, 0.1
_WINDOWS = {2: (1024, 1024), 3: (32, 192, 192)}
"""Pixels in the middle of the field from which a shift is found."""


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
    short = sorted({*range(len(pair.result.spatial))} - {*searched(pair.result)})
    for frame in range(pair.result.size("T")):
        best = max(scenes(pair.result, pair.reference, frame), key=lambda scene: correlation(*scene))
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
        f"{MOST_DEFORMATION} pixels in {100 * beyond[0].size / measured.size:.0f} % of what could be measured, within "
        f"{where}"
    )


def searched(image: Image) -> list[int]:
    """Return which spatial axes are long enough to look for a shift."""
    return [i for i, a in enumerate(image.spatial) if a != "Z" or image.size(a) >= SHORTEST]


def _inner(image: Image, axes: list[str]) -> dict[str, slice]:
    found = {}
    for axis, most in zip(axes, _WINDOWS[len(axes)], strict=True):
        first = max(0, (image.size(axis) - most) // 2)
        found[axis] = slice(first, first + most)
    return found


def scenes(result: Image, reference: Image, frame: int = 0, *, middle: bool = False) -> list[tuple[Floats, Floats]]:
    """Return both over the searched axes, channel by channel: smoothed, nan where there is too little to smooth.

    The whole field, or its `middle` only: a shift needs no more.
    """
    from scipy.ndimage import gaussian_filter

    kept = [result.spatial[i] for i in searched(result)]
    mean = tuple(i for i, a in enumerate(a for a in result.axes if a not in "TC") if a not in kept)
    scenes = []
    for channel in range(result.size("C")):
        places: dict[str, slice | int] = {"T": frame, "C": channel, "S": slice(3)}
        places |= _inner(result, kept) if middle else {}
        key = tuple(places.get(a, slice(None)) for a in result.axes)
        both = []
        for image in (result, reference):
            values = np.asarray(image.data[key], np.float64).mean(axis=mean)
            weight = gaussian_filter(np.isfinite(values).astype(np.float64), _SMOOTHING)
            smooth = gaussian_filter(np.nan_to_num(values, posinf=0, neginf=0), _SMOOTHING) / weight.clip(min=0.5)
            both.append(np.where(weight > 0.5, smooth, np.nan))
        scenes.append((both[0], both[1]))
    return scenes


def contrast(values: Floats) -> float:
    """Return the standard deviation; 0 where it is rounding only."""
    values = values[np.isfinite(values)]
    return float(values.std()) if values.size and values.std() > 1e-12 * np.abs(values).max() else 0.0


def correlation(a: Floats, b: Floats) -> float:
    """Return Pearson's coefficient over pixels finite in both; 0 where one is constant."""
    valid = np.isfinite(a) & np.isfinite(b)
    return float(np.corrcoef(a[valid], b[valid])[0, 1]) if contrast(a[valid]) and contrast(b[valid]) else 0.0


def filled(values: Floats) -> Floats:
    """Return values with the mean where they are not finite."""
    valid = np.isfinite(values)
    return np.where(valid, values, values[valid].sum() / max(valid.sum(), 1))


def peak(fixed: Floats, moving: Floats) -> tuple[Floats, float, float, float]:
    """Return the shift at which both correlate best, and the correlations without it, with it, and of slopes."""
    from scipy import ndimage
    from scipy.signal.windows import tukey
    from skimage.registration import phase_cross_correlation

    n, most = fixed.ndim, np.array(fixed.shape) // 4
    shift = step = nothing = np.zeros(n)
    if min(fixed.shape) < SHORTEST or not (contrast(fixed) and contrast(moving)):
        return nothing, 0.0, 0.0, 0.0
    window = reduce(np.multiply.outer, [tukey(size + 2, 0.25)[1:-1] for size in fixed.shape])
    faded = ((v - v.mean()) * window for v in map(filled, (fixed, moving)))
    shift = phase_cross_correlation(*faded, normalization=None)[0].clip(-most, most)
    splines, slopes = ndimage.spline_filter(filled(moving), mode="mirror"), np.gradient(fixed)
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
    shared = min(correlation(d @ one, d @ two) for d in np.linalg.eigh(one @ two.T + two @ one.T)[1].T)
    before, after = correlation(rows[0], rows[1]), 0.0 if outside else correlation(rows[0], rows[n + 2])
    return (shift, before, after, shared) if after > before or outside else (nothing, before, before, shared)


def _tile_shifts(fixed: Floats, moving: Floats, tile: int) -> Floats:
    """Return the length of the shift of the tile whose middle is nearest to each pixel."""
    edges = [min(tile, n) for n in fixed.shape]
    starts = [np.array([*range(0, n - e, e // 2), n - e]) for n, e in zip(fixed.shape, edges, strict=True)]
    lengths = np.full([len(s) for s in starts], np.nan)
    for where in np.ndindex(*lengths.shape):
        box = tuple(slice(s[k], s[k] + e) for s, k, e in zip(starts, where, edges, strict=True))
        if all(contrast(v[box]) > _LEAST_CONTRAST * contrast(v) for v in (fixed, moving)):
            shift, _, correlation, slopes = peak(fixed[box], moving[box])
            if correlation > _LEAST_TILE_CORRELATION and slopes > _LEAST_SLOPES:
                lengths[where] = np.linalg.norm(shift)
    middles = [s + (e - 1) / 2 for s, e in zip(starts, edges, strict=True)]
    nearest = [np.abs(np.arange(n)[:, None] - m).argmin(axis=1) for n, m in zip(fixed.shape, middles, strict=True)]
    return np.asarray(lengths[np.ix_(*nearest)])
