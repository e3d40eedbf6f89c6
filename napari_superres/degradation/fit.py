"""What an instrument does, measured on its images: noise from a few recordings, blur from pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.degradation.optics import bin_mean, blur
from napari_superres.errors import SettingsError

_BLOCK = 16
_BINS = 24
_LEAST_BLOCKS = 64
_QUIET = 0.2
"""Share of the blocks of one brightness that are taken to be free of structure."""

_QUIET_BIAS = 0.86
"""Their greatest variance over the true one, for white noise in blocks of 16 x 16 pixels (simulated)."""

_MOST_SIGMA = 6.0


@dataclass(frozen=True, slots=True)
class CameraFit:
    """A camera as its images show it.

    Attributes
    ----------
    gain
        Grey levels per electron; 0 where noise does not grow with light.
    offset
        Grey level of darkness, or of the darkest that was seen.
    read_noise
        Standard deviation in the dark, in grey levels.
    high
        Grey level of the brightest (99.9 percentile).
    """

    gain: float
    offset: float
    read_noise: float
    high: float

    @property
    def photons(self) -> float | None:
        """Electrons at the brightest; None where noise does not grow with light."""
        return (self.high - self.offset) / self.gain if self.gain > 0 else None

    def optics(self, psf_sigma: tuple[float, float], *, spread: float = 1.5) -> dict[str, Any]:
        """Return settings of an instrument around the fit, strengths up to `spread` times either way."""
        found: dict[str, Any] = {"kind": "optics", "psf_sigma": list(psf_sigma)}
        unit = self.gain if self.photons is not None else self.high - self.offset
        if self.photons is not None:
            found["photons"] = [self.photons / spread, self.photons * spread]
        return found | {"read_noise": [self.read_noise / unit / spread, self.read_noise / unit * spread]}


def fit_camera(planes: Sequence[npt.NDArray[Any]]) -> CameraFit:
    """Return gain, offset and read noise of the camera that recorded some planes.

    The variance of the noise is a line over brightness (Foi, Trimeche, Katkovnik, Egiazarian 2008,
    doi:10.1109/TIP.2008.2001399), fitted to the quietest blocks of each brightness.

    Parameters
    ----------
    planes
        Raw recordings ``YX`` of any sizes, neither denoised nor interpolated; together at least 64 blocks of
        16 x 16 pixels, some of them without fine structure.

    Raises
    ------
    SettingsError
        If there are too few pixels, or no noise.
    """
    means, variances = (np.concatenate(each) for each in zip(*map(_blocks, planes), strict=True))
    if len(means) < _LEAST_BLOCKS:
        raise SettingsError(
            f"a camera is fitted to at least {_LEAST_BLOCKS} blocks of {_BLOCK} x {_BLOCK} pixels that are neither "
            f"saturated nor constant; these images have {len(means)}. Give more or larger images."
        )
    if not variances.max() > 0:
        raise SettingsError("the images hold no noise, so no camera can be fitted. Give raw recordings.")
    order = np.argsort(means)
    bins = [part for part in np.array_split(order, min(_BINS, len(order) // 8)) if len(part)]
    light = np.array([means[part].mean() for part in bins])
    noise = np.array([np.quantile(variances[part], _QUIET) for part in bins]) / _QUIET_BIAS
    # The spread of a variance grows with it.
    gain, base = np.polyfit(light, noise, 1, w=1 / np.maximum(noise, noise.max() * 1e-3))
    high = float(np.percentile(np.concatenate([np.ravel(p) for p in planes]), 99.9))
    offset = float(np.quantile(means, 0.005))
    if gain * (light[-1] - light[0]) < 0.1 * noise.mean():
        return CameraFit(0.0, offset, float(np.sqrt(noise.mean())), high)
    dark = max(float(base + gain * offset), 0.0)
    return CameraFit(float(gain), offset, float(np.sqrt(dark)), high)


def fit_psf(low: npt.NDArray[Any], high: npt.NDArray[Any], scale: int) -> float:
    """Return the width of the Gaussian that best turns a high-resolution plane into a low-resolution one.

    Both show the same field; gain and offset between them do not matter.

    Parameters
    ----------
    low, high
        Planes of ``(h, w)`` and ``(h * scale, w * scale)`` pixels that lie on each other.
    scale
        Factor along both axes.

    Returns
    -------
    float
        Standard deviation in high-resolution pixels, 0 to 6.
    """
    from scipy.optimize import minimize_scalar

    seen = np.asarray(low, dtype=np.float64).ravel()

    def unlikeness(sigma: float) -> float:
        made = bin_mean(blur(high, (sigma, sigma)), (scale, scale)).ravel()
        return 1.0 - float(np.corrcoef(made, seen)[0, 1])

    return float(minimize_scalar(unlikeness, bounds=(0.0, _MOST_SIGMA), method="bounded").x)


def _blocks(plane: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean and noise variance of every block of a plane, saturated ones left out."""
    values = np.asarray(plane, dtype=np.float64)
    rows = values[:-2] - 2 * values[1:-1] + values[2:]
    # Second differences along both axes: 36 times the variance of white noise, and little else.
    both = (rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]) ** 2 / 36
    inner = values[1:-1, 1:-1]
    if min(inner.shape) < _BLOCK:
        return np.empty(0), np.empty(0)
    means, variances = (bin_mean(each, (_BLOCK, _BLOCK)).ravel() for each in (inner, both))
    clipped = bin_mean((inner >= values.max()) | (inner <= values.min()), (_BLOCK, _BLOCK)).ravel()
    kept = clipped < 0.02
    return means[kept], variances[kept]
