"""Pixel grids: where the centre of each pixel lies in the world, and what scaling does to it.

Pixel centres sit at integer coordinates. A matrix ``(n+1, n+1)`` takes an index to the world,
over the spatial axes in array order. Upscaling by ``s`` divides each pixel into ``s`` pixels
that fill the same area, so that the first new centre lies at ``(1/s - 1)/2`` of the old grid.
"""

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
        Distance of neighbouring pixel centres per axis, above 0.
    origin
        World position of the first pixel's centre; 0 by default.
    direction
        ``(n, n)`` matrix whose columns are the world directions of the axes; identity by default.

    Raises
    ------
    GridError
        If a pixel size is not a finite number above zero.
    """
    size = np.asarray(pixel_size, dtype=np.float64)
    if not np.all(np.isfinite(size)) or np.any(size <= 0):
        raise GridError(f"pixel sizes must be finite and above zero, got {tuple(size.tolist())}.")
    n = len(size)
    affine = np.eye(n + 1)
    linear = np.eye(n) if direction is None else np.asarray(direction, dtype=np.float64)
    affine[:n, :n] = linear * size
    if origin is not None:
        affine[:n, n] = origin
    return affine


def upscaled_affine(affine: Matrix, scale: Sequence[int], offset: Sequence[float] | None = None) -> Matrix:
    """Return the matrix of the grid with each pixel divided into ``scale`` pixels per axis.

    Parameters
    ----------
    affine
        From pixels to the world, ``(n + 1, n + 1)`` for n axes.
    scale
        Factor per axis.
    offset
        Where pixel 0 of the coarse grid lies in pixels of the fine one, per axis: ``(scale - 1) / 2`` by default,
        so that both cover the same area.
    """
    scales = np.asarray(scale, dtype=np.float64)
    first = (scales - 1.0) / 2.0 if offset is None else np.asarray(offset, dtype=np.float64)
    step = np.diag([*(1.0 / scales), 1.0])
    step[:-1, -1] = -first / scales
    return affine @ step


def downscaled_affine(affine: Matrix, scale: Sequence[float]) -> Matrix:
    """Return the matrix ``(n + 1, n + 1)`` of the grid whose pixels are ``scale`` pixels wide per axis."""
    factor = np.asarray(scale, dtype=np.float64)
    step = np.diag([*factor, 1.0])
    step[:-1, -1] = (factor - 1.0) / 2.0
    return affine @ step


def cropped_affine(affine: Matrix, start: Sequence[float]) -> Matrix:
    """Return the matrix ``(n + 1, n + 1)`` of the same grid with index 0 moved to ``start``, one number per axis."""
    moved = np.array(affine)
    moved[:-1, -1] = (affine @ [*start, 1.0])[:-1]
    return moved


def pixel_size_of(affine: Matrix) -> tuple[float, ...]:
    """Return the distance of neighbouring pixel centres per axis: the column norms."""
    return tuple(float(v) for v in np.linalg.norm(affine[:-1, :-1], axis=0))


def upscaled_layer(
    scale: npt.ArrayLike, translate: npt.ArrayLike, linear: npt.ArrayLike, factor: npt.ArrayLike
) -> tuple[Matrix, Matrix]:
    """Return ``scale`` and ``translate`` of a napari layer that lies on its source, ``factor`` times finer.

    Rotation, shear and the layer's own affine stay as they are.

    Parameters
    ----------
    scale, translate
        Of the source layer, one value per array axis.
    linear
        ``(n, n)`` linear part of the source's data-to-physical transform (rotate, shear and scale together).
    factor
        How many times finer each axis becomes; 1 for axes that are not scaled.
    """
    finer = 1.0 / np.asarray(factor, dtype=np.float64)
    shift = np.asarray(linear, dtype=np.float64) @ ((finer - 1.0) / 2.0)
    return np.asarray(scale) * finer, np.asarray(translate) + shift
