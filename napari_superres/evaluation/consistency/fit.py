"""Fit the degradation that takes a result to its input: width of the point-spread function, gain and offset."""

from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.units import METRES
from napari_superres.degradation.psf import psf_kernel, psf_sigma
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.consistency.field_pair import MIN_SIZE, FieldPair, Index, read_field
from napari_superres.evaluation.consistency.spectral_degradation import degrade_field

Floats = npt.NDArray[np.float64]

SIGMAS = (0.0, 0.3, 0.6, 1.0, 1.6, 2.5, 4.0, 6.3, 10.0)
"""Widths of the point-spread function that are tried first, in input pixels."""

SAMPLED_PIXELS = 2**20
"""Number of pixels that a fit looks at, at most."""

MIN_GAIN = 1e-3
"""Smallest gain, relative to the contrast of the input over that of the degraded result (as in SQUIRREL)."""

ROUNDING = 1e-9
"""Relative difference below which two values are equal but for rounding."""


@dataclass(frozen=True, slots=True)
class IntensityFit:
    """``lr = gain * degraded + offset``.

    Attributes
    ----------
    gain, offset
        As declared, or fitted by least squares; `gain` is above 0.
    rmse
        Root-mean-square error that is left, in the intensity unit of the input.
    """

    gain: float
    offset: float
    rmse: float


def fit_intensities(degraded: Floats, lr: Floats, gain: float | None, offset: float | None) -> IntensityFit:
    """Fit gain and offset, each unless it is given, over the pixels finite in both arrays.

    Raises
    ------
    EvaluationError
        If either array has no contrast there.
    """
    valid = np.isfinite(degraded) & np.isfinite(lr)
    degraded, lr = degraded[valid], lr[valid]
    if not lr.size or not np.ptp(lr):
        raise EvaluationError(
            "the input must have contrast where both are finite, found none.", remedy="Choose another `channel`."
        )
    spread, centre = float(degraded.std()), float(degraded.mean())
    if spread <= ROUNDING * float(np.abs(degraded).max()):
        raise EvaluationError(
            "the result, degraded again, is constant: none of its structure could have been in the input.",
            remedy="Check that the result was made from this input.",
        )
    if gain is None:
        origin, level = (centre, float(lr.mean())) if offset is None else (0.0, offset)
        least_squares = float((degraded - origin) @ (lr - level)) / float((degraded - origin) @ (degraded - origin))
        gain = max(least_squares, MIN_GAIN * float(lr.std()) / spread)
    if offset is None:
        offset = float(lr.mean()) - gain * centre
    return IntensityFit(gain, offset, float(np.sqrt(np.mean((gain * degraded + offset - lr) ** 2))))


def fit_psf_sigma(pair: FieldPair, gain: float | None, offset: float | None) -> float:
    """Return the width of the point-spread function that leaves the least error, on a sample of the field.

    Returns
    -------
    float
        Standard deviation in input pixels, 0 to 10.
    """
    from scipy.optimize import minimize_scalar

    size = prod(pair.shape) * prod(pair.factor)
    indices = pair.indices(pair.axes, SAMPLED_PIXELS // size)
    share = min(1.0, (SAMPLED_PIXELS / size) ** (1 / len(pair.shape)))
    box = _box_of_most_contrast(pair, indices[len(indices) // 2], share)
    spectra = [pair.result_spectra(index, box) for index in indices]
    lr = np.stack([read_field(pair.lr, index, box) for index in indices])
    # The same pixels must be left out for every width, or their errors could not be compared.
    lr[np.isnan([degrade_field(*each, pair.factor, 1.0) for each in spectra])] = np.nan

    def error(sigma: float) -> float:
        degraded = np.stack([degrade_field(spectrum, None, pair.factor, sigma) for spectrum, _ in spectra])
        return fit_intensities(degraded, lr, gain, offset).rmse

    errors = [error(sigma) for sigma in SIGMAS]
    best = int(np.argmin(errors))
    bounds = SIGMAS[max(best - 1, 0)], SIGMAS[min(best + 1, len(SIGMAS) - 1)]
    refined = minimize_scalar(error, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(refined.x) if refined.fun < errors[best] else SIGMAS[best]


def measured_blur(psf: Image, pair: FieldPair) -> tuple[Floats, float]:
    """Return a measured point-spread function as a kernel of the result's pixels, and its sigma in input pixels.

    Along axes that did not become finer, the result is as blurred as its input: the kernel is summed over them.

    Raises
    ------
    SettingsError
        If the pixel size of either is unknown, or `psf` is a plane and Z became finer.
    """
    sizes = dict(zip(pair.lr.spatial, pair.lr.pixel_size, strict=True))
    units = [METRES.get(pair.lr.units.get(a) or "", 0.0) for a in pair.axes]
    if not all(units):
        raise SettingsError(
            "a measured point-spread function needs an input of known pixel size.", remedy="Set its `pixel_size`."
        )
    coarse = [sizes[a] * unit / METRES["micrometer"] for a, unit in zip(pair.axes, units, strict=True)]
    kernel = psf_kernel(psf, [size / m for size, m in zip(coarse, pair.factor, strict=True)])
    still = tuple(axis for axis, m in enumerate(pair.factor) if m == 1)
    width = psf_sigma(psf)
    finer = [width[a] / size for a, size, m in zip(pair.axes, coarse, pair.factor, strict=True) if m > 1]
    return kernel.sum(axis=still, keepdims=True), float(np.mean(finer))


def _box_of_most_contrast(pair: FieldPair, index: Index, share: float) -> dict[str, slice]:
    """Return the box in which the input varies most, whose edges are a `share` of those of the field."""
    lr = read_field(pair.lr, index, {})
    deviation = np.nan_to_num(lr - np.mean(lr[np.isfinite(lr)])) ** 2 if np.isfinite(lr).any() else lr
    edges = [min(n, max(MIN_SIZE, int(np.ceil(n * share)))) for n in pair.shape]
    starts = [sorted({0, (n - e) // 2, n - e}) for n, e in zip(pair.shape, edges, strict=True)]
    boxes = [[slice(s, s + e) for s, e in zip(start, edges, strict=True)] for start in product(*starts)]
    best = max(boxes, key=lambda box: float(deviation[tuple(box)].sum()))
    return dict(zip(pair.axes, best, strict=True))
