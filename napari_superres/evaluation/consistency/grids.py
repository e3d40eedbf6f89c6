"""Grids, seams and stripes: what follows the pixels of a result instead of its sample.

All three are sought in the difference between the result and an image of the same sample, such as the interpolated
input, so that periodic or straight structure of the sample itself does not count.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_superres.evaluation.consistency.patterns import Pattern, find_pattern

Floats = npt.NDArray[np.float64]

MAX_PEAK, MAX_SEAM, MAX_STRIPES = 28.0, 3.7, 3.2
"""Limits of a sound result. Nearly all honest results stay below 18, 3.2 and 3."""

_LEAST_STRIPES = 0.01
"""Amplitude of stripes, as a share of the contrast, below which nobody sees them."""

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
    pattern
        The strongest periodic pattern.
    seam
        How far steps at the multiples of `tile` stand out from all others, in standard deviations.
    tile
        Distance of those steps, in pixels.
    axis
        Axis that the steps cross, ``"Y"`` or ``"X"``.
    stripes
        Median of the deviations of whole rows or columns from their neighbours, over that expected of chance.
    """

    pattern: Pattern
    seam: float
    tile: int
    axis: str
    stripes: float

    @property
    def excess(self) -> float:
        """How far the worst of the three lies beyond its limit: at most 1 within all limits."""
        return max(self.pattern.peak / MAX_PEAK, self.seam / MAX_SEAM, self.stripes / MAX_STRIPES)


def find_grids(result: Floats, base: Floats, scale: tuple[int, int], step: float = 0.0) -> Grids:
    """Measure grids, seams and stripes of a result.

    Parameters
    ----------
    result, base
        Planes ``(P, Y, X)`` of the result and of an image of the same sample, finite.
    scale
        Factor of interpolation along Y and X, whose own pattern does not count.
    step
        Distance of the grey levels of the result; 0 for floats.
    """
    difference = result - base
    contrast = float(base.std()) or float(result.std())
    if min(difference.shape[-2:]) < 4 * _MARGIN or not contrast or difference.std() < 1e-6 * contrast:
        return Grids(Pattern(), 0.0, 0, "Y", 0.0)
    pattern = find_pattern(difference, base, scale, step) if base.std() else Pattern()
    if pattern.periodic:  # Restoring its lines makes steps and stripes at equal distances.
        return Grids(pattern, 0.0, 0, "Y", 0.0)
    turned = (difference.swapaxes(-1, -2), base.swapaxes(-1, -2))
    # What stands out in the sample itself is no seam: a result sharpens the straight gap between the halves of a brain.
    seams = [
        (*_find_seam(_step_profile(d, b) - _lines(_step_profile(b, b)), step), axis)
        for d, b, step, axis in ((difference, base, scale[1], "X"), (*turned, scale[0], "Y"))
    ]
    seam, tile, axis = max(seams)
    stripes = max(_find_stripes(d, contrast) for d in (difference, turned[0]))
    return Grids(pattern, seam, tile, axis, stripes)


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
