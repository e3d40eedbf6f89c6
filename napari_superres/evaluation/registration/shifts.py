"""Measure the shift between two images on one grid, as a whole and block by block.

The shift is first the peak of the cross-correlation. It is not divided by the spectra, because the phases alone fail on
smooth images. Least squares with free gain and offset (Lucas, Kanade, IJCAI 1981) then refine it, so that it maximises
the correlation coefficient.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.options import checks_names
from napari_superres.errors import SettingsError
from napari_superres.evaluation.registration.match import match

Floats = npt.NDArray[np.float64]

MAX_DEFORMATION = 0.5
"""95th percentile of the local shifts, in pixels of the result, above which the reference counts as deformed."""

MIN_LENGTH = 12
"""Number of pixels along an axis below which no shift is searched."""

_SMOOTHING = 1.5
_CELL = 16
"""Edge in pixels of the cells over which the pulls of noise at a shift are summed: much wider than `_SMOOTHING`."""

_MIN_BLOCK_CORRELATION, _MIN_GRADIENT_CORRELATION, _MIN_CONTRAST = 0.5, 0.3, 0.1
_LEAST_DETAIL = 0.02
"""Common power of gradients along a direction, over that along another, below which nothing is known along it."""

_MAX_BLOCK_ERROR = MAX_DEFORMATION / 2
_EQUAL_PEAK = 0.9
"""Height of a peak of the correlation, as a share of the highest, from which it is as good."""

_SEARCHED_FIELD = {2: (1024, 1024), 3: (32, 192, 192)}
"""Largest field, in the middle of the image, from which a shift is found: by number of axes, in pixels."""


@checks_names
def local_shifts(result: Image, reference: Image, *, block: int = 64) -> Image:
    """Return how far the reference is shifted against the result around each pixel.

    Parameters
    ----------
    result, reference
        Images on one grid, as `register` returns them.
    block
        Edge of the square or cube in which one shift is measured, in pixels, at least 16. Neighbouring blocks overlap
        by half.

    Returns
    -------
    Image
        float32, length of the shift in pixels of the result, with the axes of the result except C and S. nan where a
        block has too little contrast, correlates by less than 0.5, shows no common detail along some direction, or
        leaves the shift uncertain by 0.25 pixels or more.

    Raises
    ------
    EvaluationError
        If the two do not lie on one grid.
    SettingsError
        If `block` is too small.
    """
    if block < 16:
        raise SettingsError(f"block must be at least 16 pixels, got {block}.", remedy="Use `block=64`.")
    pair = match(result, reference)
    axes = "".join(a for a in pair.result.axes if a in "TZYX")
    lengths = np.full([pair.result.size(a) for a in axes], np.nan, dtype=np.float32)
    unsearched = sorted({*range(len(pair.result.spatial))} - {*searchable_axes(pair.result)})
    for frame in range(pair.result.size("T")):
        channels = smooth_channels(pair.result, pair.reference, frame)
        best = max(channels, key=lambda channel: correlation(*channel))
        key = tuple(frame if a == "T" else slice(None) for a in axes)
        lengths[key] = np.expand_dims(_block_shifts(*best, block), unsearched)
    return pair.result.replace(data=lengths, axes=axes, channel_names=(), metadata={})


def describe_deformation(shifts: Image) -> str:
    """Return a note if `local_shifts` found a deformation, or nothing to measure; else an empty string."""
    values = np.asarray(shifts.data, np.float64)
    measured = values[np.isfinite(values)]
    if not measured.size:
        return "local shifts could not be measured: no part of the field has enough detail in common"
    largest = float(np.percentile(measured, 95))
    if largest <= MAX_DEFORMATION:
        return ""
    beyond = np.nonzero(np.nan_to_num(values) > MAX_DEFORMATION)
    ranges = ", ".join(f"{a} {at.min()} to {at.max()}" for a, at in zip(shifts.axes, beyond, strict=True))
    return (
        f"the reference is deformed against the result: it lies {largest:.2g} pixels off (95th percentile), and more "
        f"than {MAX_DEFORMATION} pixels in {100 * beyond[0].size / measured.size:.0f} % of the measurable field, "
        f"within {ranges}"
    )


def searchable_axes(image: Image) -> list[int]:
    """Return the indices of the spatial axes along which a shift is searched: not Z with few planes."""
    return [i for i, a in enumerate(image.spatial) if a != "Z" or image.size(a) >= MIN_LENGTH]


def _middle_of(image: Image, axes: list[str]) -> dict[str, slice]:
    """Return the middle of the field from which a shift is found."""
    middle = {}
    for axis, length in zip(axes, _SEARCHED_FIELD[len(axes)], strict=True):
        first = max(0, (image.size(axis) - length) // 2)
        middle[axis] = slice(first, first + length)
    return middle


def smooth_channels(
    result: Image, reference: Image, frame: int = 0, *, middle: bool = False
) -> list[tuple[Floats, Floats]]:
    """Return result and reference, smoothed, over the searchable axes: one pair of arrays for each channel.

    Parameters
    ----------
    result, reference
        Images with the same axes and shape.
    frame
        Index along T.
    middle
        Whether to return the middle of the field only, which is enough to find a shift.

    Returns
    -------
    list of (ndarray, ndarray)
        ``(Z)YX``; nan where most of the neighbourhood is not finite.
    """
    from scipy.ndimage import gaussian_filter

    kept = [result.spatial[i] for i in searchable_axes(result)]
    averaged = tuple(i for i, a in enumerate(a for a in result.axes if a not in "TC") if a not in kept)
    channels = []
    for channel in range(result.size("C")):
        part: dict[str, slice | int] = {"T": frame, "C": channel, "S": slice(3)}
        part |= _middle_of(result, kept) if middle else {}
        key = tuple(part.get(a, slice(None)) for a in result.axes)
        pair = []
        for image in (result, reference):
            values = np.asarray(image.data[key], np.float64).mean(axis=averaged)
            weight = gaussian_filter(np.isfinite(values).astype(np.float64), _SMOOTHING)
            smooth = gaussian_filter(np.nan_to_num(values, posinf=0, neginf=0), _SMOOTHING) / weight.clip(min=0.5)
            pair.append(np.where(weight > 0.5, smooth, np.nan))
        channels.append((pair[0], pair[1]))
    return channels


def contrast(values: Floats) -> float:
    """Return the standard deviation of the finite values; 0 where it comes from rounding only."""
    values = values[np.isfinite(values)]
    return float(values.std()) if values.size and values.std() > 1e-12 * np.abs(values).max() else 0.0


def correlation(a: Floats, b: Floats) -> float:
    """Return Pearson's coefficient over pixels finite in both; 0 where one is constant."""
    valid = np.isfinite(a) & np.isfinite(b)
    return float(np.corrcoef(a[valid], b[valid])[0, 1]) if contrast(a[valid]) and contrast(b[valid]) else 0.0


def fill_with_mean(values: Floats) -> Floats:
    """Return values with their mean in place of those that are not finite; 0 if none is finite."""
    valid = np.isfinite(values)
    return np.where(valid, values, values[valid].sum() / max(valid.sum(), 1))


@dataclass(frozen=True, slots=True)
class Shift:
    """The shift at which two arrays correlate best.

    Attributes
    ----------
    pixels
        How far the moving array has to be moved along each axis.
    before, after
        Correlation without and with the shift.
    gradients
        Correlation of the gradients along the direction in which it is lowest. In a direction without common detail,
        such as along a line, gradients hold noise only.
    covariance
        Covariance of `pixels`, in square pixels; infinite variances where the images do not say.
    along
        Unit vector along which both hold no common detail, as along the lines of a grating: there, `pixels` is 0. None
        if there is no such direction.
    """

    pixels: Floats
    before: float
    after: float
    gradients: float
    covariance: Floats
    along: Floats | None = None

    @property
    def error(self) -> float:
        """Standard error of the length of the shift, in pixels."""
        return float(np.sqrt(np.trace(self.covariance)))


def find_shift(fixed: Floats, moving: Floats) -> Shift:
    """Return the shift of up to a quarter of the field at which two arrays correlate best.

    Parameters
    ----------
    fixed, moving
        Arrays ``(Z)YX`` of the same shape. Values that are not finite are left out.

    Returns
    -------
    Shift
        No shift where none improves the correlation. ``after`` is 0 where the search leaves the field.
    """
    from scipy import ndimage

    n, most = fixed.ndim, np.array(fixed.shape) // 4
    step = no_shift = np.zeros(n)
    nothing = Shift(no_shift, 0.0, 0.0, 0.0, np.diag(np.full(n, np.inf)))
    if min(fixed.shape) < MIN_LENGTH or not (contrast(fixed) and contrast(moving)):
        return nothing
    shift = _correlation_peak(fixed, moving, most)
    splines, gradients = ndimage.spline_filter(fill_with_mean(moving), mode="mirror"), np.gradient(fixed)
    for _ in range(20):
        shift = shift + step
        low, high = (np.ceil(side.clip(min=0)).astype(int) + int(2 * _SMOOTHING) for side in (shift, -shift))
        inner = tuple(map(slice, low, fixed.shape - high))
        invalid = np.isnan(np.roll(moving, np.rint(shift).astype(int), tuple(range(n))))
        moved = np.where(invalid, np.nan, ndimage.shift(splines, shift, mode="mirror", prefilter=False))
        rows = np.stack([v[inner].ravel() for v in (fixed, moving, *gradients, moved, *np.gradient(moved))])
        finite = np.isfinite(rows).all(axis=0)
        rows = rows[:, finite]
        if rows.shape[1] < fixed.size / 16:
            return nothing
        rows -= rows.mean(axis=1, keepdims=True)
        # To first order, fixed is the gain times (moved minus the step times its gradients).
        gain, *change = np.linalg.lstsq(rows[n + 2 :] @ rows[n + 2 :].T, rows[n + 2 :] @ rows[0], rcond=1e-9)[0]
        step = (-np.array(change) / gain).clip(-1, 1) if gain > 0 else no_shift
        # Beyond the search range lies no peak, but a slope that leads out of it.
        outside = bool(np.any(np.abs(shift + step) >= most))
        if outside or np.abs(step).max() < 1e-3:
            break
    common = _weakest_gradient_correlation(rows[2 : n + 2], rows[n + 3 :])
    before, after = correlation(rows[0], rows[1]), 0.0 if outside else correlation(rows[0], rows[n + 2])
    misfit = rows[0] - gain * rows[n + 2]
    covariance = _shift_covariance(misfit, rows[2 : n + 2], rows[n + 3 :], _cells(finite, moved[inner].shape))
    along = _direction_without_detail(rows[2 : n + 2], rows[n + 3 :])
    if along is not None:
        shift = shift - along * float(along @ shift)
        across = np.eye(n) - np.outer(along, along)
        covariance = across @ np.where(np.isfinite(covariance), covariance, 0.0) @ across
    if after > before or outside:
        return Shift(shift, before, after, common, covariance, along)
    return Shift(no_shift, before, before, common, covariance, along)


def _correlation_peak(fixed: Floats, moving: Floats, most: npt.NDArray[np.intp]) -> Floats:
    """Return the whole-pixel shift at the peak of the cross-correlation of two arrays faded to their borders.

    The highest value is meant, not the largest magnitude: on periodic structures, that may be the opposite phase.

    Parameters
    ----------
    fixed, moving
        Arrays of one shape.
    most
        Largest shift along each axis.
    """
    from scipy.fft import irfftn, rfftn
    from scipy.ndimage import maximum_filter
    from scipy.signal.windows import tukey

    window = reduce(np.multiply.outer, [tukey(size + 2, 0.25)[1:-1] for size in fixed.shape])
    spectra = [rfftn((v - v.mean()) * window) for v in map(fill_with_mean, (fixed, moving))]
    values = np.fft.fftshift(irfftn(spectra[0] * spectra[1].conj(), fixed.shape))
    centre = np.array(fixed.shape) // 2
    near = values[tuple(slice(c - m, c + m + 1) for c, m in zip(centre, most, strict=True))]
    # A periodic structure has many peaks of about one height: the nearest is meant.
    peaks = np.argwhere((near == maximum_filter(near, 3)) & (near > _EQUAL_PEAK * near.max())) - most
    if not len(peaks):
        return np.array(np.unravel_index(near.argmax(), near.shape), np.float64) - most
    return np.asarray(peaks[np.square(peaks).sum(axis=1).argmin()], np.float64)


def _cells(finite: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
    """Return, for each finite pixel of a field, the index of its cell: of `_CELL` pixels, or a quarter of the field."""
    cells = [np.arange(size) // min(_CELL, max(size // 4, 4)) for size in shape]
    index = np.ravel_multi_index(np.meshgrid(*cells, indexing="ij"), [c[-1] + 1 for c in cells])
    return np.asarray(index.ravel()[finite])


def _shift_covariance(misfit: Floats, fixed: Floats, moved: Floats, cells: npt.NDArray[np.intp]) -> Floats:
    """Return the covariance of a least-squares shift, whatever the noise and however it is correlated.

    What pulls at the shift, ``misfit * gradient``, is summed over cells wider than the noise is correlated. How much
    these sums scatter says how much the noise pulls at the shift. How much the shift resists follows from the products
    of the gradients of both images, to which noise that they do not share adds nothing.

    Parameters
    ----------
    misfit
        What remains of the fixed image.
    fixed, moved
        Gradients ``(axis, pixel)``.
    cells
        Index of the cell of each pixel.
    """
    n = len(fixed)
    pulls = np.stack([np.bincount(cells, weights=misfit * g) for g in moved])
    used = int(np.count_nonzero(np.bincount(cells)))
    stiffness = (fixed @ moved.T + moved @ fixed.T) / 2
    if used <= n + 2 or np.linalg.eigvalsh(stiffness)[0] <= 0:
        return np.diag(np.full(n, np.inf))
    inverse = np.linalg.inv(stiffness)
    return np.asarray(inverse @ (pulls @ pulls.T) @ inverse * used / (used - n - 2))


def _weakest_gradient_correlation(a: Floats, b: Floats) -> float:
    """Return the correlation of two gradients ``(axis, pixel)`` along the direction in which they share least."""
    directions = np.linalg.eigh(a @ b.T + b @ a.T)[1].T
    return min(correlation(d @ a, d @ b) for d in directions)


def _direction_without_detail(a: Floats, b: Floats) -> Floats | None:
    """Return the direction in which two gradients ``(axis, pixel)`` share nothing but noise next to the others."""
    values, vectors = np.linalg.eigh(a @ b.T + b @ a.T)
    weakest = vectors[:, 0]
    alone = values[0] < _LEAST_DETAIL * values[-1]
    noisy = correlation(weakest @ a, weakest @ b) < _MIN_GRADIENT_CORRELATION
    return np.asarray(weakest) if alone and noisy else None


def _block_shifts(fixed: Floats, moving: Floats, block: int) -> Floats:
    """Return, for each pixel, the length of the shift of the block with the nearest centre."""
    edges = [min(block, n) for n in fixed.shape]
    starts = [np.array([*range(0, n - e, e // 2), n - e]) for n, e in zip(fixed.shape, edges, strict=True)]
    lengths = np.full([len(s) for s in starts], np.nan)
    for index in np.ndindex(*lengths.shape):
        part = tuple(slice(s[k], s[k] + e) for s, k, e in zip(starts, index, edges, strict=True))
        if all(contrast(v[part]) > _MIN_CONTRAST * contrast(v) for v in (fixed, moving)):
            shift = find_shift(fixed[part], moving[part])
            certain = shift.gradients > _MIN_GRADIENT_CORRELATION and shift.error < _MAX_BLOCK_ERROR
            if shift.after > _MIN_BLOCK_CORRELATION and certain:
                lengths[index] = np.linalg.norm(shift.pixels)
    centres = [s + (e - 1) / 2 for s, e in zip(starts, edges, strict=True)]
    nearest = [np.abs(np.arange(n)[:, None] - c).argmin(axis=1) for n, c in zip(fixed.shape, centres, strict=True)]
    return np.asarray(lengths[np.ix_(*nearest)])
