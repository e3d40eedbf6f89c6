"""The line that takes a candidate's intensities closest to the reference's.

Metrics before and after it are shown side by side: the gap is the part of the error that
is gain and offset only.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


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
    r, c = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    keep = np.isfinite(r) & np.isfinite(c)
    r, c = r[keep], c[keep]
    if r.size == 0:
        return AffineFit(1.0, 0.0)
    mean = c.mean()
    centred = c - mean
    variance = float(centred @ centred)
    gain = float(centred @ (r - r.mean())) / variance if variance > 0 else 0.0
    return AffineFit(gain, float(r.mean() - gain * mean))
