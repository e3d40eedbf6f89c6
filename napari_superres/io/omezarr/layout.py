"""The division of an OME-Zarr into levels, chunks, shards, and boxes that are written at once: numbers only."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from napari_superres.io.lazy import Box

# The order that OME-Zarr requires. The samples of RGB pixels are stored as channels.
_ORDER = "TCSZYX"
_CHUNK = 512
_BOX = 4096
_BOX_PIXELS = 2**24
# Smaller boxes take longer to flush to the disk, each as a file in a folder of its own, than to compute.
_LEAST_BOX_PIXELS = 2**20
# Results of 3-D networks have deep boxes, so that few borders between boxes cross Z.
_VOLUME_CHUNK = (8, 256)
_VOLUME_BOX = 1024
_VOLUME_BOX_PIXELS = 2**25


@dataclass(frozen=True, slots=True)
class Layout:
    """The division of a multiscale image. All shapes have the order of axes on the disk.

    Attributes
    ----------
    axes
        Letters of the axes.
    shape
        Shape of level 0.
    chunk
        Shape of one chunk of level 0.
    box
        Shape of one box. A box consists of whole chunks and is one shard of level 0.
    """

    axes: str
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    box: tuple[int, ...]

    @classmethod
    def plan(cls, shape: Sequence[int], axes: str, *, volume: bool = False, apart: bool = False) -> Self:
        """Choose the division of an image.

        Parameters
        ----------
        shape, axes
            Shape and axes of the image, in any order of axes.
        volume
            Whether chunks and boxes are deep along Z.
        apart
            Whether no box holds several channels, because different models compute them.
        """
        sizes = dict(zip(axes, (int(n) for n in shape), strict=True))
        stack = "Z" if "Z" in sizes else "T"
        volume = volume and stack in sizes
        depth, edge = _VOLUME_CHUNK if volume else (1, _CHUNK)
        chunk = {**dict.fromkeys(sizes, 1), stack: depth, "Y": edge, "X": edge}
        box = {**dict.fromkeys(sizes, 1), "S": sizes.get("S", 1)}
        for axis in "YX":
            covering = edge * 2 ** math.ceil(math.log2(max(1, sizes[axis] / edge)))
            box[axis] = min(covering, _VOLUME_BOX if volume else _BOX)
        plane = box["S"] * math.prod(min(box[a], sizes[a]) for a in "YX")
        planes = (_VOLUME_BOX_PIXELS if volume else _BOX_PIXELS) // plane
        box[stack] = max(1, planes // depth) * depth
        few = _LEAST_BOX_PIXELS // (plane * min(box[stack], sizes.get(stack, 1)))
        for axis in "TC":
            if axis in sizes and axis != stack and not (apart and axis == "C"):
                box[axis] = max(1, min(few, sizes[axis]))
                few //= box[axis]
        order = disk_order(axes)
        chunks = tuple(min(chunk[a], sizes[a]) for a in order)
        whole = tuple(c * math.ceil(min(box[a], sizes[a]) / c) for a, c in zip(order, chunks, strict=True))
        return cls(order, tuple(sizes[a] for a in order), chunks, whole)

    @property
    def levels(self) -> list[tuple[int, ...]]:
        """Shapes of the levels. Y and X are halved until both fit into one chunk."""
        shapes = [self.shape]
        while max(shapes[-1][-2:]) > _CHUNK and min(shapes[-1][-2:]) >= 2:
            shapes.append((*self.shape[:-2], shapes[-1][-2] // 2, shapes[-1][-1] // 2))
        return shapes

    @property
    def owned_levels(self) -> int:
        """Number of levels, from level 0 on, in which a box fills whole shards of its own."""
        plane = list(zip(self.shape, self.chunk, self.box, strict=True))[-2:]
        # A box is 2**j chunks wide, except where one covers the whole axis.
        return min([len(self.levels), *((b // c).bit_length() for n, c, b in plane if n > b)])

    def chunks(self, level: int) -> tuple[int, ...]:
        """Return the shape of a level's chunks."""
        return tuple(min(c, n) for c, n in zip(self.chunk, self.levels[level], strict=True))

    def shards(self, level: int) -> tuple[int, ...]:
        """Return the shape of a level's shards: a box's share of an owned level, else the shape of a box."""
        shift = level if level < self.owned_levels else 0
        parts = [b >> shift if n > b else b for b, n in zip(self.box[-2:], self.shape[-2:], strict=True)]
        extents = zip(self.chunks(level), (*self.box[:-2], *parts), self.levels[level], strict=True)
        return tuple(c * math.ceil(min(p, n) / c) for c, p, n in extents)

    def boxes(self) -> list[Box]:
        """Return the disjoint boxes that fill level 0, ordered by C, then T, Z, Y and X."""
        order = [self.axes.index(a) for a in "CTZYX" if a in self.axes]
        return sorted(self.shard_boxes(0), key=lambda box: [box[i].start for i in order])

    def shard_boxes(self, level: int) -> list[Box]:
        """Return the regions of a level's shards."""
        sides = zip(self.levels[level], self.shards(level), strict=True)
        return list(itertools.product(*([slice(i, min(i + s, n)) for i in range(0, n, s)] for n, s in sides)))

    def share(self, box: Box, level: int) -> Box:
        """Return the region of a level that a box of level 0 owns. It is empty for a box of one last, odd pixel."""
        return (*box[:-2], *(slice(b.start >> level, b.stop >> level) for b in box[-2:]))

    def nbytes(self, dtype: npt.DTypeLike) -> int:
        """Return the uncompressed size of all levels, in bytes."""
        return sum(map(math.prod, self.levels)) * np.dtype(dtype).itemsize


def disk_order(axes: str) -> str:
    """Return axes in the order on the disk."""
    return "".join(a for a in _ORDER if a in axes)
