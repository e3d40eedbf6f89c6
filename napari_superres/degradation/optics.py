"""A lens: blur by a Gaussian point-spread function."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def blur(values: npt.NDArray[Any], sigma: Sequence[float]) -> Floats:
    """Return `values` blurred by a Gaussian point-spread function.

    Parameters
    ----------
    values
        Any shape and real type.
    sigma
        Standard deviation per array axis, in pixels of `values`; 0 = no blur along the axis.

    Notes
    -----
    Borders are mirrored (half-sample symmetric), so the sum stays the same. A Gaussian describes the core of a real
    point-spread function: sigma is about 0.21 wavelength / NA for a widefield microscope (doi:10.1364/AO.46.001819).
    """
    from scipy import ndimage

    wide = np.asarray(values, dtype=np.float64)
    return np.asarray(ndimage.gaussian_filter(wide, sigma, mode="reflect")) if any(sigma) else wide
