"""Noise of images, measured on the images themselves: its variance as a straight line over brightness.

Noise is white, while the structure of an image fades towards its finest detail. Each block of 8 x 8 pixels is
therefore split into spatial frequencies: its energy near the corner of the spectrum is that of the noise plus a share,
the same in all blocks, of the structure's energy at middle frequencies. One weighted fit over all blocks finds that
share and the line of the noise, so texture is not taken for noise as long as it fades.

Texture that fills an image evenly, such as sand, hides from that fit: no block shows less of it than the others. But
the spectrum of its weakest blocks still falls, as no noise does. A second fit to that spectrum finds which share of the
measured variance is noise. Of that share at least 0.64 is kept, because told too little costs a network more than told
too much.

The split into frequencies to tell noise from structure follows Ponomarenko, Lukin, Zriakhov, Kaarna, Astola 2007
(doi:10.1109/MMSP.2007.4412888); the line of variance over brightness follows Foi, Trimeche, Katkovnik, Egiazarian 2008
(doi:10.1109/TIP.2008.2001399). That noise is measured in blocks of weak texture follows Liu, Tanaka, Okutomi 2013
(doi:10.1109/TIP.2013.2283400), and that the energy of images falls with a power of the frequency, Field 1987
(doi:10.1364/JOSAA.4.002379).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import SettingsError

Floats = npt.NDArray[np.float64]

BLOCK = 8
"""Edge of a block in pixels."""

MIN_BLOCKS = 4
"""Fewest blocks to which a line is fitted."""

_ORDER = np.arange(BLOCK)
_BANDS = np.arange(2, 2 * BLOCK - 1)
"""Sums of the spatial frequencies along X and Y, in half periods per block, of the bands of a block's spectrum."""

_IN_BAND = (_ORDER + _ORDER[:, None] == _BANDS[:, None, None]) & (_ORDER > 0) & (_ORDER[:, None] > 0)
_SIZES = _IN_BAND.sum(axis=(1, 2))
_LOW, _MIDDLE, _CORNER = _BANDS <= 4, (_BANDS >= 5) & (_BANDS <= 9), _BANDS >= 12
"""Bands by which blocks are called weak, and that count as middle and as corner."""

_SATURATED = 0.25
"""Share of pixels at the highest value of all from which a block counts as saturated.

Many pixels at the lowest value are no reason to leave a block out: so looks darkness when single photons are counted.
"""

_MAX_SHARE = 0.5
"""Largest share of the middle's energy that is expected at the corner. It was at most 0.4 in the images tried."""

_CAUTION = 3.0
"""Weight of the assumption that the share is 0, in blocks: few blocks do not prove that the corner holds structure."""

_FEW_PIXELS = 1 << 18
"""Images of at most so many pixels are divided into blocks that overlap by half, which makes more of them."""

_WEAK = 0.5
"""Share of the brighter half of the blocks whose spectrum is that of weak texture."""

_MIN_WEAK = 100
"""Fewest blocks of weak texture whose spectrum is trusted."""

_FADING = 0.75
"""Half the power of the frequency with which the energy of sharp texture falls. Blur adds a Gaussian to it."""

_BLURS = np.append(0.0, np.geomspace(0.1, 20.0, 24))
_SHARES = np.linspace(0.64, 1.0, 19)
"""Gaussians that are tried, and shares of the measured variance that may be noise."""

_MISFIT = 0.05
"""Relative error with which texture follows the law of its fading, in addition to chance."""

_DARKEST = 0.005
"""Quantile of the brightness of blocks that stands for darkness."""

_SAMPLE = 1 << 16
"""Pixels of a plane among which the step between grey levels is looked for."""

_ROUNDS = 8
_FLOOR = 1e-2
"""Smallest expected energy of a block over the median one: an exact 0 would get all the weight."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise whose variance at intensity I is ``gain * max(I - offset, 0) + read_noise**2``.

    Attributes
    ----------
    gain
        Variance per intensity, in grey levels: that of one photon if the noise is that of photons. At least 0.
    read_noise
        Standard deviation at `offset`, in grey levels. At least 0.
    offset
        Grey level of the darkest parts in which noise was measured.
    """

    gain: float
    read_noise: float
    offset: float

    def sigma(self, intensity: npt.NDArray[Any] | float) -> Floats:
        """Return the standard deviation of the noise at each intensity, in grey levels."""
        above = np.maximum(np.asarray(intensity, dtype=np.float64) - self.offset, 0)
        return np.asarray(np.sqrt(self.gain * above + self.read_noise**2))

    def on_scale(self, low: float, high: float) -> tuple[float, float]:
        """Return gain and read noise on the scale where `low` becomes 0 and `high` becomes 1.

        There, the variance at intensity x is ``gain * x + read_noise**2``: the same line. If it reaches 0 above `low`,
        the read noise is 0.
        """
        span = high - low
        dark = self.gain * (low - self.offset) + self.read_noise**2
        return self.gain / span, float(np.sqrt(max(dark, 0.0))) / span

    def darkness(self, low: float, high: float) -> float:
        """Return where, on the scale of `on_scale`, the variance reaches 0; 0 if that is below `low`.

        With the read noise of `on_scale`, which is then 0, the variance at intensity x is ``gain * (x - darkness)``.
        """
        dark = self.gain * (low - self.offset) + self.read_noise**2
        return -dark / self.gain / (high - low) if self.gain > 0 and dark < 0 else 0.0

    def scaled(self, strength: float) -> "Noise":
        """Return noise with `strength` times the standard deviation at every intensity."""
        return Noise(self.gain * strength**2, self.read_noise * strength, self.offset)


def measure_noise(planes: Sequence[npt.NDArray[Any]]) -> Noise:
    """Measure the noise of images that were taken with one setting of one instrument.

    Parameters
    ----------
    planes
        Planes ``YX`` of any size, together of at least four blocks of 8 x 8 pixels without NaN or infinite pixels, and
        not saturated. They must be neither denoised nor interpolated, which makes noise smooth and the result too low.

    Returns
    -------
    Noise
        In grey levels. It is 0 if all pixels are the same; otherwise, whole numbers have at least the error of
        rounding; see `rounding_error`.

    Raises
    ------
    SettingsError
        If the planes have too few usable blocks.
    """
    finite = [plane[np.isfinite(plane)] for plane in planes]
    lowest = min((float(values.min()) for values in finite if values.size), default=np.nan)
    highest = max((float(values.max()) for values in finite if values.size), default=np.nan)
    if lowest == highest:
        return Noise(0.0, 0.0, lowest)
    starts = (0, BLOCK // 2) if sum(plane.size for plane in planes) <= _FEW_PIXELS else (0,)
    parts = [_blocks(plane[y:, x:], highest) for plane in planes for y in starts for x in starts]
    blocks = np.concatenate(parts) if parts else np.empty((0, 1 + len(_BANDS)))
    if len(blocks) < MIN_BLOCKS:
        raise SettingsError(
            f"noise is measured in at least {MIN_BLOCKS} blocks of {BLOCK} x {BLOCK} pixels that are finite and "
            f"neither saturated nor constant, found {len(blocks)}.",
            remedy="Choose more or larger images.",
        )
    means, bands = blocks[:, 0], blocks[:, 1:]
    offset = float(np.quantile(means, _DARKEST))
    brightness = np.maximum(means - offset, 0)
    base, gain = _fit(brightness, _mean(bands, _MIDDLE), _mean(bands, _CORNER))
    share = _noise_share(bands, base + gain * brightness)
    base, gain = share * base, share * gain
    rounding = rounding_error(planes)
    if base + gain * (means.max() - offset) < rounding**2:
        return Noise(0.0, rounding, offset)
    return Noise(gain, float(np.sqrt(base)), offset)


def rounding_error(planes: Sequence[npt.NDArray[Any]]) -> float:
    """Return the standard deviation of the rounding of whole numbers to the grey levels that planes use; else 0."""
    if any(plane.dtype.kind not in "ui" for plane in planes):
        return 0.0
    # Whole numbers are sorted much faster than real ones.
    levels = [np.unique(plane.ravel()[:: max(1, plane.size // _SAMPLE)]) for plane in planes]
    steps = [np.diff(np.unique(each.astype(np.float64))) for each in levels]
    return min((float(step.min()) for step in steps if step.size), default=1.0) / 12**0.5


def _blocks(plane: npt.NDArray[Any], highest: float) -> Floats:
    """Return a row for each usable block of a plane: its mean, and the mean energy of each band."""
    rows, columns = (n // BLOCK for n in plane.shape)
    tiles = np.asarray(plane[: rows * BLOCK, : columns * BLOCK], dtype=np.float64)
    tiles = tiles.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2).reshape(rows, columns, BLOCK**2)
    # The orthonormal discrete cosine transform: white noise has the same energy in each of its coefficients.
    waves = np.sqrt(2 / BLOCK) * np.cos(np.pi / BLOCK * (_ORDER + 0.5) * _ORDER[:, None])
    # Row by row: products so small are not shared among threads, which would take longer to wait for each other.
    with np.errstate(invalid="ignore"):
        bands = (tiles @ np.kron(waves, waves).T) ** 2 @ (_IN_BAND / _SIZES[:, None, None]).reshape(-1, BLOCK**2).T
    means, saturated = tiles.mean(axis=2), (tiles == highest).mean(axis=2)
    usable = np.isfinite(means) & (saturated < _SATURATED) & ((_mean(bands, _MIDDLE) + _mean(bands, _CORNER)) > 0)
    return np.concatenate([means[usable][:, None], bands[usable]], axis=1)


def _mean(bands: Floats, chosen: npt.NDArray[np.bool_]) -> Floats:
    """Return the mean energy of all coefficients of some bands."""
    mean: Floats = bands[..., chosen] @ (_SIZES[chosen] / _SIZES[chosen].sum())
    return mean


def _noise_share(bands: Floats, noise: Floats) -> float:
    """Return the share of a measured variance that is noise: what does not fade in the blocks of weakest texture.

    Dark blocks are left out: their noise may be too weak to be known. Blocks are weak by their low frequencies, which
    the fit does not use, so chance at high frequencies chooses none.
    """
    bright = np.flatnonzero((noise > 0) & (noise >= np.median(noise)))
    count = int(_WEAK * len(bright))
    if count < _MIN_WEAK:
        return 1.0
    bands, noise = bands[bright], noise[bright]
    weak = np.argpartition(_mean(bands, _LOW) / noise, count - 1)[:count]
    fine = ~_LOW
    spectrum = (bands[weak][:, fine] / noise[weak, None]).mean(axis=0)
    # Blocks overlap, hence the factor of 3: one in three counts.
    error = spectrum * np.sqrt(2 * 3 / (count * _SIZES[fine]) + _MISFIT**2)
    if not error.all():
        return 1.0
    squares = (_BANDS[fine] / (2.0 * BLOCK)) ** 2
    texture = squares**-_FADING * np.exp(-_BLURS[:, None] * squares)
    texture = texture / (texture[:, :1] * error)
    rest = (spectrum - _SHARES[:, None]) / error
    strength = np.maximum(rest @ texture.T / np.square(texture).sum(axis=1), 0)
    misfit = np.square(rest[:, None] - strength[..., None] * texture).sum(axis=-1).min(axis=1)
    return float(_SHARES[np.argmin(misfit)])


def _fit(brightness: Floats, middle: Floats, corner: Floats) -> tuple[float, float]:
    """Return the variance of noise at brightness 0, and per brightness.

    The expected energy at the corner is ``(1 - share) * variance(brightness) + share * middle``. Energies scatter in
    proportion to what is expected, so each block is weighted by its inverse; blocks full of structure weigh still less.
    """
    unit, span = float(np.median(corner)) or float(corner.mean()) or 1.0, float(brightness.max()) or 1.0
    corner, middle = corner / unit, middle / unit
    terms = np.stack([np.ones_like(corner), brightness / span, middle], axis=1)
    caution = np.array([[0.0, 0.0, np.sqrt(_CAUTION)]])
    expected = corner.mean() + 0.5 * middle
    base = gain = 0.0
    for _ in range(_ROUNDS):
        weight = 1 / np.maximum(expected, _FLOOR)
        rows = np.concatenate([terms * weight[:, None], caution])
        base, gain, share = _nonnegative(rows, np.append(corner * weight, 0.0))
        if share > _MAX_SHARE:
            share = _MAX_SHARE
            rest = (corner - share * middle) * weight
            base, gain = _nonnegative(terms[:, :2] * weight[:, None], rest)
        base, gain = base / (1 - share), gain / (1 - share)
        noise = base + gain * terms[:, 1]
        expected = (1 - share) * noise + share * middle
        expected = expected * np.sqrt(np.maximum(middle / np.maximum(noise, _FLOOR), 1))
    # A slope no larger than its own error is chance: it is shrunk towards 0 around the mean brightness. Overlapping
    # blocks are not independent, hence the factor of 2.
    weight = weight**2
    centre = float(np.average(terms[:, 1], weights=weight))
    scatter = np.mean(weight * (corner - (1 - share) * noise - share * middle) ** 2)
    slope = ((1 - share) * gain) ** 2 * float(np.sum(weight * (terms[:, 1] - centre) ** 2))
    kept = slope / (slope + 2 * scatter) if slope else 0.0
    return float((base + (1 - kept) * gain * centre) * unit), float(kept * gain * unit / span)


def _nonnegative(terms: Floats, values: Floats) -> Floats:
    """Return the factors of at least 0 that bring the sum of a few terms, one per column, nearest to values."""
    from scipy.optimize import nnls

    # The least squares depend only on products of the columns. A square root of these products has few rows, instead of
    # one for each block, over which threads would wait for each other many times.
    columns = np.column_stack([terms, values])
    energies, directions = np.linalg.eigh(columns.T @ columns)
    root = np.sqrt(np.maximum(energies, 0))[:, None] * directions.T
    factors: Floats = nnls(root[:, :-1], root[:, -1])[0]
    return factors
