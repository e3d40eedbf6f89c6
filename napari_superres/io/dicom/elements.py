"""Walk the elements of a DICOM file, and check that it holds what it claims before GDCM allocates that.

GDCM believes every length and every number of pixels: it allocates them, and returns zeros for what is missing.
"""

import re
import struct
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast
from zlib import MAX_WBITS, decompressobj

from napari_superres.io.picture.jpeg import jpeg_fault, stated_pixels
from napari_superres.io.series import check_claim, damage_error, translate_errors
from napari_superres.limits import SPARE_BYTES, Packing, inflate

_KIND = "DICOM image"
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SYNTAX, _SAMPLES, _PHOTOMETRIC, _FRAMES = 0x00020010, 0x00280002, 0x00280004, 0x00280008
_ROWS, _COLUMNS, _BITS = 0x00280010, 0x00280011, 0x00280100
_WANTED = {_SYNTAX, _SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _BITS}
_PIXELS = {0x7FE00008, 0x7FE00009, 0x7FE00010}
_SHORT = set(re.findall(b"..", b"AEASATCSDADSDTFLFDISLOLTPNSHSLSSSTTMUIULUS"))
# Value representations whose length has four bytes, after two that are unused.
_LONG = set(re.findall(b"..", b"OBODOFOLOVOWSQSVUCUNURUTUV"))
_IMPLICIT, _BIG_ENDIAN, _DEFLATED, _RLE = (f"1.2.840.10008.1.2{end}" for end in ("", ".2", ".1.99", ".5"))
_NATIVE = {"", _IMPLICIT, _BIG_ENDIAN, _DEFLATED, "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.98"}
_JPEG = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"}
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
    stored
        Length of the pixels; None before they are met.
    items
        Place and length of the items that the pixels are divided into; None if they are not.
    """

    file: BinaryIO
    size: int
    explicit: bool = True
    order: str = "<"
    values: dict[int, bytes] = field(default_factory=dict)
    stored: int | None = None
    items: list[tuple[int, int]] | None = None

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
            places = self.walk_items(end, depth, deeper=tag not in _PIXELS and kind not in (b"OB", b"OW"))
            if tag in _PIXELS and not depth:
                self.items, self.stored = places, sum(length for _, length in places)
            return
        after = self.skip(length, end)
        if tag in _PIXELS and not depth:
            self.stored = length
        elif tag in _WANTED and not depth:
            if tag in self.values:
                raise ValueError("an element is stated twice")
            self.values[tag] = self.read(length)
        elif kind == b"SQ" or (not kind and length >= 8 and self.next_tag() == _ITEM):
            self.walk_items(after, depth, deeper=True)
        self.file.seek(after)

    def walk_items(self, end: int, depth: int, *, deeper: bool) -> list[tuple[int, int]]:
        """Walk the items of a sequence, or skip those of pixels; return place and length of the latter."""
        places = []
        while self.file.tell() < end:
            tag, _, length = self.element()
            if tag == _SEQUENCE_END:
                break
            if tag != _ITEM:
                raise ValueError("a sequence must consist of items")
            after = end if length == _UNDEFINED else self.skip(length, end)
            if deeper:
                self.walk(after, depth + 1)
            else:
                places.append((self.file.tell(), length))
            if length != _UNDEFINED:
                self.file.seek(after)
        return places

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
        if walker.items is not None and len(walker.items) - 1 < frames:
            raise damage_error(path, _KIND, f"it has {frames} frames, of which {len(walker.items) - 1} are present")
        check_claim(path, _KIND, _plane_bytes(walker) * frames, walker.stored, _packing(walker.text(_SYNTAX)))


def check_frames(path: Path) -> None:
    """Check that compressed frames have the size that the file states, and that those of JPEG are whole.

    GDCM fills what is missing with grey, and allocates as many pixels as a frame itself states.

    Raises
    ------
    UnreadableImageError
        If not. The number of the frame is in the message.
    """
    with translate_errors(path, _KIND), ExitStack() as stack:
        walker = _open(path, stack)
        walker.walk(walker.size)
        pixels = walker.number(_ROWS, 0) * walker.number(_COLUMNS, 0)
        items = (walker.items or [])[1:]
        # A frame that is divided into several items is not checked.
        for number, (start, length) in enumerate(items if len(items) == walker.frames() else []):
            walker.file.seek(start)
            data = walker.read(length)
            if stated_pixels(data) > pixels:
                raise damage_error(path, _KIND, f"frame {number} states more than {pixels} pixels")
            fault = jpeg_fault(data) if walker.text(_SYNTAX) in _JPEG else None
            if fault and "remature end" in fault:
                raise damage_error(path, _KIND, f"frame {number} is cut off ({fault})")


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
        unpacked = stack.enter_context(SpooledTemporaryFile(SPARE_BYTES))  # noqa: SIM115 - the stack closes it
        for piece in inflate(file, decompressobj(-MAX_WBITS)):
            unpacked.write(piece)
        walker.file, walker.size = cast(BinaryIO, unpacked), unpacked.tell()
        unpacked.seek(0)
    return walker


def _plane_bytes(walker: _Walker) -> int:
    """Return the length of an unpacked frame, by the numbers of rows, columns, samples and bits."""
    values = walker.number(_ROWS, 0) * walker.number(_COLUMNS, 0) * max(1, walker.number(_SAMPLES, 1))
    if walker.text(_PHOTOMETRIC) == "YBR_FULL_422" and walker.text(_SYNTAX) in _NATIVE:
        values = values * 2 // 3  # two pixels share their colour
    return -(-values * walker.number(_BITS, 8) // 8)


def _packing(syntax: str) -> Packing:
    if syntax in _NATIVE:
        return "none"
    return "run-length" if syntax == _RLE else "jpeg" if syntax in _JPEG else "other"
