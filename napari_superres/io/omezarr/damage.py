"""Finding the missing and damaged chunks of a whole zarr folder: of all its images and levels."""

import itertools
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from napari_superres.io.lazy import LazyArray
from napari_superres.io.omezarr.array import ZarrArray
from napari_superres.io.omezarr.read import scan
from napari_superres.io.omezarr.store import open_store
from napari_superres.io.pyramid import PyramidSeries
from napari_superres.io.series import Accept, import_library, translate_errors
from napari_superres.storage import RemotePath

# Files that are larger in memory, in bytes, are read one chunk at a time.
_READ_AT_ONCE = 2**28


def find_bad_chunks(path: Path, *, read_data: bool) -> Iterator[str]:
    """Yield a sentence on each missing or damaged chunk.

    Parameters
    ----------
    path
        Folder of a zarr array or group.
    read_data
        Decode all chunks, and so compare them with their checksums. Otherwise only their files are looked at.
    """
    if isinstance(path, RemotePath) and not path.is_writable:
        yield from _find_bad_levels(path, read_data=read_data)
        return
    with translate_errors(path, "zarr folder"):
        for array in _arrays(import_library("zarr").open(open_store(path), mode="r")):
            if not array.ndim or array.dtype.kind not in "buif":  # no pixels
                array[...]
                continue
            pixels = ZarrArray(path, array, Accept(), "bad")
            # A shard or chunk is read as a whole, because each part of it has a checksum of its own.
            part = array.shards or array.chunks
            if prod(part) * array.dtype.itemsize > _READ_AT_ONCE:
                part = array.chunks
            sides = ([slice(i, min(i + p, n)) for i in range(0, n, p)] for n, p in zip(array.shape, part, strict=True))
            for box in itertools.product(*sides):
                pixels.check_box(box, read_data=read_data)
            for name in pixels.bad_chunks:
                yield f"chunk {name} is missing or damaged"


def _find_bad_levels(path: Path, *, read_data: bool) -> Iterator[str]:
    """Yield the same of the levels that the metadata name: web servers do not list what a folder holds."""
    for series in scan(path, Accept()):
        coarser = series.coarser() if isinstance(series, PyramidSeries) else ()
        for level in itertools.chain([series.open(None)], coarser):
            pixels = level.data.fill_bad_chunks() if isinstance(level.data, LazyArray) else None
            if pixels is None or not read_data:
                continue
            rows = max(1, _READ_AT_ONCE * level.size("Y") // max(1, pixels.nbytes))
            at = level.axes.index("Y")
            for start in range(0, level.size("Y"), rows):
                pixels[(slice(None),) * at + (slice(start, start + rows),)]
            for name in pixels.bad_chunks:
                yield f"chunk {name} is missing or damaged"


def _arrays(node: Any) -> Iterator[Any]:
    """Yield an array, or the arrays of a group and of the groups in it."""
    if hasattr(node, "members"):
        yield from (found for _, found in sorted(node.members(max_depth=None)) if not hasattr(found, "members"))
    else:
        yield node
