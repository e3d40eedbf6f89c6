"""Do the intensities of a candidate follow those of the reference? Gamma, flux and scale-invariant PSNR.

Metrics that ignore gain and offset hide errors of intensity. The numbers in this file show them.
"""

from dataclasses import dataclass
from math import inf, nan
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.evaluation.metrics.full_reference import pearson

Array = npt.NDArray[Any]

_BINS = 20
_MIN_PER_BIN = 8
_MAX_PIXELS = 1_000_000
_GAMMA_BOUNDS = (0.2, 5.0)
_LEAST_SUM = 0.5
"""Sum of a reference over the sum of its magnitudes, below which its intensities are signed."""


@dataclass(frozen=True, slots=True)
class Linearity:
    """Mean intensity of the candidate as a function of the reference's, in bins of equal numbers of pixels.

    Attributes
    ----------
    reference, candidate
        Mean of each bin, in intensity units; 1-D arrays of the same length.
    gamma
        Exponent of ``candidate = a * (reference - darkest) ** gamma + b``, 0.2 to 5; 1 where linear.
    r_squared
        Coefficient of determination of a straight line through the bins, at most 1.
    deviation
        Largest distance of a bin from that line, as a share of the candidate's span.
    """

    reference: npt.NDArray[np.float64]
    candidate: npt.NDArray[np.float64]
    gamma: float
    r_squared: float
    deviation: float


def linearity(reference: Array, candidate: Array) -> Linearity:
    """Measure how the candidate's intensities follow the reference's, in 20 quantile bins of the reference.

    Parameters
    ----------
    reference, candidate
        Arrays of any shape, the same for both. Arrays of more than a million pixels are sampled regularly.

    Returns
    -------
    Linearity
        Numbers are nan where fewer than three bins differ. Pixels that are not finite in both arrays are left out.
    """
    step = max(1, reference.size // _MAX_PIXELS)
    a, b = (np.asarray(v).ravel()[::step].astype(np.float64) for v in (reference, candidate))
    keep = np.isfinite(a) & np.isfinite(b)
    a, b = a[keep], b[keep]
    edges = np.unique(np.quantile(a, np.linspace(0, 1, _BINS + 1))) if a.size else np.empty(0)
    if len(edges) < 4:
        return Linearity(np.empty(0), np.empty(0), nan, nan, nan)
    bin_index = np.clip(np.searchsorted(edges, a, side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(bin_index, minlength=len(edges) - 1)
    full = count >= min(_MIN_PER_BIN, count.max())
    x, y = (np.bincount(bin_index, weights=v, minlength=len(count))[full] / count[full] for v in (a, b))
    if len(x) < 3 or np.ptp(y) == 0:
        return Linearity(x, y, nan, nan, nan)
    residual = _line_residual(x, y)
    return Linearity(
        x,
        y,
        _fit_gamma(x - edges[0], y),
        1 - float(residual @ residual) / float(np.square(y - y.mean()).sum()),
        float(np.abs(residual).max() / np.ptp(y)),
    )


def flux(reference: Array, candidate: Array) -> float:
    """Return the total intensity of the candidate divided by that of the reference.

    Parameters
    ----------
    reference, candidate
        Arrays of any shape, the same for both.

    Returns
    -------
    float
        1 where intensity is preserved. Only pixels finite in both are summed. nan where the reference is signed, such
        as phases or Hounsfield units: its sum is then below half the sum of its magnitudes, and no amount of light.
    """
    sums = np.zeros(3)
    for plane, other in zip(np.atleast_1d(reference), np.atleast_1d(candidate), strict=True):
        a, b = np.asarray(plane, dtype=np.float64), np.asarray(other, dtype=np.float64)
        keep = np.isfinite(a) & np.isfinite(b)
        sums += a[keep].sum(), b[keep].sum(), np.abs(a[keep]).sum()
    return float(sums[1] / sums[0]) if sums[0] > _LEAST_SUM * sums[2] else nan


def si_psnr(reference: Array, candidate: Array, *, data_range: float | None = None) -> float:
    """Return the scale-invariant PSNR: that of the candidate after the best gain and offset.

    Its closed form is ``20 log10((max - min) / std) - 10 log10(1 - r^2)``. Range and standard deviation are those of
    the reference, and r is Pearson's coefficient (Weigert et al. 2018, doi:10.1038/s41592-018-0216-7).

    Parameters
    ----------
    reference, candidate
        Arrays of any shape, the same for both.
    data_range
        Range in place of ``max - min``, which one hot pixel can widen; None = that of the reference.

    Returns
    -------
    float
        In dB; infinite where the two are proportional but for an offset, nan where an array is constant.

    Raises
    ------
    EvaluationError
        If the shapes differ.

    Notes
    -----
    Gain, offset and even the sign of the contrast do not change the value. Pixels not finite in both are left out.
    """
    a, b = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    keep = np.isfinite(a) & np.isfinite(b)
    r = pearson(reference, candidate)
    if np.isnan(r):
        return nan
    unexplained = 1 - r * r
    if unexplained <= 1e-15:
        return inf
    span = np.ptp(a[keep]) if data_range is None else data_range
    return float(20 * np.log10(span / a[keep].std()) - 10 * np.log10(unexplained))


def _line_residual(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return y minus its least-squares line over x."""
    x, y = x - x.mean(), y - y.mean()
    power = float(x @ x)
    return y - x * (float(x @ y) / power) if power > 0 else y


def _fit_gamma(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    from scipy.optimize import minimize_scalar

    scaled = np.clip(x / x.max(), 0.0, None)
    best = minimize_scalar(
        lambda g: float(np.square(_line_residual(scaled ** np.exp(g), y)).sum()),
        bounds=tuple(np.log(_GAMMA_BOUNDS)),
        method="bounded",
    )
    return float(np.exp(best.x))
