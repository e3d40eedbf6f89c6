"""Walk the elements of a DICOM file, and check that it holds what it claims before GDCM allocates that.

GDCM believes every length and every number of pixels: it allocates them, and returns zeros for what is missing.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import SEEK_END
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO
from zlib import MAX_WBITS, decompressobj

from napari_superres.io.packed import inflate
from napari_superres.io.series import check_claim, damage_error, translate_errors
from napari_superres.limits import Packing, most_bytes

_KIND = "DICOM image"
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SYNTAX, _SAMPLES, _PHOTOMETRIC, _FRAMES = 0x00020010, 0x00280002, 0x00280004, 0x00280008
_ROWS, _COLUMNS, _BITS = 0x00280010, 0x00280011, 0x00280100
_WANTED = {_SYNTAX, _SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _BITS}
_PIXELS = {0x7FE00008, 0x7FE00009, 0x7FE00010}
_SHORT = {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
_SHORT |= {b"ST", b"TM", b"UI", b"UL", b"US"}
# Value representations whose length has four bytes, after two that are unused.
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_IMPLICIT, _BIG_ENDIAN, _DEFLATED, _RLE = (f"1.2.840.10008.1.2{end}" for end in ("", ".2", ".1.99", ".5"))
_NATIVE = {"", _IMPLICIT, _BIG_ENDIAN, _DEFLATED, "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.98"}
_DEEPEST = 64


@dataclass(slots=True)
class _Walker:
    """A position in a file of elements.

    Attributes
    ----------
    file, size
        The file and its length.
    explicit, order
        Whether elements state their value representation, and their byte order.
    values
        Bytes of the wanted elements.
    stored, fragments
        Length of the pixels, None before they are met; and the number of items that they are divided into.
    """

    file: BinaryIO
    size: int
    explicit: bool = True
    order: str = "<"
    values: dict[int, bytes] = field(default_factory=dict)
    stored: int | None = None
    fragments: int | None = None

    def read(self, count: int) -> bytes:
        """Return so many bytes."""
        found = self.file.read(count)
        if len(found) < count:
            raise EOFError("the file ends within an element")
        return found

    def skip(self, length: int, end: int) -> int:
        """Return the position after a value, which must end where its parent ends or before."""
        after = self.file.tell() + length
        if after > end:
            raise EOFError(f"an element claims {length} bytes, more than are left")
        return after

    def element(self) -> tuple[int, bytes, int]:
        """Return tag, value representation (or nothing) and length of the next element."""
        group, number = struct.unpack(self.order + "HH", self.read(4))
        tag = group << 16 | number
        kind = self.read(4)
        # Sequences of unknown representation may have elements without one.
        if group == 0xFFFE or not self.explicit or kind[:2] not in _SHORT | _LONG:
            return tag, b"", int(struct.unpack(self.order + "I", kind)[0])
        if kind[:2] in _LONG:
            return tag, kind[:2], int(struct.unpack(self.order + "I", self.read(4))[0])
        return tag, kind[:2], int(struct.unpack(self.order + "H", kind[2:])[0])

    def walk(self, end: int, depth: int = 0) -> None:
        """Walk the elements of a data set to its end, or to the mark of its end."""
        if depth > _DEEPEST:
            raise ValueError("sequences are nested too deeply")
        while self.file.tell() < end and not (self.stored is not None and self.is_padding()):
            tag, kind, length = self.element()
            if tag in (_ITEM_END, _SEQUENCE_END) and depth:
                return
            self.value(tag, kind, length, end, depth)

    def value(self, tag: int, kind: bytes, length: int, end: int, depth: int) -> None:
        """Walk the value of an element, and keep it if it is wanted."""
        if length == _UNDEFINED:
            # Pixels are divided into items of bytes, those of an icon in a sequence as well.
            lengths = self.items(end, depth, walk=tag not in _PIXELS and kind not in (b"OB", b"OW"))
            if tag in _PIXELS and not depth:
                self.stored, self.fragments = lengths
            return
        after = self.skip(length, end)
        if tag in _PIXELS and not depth:
            self.stored = length
        elif tag in _WANTED and not depth:
            if tag in self.values:
                raise ValueError("an element is stated twice")
            self.values[tag] = self.read(length)
        elif kind == b"SQ" or (not kind and length >= 8 and self.next_tag() == _ITEM):
            self.items(after, depth, walk=True)
        self.file.seek(after)

    def items(self, end: int, depth: int, *, walk: bool) -> tuple[int, int]:
        """Walk the items of a sequence, or skip them; return their length and number."""
        total = count = 0
        while self.file.tell() < end:
            tag, _, length = self.element()
            if tag == _SEQUENCE_END:
                break
            if tag != _ITEM:
                raise ValueError("a sequence must consist of items")
            count += 1
            after = end if length == _UNDEFINED else self.skip(length, end)
            if walk:
                self.walk(after, depth + 1)
            if length != _UNDEFINED:
                self.file.seek(after)
                total += length
        return total, count

    def next_tag(self) -> int:
        """Return the tag of the next element, without moving on."""
        group, number = struct.unpack(self.order + "HH", self.read(4))
        self.file.seek(-4, 1)
        return int(group << 16 | number)

    def is_padding(self) -> bool:
        """Return whether zeros follow instead of an element, without moving on."""
        start = self.file.tell()
        found = self.file.read(8)
        self.file.seek(start)
        return not any(found)

    def text(self, tag: int) -> str:
        """Return the value of a wanted element as text; empty if it is absent."""
        return self.values.get(tag, b"").decode("ascii", "replace").strip(" \0")

    def frames(self) -> int:
        """Return the number of frames. GDCM ignores what follows its digits."""
        digits = re.match(r"[+-]?\d+", self.text(_FRAMES))
        frames = int(digits.group()) if digits else 1
        if frames < 0:
            raise ValueError("the number of frames is negative")
        return max(1, frames)

    def number(self, tag: int, default: int) -> int:
        """Return the value of a wanted element as a number of 16 bits."""
        value = self.values.get(tag, b"")
        return int(struct.unpack(self.order + "H", value[:2])[0]) if len(value) >= 2 else default


def check_elements(path: Path) -> None:
    """Check that all elements of a file end within it, and that it holds as many pixels as it states.

    Raises
    ------
    UnreadableImageError
        If not.
    """
    with translate_errors(path, _KIND), ExitStack() as stack:
        walker = _open(path, stack)
        walker.walk(walker.size)
        if walker.stored is None:
            raise damage_error(path, _KIND, "it holds no pixels")
        frames = walker.frames()
        # The first item is a table of where each frame begins.
        if walker.fragments is not None and walker.fragments - 1 < frames:
            raise damage_error(path, _KIND, f"it has {frames} frames, of which {walker.fragments - 1} are present")
        check_claim(path, _KIND, _plane_bytes(walker) * frames, walker.stored, _packing(walker.text(_SYNTAX)))


def _open(path: Path, stack: ExitStack) -> _Walker:
    """Open a file, read its group of meta information, and return a walker at the data set."""
    file = stack.enter_context(path.open("rb"))
    walker = _Walker(file, path.stat().st_size)
    file.seek(128)
    if file.read(4) != b"DICM":  # old files begin with the first element
        file.seek(0)
    kind = b""
    while (start := file.tell()) + 8 <= walker.size:
        tag, kind, length = walker.element()
        if tag >> 16 != 2:
            break
        walker.value(tag, kind, length, walker.size, 0)
    file.seek(start)
    syntax = walker.text(_SYNTAX)
    walker.explicit = syntax != _IMPLICIT if syntax else bool(kind)
    walker.order = ">" if syntax == _BIG_ENDIAN else "<"
    if syntax == _DEFLATED:
        walker.file = stack.enter_context(TemporaryFile())
        for piece in _inflated(file, most_bytes(walker.size, "deflate")):
            walker.file.write(piece)
        walker.size = walker.file.seek(0, SEEK_END)
        walker.file.seek(0)
    return walker


def _inflated(file: BinaryIO, limit: int) -> Iterator[bytes]:
    for piece in inflate(file, decompressobj(-MAX_WBITS)):
        limit -= len(piece)
        if limit < 0:
            raise ValueError("the data set unpacks to more than it can hold")
        yield piece


def _plane_bytes(walker: _Walker) -> int:
    """Return the length of an unpacked frame, by the numbers of rows, columns, samples and bits."""
    values = walker.number(_ROWS, 0) * walker.number(_COLUMNS, 0) * max(1, walker.number(_SAMPLES, 1))
    if walker.text(_PHOTOMETRIC) == "YBR_FULL_422" and walker.text(_SYNTAX) in _NATIVE:
        values = values * 2 // 3  # two pixels share their colour
    return -(-values * walker.number(_BITS, 8) // 8)


def _packing(syntax: str) -> Packing:
    if syntax in _NATIVE:
        return "none"
    return "run-length" if syntax == _RLE else "other"
