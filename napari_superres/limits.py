"""What a file of unknown origin may make the program do: limits on memory, on nesting and on other files.

One rule holds for memory. The size of a file, and the way in which its data are packed, decide how many bytes of pixels
it can hold at most (`most_bytes`). A header that claims more is refused before anything is allocated, and reading what
is supported takes at most `COPIES` times as much.
"""

import json
import stat
import tomllib
from pathlib import Path
from typing import Any, Literal

COPIES = 3
"""Largest allocation while reading, as a multiple of the bytes that a file supports."""

SPARE_BYTES = 64 * 2**20
"""Bytes that packed data of any size may unpack to: an empty image packs well, and so little harms no machine."""

_MOST_LEVELS = 100
_TOO_DEEP = f"it is nested in more than {_MOST_LEVELS} levels"

Packing = Literal["none", "run-length", "lzw", "deflate", "jpeg", "other"]

_EXPANSION: dict[Packing, int] = {
    "none": 1,
    "run-length": 64,  # PackBits: two bytes become 128
    "lzw": 1400,  # codes of 12 bits: the longest strings, until the table is full
    "deflate": 1032,  # a match of 258 bytes in two bits
    "jpeg": 1024,  # progressive, colour at half resolution: a bit for each block of 64, six blocks for 768 bytes
    "other": 2**15,  # zstd: a block of 128 KiB in four bytes. Codecs without a bound of their own share it.
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


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    ValueError
        If the text is no JSON, is not UTF-8, or is nested too deeply.
    """
    try:
        return _shallow(json.loads(text))
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error


def parse_toml(text: str) -> dict[str, Any]:
    """Return the values of a TOML text.

    Raises
    ------
    ValueError
        If the text is no TOML or is nested too deeply.
    """
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    _shallow(values)
    return values


def _shallow(value: Any) -> Any:
    """Return a value of lists and dictionaries that later code may walk by recursion, as writing it does."""
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    raise ValueError(_TOO_DEEP)


def is_special(path: Path) -> bool:
    """Return whether a path is a pipe, a socket or a device: opening one may wait forever, and reading never end."""
    mode = path.stat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path lies inside a folder, after all links are followed."""
    return path.resolve().is_relative_to(folder.resolve())
