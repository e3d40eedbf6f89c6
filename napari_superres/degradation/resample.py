"""Antialiased bicubic reduction, the low-resolution convention of the super-resolution literature.

The cubic kernel, stretched by the factor, mirrored at the borders, normalised: the convention of
MATLAB's ``imresize``. Pixel centres follow the grid rule, so nothing moves.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.kernels import cubic_kernel
from napari_superres.errors import SettingsError


def resize_bicubic(values: npt.NDArray[Any], scale: int | Sequence[int], *, axes: Sequence[int] = (-2, -1)) -> Any:
    """Return `values` reduced by an integer factor per axis, in floating point.

    Parameters
    ----------
    values
        Any shape. Integers give float64, floats keep their type.
    scale
        Factor for all of `axes`, or one per axis; at least 1.
    axes
        Axes to reduce. Pixels at the far end that do not fill a whole output pixel are left out.

    Raises
    ------
    SettingsError
        If an axis is shorter than its factor.
    """
    factors = [scale] * len(axes) if isinstance(scale, int) else list(scale)
    out = values if values.dtype.kind == "f" else values.astype(np.float64)
    for axis, factor in zip(axes, factors, strict=True):
        if factor > 1:
            out = np.moveaxis(_reduce_last(np.moveaxis(out, axis, -1), factor), -1, axis)
    return out


def _reduce_last(values: npt.NDArray[Any], factor: int) -> npt.NDArray[Any]:
    size = values.shape[-1] // factor
    if size == 0:
        raise SettingsError(f"an axis of {values.shape[-1]} pixels cannot be reduced by {factor}.")
    length = size * factor
    # All outputs see the same offsets, because the factor is an integer.
    offsets = np.arange(-2 * factor, 3 * factor)
    weights = cubic_kernel((offsets - (factor - 1) / 2) / factor)
    weights /= weights.sum()
    index = np.arange(size)[:, None] * factor + offsets
    period = 2 * length
    index = np.where(index % period < length, index % period, period - 1 - index % period)
    out = np.zeros((*values.shape[:-1], size), dtype=values.dtype)
    for k, weight in enumerate(weights):
        if weight:
            out += values[..., index[:, k]] * values.dtype.type(weight)
    return out
