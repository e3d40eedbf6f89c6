"""Antialiased bicubic resizing, by which the super-resolution literature makes low-resolution images.

The convention is that of MATLAB's ``imresize``: a normalised cubic kernel that is stretched where pixels become larger,
and mirrored borders. Pixel centres follow the grid rule, so nothing moves.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.grid import downscale_affine
from napari_superres.core.image import Image
from napari_superres.core.kernels import cubic_kernel
from napari_superres.core.options import checks_names
from napari_superres.errors import GridError, SettingsError

_FINEST = 8
"""Largest factor by which pixels may become smaller: more would fill memory and add no detail."""


@checks_names
def resample(image: Image, pixel_size: float | Sequence[float]) -> Image:
    """Resample an image to another pixel size along Y and X, such as the one a model was trained on.

    Larger pixels are weighted means of the old ones. Smaller pixels are interpolated and show no more detail.

    Parameters
    ----------
    image
        Any axes in any order; Z, T and C stay as they are. Lazy data are read plane by plane. NaN spreads as far as
        the kernel reaches.
    pixel_size
        New pixel size: one number, or one each for Y and X, in the unit of the image.

    Returns
    -------
    Image
        Same axes and dtype; integers are rounded and stay within their range. The image begins at the same edge as
        before and ends within half a pixel of where it did.

    Raises
    ------
    GridError
        If the pixel size of the image is unknown, if `pixel_size` is not above zero, or if the new pixels would be
        more than 8 times smaller than the old ones or larger than the image.
    """
    if not image.has_pixel_size:
        raise GridError("the pixel size of the image is unknown.", remedy="Set the image's `pixel_size`.")
    given = np.atleast_1d(np.asarray(pixel_size, dtype=np.float64))
    if given.shape not in ((1,), (2,)) or not np.isfinite(given).all() or given.min() <= 0:
        raise GridError(
            f"the new pixel size must be one number, or one each along Y and X, finite and above zero, "
            f"got {given.tolist()}."
        )
    new = np.broadcast_to(given, 2)
    y, x = image.axes.index("Y"), image.axes.index("X")
    old = [image.pixel_size[image.spatial.index(a)] for a in "YX"]
    factors = [float(n / o) for n, o in zip(new, old, strict=True)]
    sizes = [round(image.shape[axis] / f) for axis, f in zip((y, x), factors, strict=True)]
    if min(factors) < 1 / _FINEST or min(sizes) < 1:
        raise GridError(
            f"pixels of {new[0]:g} x {new[1]:g} {image.units['X']} are "
            + (f"more than {_FINEST} times smaller than those" if min(factors) < 1 / _FINEST else "larger than all")
            + f" of the image, whose pixels have {old[0]:g} x {old[1]:g}.",
            remedy="Check the pixel size of the image.",
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
            values = _resize_axis(values, kept.index(axis), factor, size)
        if plane.dtype.kind != "f":
            span = np.iinfo(plane.dtype)
            values = np.rint(values).clip(span.min, span.max)
        out[index] = values
    steps = [dict(zip("YX", factors, strict=True)).get(a, 1.0) for a in image.spatial]
    return image.replace(data=out, affine=downscale_affine(image.affine, steps))


def resize_bicubic(values: npt.NDArray[Any], scale: int | Sequence[int], *, axes: Sequence[int] = (-2, -1)) -> Any:
    """Reduce an array by an integer factor per axis, by antialiased bicubic interpolation.

    Parameters
    ----------
    values
        Any shape. Integers are converted to float64; floats keep their type.
    scale
        Factor of all `axes`, or one per axis; at least 1.
    axes
        Axes to reduce. Pixels at the far end that do not fill an output pixel are left out.

    Returns
    -------
    ndarray
        Floating point, neither rounded nor clipped.

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
            out = _resize_axis(np.take(out, range(size * factor), axis), axis, factor, size)
    return out


def bicubic_taps(factor: int) -> tuple[int, list[float]]:
    """Return the weights by which `resize_bicubic` makes a pixel, and where the first one lies.

    Returns
    -------
    first
        Index of the pixel with the first weight, from the first of the `factor` pixels that the new one covers.
    weights
        One weight per pixel; their sum is 1.
    """
    index, weights = _weigh_pixels(np.zeros(1), float(factor))
    kept = np.flatnonzero(weights[0])
    return int(index[0, kept[0]]), weights[0, kept[0] : kept[-1] + 1].tolist()


def _weigh_pixels(new: npt.NDArray[Any], factor: float) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the indices of the old pixels around each new one, ``(N, taps)``, and their weights."""
    stretch = max(factor, 1.0)
    centre = (new[:, None] + 0.5) * factor - 0.5
    index = np.floor(centre - 2 * stretch).astype(int) + np.arange(ceil(4 * stretch) + 2)
    weights = cubic_kernel((index - centre) / stretch)
    return index, weights / weights.sum(axis=1, keepdims=True)


def _resize_axis(values: npt.NDArray[Any], axis: int, factor: float, size: int) -> npt.NDArray[Any]:
    """Return `size` pixels along an axis, each `factor` old pixels wide, beginning at the same edge."""
    values = np.moveaxis(values, axis, -1)
    length = values.shape[-1]
    index, weights = _weigh_pixels(np.arange(size), factor)
    index %= 2 * length
    index = np.minimum(index, 2 * length - 1 - index)  # mirrored borders
    out = np.zeros((*values.shape[:-1], size), dtype=values.dtype)
    for k in range(index.shape[1]):
        if weights[:, k].any():
            out += values[..., index[:, k]] * weights[:, k].astype(values.dtype)
    return np.moveaxis(out, -1, axis)
