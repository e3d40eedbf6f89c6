"""Pixels without a measurement: replaced by the mean of their measured neighbours before a model sees them.

They are NaN and infinite pixels, and whole numbers in the range `Image.no_data`. A single NaN would spread over the
whole receptive field of a model. The fill looks only at a fixed distance, so it does not depend on the division into
tiles. The original values return to the result afterwards, enlarged by `repeat_pixels`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

REACH = 3
"""Distance in pixels, along each axis, within which finite neighbours are averaged."""


def find_missing(values: npt.NDArray[Any], no_data: tuple[float, float] | None = None) -> npt.NDArray[np.bool_] | None:
    """Return where values hold no measurement; None if all do.

    Parameters
    ----------
    values
        Intensities of any shape.
    no_data
        Least and greatest of the whole numbers that mean "not measured", as in `Image`. Other numbers have NaN.
    """
    if values.dtype.kind == "f":
        missing = ~np.isfinite(values)
    elif no_data is None:
        return None
    else:
        missing = (values >= no_data[0]) & (values <= no_data[1])
    return missing if missing.any() else None


def fill(values: npt.NDArray[Any], fallback: float, no_data: tuple[float, float] | None = None) -> npt.NDArray[Any]:
    """Replace each value without a measurement by the mean of the measured values within `REACH`.

    Parameters
    ----------
    values
        ``(Z)YX`` intensities. They are not changed.
    fallback
        Value for pixels without a measured neighbour within `REACH`.
    no_data
        As in `find_missing`.
    """
    missing = find_missing(values, no_data)
    if missing is None:
        return values
    valid = ~missing
    total = _box_sum(np.where(valid, values, 0.0).astype(np.float64))
    count = _box_sum(valid.astype(np.float64))
    mean = np.divide(total, count, out=np.full_like(total, fallback), where=count > 0.5)
    if values.dtype.kind != "f":
        mean = np.rint(mean)
    return np.where(valid, values, mean.astype(values.dtype))


def mean_of_measured(
    values: npt.NDArray[Any],
    total: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    size: int,
    no_data: tuple[float, float] | None = None,
) -> npt.NDArray[np.float64]:
    """Return the mean of the measured values of each block of pixels; where none is, the mark for that.

    Parameters
    ----------
    values
        Intensities of any shape.
    total
        Returns the sum of each block of an array with the shape of `values`.
    size
        Number of values in a block.
    no_data
        As in `find_missing`.
    """
    missing = find_missing(values, no_data)
    if missing is None:
        return total(values.astype(np.float64)) / size
    count = total((~missing).astype(np.float64))
    mark = np.nan if values.dtype.kind == "f" or no_data is None else no_data[0]
    measured = total(np.where(missing, 0, values).astype(np.float64))
    return np.divide(measured, count, out=np.full_like(measured, mark), where=count > 0)


def _box_sum(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # A running total would add rounding errors of far values to each sum. Sums of shifted copies do not.
    for axis in range(values.ndim):
        padding = [(REACH, REACH) if a == axis else (0, 0) for a in range(values.ndim)]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, padding), 2 * REACH + 1, axis=axis)
        values = windows.sum(axis=-1)
    return values


def repeat_pixels(values: npt.NDArray[Any], scale: tuple[int, ...]) -> npt.NDArray[Any]:
    """Repeat every pixel ``scale`` times along each axis."""
    for axis, factor in enumerate(scale):
        values = values.repeat(factor, axis=axis)
    return values
