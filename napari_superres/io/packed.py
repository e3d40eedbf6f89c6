"""Unpack compressed data piece by piece, to learn their length before a library allocates it."""

import bz2
import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Literal

Codec = Literal["zlib", "gzip", "bz2"]

_STEP = 2**22


def unpacked_length(file: BinaryIO, codec: Codec, limit: int) -> int:
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
    EOFError, OSError, zlib.error
        If the data end too early or are damaged.
    """
    count = 0
    for piece in unpack(file, codec):
        count += len(piece)
        if count > limit:
            return limit + 1
    return count


def unpack(file: BinaryIO, codec: Codec) -> Iterator[bytes]:
    """Yield the unpacked rest of a file in pieces of at most 4 MiB; errors are those of `unpacked_length`."""
    if codec == "zlib":
        yield from inflate(file, zlib.decompressobj())
        return
    with gzip.GzipFile(fileobj=file) if codec == "gzip" else bz2.BZ2File(file) as opened:
        while piece := opened.read(_STEP):
            yield piece


def inflate(file: BinaryIO, unpacker: "zlib._Decompress") -> Iterator[bytes]:
    """Yield what the rest of a file unpacks to by a decompressor of zlib, in pieces of at most 4 MiB."""
    while not unpacker.eof:
        packed = unpacker.unconsumed_tail or file.read(_STEP)
        piece = unpacker.decompress(packed, _STEP)
        if not packed and not piece:
            raise EOFError("the data end before their end mark")
        yield piece
