"""Check the packed bytes of a zarr chunk before they are decoded.

Decoders allocate what the header of the bytes claims, or as much as they unpack to; and Blosc reads beyond the end of a
chunk that is cut off, into other memory.
"""

import lzma
import math
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_superres.limits import COPIES, SPARE_BYTES, Codec, Packing, most_bytes, unpacked_length

_HEADER_BYTES = 32
_CHECKSUM_BYTES = 4
_STREAMS: dict[str, Codec] = {"gzip": "gzip", "zlib": "zlib", "bz2": "bz2", "lzma": "lzma"}
_CHECKSUM = "crc32c"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class _Extent(NamedTuple):
    """Position and length of a chunk in its file."""

    start: int
    length: int


class ChunkCheck:
    """The check of the chunks of one array.

    Parameters
    ----------
    array
        An open zarr array.
    """

    def __init__(self, array: Any) -> None:
        self._bytes = math.prod(array.chunks) * np.dtype(array.dtype).itemsize
        names = [_name(codec) for codec in array.compressors]
        # The last codec that packed the bytes is the first to unpack them, after checksums are removed.
        self._trailer = _CHECKSUM_BYTES * names.count(_CHECKSUM)
        self._codec = next((name for name in reversed(names) if name != _CHECKSUM), "")
        self._shard = _shard_index(array) if array.shards else None

    def fault(self, file: Path, inner: tuple[int, ...]) -> str | None:
        """Return the fault of a chunk in words; None if it may be decoded.

        Parameters
        ----------
        file
            File that holds the chunk.
        inner
            Index of the chunk in the file: zeros unless the file is a shard.
        """
        if not file.is_file():  # opening a pipe may wait forever
            return "no file"
        size = file.stat().st_size
        with file.open("rb") as opened:
            return self._fault_in(opened, size, inner)

    def fault_of_object(self, content: bytes, start: int | None) -> str | None:
        """Return the fault of the bytes of an object, from `start` on; None stands for all of them."""
        if not content:
            return "empty"
        if self._shard is None:
            return self._fault_in(BytesIO(content), len(content), ())
        if start is None:
            indices = np.ndindex(*self._shard.chunks)
            return next(filter(None, (self._fault_in(BytesIO(content), len(content), i) for i in indices)), None)
        if self._shard.at_start and start == 0:
            return None
        return self._packed_fault(BytesIO(content), len(content) - self._trailer)

    def _fault_in(self, opened: BinaryIO, size: int, inner: tuple[int, ...]) -> str | None:
        extent = _Extent(0, size)
        if self._shard is not None:
            found = self._shard.extent(opened, size, inner)
            if found is None:
                return None
            extent = found
        if extent.start + extent.length > size:
            return "cut off"
        opened.seek(extent.start)
        return self._packed_fault(opened, extent.length - self._trailer)

    def _packed_fault(self, file: BinaryIO, length: int) -> str | None:
        if not self._codec:
            return None if length >= self._bytes else "cut off"
        if length < 1:
            return "cut off"
        if self._codec in _STREAMS:
            return self._stream_fault(file, length)
        head = file.read(min(_HEADER_BYTES, length))
        if self._codec == "blosc" and length < max(16, int.from_bytes(head[12:16], "little")):
            return "cut off"
        claimed = _claimed_bytes(self._codec, head)
        if claimed is not None and claimed > self._bytes:
            return "damaged"
        return None if self._bytes <= most_bytes(length, "other") else "damaged"

    def _stream_fault(self, file: BinaryIO, length: int) -> str | None:
        packing: Packing = "other" if self._codec == "bz2" else "deflate"
        if self._bytes > most_bytes(length, packing):
            return "damaged"
        if most_bytes(length, packing) <= max(SPARE_BYTES, COPIES * self._bytes):
            return None
        try:
            whole = unpacked_length(_Part(file, length), _STREAMS[self._codec], self._bytes)
        except (EOFError, OSError, lzma.LZMAError, zlib.error):
            return "damaged"
        return "damaged" if whole > self._bytes else None


class _Part:
    """The next `length` bytes of a file, as a file."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file, self._left = file, length

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(piece)
        return piece


class _ShardIndex:
    """The places of the chunks in a shard, by the table at its end or beginning."""

    def __init__(self, chunks: tuple[int, ...], at_start: bool, trailer: int, order: str) -> None:
        self.chunks, self.at_start, self._trailer, self._order = chunks, at_start, trailer, order
        self._file: tuple[str, npt.NDArray[np.uint64]] | None = None

    def extent(self, file: BinaryIO, size: int, inner: tuple[int, ...]) -> _Extent | None:
        """Return where a chunk is; None if the shard has none there. A table that does not fit is an error."""
        count = math.prod(self.chunks)
        length = 16 * count + self._trailer
        if length > size:
            return _Extent(size, 1)
        last, name = self._file, getattr(file, "name", None)
        if last is None or name is None or last[0] != name:
            file.seek(0 if self.at_start else size - length)
            table = np.frombuffer(file.read(16 * count), f"{self._order}u8").reshape(*self.chunks, 2)
            last = self._file = (name or "", table)
        start, used = (int(n) for n in last[1][inner])
        return None if start == used == 2**64 - 1 else _Extent(start, used)


def _shard_index(array: Any) -> _ShardIndex | None:
    """Return the index of the array's shards; None if it is written in a way of its own."""
    codec = array.metadata.codecs[0]
    chunks = tuple(s // c for s, c in zip(array.shards, array.chunks, strict=True))
    trailer, order = 0, "<"
    for inner in getattr(codec, "index_codecs", ()):
        name = _name(inner)
        if name == _CHECKSUM:
            trailer += _CHECKSUM_BYTES
        elif name == "bytes":
            order = ">" if getattr(getattr(inner, "endian", None), "value", "little") == "big" else "<"
        else:
            return None
    location = getattr(getattr(codec, "index_location", None), "value", "end")
    return _ShardIndex(chunks, location == "start", trailer, order)


def _name(codec: Any) -> str:
    """Return the name of a codec of zarr or numcodecs, such as ``"blosc"``."""
    name = str(getattr(codec, "codec_id", "") or getattr(codec, "codec_name", "")) or type(codec).__name__
    return name.rpartition(".")[2].lower().removesuffix("codec")


def _claimed_bytes(codec: str, head: bytes) -> int | None:
    """Return the unpacked length that the first bytes of a chunk claim; None if they do not."""
    if codec == "blosc" and len(head) >= 8:
        return int.from_bytes(head[4:8], "little")
    if codec == "lz4" and len(head) >= 4:
        return int.from_bytes(head[:4], "little")
    if codec == "zstd" and head[:4] == _ZSTD_MAGIC and len(head) >= 5:
        return _zstd_bytes(head)
    return None


def _zstd_bytes(head: bytes) -> int | None:
    """Return the content size in the header of a zstd frame (RFC 8878, section 3.1.1)."""
    flags = head[4]
    single = bool(flags & 0x20)
    start = 5 + (not single) + (0, 1, 2, 4)[flags & 3]
    length = (1 if single else 0, 2, 4, 8)[flags >> 6]
    if not length or len(head) < start + length:
        return None
    size = int.from_bytes(head[start : start + length], "little")
    return size + 256 if length == 2 else size
