"""Check that a PNG holds all the rows that it states. Pillow fills missing rows with zeros and says nothing."""

import zlib
from collections.abc import Iterator
from io import SEEK_CUR
from pathlib import Path
from typing import BinaryIO, NamedTuple

from napari_superres.io.series import check_claim, damage_error
from napari_superres.limits import unpacked_length

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_KIND = "PNG"
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# First column and row, and steps, of the seven passes of an interlaced picture.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


class PngHeader(NamedTuple):
    """Numbers of the first chunk: `kind` is the code of the colours, `depth` the bits of a sample."""

    width: int
    height: int
    depth: int
    kind: int
    interlaced: bool


def check_png(path: Path) -> PngHeader:
    """Check that a PNG is whole, without holding its pixels, and return its header.

    Raises
    ------
    UnreadableImageError
        If it has fewer or more rows than it states, or is cut off.
    """
    with path.open("rb") as file:
        file.seek(len(SIGNATURE) + 8)
        numbers = file.read(13)
        if len(numbers) < 13 or numbers[9] not in _SAMPLES:
            raise damage_error(path, _KIND)
        width, height = int.from_bytes(numbers[:4], "big"), int.from_bytes(numbers[4:8], "big")
        header = PngHeader(width, height, numbers[8], numbers[9], interlaced=bool(numbers[12]))
        needed = _row_bytes(header)
        check_claim(path, _KIND, needed, path.stat().st_size, "deflate")
        file.seek(len(SIGNATURE))
        try:
            present = unpacked_length(_PixelChunks(file), "zlib", needed)
        except (EOFError, zlib.error) as error:
            raise damage_error(path, _KIND, f"its compressed rows are damaged or cut off ({error})") from error
    if present != needed:
        raise damage_error(path, _KIND, f"it has {'fewer' if present < needed else 'more'} rows than it states")
    return header


def _row_bytes(header: PngHeader) -> int:
    """Return the length of the unpacked rows, each of which begins with the number of its filter."""
    bits = header.depth * _SAMPLES[header.kind]
    total = 0
    for left, top, right, down in _PASSES if header.interlaced else [(0, 0, 1, 1)]:
        columns, rows = -(-(header.width - left) // right), -(-(header.height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total


class _PixelChunks:
    """The contents of the IDAT chunks of a file, one after another, as one file."""

    def __init__(self, file: BinaryIO) -> None:
        self._pieces = self._find(file)

    def read(self, size: int) -> bytes:
        """Return the next piece of at most `size` bytes; empty at the end."""
        del size  # pieces are small
        return next(self._pieces, b"")

    @staticmethod
    def _find(file: BinaryIO) -> Iterator[bytes]:
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind == b"IDAT":
                while length and (piece := file.read(min(length, 2**16))):
                    length -= len(piece)
                    yield piece
            file.seek(length + 4, SEEK_CUR)
