"""Measure an instrument on its images: noise from a few raw recordings, blur from a pair of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.degradation.optics import bin_mean, blur
from napari_superres.errors import SettingsError

_BLOCK = 16
_BINS = 24
_MIN_BLOCKS = 64
_QUIET = 0.2
"""Share of the blocks of one brightness that are assumed to show no structure."""

_QUIET_BIAS = 0.86
"""Largest variance of these blocks over the true one, for white noise in blocks of 16 x 16 pixels (simulated)."""

_MAX_SIGMA = 6.0


@dataclass(frozen=True, slots=True)
class CameraFit:
    """Gain, offset and noise of a camera, estimated from its images.

    Attributes
    ----------
    gain
        Grey levels per electron; 0 if the noise does not grow with brightness.
    offset
        Grey level of darkness, or of the darkest blocks that the images show.
    read_noise
        Standard deviation of the noise at `offset`, in grey levels.
    high
        99.9 percentile of the grey levels.
    """

    gain: float
    offset: float
    read_noise: float
    high: float

    @property
    def photons(self) -> float | None:
        """Electrons in a pixel of the grey level `high`; None if the noise does not grow with brightness."""
        return (self.high - self.offset) / self.gain if self.gain > 0 else None

    def optics(self, psf_sigma: tuple[float, float], *, spread: float = 1.5) -> dict[str, Any]:
        """Return a recipe's ``[degradation]``: strengths from 1 / `spread` to `spread` times the measured ones."""
        settings: dict[str, Any] = {"kind": "optics", "psf_sigma": list(psf_sigma)}
        unit = self.gain if self.photons is not None else self.high - self.offset
        if self.photons is not None:
            settings["photons"] = [self.photons / spread, self.photons * spread]
        return settings | {"read_noise": [self.read_noise / unit / spread, self.read_noise / unit * spread]}


def fit_camera(planes: Sequence[npt.NDArray[Any]]) -> CameraFit:
    """Measure gain, offset and read noise of a camera on its images.

    The variance of the noise grows linearly with brightness (Foi, Trimeche, Katkovnik, Egiazarian 2008,
    doi:10.1109/TIP.2008.2001399). A line is fitted to the blocks with the least variance at each brightness.

    Parameters
    ----------
    planes
        Raw recordings ``YX`` of any size, neither denoised nor interpolated. Together they need at least 64 blocks of
        16 x 16 pixels, some of them without fine structure.

    Returns
    -------
    CameraFit
        In grey levels of the images.

    Raises
    ------
    SettingsError
        If the images have too few pixels, or no noise.
    """
    means, variances = (np.concatenate(each) for each in zip(*map(_blocks, planes), strict=True))
    if len(means) < _MIN_BLOCKS:
        raise SettingsError(
            f"a camera is fitted to at least {_MIN_BLOCKS} blocks of {_BLOCK} x {_BLOCK} pixels that are neither "
            f"saturated nor constant; these images have {len(means)}.",
            remedy="Choose more or larger images.",
        )
    if not variances.max() > 0:
        raise SettingsError("the images hold no noise, so no camera can be fitted.", remedy="Choose raw recordings.")
    order = np.argsort(means)
    bins = [part for part in np.array_split(order, min(_BINS, len(order) // 8)) if len(part)]
    brightness = np.array([means[part].mean() for part in bins])
    noise = np.array([np.quantile(variances[part], _QUIET) for part in bins]) / _QUIET_BIAS
    # The scatter of an estimated variance is proportional to the variance: weigh each by its inverse.
    gain, base = np.polyfit(brightness, noise, 1, w=1 / np.maximum(noise, noise.max() * 1e-3))
    high = float(np.percentile(np.concatenate([np.ravel(p) for p in planes]), 99.9))
    offset = float(np.quantile(means, 0.005))
    if gain * (brightness[-1] - brightness[0]) < 0.1 * noise.mean():
        return CameraFit(0.0, offset, float(np.sqrt(noise.mean())), high)
    dark = max(float(base + gain * offset), 0.0)
    return CameraFit(float(gain), offset, float(np.sqrt(dark)), high)


def fit_psf(low: npt.NDArray[Any], high: npt.NDArray[Any], scale: int) -> float:
    """Measure the width of the Gaussian that best turns a high-resolution plane into a low-resolution one.

    Both planes show the same field of view. Gain and offset between them do not matter.

    Parameters
    ----------
    low, high
        Aligned planes of ``(h, w)`` and ``(h * scale, w * scale)`` pixels.
    scale
        Factor along both axes.

    Returns
    -------
    float
        Standard deviation in high-resolution pixels, 0 to 6.
    """
    from scipy.optimize import minimize_scalar

    recorded = np.asarray(low, dtype=np.float64).ravel()

    def misfit(sigma: float) -> float:
        simulated = bin_mean(blur(high, (sigma, sigma)), (scale, scale)).ravel()
        return 1.0 - float(np.corrcoef(simulated, recorded)[0, 1])

    return float(minimize_scalar(misfit, bounds=(0.0, _MAX_SIGMA), method="bounded").x)


def _blocks(plane: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean and noise variance of each block of a plane that is not saturated."""
    values = np.asarray(plane, dtype=np.float64)
    rows = values[:-2] - 2 * values[1:-1] + values[2:]
    # Second differences along both axes cancel smooth structure and have 36 times the variance of white noise.
    both = (rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]) ** 2 / 36
    inner = values[1:-1, 1:-1]
    if min(inner.shape) < _BLOCK:
        return np.empty(0), np.empty(0)
    means, variances = (bin_mean(each, (_BLOCK, _BLOCK)).ravel() for each in (inner, both))
    clipped = bin_mean((inner >= values.max()) | (inner <= values.min()), (_BLOCK, _BLOCK)).ravel()
    kept = clipped < 0.02
    return means[kept], variances[kept]
