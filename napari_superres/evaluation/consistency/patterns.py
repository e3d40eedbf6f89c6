"""Periodic patterns of a result that its sample does not have: places where a spectrum stands far above its neighbours.

The strongest waves of the sample itself, the sums and differences of their frequencies, and what sampling turns these
into, are left out: a restored crystal or grating has them, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import gcd, inf

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_PERIODS = range(2, 9)
"""Periods, in pixels, that upsampling networks and compression leave."""

_USUAL, _ANY = 0.003, 0.01
"""Amplitudes below which nobody sees a pattern: of those periods, and of others. Shares of contrast or brightness."""

_ANY_OF_BRIGHTNESS = 0.005
"""The same for patterns that follow the brightness, as a share of it."""

_NEIGHBOURS = 13
"""Edge of the neighbourhood in the spectrum that a peak is compared with, in its bins."""

_LOWEST = 0.04
"""Frequency in cycles per pixel below which a pattern cannot be told from the sample."""

_TRIED = 32
"""Number of the strongest places of the spectrum that are looked at in full."""

_OWN, _OWN_AMPLITUDE, _OWN_REACH = 20.0, 1e-4, 7
"""Ratio and amplitude from which a peak is one of the sample, and the edge of what belongs to it, in bins."""

_PERIODIC, _ORDERS = 0.05, 4
"""Amplitude from which the sample is periodic, and the multiples of its frequencies that are left out."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """The strongest periodic pattern.

    Attributes
    ----------
    peak
        Its power over that of its neighbours in the spectrum.
    period
        Its period along Y and X in pixels; infinite along an axis on which it does not change.
    amplitude
        Its amplitude as a share of the contrast of the image.
    periodic
        Whether the sample itself is periodic.
    """

    peak: float = 0.0
    period: tuple[float, float] = (inf, inf)
    amplitude: float = 0.0
    periodic: bool = False


def find_pattern(difference: Floats, base: Floats, scale: tuple[int, int], step: float) -> Pattern:
    """Return the strongest pattern of a difference that its sample does not have.

    Parameters
    ----------
    difference
        Planes ``(P, Y, X)``: a result less an image of the same sample.
    base
        That image, with contrast.
    scale
        Factor of interpolation along Y and X: aliases of the sample's own frequencies do not count.
    step
        Distance of grey levels, half of which no pattern that counts stays below; 0 for floats.
    """
    from scipy.ndimage import gaussian_filter

    contrast, level = float(base.std()), float(np.abs(base).mean())
    own, periodic = _of_sample(*_spectrum(base), contrast, scale)
    bright = gaussian_filter(np.abs(base), (0, 2, 2))
    relative = difference / (bright + level)
    # A relative pattern of amplitude 1 has twice the mean brightness.
    kinds = ((difference, _ANY, max(contrast, level), 1.0), (relative, _ANY_OF_BRIGHTNESS, 1.0, 2 * level))
    found = []
    for values, least, unit, size in kinds:
        limits = [max(share * unit, 0.5 * step / size) for share in (_USUAL, least)]
        pattern = _strongest(*_spectrum(values), (limits[0], limits[1]), own)
        found.append(Pattern(pattern.peak, pattern.period, pattern.amplitude * size / contrast, periodic))
    return max(found, key=lambda one: one.peak)


def _spectrum(planes: Floats) -> tuple[Floats, Floats]:
    """Return the mean power of planes, and the amplitude of a wave that has such power."""
    shape = planes.shape[-2:]
    window = np.multiply.outer(*(np.hanning(n + 2)[1:-1] for n in shape))
    power = np.zeros(shape)
    for plane in planes:
        power += np.abs(np.fft.fft2((plane - plane.mean()) * window)) ** 2
    power /= len(planes)
    return power, np.asarray(2 * np.sqrt(power) / window.sum())


def _strongest(power: Floats, amplitude: Floats, least: tuple[float, float], own: Mask) -> Pattern:
    """Return the place of a spectrum that stands out most, not among those that the sample has.

    Parameters
    ----------
    power, amplitude
        As `_spectrum` returns them.
    least
        Amplitudes below which nobody sees a pattern: of the usual periods, and of any other.
    own
        Places that the sample has.
    """
    shape = power.shape
    limit = np.full(shape, least[1])
    for p, j, k in _lattice():
        limit[round(j * shape[0] / p) % shape[0], round(k * shape[1] / p) % shape[1]] = least[0]
    rough = np.where((amplitude > limit) & ~_slow(shape) & ~own, _rough_ratio(power), 0.0)
    best = Pattern()
    for flat in np.argpartition(rough, -min(_TRIED, rough.size), axis=None)[-_TRIED:]:
        at = np.unravel_index(flat, shape)
        if rough[at] > 0:
            ratio = _ratio(power, int(at[0]), int(at[1]))
            if ratio > best.peak:
                waves = [abs(float(np.fft.fftfreq(n)[i])) for n, i in zip(shape, at, strict=True)]
                period = (1 / waves[0] if waves[0] else inf, 1 / waves[1] if waves[1] else inf)
                best = Pattern(ratio, period, float(amplitude[at]))
    return best


def _ratio(power: Floats, row: int, column: int) -> float:
    """Return the power at a place over the median of its neighbours.

    A straight line of the sample fills a row or column of the spectrum evenly, a pattern one place of it.
    """
    around = np.arange(_NEIGHBOURS) - _NEIGHBOURS // 2
    patch = power[np.ix_((row + around) % power.shape[0], (column + around) % power.shape[1])]
    middle = _NEIGHBOURS // 2
    usual = max(float(np.median(part)) for part in (patch, patch[middle], patch[:, middle]))
    return float(power[row, column] / max(usual, 1e-12 * float(power.max()), 1e-300))


def _rough_ratio(power: Floats) -> Floats:
    """Return about the same everywhere: with geometric means, which a peak hardly changes."""
    from scipy.ndimage import uniform_filter

    logs = np.log(np.maximum(power, max(1e-12 * float(power.max()), 1e-300)))
    sizes: tuple[int | tuple[int, int], ...] = (_NEIGHBOURS, (1, _NEIGHBOURS), (_NEIGHBOURS, 1))
    usual = np.maximum.reduce([uniform_filter(logs, size, mode="wrap") for size in sizes])
    return np.asarray(np.exp(logs - usual))


def _slow(shape: tuple[int, ...]) -> Mask:
    return np.asarray(np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])) < _LOWEST)


def _of_sample(power: Floats, amplitude: Floats, contrast: float, scale: tuple[int, int]) -> tuple[Mask, bool]:
    """Return where the sample has peaks, or may have them after restoration, and whether it is periodic."""
    from scipy.ndimage import maximum_filter

    ratio = np.where(amplitude > _OWN_AMPLITUDE * contrast, _rough_ratio(power), 0.0)
    own = ratio > _OWN
    rest = np.where(own & (amplitude > _PERIODIC * contrast) & ~_slow(power.shape), amplitude, 0.0)
    waves: list[tuple[int, int]] = []
    while len(waves) < 2 and rest.any():
        at = np.unravel_index(rest.argmax(), rest.shape)
        waves.append((int(at[0]), int(at[1])))
        # The second wave is no multiple of the first.
        for order in range(-_ORDERS, _ORDERS + 1):
            _clear(rest, [order * waves[-1][0], order * waves[-1][1]])
    for place in _combined(waves, power.shape, scale):
        own[place] = True
    return np.asarray(maximum_filter(own, _OWN_REACH, mode="wrap")), bool(waves)


def _clear(values: Floats, place: list[int]) -> None:
    around = np.arange(_OWN_REACH) - _OWN_REACH // 2
    rows, columns = ((p + around) % n for p, n in zip(place, values.shape, strict=True))
    values[np.ix_(rows, columns)] = 0.0


def _combined(
    waves: list[tuple[int, int]], shape: tuple[int, ...], scale: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """Yield the sums of multiples of waves, and what sampling makes of them."""
    aliases = [[k * n // s for k in range(s)] for n, s in zip(shape, scale, strict=True)]
    for orders in product(range(-_ORDERS, _ORDERS + 1), repeat=len(waves)):
        if not any(orders):
            continue
        row, column = (sum(o * w[i] for o, w in zip(orders, waves, strict=True)) for i in (0, 1))
        for y, x in product(*aliases):
            yield (row + y) % shape[0], (column + x) % shape[1]


def _lattice() -> Iterator[tuple[int, int, int]]:
    """Yield a period and the number of waves in it along Y and X, each frequency once."""
    for p in _PERIODS:
        for j in range(p):
            for k in range(p // 2 + 1):
                if (j or k) and gcd(gcd(j, k), p) == 1:
                    yield p, j, k
