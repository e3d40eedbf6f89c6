"""Chunks of a zarr that are not stored: whether they mean the fill value, as the specification allows, or damage.

Nothing in the metadata tells whether a writer leaves out chunks that equal the fill value. These things do:

- A fill value that is undefined (``null``) stands for no pixels.
- Our own results store every chunk, and say so in the attributes of each array.
- A writer that has stored a chunk of nothing but the fill value stores all chunks.
"""

import math
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.io.formats import ZARR_METADATA
from napari_superres.io.omezarr.attributes import NOTE
from napari_superres.io.omezarr.chunk_check import ChunkCheck

COMPLETE = "every_chunk_is_stored"
"""Key of the attributes of an array, under `NOTE`."""

# Of so many files at most the sizes are looked at. Those that hold one value are the smallest.
_MOST_FILES = 10**5
_MOST_DECODED = 32


def says_complete(array: Any) -> bool:
    """Return whether the metadata of an array tell that each of its chunks is stored."""
    note = array.attrs.get(NOTE)
    return array.fill_value is None or (isinstance(note, dict) and bool(note.get(COMPLETE)))


def leaves_out_chunks(path: Path, array: Any) -> bool:
    """Return whether chunks that are not stored mean the fill value, by the metadata and the smallest stored chunks.

    Parameters
    ----------
    path
        Folder of the store.
    array
        An open zarr array inside it.
    """
    if says_complete(array):
        return False
    sizes = sorted((file.stat().st_size, name) for name, file in islice(_stored(path / array.path), _MOST_FILES))
    check = ChunkCheck(array)
    return not any(_is_filled(array, name, path / array.path / name, check) for _, name in sizes[:_MOST_DECODED])


def unstored_note(path: Path, array: Any) -> str:
    """Return a sentence if chunks of an array are not stored; empty if all are, or if that is an error."""
    if says_complete(array):
        return ""
    shape = array.shards or array.chunks
    expected = math.prod(-(-n // s) for n, s in zip(array.shape, shape, strict=True))
    missing = expected - sum(1 for _ in islice(_stored(path / array.path), expected))
    if not missing or not leaves_out_chunks(path, array):
        return ""
    return (
        f"{missing} of {expected} chunks are not stored, and are read as the fill value {array.fill_value}, as zarr "
        "specifies. A folder that was copied incompletely looks the same."
    )


def unlisted_note(array: Any) -> str:
    """Return the sentence for an array at an address, where nobody lists which chunks are stored."""
    return (
        f"chunks that the address does not have are read as the fill value {array.fill_value}, as zarr specifies. A "
        "copy that is incomplete looks the same."
    )


def _stored(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the name, relative to the folder of an array, and the entry of each file that may be a chunk."""
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{inside}{entry.name}/")
                elif entry.name not in ZARR_METADATA and not entry.name.startswith("."):
                    yield f"{inside}{entry.name}", entry


def _is_filled(array: Any, name: str, file: Path, check: ChunkCheck) -> bool:
    """Return whether a stored chunk or shard holds nothing but the fill value."""
    index = _index(array, name)
    if index is None:
        return False
    shape = array.shards or array.chunks
    try:
        if any(check.fault(file, i) for i in np.ndindex(*(s // c for s, c in zip(shape, array.chunks, strict=True)))):
            return False  # must not be decoded
        values = array[tuple(slice(i * s, (i + 1) * s) for i, s in zip(index, shape, strict=True))]
    except Exception:  # noqa: BLE001 - codecs raise any exception; a damaged chunk tells nothing
        return False
    filled = np.full_like(values, array.fill_value)
    return bool(np.array_equal(values, filled, equal_nan=values.dtype.kind == "f"))


def _index(array: Any, name: str) -> tuple[int, ...] | None:
    """Return the index of the chunk that a file of an array holds; None if it is no chunk."""
    parts = name.replace(".", "/").split("/")
    numbers = [p for p in parts if p.isdigit()][-array.ndim :]
    index = tuple(map(int, numbers))
    return index if len(index) == array.ndim and array.metadata.encode_chunk_key(index) == name else None
