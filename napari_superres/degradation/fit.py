"""Measure an instrument on its images: noise from a few raw recordings, blur from a pair of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.binning import bin_mean
from napari_superres.core.noise import measure_noise
from napari_superres.degradation.optics import blur
from napari_superres.errors import SettingsError

_LEAST_NOISE = 1e-6
"""Standard deviation of noise over the range of the grey levels, below which it is a rounding error."""

_LEAST_GROWTH = 0.1
"""Growth of the variance from dark to bright, over that at the middle, below which noise counts as constant."""

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

    The noise is measured by `core.noise.measure_noise`.

    Parameters
    ----------
    planes
        Raw recordings ``YX`` of any size, neither denoised nor interpolated.

    Returns
    -------
    CameraFit
        In grey levels of the images.

    Raises
    ------
    SettingsError
        If the images have too few pixels, or no noise.
    """
    noise = measure_noise(planes)
    low, high = (float(q) for q in np.nanpercentile(np.concatenate([np.ravel(p) for p in planes]), [0.1, 99.9]))
    middle = float(noise.sigma((noise.offset + high) / 2))
    if not middle > _LEAST_NOISE * (high - low):
        raise SettingsError("the images hold no noise, so no camera can be fitted.", remedy="Choose raw recordings.")
    if noise.gain * (high - noise.offset) < _LEAST_GROWTH * middle**2:
        return CameraFit(0.0, noise.offset, middle, high)
    return CameraFit(noise.gain, noise.offset, noise.read_noise, high)


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
