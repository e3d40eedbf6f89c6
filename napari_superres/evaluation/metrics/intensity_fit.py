"""Gain and offset that bring the intensities of a candidate closest to those of the reference.

A report shows each metric before and after this fit. The gap is the part of the error that gain and offset explain.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GainOffset:
    """Least-squares fit ``reference = gain * candidate + offset``.

    Attributes
    ----------
    gain
        Below 0 where the contrast is inverted; 0 where the candidate is constant.
    offset
        In the intensity unit of the reference.
    """

    gain: float
    offset: float

    def apply(self, candidate: npt.NDArray[Any]) -> Floats:
        """Return the candidate on the intensity scale of the reference."""
        return np.asarray(candidate, dtype=np.float64) * self.gain + self.offset


def fit_gain_offset(reference: npt.NDArray[Any], candidate: npt.NDArray[Any]) -> GainOffset:
    """Fit gain and offset in closed form over the pixels that are finite in both arrays.

    Parameters
    ----------
    reference, candidate
        Arrays of any shape, the same for both.

    Returns
    -------
    GainOffset
        Gain 1 and offset 0 where no pixel is finite in both.

    Notes
    -----
    The gain may be negative. If it were forced to be positive, an inverted image would merely look bad. Metrics after
    the fit would then hide the inversion.
    """
    count, sum_r, sum_c = 0, 0.0, 0.0
    for r, c in _finite_pixels(reference, candidate):
        count, sum_r, sum_c = count + r.size, sum_r + float(r.sum()), sum_c + float(c.sum())
    if count == 0:
        return GainOffset(1.0, 0.0)
    mean_r, mean_c = sum_r / count, sum_c / count
    covariance = variance = 0.0
    for r, c in _finite_pixels(reference, candidate):
        covariance += float((r - mean_r) @ (c - mean_c))
        variance += float(np.square(c - mean_c).sum())
    # In a constant image, rounding of the mean alone leaves a variance of this size.
    gain = covariance / variance if variance > count * (1e-14 * mean_c) ** 2 else 0.0
    return GainOffset(gain, mean_r - gain * mean_c)


def _finite_pixels(reference: npt.NDArray[Any], candidate: npt.NDArray[Any]) -> Iterator[tuple[Floats, Floats]]:
    """Yield the pixels finite in both arrays, one slice of the first axis at a time to save memory."""
    for r, c in zip(np.atleast_1d(reference), np.atleast_1d(candidate), strict=True):
        wide_r, wide_c = np.asarray(r, dtype=np.float64), np.asarray(c, dtype=np.float64)
        keep = np.isfinite(wide_r) & np.isfinite(wide_c)
        yield wide_r[keep], wide_c[keep]
