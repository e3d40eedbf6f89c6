"""Check the header of a NIfTI file, version 1 or 2."""

import gzip
import math
import struct
from pathlib import Path

from napari_superres.io.series import check_claim, damage_error
from napari_superres.io.volume.header import VolumeHeader, is_modest

_KIND = "NIfTI file"
_HEADER_BYTES = 1024
# Bytes of a value by the code of its type. SimpleITK goes by the code; the field of bits may say something else.
_VALUE_BYTES = {
    2: 1,
    4: 2,
    8: 4,
    16: 4,
    32: 8,
    64: 8,
    128: 3,
    256: 1,
    512: 2,
    768: 4,
    1024: 8,
    1280: 8,
    1536: 16,
    1792: 16,
    2048: 32,
    2304: 4,
}


def check(path: Path) -> VolumeHeader:
    """Check that the file holds as many bytes as its header says, and return the facts of the header."""
    zipped = _is_gzip(path)
    start = _start(path, zipped)
    for order in "<>":
        if len(start) >= 348 and struct.unpack(order + "i", start[:4])[0] == 348:
            dim = struct.unpack(order + "8h", start[40:56])
            code, pixdim = struct.unpack(order + "h", start[70:72])[0], struct.unpack(order + "8f", start[76:108])
            offset, units = struct.unpack(order + "f", start[108:112])[0], start[123]
            break
        if len(start) >= 540 and struct.unpack(order + "i", start[:4])[0] == 540:
            dim = struct.unpack(order + "8q", start[16:80])
            code, pixdim = struct.unpack(order + "h", start[12:14])[0], struct.unpack(order + "8d", start[104:168])
            offset, units = struct.unpack(order + "q", start[168:176])[0], start[500 if order == "<" else 503]
            break
    else:
        raise damage_error(path, _KIND)
    if not 1 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1:
        raise damage_error(path, _KIND, f"its dimensions are {dim[1:]}")
    if code not in _VALUE_BYTES:
        raise damage_error(path, _KIND, f"the code of its data type is {code}")
    needed = max(0, int(offset)) + math.prod(dim[1 : dim[0] + 1]) * _VALUE_BYTES[code]
    stored = path.stat().st_size
    if zipped:
        check_claim(path, _KIND, needed, stored, "deflate")
        stored = _unzipped_bytes(path, needed)
    check_claim(path, _KIND, needed, stored)
    known = all(math.isfinite(p) and p != 0 for p in pixdim[1 : 1 + min(dim[0], 3)])
    time = {8: "second", 16: "millisecond", 24: "microsecond"}.get(units & 0x38)
    # SimpleITK converts to millimeters and seconds. A NIfTI without a unit is in millimeters by convention.
    return VolumeHeader("millimeter" if known else None, medical=True, time_unit="second" if time else None)


def _start(path: Path, zipped: bool) -> bytes:
    with gzip.open(path, "rb") if zipped else path.open("rb") as file:
        return file.read(_HEADER_BYTES)


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _unzipped_bytes(path: Path, expected: int) -> int:
    """Return the length of the content, or `expected` if it is larger.

    The last four bytes state it. They are believed only if they are as expected and could do no harm.
    """
    with path.open("rb") as file:
        file.seek(-4, 2)
        stated = struct.unpack("<I", file.read(4))[0]
    if stated == expected % 2**32 and is_modest(expected, path.stat().st_size):
        return expected
    count = 0
    try:
        with gzip.open(path, "rb") as file:
            while count < expected and (piece := file.read(2**22)):
                count += len(piece)
    except EOFError:
        return min(count, expected - 1)
    return min(count, expected)
