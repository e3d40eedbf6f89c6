"""Variance of the noise of an input over its brightness, measured in its quietest parts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_superres.degradation.fit import fit_camera
from napari_superres.degradation.optics import bin_mean
from napari_superres.errors import SettingsError
from napari_superres.evaluation.consistency.field_pair import FieldPair, read_field
from napari_superres.evaluation.consistency.fit import SAMPLED_PIXELS

Floats = npt.NDArray[np.float64]

_BLOCK, _MIN_BLOCKS = 8, 4
_QUIETEST = 0.2
"""Quantile of the variances of blocks that represents noise without structure."""

_QUANTILE_OVER_VARIANCE = 0.73
"""That quantile over the true variance, simulated for white noise in blocks of 8 x 8 pixels."""

_MAX_VARIANCE_RATIO = 3.0
"""Ratio of the variances by first and by second differences above which the quietest parts hold structure."""

_MIN_RELATIVE_VARIANCE = 0.05
"""Smallest variance, as a share of that at the mean brightness: the fit is no more accurate."""


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """Variance of noise as a straight line over brightness.

    Attributes
    ----------
    slope
        Variance per unit of intensity.
    intercept
        Variance at intensity 0; may be below 0 for a camera with an offset.
    minimum
        Smallest variance at any brightness.
    """

    slope: float
    intercept: float
    minimum: float

    def sigma(self, brightness: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Return the standard deviation of the noise at each brightness."""
        return np.asarray(np.sqrt(np.maximum(self.slope * brightness + self.intercept, self.minimum)))


def fit_input_noise(pair: FieldPair) -> tuple[NoiseModel | None, str]:
    """Return the noise of the input, None where it cannot be measured, and a note for the report."""
    count = SAMPLED_PIXELS // (pair.lr.size("Y") * pair.lr.size("X"))
    planes = [read_field(pair.lr, index, {}) for index in pair.indices("YX", count)]
    finite = np.concatenate([plane[np.isfinite(plane)] for plane in planes])
    # The fit leaves out pixels of the lowest value, like saturated ones, and with them these fillers.
    planes = [np.where(np.isfinite(plane), plane, finite.min(initial=0.0)) for plane in planes]
    by_first, by_second = _variances_of_quietest_blocks(planes)
    if not 0 < by_first < _MAX_VARIANCE_RATIO * by_second:
        return None, "sigmas are not measurable: the input is too small, or even its quietest parts show structure"
    try:
        # If nearly all blocks are constant, the fit divides by their variance of 0.
        with np.errstate(divide="raise"):
            camera = fit_camera(planes)
    except (SettingsError, FloatingPointError):
        return NoiseModel(0.0, by_second, by_second), "noise: one level for all brightnesses, from few blocks"
    intercept = camera.read_noise**2 - camera.gain * camera.offset
    at_mean = camera.gain * float(finite.mean()) + intercept
    noise = NoiseModel(camera.gain, intercept, max(camera.read_noise**2, _MIN_RELATIVE_VARIANCE * at_mean))
    return noise, "noise: fitted to the quietest parts of the input; fine texture counts as noise"


def _variances_of_quietest_blocks(planes: Sequence[Floats]) -> tuple[float, float]:
    """Return the variance of noise by first and by second differences along Y and X.

    Both agree for white noise. Structure that the first differences still see raises the first number.
    """
    variances = []
    for plane in planes:
        first = np.diff(np.diff(plane, axis=0), axis=1)
        second = np.diff(np.diff(first, axis=0), axis=1)
        variances.append([bin_mean(d**2, (_BLOCK, _BLOCK)).ravel() for d in (first[1:, 1:] / 2, second / 6)])
    blocks = np.concatenate(variances, axis=1)
    blocks = blocks[:, blocks[1] > 0]
    if blocks.shape[1] < _MIN_BLOCKS:
        return 0.0, 0.0
    by_first, by_second = np.quantile(blocks, _QUIETEST, axis=1) / _QUANTILE_OVER_VARIANCE
    return float(by_first), float(by_second)
