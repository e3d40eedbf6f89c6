"""The rule for memory, which holds for every file.

The size of a file, and the way in which its data are packed, decide how many bytes it can hold at most (`most_bytes`).
A header that claims more is refused before anything is allocated, and reading what is supported takes at most `COPIES`
times as much.
"""

from typing import Literal

COPIES = 3
"""Largest allocation while reading, as a multiple of the bytes that a file supports."""

SPARE_BYTES = 64 * 2**20
"""Bytes that packed data of any size may unpack to: an empty image packs well, and so little harms no machine."""

Packing = Literal["none", "run-length", "lzw", "deflate", "jpeg", "other", "sparse"]

_EXPANSION: dict[Packing, int] = {
    "none": 1,
    "run-length": 64,  # PackBits: two bytes become 128
    "lzw": 1400,  # codes of 12 bits: the longest strings, until the table is full
    "deflate": 1032,  # a match of 258 bytes in two bits
    "jpeg": 1024,  # progressive, colour at half resolution: a bit for each block of 64, six blocks for 768 bytes
    "other": 2**15,  # zstd: a block of 128 KiB in four bytes. Codecs without a bound of their own share it.
    "sparse": 2**18,  # an entry of 16 bytes for an empty tile of 4 MiB
}


def most_bytes(stored: int, packing: Packing = "none") -> int:
    """Return how many bytes of pixels so many stored bytes can hold at most.

    Parameters
    ----------
    stored
        Size of the file, or of the part that holds the pixels, in bytes.
    packing
        How the pixels are packed.
    """
    if packing == "none":
        return stored
    return max(SPARE_BYTES, stored * _EXPANSION[packing])
