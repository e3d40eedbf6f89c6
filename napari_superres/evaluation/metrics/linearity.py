"""Whether a candidate's intensities are those of the reference but for a line: gain, offset, gamma, flux, linearity.

Metrics that do not see gain and offset hide errors of intensity; these numbers show them.
"""

from dataclasses import dataclass
from math import inf, nan
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.evaluation.metrics.full_reference import pearson

Array = npt.NDArray[Any]

_BINS = 20
_LEAST_PER_BIN = 8
_SAMPLES = 1_000_000
_GAMMAS = (0.2, 5.0)


@dataclass(frozen=True, slots=True)
class Linearity:
    """Mean intensity of the candidate over that of the reference, in bins of as many pixels each.

    Attributes
    ----------
    reference, candidate
        Means per bin, in intensity units.
    gamma
        Exponent of ``candidate = a * (reference - darkest) ** gamma + b``; 1 where linear.
    r_squared
        Of a line through the bins.
    deviation
        Largest distance of a bin from that line, as a share of the candidate's span.
    """

    reference: npt.NDArray[np.float64]
    candidate: npt.NDArray[np.float64]
    gamma: float
    r_squared: float
    deviation: float


def linearity(reference: Array, candidate: Array) -> Linearity:
    """Measure how the candidate's intensities follow the reference's, in 20 bins by quantiles of the reference.

    Parameters
    ----------
    reference, candidate
        Any shape, both the same; of many pixels, every nth is used.

    Returns
    -------
    Linearity
        With nan where there are fewer than three different bins.
    """
    step = max(1, reference.size // _SAMPLES)
    a, b = (np.asarray(v).ravel()[::step].astype(np.float64) for v in (reference, candidate))
    keep = np.isfinite(a) & np.isfinite(b)
    a, b = a[keep], b[keep]
    edges = np.unique(np.quantile(a, np.linspace(0, 1, _BINS + 1))) if a.size else np.empty(0)
    if len(edges) < 4:
        return Linearity(np.empty(0), np.empty(0), nan, nan, nan)
    which = np.clip(np.searchsorted(edges, a, side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(which, minlength=len(edges) - 1)
    full = count >= min(_LEAST_PER_BIN, count.max())
    x, y = (np.bincount(which, weights=v, minlength=len(count))[full] / count[full] for v in (a, b))
    if len(x) < 3 or np.ptp(y) == 0:
        return Linearity(x, y, nan, nan, nan)
    off = _residual(x, y)
    return Linearity(
        x,
        y,
        _gamma(x - edges[0], y),
        1 - float(off @ off) / float(np.square(y - y.mean()).sum()),
        float(np.abs(off).max() / np.ptp(y)),
    )


def flux(reference: Array, candidate: Array) -> float:
    """Return the candidate's sum over the reference's, over pixels finite in both; nan where that is 0."""
    sums = np.zeros(2)
    for plane, other in zip(np.atleast_1d(reference), np.atleast_1d(candidate), strict=True):
        a, b = np.asarray(plane, dtype=np.float64), np.asarray(other, dtype=np.float64)
        keep = np.isfinite(a) & np.isfinite(b)
        sums += a[keep].sum(), b[keep].sum()
    return float(sums[1] / sums[0]) if sums[0] else nan


def si_psnr(reference: Array, candidate: Array) -> float:
    """Return the PSNR of the candidate scaled to the reference, both about their means.

    By its closed form, ``20 log10((max - min) / std) - 10 log10(1 - r^2)``, a dynamic range and Pearson's r only:
    gain, offset and even the sign of the contrast do not matter (Weigert et al. 2018,
    doi:10.1038/s41592-018-0216-7, as CARE is evaluated).

    Returns
    -------
    float
        In dB; infinite for a perfect line, nan where an array is constant.
    """
    a, b = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    keep = np.isfinite(a) & np.isfinite(b)
    r = pearson(reference, candidate)
    if np.isnan(r):
        return nan
    missing = 1 - r * r
    return inf if missing <= 1e-15 else float(20 * np.log10(np.ptp(a[keep]) / a[keep].std()) - 10 * np.log10(missing))


def _residual(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return y less its least-squares line over x."""
    x, y = x - x.mean(), y - y.mean()
    power = float(x @ x)
    return y - x * (float(x @ y) / power) if power > 0 else y


def _gamma(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    from scipy.optimize import minimize_scalar

    scaled = np.clip(x / x.max(), 0.0, None)
    found = minimize_scalar(
        lambda g: float(np.square(_residual(scaled ** np.exp(g), y)).sum()),
        bounds=tuple(np.log(_GAMMAS)),
        method="bounded",
    )
    return float(np.exp(found.x))
