"""Windows that a model reads and the disjoint cores that are kept of its output.

A result made of cores equals the whole-image result exactly when each core lies at least
the model's halo away from every side of its window that is not a side of the image.
At the image's sides windows are clipped, never padded, and shifted inwards so that all
have one shape. Sizes and origins are multiples of the model's size multiple.
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
    """One window. Both boxes are in low-resolution pixels of the padded image, spatial axes in order.

    Attributes
    ----------
    read
        What the model sees.
    core
        What is kept of its output; the cores of all tiles fill the image once.
    """

    read: Box
    core: Box


def padded_size(size: int, multiple: int) -> int:
    """Return the smallest multiple of `multiple` that holds `size` pixels."""
    return -(-size // multiple) * multiple


def smallest_tile(halo: int, multiple: int) -> int:
    """Return the smallest window that keeps any pixel of its inside."""
    return 2 * padded_size(halo, multiple) + multiple


def balanced_tile(size: int, largest: int, halo: int, multiple: int) -> int:
    """Return the window size, at most `largest`, that covers `size` pixels in the fewest equal steps.

    Parameters
    ----------
    size
        Pixels along the axis.
    largest
        Largest window that may be used.
    halo, multiple
        Context per side and size multiple of the model, in pixels.

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
        raise SettingsError(
            f"tile must be larger than twice the model's halo, got tile={largest} and halo={halo}. "
            f"Use a tile of at least {smallest_tile(halo, multiple)}."
        )
    count = -(-(full - 2 * halo) // (largest - 2 * halo))
    return padded_size(-(-(full + 2 * halo * (count - 1)) // count), multiple)


def cover(start: int, stop: int, size: int, tile: int, halo: int, multiple: int) -> list[tuple[int, int, int]]:
    """Cover ``[start, stop)`` of an axis of `size` pixels with windows of `tile` pixels.

    Returns
    -------
    list of (read_start, core_start, core_stop)
        Cores are disjoint, in order, and fill ``[start, stop)``.
    """
    # Whole multiples of halo put every core boundary on the model's own grid.
    halo = padded_size(halo, multiple)
    windows = []
    core_start = start
    while core_start < stop:
        read_start = min(max(core_start - halo, 0) // multiple * multiple, size - tile)
        read_stop = read_start + tile
        core_stop = min(stop, read_stop if read_stop >= size else read_stop - halo)
        if core_stop <= core_start:
            raise SettingsError(
                f"tile must be larger than twice the model's halo, got tile={tile} and halo={halo}. "
                f"Use a tile of at least {smallest_tile(halo, multiple)}."
            )
        windows.append((read_start, core_start, core_stop))
        core_start = core_stop
    return windows


def iter_tiles(
    region: Box, shape: Sequence[int], tile: Sequence[int], halo: Sequence[int], multiple: Sequence[int]
) -> Iterator[Tile]:
    """Yield tiles whose cores fill `region` of an image of `shape` (padded) pixels, in reading order."""
    per_axis = [
        cover(r.start, r.stop, n, t, h, m) for r, n, t, h, m in zip(region, shape, tile, halo, multiple, strict=True)
    ]
    for windows in product(*per_axis):
        yield Tile(
            read=tuple(slice(w[0], w[0] + t) for w, t in zip(windows, tile, strict=True)),
            core=tuple(slice(w[1], w[2]) for w in windows),
        )


def reflected(start: int, stop: int, size: int) -> npt.NDArray[np.intp]:
    """Return indices into an axis of `size` pixels, mirrored about its outermost pixels."""
    period = max(2 * (size - 1), 1)
    index = np.abs(np.arange(start, stop)) % period
    return np.minimum(index, period - index) if size > 1 else np.zeros(stop - start, dtype=np.intp)
