"""Luma and colour differences of ITU-R BT.601 in studio range, as the super-resolution literature uses them."""

from typing import Any

import numpy as np
import numpy.typing as npt

TO_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255.0
"""Matrix from RGB to Y, Cb and Cr, without their offsets. Its rows sum to 219/255, 0 and 0."""

BLACK = 16.0
"""Luma of black for RGB in 0..255."""


def luma(rgb: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the luma Y of RGB pixels.

    Parameters
    ----------
    rgb
        ``(..., 3)`` or ``(..., 4)`` with values 0..255. A fourth sample (alpha) is ignored.

    Returns
    -------
    ndarray
        ``(...)`` with values from 16 (black) to 235 (white), not rounded.
    """
    y: npt.NDArray[np.float64] = np.asarray(rgb[..., :3], dtype=np.float64) @ TO_YCBCR[0] + BLACK
    return y
