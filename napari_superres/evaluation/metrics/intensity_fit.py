"""The line that takes a candidate's intensities closest to the reference's.

Metrics before and after it are shown side by side: the gap is the part of the error that
is gain and offset only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AffineFit:
    """``reference = gain * candidate + offset``, least squares.

    Attributes
    ----------
    gain
        Below 0 where the contrast is inverted; 0 where the candidate is constant.
    offset
        In the reference's intensity unit.
    """

    gain: float
    offset: float

    def apply(self, candidate: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the candidate on the reference's intensity scale."""
        return np.asarray(candidate, dtype=np.float64) * self.gain + self.offset


def fit_affine(reference: npt.NDArray[Any], candidate: npt.NDArray[Any]) -> AffineFit:
    """Fit gain and offset in closed form over the pixels that are finite in both arrays.

    Parameters
    ----------
    reference, candidate
        Any shape, both the same.

    Notes
    -----
    The gain is not forced to be positive: an inverted image would otherwise look merely bad,
    and a fit that hides the sign would make it look right.
    """
    count, sum_r, sum_c = 0, 0.0, 0.0
    for r, c in _finite_pairs(reference, candidate):
        count, sum_r, sum_c = count + r.size, sum_r + float(r.sum()), sum_c + float(c.sum())
    if count == 0:
        return AffineFit(1.0, 0.0)
    mean_r, mean_c = sum_r / count, sum_c / count
    covariance = variance = 0.0
    for r, c in _finite_pairs(reference, candidate):
        covariance += float((r - mean_r) @ (c - mean_c))
        variance += float(np.square(c - mean_c).sum())
    # Rounding of the mean alone leaves a variance of this size in a constant image.
    gain = covariance / variance if variance > count * (1e-14 * mean_c) ** 2 else 0.0
    return AffineFit(gain, mean_r - gain * mean_c)


def _finite_pairs(reference: npt.NDArray[Any], candidate: npt.NDArray[Any]) -> Iterator[tuple[Floats, Floats]]:
    """Yield the pixels that are finite in both, one slice of the first axis at a time: less memory."""
    for r, c in zip(np.atleast_1d(reference), np.atleast_1d(candidate), strict=True):
        wide_r, wide_c = np.asarray(r, dtype=np.float64), np.asarray(c, dtype=np.float64)
        keep = np.isfinite(wide_r) & np.isfinite(wide_c)
        yield wide_r[keep], wide_c[keep]
