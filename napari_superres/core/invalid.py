"""NaN and infinite pixels: filled from their neighbours before a model sees them, restored after it.

One NaN would poison a model's whole receptive field. The fill looks at a fixed distance only,
so that it does not depend on how the image was cut into tiles.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

REACH = 3
"""Distance in pixels within which valid neighbours are averaged."""


def fill(values: npt.NDArray[Any], fallback: float) -> npt.NDArray[Any]:
    """Return `values` with each non-finite one replaced by the mean of the finite ones within `REACH`.

    Parameters
    ----------
    values
        ``(Z)YX`` floats.
    fallback
        Value where no finite pixel is that near.
    """
    valid = np.isfinite(values)
    total = _box_sum(np.where(valid, values, 0.0).astype(np.float64))
    count = _box_sum(valid.astype(np.float64))
    mean = np.divide(total, count, out=np.full_like(total, fallback), where=count > 0.5)
    return np.where(valid, values, mean.astype(values.dtype))


def _box_sum(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # Summing shifted copies keeps each sum free of far values, unlike a running total.
    for axis in range(values.ndim):
        padding = [(REACH, REACH) if a == axis else (0, 0) for a in range(values.ndim)]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, padding), 2 * REACH + 1, axis=axis)
        values = windows.sum(axis=-1)
    return values


def enlarge(mask: npt.NDArray[Any], scale: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return `mask` (or values) with every pixel repeated ``scale`` times along each axis."""
    for axis, factor in enumerate(scale):
        mask = mask.repeat(factor, axis=axis)
    return mask
