"""What SimpleITK does not say of NIfTI, NRRD and MetaImage files: is the file whole, is the pixel size known.

SimpleITK fills a NIfTI that is cut off with zeros, and gives a spacing of 1 where none is stated.
"""

import gzip
import math
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_superres.core.units import METRES, unit_name
from napari_superres.errors import GridError, UnreadableImageError
from napari_superres.io.formats import METAIMAGE, NIFTI, suffix
from napari_superres.io.series import damaged, reading

_HEADER_BYTES = 2**16
_META_BYTES = {
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_LONG": 4,
    "MET_ULONG": 4,
    "MET_LONG_LONG": 8,
    "MET_ULONG_LONG": 8,
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}
# NRRD's names of a patient's frame; "scanner-xyz" and free spaces are none.
_MEDICAL = re.compile(r"(left|right)-(posterior|anterior)-(superior|inferior)|LPS|RAS|LAS", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says.

    Attributes
    ----------
    unit
        Unit of the lengths that SimpleITK gives; None while the pixel size is unknown.
    medical
        Whether the world is a patient's.
    time_unit
        Unit of the fourth spacing, or None.
    """

    unit: str | None
    medical: bool
    time_unit: str | None = None


def check(path: Path) -> Header:
    """Read the header of a volume and check that the file is as long as it says.

    Raises
    ------
    UnreadableImageError
        If it is cut off or not of its format.
    """
    with reading(path, f"{suffix(path).lstrip('.')} file"):
        if suffix(path) in NIFTI.read:
            return _nifti(path)
        return _meta(path) if suffix(path) in METAIMAGE.read else _nrrd(path)


def _nifti(path: Path) -> Header:
    zipped = _is_gzip(path)
    start = _start(path, zipped)
    for order in "<>":
        if len(start) >= 348 and struct.unpack(order + "i", start[:4])[0] == 348:
            dim = struct.unpack(order + "8h", start[40:56])
            bits, pixdim = struct.unpack(order + "h", start[72:74])[0], struct.unpack(order + "8f", start[76:108])
            offset, units = struct.unpack(order + "f", start[108:112])[0], start[123]
            break
        if len(start) >= 540 and struct.unpack(order + "i", start[:4])[0] == 540:
            dim = struct.unpack(order + "8q", start[16:80])
            bits, pixdim = struct.unpack(order + "h", start[14:16])[0], struct.unpack(order + "8d", start[104:168])
            offset, units = struct.unpack(order + "q", start[168:176])[0], start[500 if order == "<" else 503]
            break
    else:
        raise damaged(path, "NIfTI file")
    if not 1 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1:
        raise damaged(path, "NIfTI file", f"its dimensions are {dim[1:]}")
    needed = int(offset) + math.prod(dim[1 : dim[0] + 1]) * bits // 8
    found = _unzipped_bytes(path, needed) if zipped else path.stat().st_size
    if found < needed:
        raise damaged(path, "NIfTI file", f"it is cut off: {needed} bytes are needed and {found} are there")
    known = all(math.isfinite(p) and p != 0 for p in pixdim[1 : 1 + min(dim[0], 3)])
    time = {8: "second", 16: "millisecond", 24: "microsecond"}.get(units & 0x38)
    # SimpleITK converts to millimeters and seconds. Without a unit NIfTI means millimeters by custom.
    return Header("millimeter" if known else None, medical=True, time_unit="second" if time else None)


def _meta(path: Path) -> Header:
    fields, offset = _meta_fields(path)
    try:
        shape = [int(n) for n in fields["DimSize"].split()]
        size = _META_BYTES.get(fields["ElementType"])
        channels = int(fields.get("ElementNumberOfChannels", "1"))
        data = fields["ElementDataFile"]
        packed = fields.get("CompressedData", "False").lower() == "true"
    except (KeyError, ValueError) as error:
        raise damaged(path, "MetaImage") from error
    if not shape or min(shape) < 1 or len(shape) != int(fields.get("NDims", "0")):
        raise damaged(path, "MetaImage", f"its dimensions are {shape}")
    needed = math.prod(shape) * (size or 0) * channels
    where, start = (path, offset) if data == "LOCAL" else (path.parent / data, 0)
    if packed and where.is_file():
        _check_unpacked(path, where, start, needed)
    elif data != "LIST" and "%" not in data:
        _long_enough(path, where, "MetaImage", needed + start)
    known = "ElementSpacing" in fields or "ElementSize" in fields
    return Header("millimeter" if known else None, medical=True)


def _meta_fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields of the header and where it ends."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        for line in file:
            key, mark, value = line.decode("utf-8", "replace").partition("=")
            if not mark or file.tell() > 2**20:
                break
            fields[key.strip()] = value.strip()
            if key.strip() == "ElementDataFile":
                return fields, file.tell()
    raise damaged(path, "MetaImage")


def _nrrd(path: Path) -> Header:
    start = _start(path, zipped=False)
    if not start.startswith(b"NRRD"):
        raise damaged(path, "NRRD file")
    fields = _nrrd_fields(start.decode("utf-8", "replace"))
    known = "spacings" in fields or "space directions" in fields
    names = [u for u in re.findall(r'"([^"]*)"', fields.get("space units") or fields.get("units") or "") if u]
    unit: str | None = "millimeter"
    try:
        spatial = [u for u in map(unit_name, names) if u in METRES]
        unit = spatial[0] if spatial else "millimeter"
    except GridError:
        unit = None if names and names[0] in ("pixel", "voxel", "???") else "millimeter"
    if len(set(names[:2])) > 1:
        raise UnreadableImageError(f"{path} must have one unit of length, but its axes have {', '.join(names)}.")
    return Header(unit if known else None, medical=bool(_MEDICAL.match(fields.get("space", ""))))


def _nrrd_fields(text: str) -> Mapping[str, str]:
    head = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
    pairs = (line.partition(":") for line in head.splitlines() if not line.startswith("#") and ":=" not in line)
    return {key.strip().lower(): value.strip() for key, mark, value in pairs if mark}


def _start(path: Path, zipped: bool) -> bytes:
    if zipped:
        with gzip.open(path, "rb") as file:
            return file.read(_HEADER_BYTES)
    with path.open("rb") as file:
        return file.read(_HEADER_BYTES)


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _unzipped_bytes(path: Path, expected: int) -> int:
    """Return the length of the content. The last four bytes tell it; if they do not fit, it is counted."""
    with path.open("rb") as file:
        file.seek(-4, 2)
        if struct.unpack("<I", file.read(4))[0] == expected % 2**32:
            return expected
    count = 0
    try:
        with gzip.open(path, "rb") as file:
            while piece := file.read(2**24):
                count += len(piece)
    except EOFError:
        return min(count, expected - 1)
    return count


def _check_unpacked(path: Path, where: Path, start: int, needed: int) -> None:
    """Unpack compressed pixels once. SimpleITK prints that it failed, and goes on without the pixels."""
    unpacker, count = zlib.decompressobj(), 0
    with where.open("rb") as file:
        file.seek(start)
        while not unpacker.eof and (piece := file.read(2**22)):
            count += len(unpacker.decompress(piece))
    if not unpacker.eof or count < needed:
        raise damaged(path, "MetaImage", f"it is cut off: {needed} bytes are needed and {count} are there")


def _long_enough(path: Path, data: Path, kind: str, needed: int) -> None:
    found = data.stat().st_size if data.is_file() else 0
    if found < needed:
        where = "" if data == path else f" in {data.name}"
        raise damaged(path, kind, f"it is cut off: {needed} bytes are needed{where} and {found} are there")
