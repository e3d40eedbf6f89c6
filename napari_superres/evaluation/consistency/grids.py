"""Grids, seams and stripes: what follows the pixels of a result instead of its sample.

All three are sought in the difference between the result and an image of the same sample, such as the interpolated
input, so that periodic or straight structure of the sample itself does not count.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd, inf

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MAX_PEAK, MAX_SEAM, MAX_STRIPES = 40.0, 3.7, 3.2
"""Limits of a sound result. Nearly all honest results stay below 15, 3.2 and 3."""

_PERIODS = range(2, 9)
"""Periods, in pixels, that upsampling networks and compression leave."""

_LEAST_AMPLITUDE, _LEAST_STRIPES = 0.003, 0.01
"""Amplitudes of a pattern and of stripes, as shares of the contrast, below which nobody sees them."""

_NEIGHBOURS = 13
"""Edge of the neighbourhood in the spectrum that a peak is compared with, in its bins."""

_SEGMENT, _MARGIN, _MIN_TILE = 48, 6, 6
_WINDOW = 15
_WIDTH = 41
_CLIP = (-3.0, 6.0)
_LINE = 5


@dataclass(frozen=True, slots=True)
class Grids:
    """Traces of the pixel grid in one channel.

    Attributes
    ----------
    peak
        Power of the strongest periodic pattern of 2 to 8 pixels over that of its neighbours in the spectrum.
    period
        Its period along Y and X in pixels; infinite along an axis on which it does not change.
    amplitude
        Its amplitude as a share of the contrast of the image.
    seam
        How far steps at the multiples of `tile` stand out from all others, in standard deviations.
    tile
        Distance of those steps, in pixels.
    axis
        Axis that the steps cross, ``"Y"`` or ``"X"``.
    stripes
        Median of the deviations of whole rows or columns from their neighbours, over that expected of chance.
    """

    peak: float
    period: tuple[float, float]
    amplitude: float
    seam: float
    tile: int
    axis: str
    stripes: float

    @property
    def excess(self) -> float:
        """How far the worst of the three lies beyond its limit: at most 1 within all limits."""
        return max(self.peak / MAX_PEAK, self.seam / MAX_SEAM, self.stripes / MAX_STRIPES)


def find_grids(result: Floats, base: Floats, scale: tuple[int, int]) -> Grids:
    """Measure grids, seams and stripes of a result.

    Parameters
    ----------
    result, base
        Planes ``(P, Y, X)`` of the result and of an image of the same sample, finite.
    scale
        Factor of interpolation along Y and X, whose own pattern does not count.
    """
    difference = result - base
    contrast = float(base.std()) or float(result.std())
    if min(difference.shape[-2:]) < 4 * _MARGIN or not contrast or difference.std() < 1e-6 * contrast:
        return Grids(0.0, (inf, inf), 0.0, 0.0, 0, "Y", 0.0)
    peak, period, amplitude = _find_peak(difference, contrast)
    turned = (difference.swapaxes(-1, -2), base.swapaxes(-1, -2))
    # What stands out in the sample itself is no seam: a result sharpens the straight gap between the halves of a brain.
    seams = [
        (*_find_seam(_step_profile(d, b) - _lines(_step_profile(b, b)), step), axis)
        for d, b, step, axis in ((difference, base, scale[1], "X"), (*turned, scale[0], "Y"))
    ]
    seam, tile, axis = max(seams)
    stripes = max(_find_stripes(d, contrast) for d in (difference, turned[0]))
    return Grids(peak, period, amplitude, seam, tile, axis, stripes)


def _find_peak(difference: Floats, contrast: float) -> tuple[float, tuple[float, float], float]:
    """Return power, period and amplitude of the strongest pattern whose periods divide the same few pixels."""
    shape = difference.shape[-2:]
    window = np.multiply.outer(*(np.hanning(n + 2)[1:-1] for n in shape))
    power = np.zeros((shape[0], shape[1]))
    for plane in difference:
        power += np.abs(np.fft.fft2((plane - plane.mean()) * window)) ** 2
    power /= len(difference)
    around = np.arange(_NEIGHBOURS) - _NEIGHBOURS // 2
    amplitude = 2 * np.sqrt(power) / window.sum() / contrast
    best: tuple[float, tuple[float, float], float] = (0.0, (inf, inf), 0.0)
    for p, j, k in _lattice():
        at = round(j * shape[0] / p) % shape[0], round(k * shape[1] / p) % shape[1]
        if amplitude[at] > _LEAST_AMPLITUDE:
            patch = power[np.ix_((at[0] + around) % shape[0], (at[1] + around) % shape[1])]
            # A straight line of the sample fills a row or column of the spectrum evenly, a pattern one place of it.
            middle = _NEIGHBOURS // 2
            usual = max(float(np.median(part)) for part in (patch, patch[middle], patch[:, middle]))
            ratio = float(power[at] / max(usual, 1e-12 * power.max()))
            period = (p / min(j, p - j) if j else inf, p / k if k else inf)
            best = max(best, (ratio, period, float(amplitude[at])))
    return best


def _lattice() -> Iterator[tuple[int, int, int]]:
    """Yield a period and the number of waves in it along Y and X, each frequency once."""
    for p in _PERIODS:
        for j in range(p):
            for k in range(p // 2 + 1):
                if (j or k) and gcd(gcd(j, k), p) == 1:
                    yield p, j, k


def _step_profile(difference: Floats, base: Floats) -> Floats:
    """Return how large the steps between neighbouring columns are, in logarithms over those around them.

    The steps are whitened by their own spectrum first: detail is as smooth as the lens makes it, a seam is not.
    """
    from scipy.ndimage import gaussian_filter, gaussian_filter1d, median_filter, uniform_filter

    bright = gaussian_filter(np.maximum(base, 0), (0, 2, 2))
    steps = np.diff(difference / np.maximum(bright, 0.1 * np.abs(base).mean()), axis=-1)
    steps -= steps.mean(axis=-1, keepdims=True)
    spectrum = np.fft.rfft(steps, axis=-1)
    power = gaussian_filter1d(
        (np.abs(spectrum) ** 2).mean(axis=(0, 1)), max(2, spectrum.shape[-1] / 24), mode="nearest"
    )
    white = np.fft.irfft(spectrum / (power + 1e-3 * power.max() + 1e-300), n=steps.shape[-1], axis=-1)
    local = uniform_filter(white**2, (0, _WINDOW, _WINDOW))
    white /= np.sqrt(local + np.median(local) + 1e-30)
    parts = np.array_split(white, max(1, white.shape[-2] // _SEGMENT), axis=-2)
    means = np.stack([part.sum(axis=-2) / np.sqrt(part.shape[-2]) for part in parts])
    profile = np.log(np.sqrt((means**2).mean(axis=(0, 1))) + 1e-12)
    profile -= median_filter(profile, _WIDTH, mode="reflect")
    profile[:_MARGIN] = profile[-_MARGIN:] = 0
    return np.asarray(profile)


def _lines(profile: Floats) -> Floats:
    """Return the steps of a sample beside its straight lines, which stand out by more than chance, and 0 elsewhere."""
    from scipy.ndimage import maximum_filter1d

    stands_out = profile > 2.5 * 1.4826 * float(np.median(np.abs(profile)))
    return np.asarray(maximum_filter1d(np.where(stands_out, profile, 0.0), _LINE))


def _find_seam(profile: Floats, scale: int) -> tuple[float, int]:
    """Return how far steps at the borders of equal tiles stand out, in deviations, and the edge of those tiles."""
    rest = profile.copy()
    for phase in range(min(scale, len(rest))):
        rest[phase::scale] -= np.median(rest[phase::scale])
    inner = rest[_MARGIN:-_MARGIN]
    deviation = 1.4826 * float(np.median(np.abs(inner))) + 0.05
    scores = np.clip(rest / deviation, *_CLIP)
    best = (0.0, 0)
    for tile in range(_MIN_TILE, len(profile) // 2 + 2):
        borders = np.arange(tile - 1, len(profile) - _MARGIN, tile)
        borders = borders[borders >= _MARGIN]
        if borders.size:
            best = max(best, (float(scores[borders].sum() / np.sqrt(borders.size)), tile))
    return best


def _find_stripes(difference: Floats, contrast: float) -> float:
    """Return the typical deviation of a row from its neighbours over that of independent pixels."""
    from scipy.ndimage import uniform_filter1d

    fine = difference - uniform_filter1d(difference, 5, axis=-2)
    spread = fine.std(axis=-1)
    used = spread > 1e-9 * max(float(spread.max()), 1e-300)
    rows = np.median(fine, axis=-1)[used]
    if not rows.size or np.median(np.abs(rows)) < _LEAST_STRIPES * contrast:
        return 0.0
    return float(np.median(np.abs(rows / spread[used])) * np.sqrt(fine.shape[-1]) / 0.6745)
