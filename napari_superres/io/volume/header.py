"""Check the headers of NIfTI, NRRD and MetaImage files: completeness of the file, and pixel size.

SimpleITK does not tell: it fills the missing part of a NIfTI with zeros, and returns a spacing of 1 if none is stated.
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
from napari_superres.errors import GridError, SuperResError, UnreadableImageError
from napari_superres.io.formats import METAIMAGE, NIFTI, suffix
from napari_superres.io.series import damage_error, translate_errors

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
# NRRD's names of a patient's frame. "scanner-xyz" and free spaces are not among them.
_MEDICAL = re.compile(r"(left|right)-(posterior|anterior)-(superior|inferior)|LPS|RAS|LAS", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class VolumeHeader:
    """Facts from a header that SimpleITK does not pass on.

    Attributes
    ----------
    unit
        Unit of the lengths that SimpleITK returns; None if the pixel size is unknown.
    medical
        Whether the world is the frame of a patient.
    time_unit
        Unit of the fourth spacing, or None.
    """

    unit: str | None
    medical: bool
    time_unit: str | None = None


def check_header(path: Path) -> VolumeHeader:
    """Read the header of a volume and check that the file has as many bytes as the header says.

    Raises
    ------
    UnreadableImageError
        If the file is cut off or of another format.
    """
    with translate_errors(path, f"{suffix(path).lstrip('.')} file"):
        if suffix(path) in NIFTI.read:
            return _nifti(path)
        return _meta(path) if suffix(path) in METAIMAGE.read else _nrrd(path)


def _nifti(path: Path) -> VolumeHeader:
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
        raise damage_error(path, "NIfTI file")
    if not 1 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1:
        raise damage_error(path, "NIfTI file", f"its dimensions are {dim[1:]}")
    needed = int(offset) + math.prod(dim[1 : dim[0] + 1]) * bits // 8
    present = _unzipped_bytes(path, needed) if zipped else path.stat().st_size
    if present < needed:
        raise _cut_off_error(path, "NIfTI file", needed, present)
    known = all(math.isfinite(p) and p != 0 for p in pixdim[1 : 1 + min(dim[0], 3)])
    time = {8: "second", 16: "millisecond", 24: "microsecond"}.get(units & 0x38)
    # SimpleITK converts to millimeters and seconds. A NIfTI without a unit is in millimeters by convention.
    return VolumeHeader("millimeter" if known else None, medical=True, time_unit="second" if time else None)


def _meta(path: Path) -> VolumeHeader:
    fields, offset = _meta_fields(path)
    try:
        shape = [int(n) for n in fields["DimSize"].split()]
        size = _META_BYTES.get(fields["ElementType"])
        channels = int(fields.get("ElementNumberOfChannels", "1"))
        data = fields["ElementDataFile"]
        packed = fields.get("CompressedData", "False").lower() == "true"
    except (KeyError, ValueError) as error:
        raise damage_error(path, "MetaImage") from error
    if not shape or min(shape) < 1 or len(shape) != int(fields.get("NDims", "0")):
        raise damage_error(path, "MetaImage", f"its dimensions are {shape}")
    needed = math.prod(shape) * (size or 0) * channels
    data_file, start = (path, offset) if data == "LOCAL" else (path.parent / data, 0)
    if packed and data_file.is_file():
        _check_unpacked(path, data_file, start, needed)
    elif data != "LIST" and "%" not in data:
        _check_length(path, data_file, needed + start)
    known = "ElementSpacing" in fields or "ElementSize" in fields
    return VolumeHeader("millimeter" if known else None, medical=True)


def _meta_fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields of the header and the position of its end."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        for line in file:
            key, mark, value = line.decode("utf-8", "replace").partition("=")
            if not mark or file.tell() > 2**20:
                break
            fields[key.strip()] = value.strip()
            if key.strip() == "ElementDataFile":
                return fields, file.tell()
    raise damage_error(path, "MetaImage")


def _nrrd(path: Path) -> VolumeHeader:
    start = _start(path, zipped=False)
    if not start.startswith(b"NRRD"):
        raise damage_error(path, "NRRD file")
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
        raise UnreadableImageError(
            f"{path} must have one unit of length, but its axes have {', '.join(names)}.",
            remedy="Convert all axes to one unit.",
        )
    return VolumeHeader(unit if known else None, medical=bool(_MEDICAL.match(fields.get("space", ""))))


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
    """Return the length of the content. The last four bytes state it; if they differ from `expected`, count it."""
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


def _check_unpacked(path: Path, data_file: Path, start: int, needed: int) -> None:
    """Decompress the pixels once. If that fails, SimpleITK only prints a message and returns other pixels."""
    unpacker, count = zlib.decompressobj(), 0
    with data_file.open("rb") as file:
        file.seek(start)
        while not unpacker.eof and (piece := file.read(2**22)):
            count += len(unpacker.decompress(piece))
    if not unpacker.eof or count < needed:
        raise _cut_off_error(path, "MetaImage", needed, count)


def _check_length(path: Path, data_file: Path, needed: int) -> None:
    present = data_file.stat().st_size if data_file.is_file() else 0
    if present < needed:
        raise _cut_off_error(path, "MetaImage", needed, present, "" if data_file == path else " in its file of pixels")


def _cut_off_error(path: Path, kind: str, needed: int, present: int, place: str = "") -> SuperResError:
    return damage_error(path, kind, f"it is cut off: {needed} bytes are needed{place} and {present} are present")
