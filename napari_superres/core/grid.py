"""Pixel grids: the world position of each pixel centre, and how scaling and cropping change it.

Pixel centres lie at integer indices. A matrix ``(n + 1, n + 1)`` maps an index to the world, over the spatial axes in
array order. Upscaling by ``s`` divides each pixel into ``s`` pixels that fill the same area. The first new centre
therefore lies at ``(1/s - 1)/2`` on the old grid.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_superres.errors import GridError

Matrix = npt.NDArray[np.float64]


def make_affine(
    pixel_size: Sequence[float], origin: Sequence[float] | None = None, direction: npt.ArrayLike | None = None
) -> Matrix:
    """Return the index-to-world matrix of a grid.

    Parameters
    ----------
    pixel_size
        Distance of neighbouring pixel centres per axis, greater than 0.
    origin
        World position of the centre of the first pixel; 0 by default.
    direction
        ``(n, n)`` matrix whose columns are the world directions of the axes; the identity by default.

    Raises
    ------
    GridError
        If a pixel size is not a finite number above zero.
    """
    size = np.asarray(pixel_size, dtype=np.float64)
    if not np.all(np.isfinite(size)) or np.any(size <= 0):
        raise GridError(
            f"pixel sizes must be finite and above zero, got {tuple(size.tolist())}.",
            remedy="Set `pixel_size` to the distance of pixel centres.",
        )
    n = len(size)
    affine = np.eye(n + 1)
    linear = np.eye(n) if direction is None else np.asarray(direction, dtype=np.float64)
    affine[:n, :n] = linear * size
    if origin is not None:
        affine[:n, n] = origin
    return affine


def upscale_affine(affine: Matrix, scale: Sequence[int], offset: Sequence[float] | None = None) -> Matrix:
    """Return the matrix of the grid on which each pixel is divided into ``scale`` pixels per axis.

    Parameters
    ----------
    affine
        Index-to-world matrix ``(n + 1, n + 1)`` of n axes.
    scale
        Factor per axis.
    offset
        Position of pixel 0 of the coarse grid on the fine grid, in pixels per axis. By default ``(scale - 1) / 2``:
        both grids then cover the same area.
    """
    scales = np.asarray(scale, dtype=np.float64)
    first = (scales - 1.0) / 2.0 if offset is None else np.asarray(offset, dtype=np.float64)
    step = np.diag([*(1.0 / scales), 1.0])
    step[:-1, -1] = -first / scales
    return affine @ step


def downscale_affine(affine: Matrix, scale: Sequence[float]) -> Matrix:
    """Return the matrix of the grid on which each pixel covers ``scale`` pixels per axis.

    Parameters
    ----------
    affine
        Index-to-world matrix ``(n + 1, n + 1)`` of n axes.
    scale
        Factor per axis; need not be an integer.
    """
    factor = np.asarray(scale, dtype=np.float64)
    step = np.diag([*factor, 1.0])
    step[:-1, -1] = (factor - 1.0) / 2.0
    return affine @ step


def crop_affine(affine: Matrix, start: Sequence[float]) -> Matrix:
    """Return the matrix of the same grid with index 0 at ``start``.

    Parameters
    ----------
    affine
        Index-to-world matrix ``(n + 1, n + 1)`` of n axes.
    start
        Index of the first pixel that is kept, per axis.
    """
    result = np.array(affine)
    result[:-1, -1] = (affine @ [*start, 1.0])[:-1]
    return result


def pixel_size_of(affine: Matrix) -> tuple[float, ...]:
    """Return the distance of neighbouring pixel centres per axis: the norms of the columns."""
    return tuple(float(v) for v in np.linalg.norm(affine[:-1, :-1], axis=0))


def closest_axes(affine: Matrix) -> tuple[int, ...]:
    """Return for each world axis the array axis that lies closest to it, each array axis once.

    A viewer that shows the world slice by slice needs the array axes in this order: slices of any other order may lie
    across the slices of the world. Mirroring does not matter.

    Parameters
    ----------
    affine
        Index-to-world matrix ``(n + 1, n + 1)``.

    Returns
    -------
    tuple of int
        The order in which the largest angle between a world axis and its array axis is smallest. Array axes stay
        where they are if no other order is better.
    """
    along = np.abs(affine[:-1, :-1] / np.asarray(pixel_size_of(affine)))
    orders = list(itertools.permutations(range(len(along))))
    # Rounded, because at 45 degrees two orders are alike but for rounding errors.
    return max(orders, key=lambda order: round(float(along[range(len(along)), order].min()), 6))


def upscale_layer(
    scale: npt.ArrayLike, translate: npt.ArrayLike, linear: npt.ArrayLike, factor: npt.ArrayLike
) -> tuple[Matrix, Matrix]:
    """Return ``scale`` and ``translate`` of a napari layer ``factor`` times finer than its source, in the same place.

    Rotation, shear and affine of the new layer are those of its source.

    Parameters
    ----------
    scale, translate
        Scale and translation of the source layer, one value per array axis.
    linear
        ``(n, n)`` linear part of the source's data-to-physical transform: rotation, shear and scale together.
    factor
        Factor per array axis; 1 for axes that are not scaled.

    Returns
    -------
    scale, translate : ndarray
        Those of the finer layer.
    """
    finer = 1.0 / np.asarray(factor, dtype=np.float64)
    shift = np.asarray(linear, dtype=np.float64) @ ((finer - 1.0) / 2.0)
    return np.asarray(scale) * finer, np.asarray(translate) + shift
