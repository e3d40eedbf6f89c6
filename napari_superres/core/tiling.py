"""Tiles that a model reads, and the disjoint cores that are kept of its output.

The cores together equal the result for the whole image if each core keeps a distance of at least the model's halo from
every side of its tile, except where that side is also a side of the image. Near the sides of the image, tiles are moved
inwards instead of being padded, so that all tiles have one shape. Sizes and origins of tiles are multiples of the
model's size multiple.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from napari_superres.errors import SettingsError

Box = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile. Both regions are in low-resolution pixels of the padded image, with the spatial axes in array order.

    Attributes
    ----------
    read
        Region that the model reads.
    core
        Region that is kept of the model's output. The cores of all tiles are disjoint and fill the image.
    """

    read: Box
    core: Box


def padded_size(size: int, multiple: int) -> int:
    """Return `size` rounded up to a multiple of `multiple`."""
    return -(-size // multiple) * multiple


def smallest_tile(halo: int, multiple: int) -> int:
    """Return the size in pixels of the smallest tile that has a core."""
    return 2 * padded_size(halo, multiple) + multiple


def balanced_tile(size: int, largest: int, halo: int, multiple: int) -> int:
    """Return the tile size that covers an axis with the fewest tiles, made as small as this number allows.

    Parameters
    ----------
    size
        Length of the axis, in pixels.
    largest
        Upper limit of the tile size, in pixels.
    halo, multiple
        Context per side and size multiple of the model, in pixels.

    Returns
    -------
    int
        Tile size in pixels, a multiple of `multiple`.

    Raises
    ------
    SettingsError
        If `largest` is too small for the halo.
    """
    full = padded_size(size, multiple)
    halo = padded_size(halo, multiple)
    largest = largest // multiple * multiple
    if largest >= full:
        return full
    if largest < smallest_tile(halo, multiple):
        raise _tile_error(largest, halo, multiple)
    count = -(-(full - 2 * halo) // (largest - 2 * halo))
    return padded_size(-(-(full + 2 * halo * (count - 1)) // count), multiple)


def cover(start: int, stop: int, size: int, tile: int, halo: int, multiple: int) -> list[tuple[int, int, int]]:
    """Cover ``[start, stop)`` of an axis with tiles.

    Parameters
    ----------
    start, stop
        Range to cover, in pixels.
    size
        Length of the axis, in pixels.
    tile
        Tile size, in pixels.
    halo, multiple
        Context per side and size multiple of the model, in pixels.

    Returns
    -------
    list of (read_start, core_start, core_stop)
        One entry per tile. Cores are disjoint, in order, and fill ``[start, stop)``.

    Raises
    ------
    SettingsError
        If `tile` is too small for the halo.
    """
    # A halo rounded up to a multiple puts every border between cores on the model's own grid.
    halo = padded_size(halo, multiple)
    intervals = []
    core_start = start
    while core_start < stop:
        read_start = min(max(core_start - halo, 0) // multiple * multiple, size - tile)
        read_stop = read_start + tile
        core_stop = min(stop, read_stop if read_stop >= size else read_stop - halo)
        if core_stop <= core_start:
            raise _tile_error(tile, halo, multiple)
        intervals.append((read_start, core_start, core_stop))
        core_start = core_stop
    return intervals


def _tile_error(tile: int, halo: int, multiple: int) -> SettingsError:
    return SettingsError(
        f"`tile` must be larger than twice the model's halo, got tile={tile} and halo={halo}.",
        remedy=f"Set `tile` to at least {smallest_tile(halo, multiple)}.",
    )


def iter_tiles(
    region: Box, shape: Sequence[int], tile: Sequence[int], halo: Sequence[int], multiple: Sequence[int]
) -> Iterator[Tile]:
    """Yield the tiles whose cores fill a region of an image, in reading order.

    Parameters
    ----------
    region
        One slice per spatial axis.
    shape
        Shape of the padded image.
    tile
        Shape of a tile.
    halo, multiple
        Context per side and size multiple of the model along each axis, in pixels.
    """
    per_axis = [
        cover(r.start, r.stop, n, t, h, m) for r, n, t, h, m in zip(region, shape, tile, halo, multiple, strict=True)
    ]
    for intervals in product(*per_axis):
        yield Tile(
            read=tuple(slice(i[0], i[0] + t) for i, t in zip(intervals, tile, strict=True)),
            core=tuple(slice(i[1], i[2]) for i in intervals),
        )


def reflect_indices(start: int, stop: int, size: int) -> npt.NDArray[np.intp]:
    """Return the indices that pad an axis by mirroring it about its outermost pixels.

    Parameters
    ----------
    start, stop
        Range of the padded axis, in pixels. It may reach beyond the axis on both sides.
    size
        Length of the axis, in pixels.

    Returns
    -------
    ndarray
        Indices from 0 to ``size - 1``, one per pixel of the range.
    """
    period = max(2 * (size - 1), 1)
    index = np.abs(np.arange(start, stop)) % period
    return np.minimum(index, period - index) if size > 1 else np.zeros(stop - start, dtype=np.intp)


def inner_core(tile: Tile) -> Box:
    """Return the core of a tile in pixels of the tile."""
    return tuple(slice(c.start - r.start, c.stop - r.start) for c, r in zip(tile.core, tile.read, strict=True))
