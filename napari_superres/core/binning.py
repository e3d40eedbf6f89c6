"""Means of blocks of pixels: what a camera with larger pixels records."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def bin_mean(values: npt.NDArray[Any], factor: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the mean of each block of ``factor`` pixels per axis.

    Pixels at the far end that do not fill a block are left out. The centre of a block is the centre of the new pixel,
    as the grid rule requires.
    """
    kept = tuple(slice(0, n // f * f) for n, f in zip(values.shape, factor, strict=True))
    split = [k for n, f in zip(values.shape, factor, strict=True) for k in (n // f, f)]
    blocks = np.asarray(values[kept], dtype=np.float64).reshape(split)
    return np.asarray(blocks.mean(axis=tuple(range(1, 2 * values.ndim, 2))))
