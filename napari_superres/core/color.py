"""Luminance and colour differences of ITU-R BT.601 in studio range, the convention of the literature."""

from typing import Any

import numpy as np
import numpy.typing as npt

TO_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255.0
"""RGB to Y, Cb, Cr, without their offsets; rows sum to 219/255, 0 and 0."""

BLACK = 16.0
"""Luma of black for RGB in 0..255."""


def luma(rgb: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the luma Y, 16 (black) to 235 (white), not rounded.

    Parameters
    ----------
    rgb
        ``(..., 3)`` or ``(..., 4)`` with values 0..255; a fourth sample (alpha) is left out.
    """
    found: npt.NDArray[np.float64] = np.asarray(rgb[..., :3], dtype=np.float64) @ TO_YCBCR[0] + BLACK
    return found
