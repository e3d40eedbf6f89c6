"""Antialiased bicubic resizing, the convention of the super-resolution literature for reduction.

The cubic kernel, stretched where pixels become larger, mirrored at the borders, normalised: the convention of
MATLAB's ``imresize``. Pixel centres follow the grid rule, so nothing moves.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.grid import downscale_affine
from napari_superres.core.image import Image
from napari_superres.core.kernels import cubic_kernel
from napari_superres.errors import GridError, SettingsError

_FINEST = 8
"""How many times smaller pixels may become: more would be memory for nothing."""


def resample(image: Image, pixel_size: float | Sequence[float]) -> Image:
    """Return an image on pixels of another size along Y and X, such as those a model was trained on.

    Larger pixels are means over smaller ones; smaller ones are interpolated and show no more than before.

    Parameters
    ----------
    image
        Any axes in any order; Z, T and C stay as they are. Read plane by plane. NaN spreads as far as the kernel.
    pixel_size
        Along both, or along Y and X, in the unit of the image.

    Returns
    -------
    Image
        The same type of numbers, integers rounded and kept within their range. It begins at the same edge, and ends
        at it to within half a pixel.

    Raises
    ------
    GridError
        If the image does not know its pixel size, a size is not above zero, pixels would be more than 8 times
        smaller, or larger than the image.
    """
    if not image.has_pixel_size:
        raise GridError("the pixel size of the image is unknown. Give it first (--pixel-size).")
    given = np.atleast_1d(np.asarray(pixel_size, dtype=np.float64))
    if given.shape not in ((1,), (2,)) or not np.isfinite(given).all() or given.min() <= 0:
        raise GridError(f"give one pixel size, or those along Y and X, finite and above zero; got {given.tolist()}.")
    wished = np.broadcast_to(given, 2)
    y, x = image.axes.index("Y"), image.axes.index("X")
    old = [image.pixel_size[image.spatial.index(a)] for a in "YX"]
    factors = [float(w / o) for w, o in zip(wished, old, strict=True)]
    sizes = [round(image.shape[axis] / f) for axis, f in zip((y, x), factors, strict=True)]
    if min(factors) < 1 / _FINEST or min(sizes) < 1:
        raise GridError(
            f"pixels of {wished[0]:g} x {wished[1]:g} {image.units['X']} are "
            + (f"more than {_FINEST} times smaller than" if min(factors) < 1 / _FINEST else "larger than all of")
            + f" the image's ({old[0]:g} x {old[1]:g}). Is the image's pixel size right?"
        )
    shape = list(image.shape)
    shape[y], shape[x] = sizes
    out = np.empty(shape, dtype=image.dtype)
    kept = [a for a in image.axes if a in "YXS"]
    for at in np.ndindex(*[1 if a in kept else n for a, n in zip(image.axes, shape, strict=True)]):
        index = tuple(slice(None) if a in kept else i for a, i in zip(image.axes, at, strict=True))
        plane = np.asarray(image.data[index])
        values = plane if plane.dtype.kind == "f" else plane.astype(np.float64)
        for axis, factor, size in zip("YX", factors, sizes, strict=True):
            values = _resized(values, kept.index(axis), factor, size)
        if plane.dtype.kind != "f":
            span = np.iinfo(plane.dtype)
            values = np.rint(values).clip(span.min, span.max)
        out[index] = values
    steps = [dict(zip("YX", factors, strict=True)).get(a, 1.0) for a in image.spatial]
    return image.replace(data=out, affine=downscale_affine(image.affine, steps))


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
        size = out.shape[axis] // factor
        if size == 0:
            raise SettingsError(f"an axis of {out.shape[axis]} pixels cannot be reduced by {factor}.")
        if factor > 1:
            out = _resized(np.take(out, range(size * factor), axis), axis, factor, size)
    return out


def _resized(values: npt.NDArray[Any], axis: int, factor: float, size: int) -> npt.NDArray[Any]:
    """Return `size` pixels along an axis, each `factor` old ones wide, from the same edge on."""
    values = np.moveaxis(values, axis, -1)
    stretch, length = max(factor, 1.0), values.shape[-1]
    centre = (np.arange(size)[:, None] + 0.5) * factor - 0.5
    index = np.floor(centre - 2 * stretch).astype(int) + np.arange(ceil(4 * stretch) + 2)
    weights = cubic_kernel((index - centre) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    index %= 2 * length
    index = np.minimum(index, 2 * length - 1 - index)  # mirrored
    out = np.zeros((*values.shape[:-1], size), dtype=values.dtype)
    for k in range(index.shape[1]):
        if weights[:, k].any():
            out += values[..., index[:, k]] * weights[:, k].astype(values.dtype)
    return np.moveaxis(out, -1, axis)
