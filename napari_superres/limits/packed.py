"""Unpack compressed data piece by piece, to learn their length before a library allocates it."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

Codec = Literal["zlib", "gzip", "bz2", "lzma"]

_STEP = 2**22


class Readable(Protocol):
    """A file, or a part of one, that is read from its beginning to its end."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""


_FILES: dict[str, Callable[[Any], Any]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file),
    "bz2": bz2.BZ2File,
    "lzma": lzma.LZMAFile,
}


def unpacked_length(file: Readable, codec: Codec, limit: int) -> int:
    """Return how many bytes the rest of a file unpacks to.

    Parameters
    ----------
    file
        File, at the first packed byte.
    codec
        How the data are packed.
    limit
        Number of bytes after which counting stops, because more than that is an error already.

    Returns
    -------
    int
        The length, or `limit` + 1 if it is larger.

    Raises
    ------
    EOFError, OSError, lzma.LZMAError, zlib.error
        If the data end too early or are damaged.
    """
    count = 0
    for piece in unpack(file, codec):
        count += len(piece)
        if count > limit:
            return limit + 1
    return count


def unpack(file: Readable, codec: Codec) -> Iterator[bytes]:
    """Yield the unpacked rest of a file in pieces of at most 4 MiB; errors are those of `unpacked_length`."""
    if codec == "zlib":
        yield from inflate(file, zlib.decompressobj())
        return
    with _FILES[codec](file) as opened:
        while piece := opened.read(_STEP):
            yield piece


def inflate(file: Readable, unpacker: "zlib._Decompress") -> Iterator[bytes]:
    """Yield what the rest of a file unpacks to by a decompressor of zlib, in pieces of at most 4 MiB."""
    while not unpacker.eof:
        packed = unpacker.unconsumed_tail or file.read(_STEP)
        piece = unpacker.decompress(packed, _STEP)
        if not packed and not piece:
            raise EOFError("the data end before their end mark")
        yield piece
