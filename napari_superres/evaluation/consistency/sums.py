"""Do sums over parts of a result equal those of its input? Over squares of 4 pixels up to smooth gains of the whole.

Restoration moves light by no more than the lens is wide. It makes an object sharper and less noisy, but in a window
wider than the lens neither brighter nor darker, so there nothing but the input's noise may remain, and noise averages
out. What follows the brightness of the whole image, a gain and an offset, is left to the question about intensities.
"""

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.evaluation.consistency.check import Consistency
from napari_superres.evaluation.consistency.field_pair import read_field
from napari_superres.evaluation.consistency.input_noise import MIN_RELATIVE_VARIANCE
from napari_superres.evaluation.consistency.places import Place

Floats = npt.NDArray[np.float64]
T = TypeVar("T", bound=np.generic)

NOISE = 5.0
"""Standard deviations of a sum that chance explains in the worst of many thousand places."""

_SHARES = (0.04, 0.012, 0.008, 0.005, 0.004)
"""Share of the brightness by which a window may be wrong: of 1 input pixel, of 2, of 4, of 8 and of more."""

_CERTAIN = (8.0, 0.05)
"""Standard deviations, and share of the brightness at any size, from which a window is denied and not only doubtful.

Shipped models change the brightness of parts of real scans by up to 3 %.
"""

_FLOOR = 0.2
"""Share of the contrast that counts as brightness in darkness."""

_KERNEL = np.exp(-0.5 * np.arange(-4, 5) ** 2.0) / np.exp(-0.5 * np.arange(-4, 5) ** 2.0).sum()
"""Window along one axis: a Gaussian of deviation 1 on each level, whose pixels are twice those of the last."""

_LEAST = 6
"""Fewest pixels along an axis of a level."""

_LEVEL_OF_GAIN = 2
"""Level on which gain and offset of the whole are fitted: much wider than a lens."""


def denied_by_sums(found: Consistency, lr: Image) -> Place | None:
    """Return the window over which the result sums up to something else than its input, most of all.

    Parameters
    ----------
    found
        The result compared with its input.
    lr
        The input: one channel, over the field of the residual.

    Returns
    -------
    Place
        Its score is `NOISE` where chance and a small share of the brightness just explain the difference, and above 8
        where a larger share does not either. The difference is in standard deviations of the noise of that sum. None
        where the noise cannot be measured.
    """
    values = read_field(lr, tuple(slice(None) for _ in lr.axes), {})
    residual = np.asarray(found.residual.data, np.float64)
    if found.noise is None or values.shape != residual.shape:
        return None
    whole = np.isfinite(values) & np.isfinite(residual)
    if not whole.any():
        return None
    outer = residual.shape[:-2]
    best = None
    for level, (sums, bright) in enumerate(_windows(_planes(values), _planes(residual), _planes(whole), found.noise)):
        size = np.abs(sums)
        doubtful = NOISE * size / (NOISE + _SHARES[min(level, len(_SHARES) - 1)] * bright)
        certain = _CERTAIN[0] * size / (_CERTAIN[0] + _CERTAIN[1] * bright)
        score = np.maximum(np.minimum(doubtful, _CERTAIN[0]), certain)
        at = np.unravel_index(score.argmax(), score.shape)
        if best is None or score[at] > best.score:
            middle = (
                min(int(i * 2**level + 2**level // 2), n - 1) for i, n in zip(at[1:], values.shape[-2:], strict=True)
            )
            indices = (*(int(i) for i in np.unravel_index(at[0], outer)), *middle) if outer else tuple(middle)
            index = dict(zip(found.residual.axes, indices, strict=True))
            best = Place(float(score[at]), float(sums[at]), 4 * 2**level, index)
    return best


def _planes(array: npt.NDArray[T]) -> npt.NDArray[T]:
    return array.reshape(-1, *array.shape[-2:])


def _windows(
    values: Floats, residual: Floats, whole: npt.NDArray[np.bool_], noise: tuple[float, float]
) -> Iterator[tuple[Floats, Floats]]:
    """Yield for each level the differences over windows, and their brightness.

    Both are in standard deviations of the noise of the window.
    """
    low, high = (float(v) for v in np.percentile(values[whole], [1, 99.9]))
    smooth = _smooth(np.where(whole, values, low), whole)
    usual = noise[0] * float(values[whole].mean()) + noise[1]
    least = max(MIN_RELATIVE_VARIANCE * usual, 1e-12 * max(high - low, 1e-300) ** 2)
    sigma = np.sqrt(np.maximum(noise[0] * smooth + noise[1], least))
    differs = np.where(whole, residual * sigma, 0.0)
    rest = np.where(whole, (differs - _gain_and_offset(differs, smooth, whole)) / sigma, 0.0)
    bright = np.where(whole, (np.maximum(smooth - low, 0) + _FLOOR * (high - low)) / sigma, 0.0)
    weight = whole.astype(np.float64)
    while min(rest.shape[-2:]) >= _LEAST:
        spread = np.sqrt(np.maximum(_filter(weight, _KERNEL**2), 1e-300))
        used = _filter(weight, _KERNEL) > 0.5
        sums, level_of = (np.where(used, _filter(part, _KERNEL) / spread, 0.0) for part in (rest, bright))
        yield sums, level_of
        # Sums of four, halved, keep the deviation of white noise; the mean of the weights is its variance.
        rest, bright, weight = _halved(rest) * 2, _halved(bright) * 2, _halved(weight)


def _gain_and_offset(differs: Floats, smooth: Floats, whole: npt.NDArray[np.bool_]) -> Floats:
    """Return the part of a difference that is a straight line over brightness, in the whole image."""
    coarse = [differs, smooth + differs, whole.astype(np.float64)]
    for _ in range(_LEVEL_OF_GAIN):
        coarse = [_halved(part) for part in coarse]
    used = coarse[2] > 0.99
    over = coarse[1][used]
    if over.size < 8 or not over.std() > 1e-9 * np.abs(over).max():
        return np.zeros_like(differs)
    slope = float(np.cov(over, coarse[0][used])[0, 1] / over.var(ddof=1))
    level = float(coarse[0][used].mean() - slope * over.mean())
    return slope * (smooth + np.where(whole, differs, 0.0)) + level


def _smooth(values: Floats, whole: npt.NDArray[np.bool_]) -> Floats:
    weight = _filter(whole.astype(np.float64), _KERNEL)
    return np.asarray(_filter(np.where(whole, values, 0.0), _KERNEL) / np.maximum(weight, 1e-9))


def _filter(planes: Floats, kernel: Floats) -> Floats:
    from scipy.ndimage import convolve1d

    along = convolve1d(planes, kernel, axis=-1, mode="constant")
    return np.asarray(convolve1d(along, kernel, axis=-2, mode="constant"))


def _halved(planes: Floats) -> Floats:
    """Return the means of 2 x 2 pixels; an odd last row or column is left out."""
    rows, columns = (n // 2 * 2 for n in planes.shape[-2:])
    cut = planes[..., :rows, :columns]
    return np.asarray(cut.reshape(*cut.shape[:-2], rows // 2, 2, columns // 2, 2).mean(axis=(-3, -1)))
