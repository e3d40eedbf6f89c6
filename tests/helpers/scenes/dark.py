"""Bright blobs on a dark ground, as fluorescence shows cells."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage


def blobs(shape: tuple[int, ...]) -> npt.NDArray[np.uint16]:
    """Return planes ``(..., Y, X)`` of blobs up to 3100 on a ground of 100, with noise of 20 grey levels."""
    rng = np.random.default_rng(0)
    widths = [0] * (len(shape) - 2) + [3, 3]
    shapes: npt.NDArray[Any] = ndimage.gaussian_filter((rng.random(shape) < 0.01).astype(float), widths)
    values: npt.NDArray[np.uint16] = (100 + 3000 * shapes / shapes.max() + rng.normal(0, 20, shape)).astype(np.uint16)
    return values
