"""Check the header of a MetaImage: MHA, or MHD with its data in other files."""

import math
import re
from itertools import islice
from pathlib import Path

from napari_superres.core.units import METRES, unit_name
from napari_superres.errors import GridError, UnreadableImageError
from napari_superres.io.series import Accept, check_claim, damage_error, find_reference
from napari_superres.io.volume.header import VolumeHeader, check_packed

_KIND = "MetaImage"
_HEADER_BYTES = 2**20
_MOST_FILES = 10**6
_VALUE_BYTES = {
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
# A name with one place for a number, such as slice%03d.raw. SimpleITK passes it to printf.
_PATTERN = re.compile(r"[^%]*%(0[1-9])?d[^%]*")


def check(path: Path, accept: Accept) -> VolumeHeader:
    """Check that the data are as long as the header says, and return the facts of the header."""
    fields, end, listed = _read_fields(path)
    try:
        shape = [int(n) for n in fields["DimSize"].split()]
        size = _VALUE_BYTES[fields["ElementType"]]
        channels, dimensions = int(fields.get("ElementNumberOfChannels", "1")), int(fields["NDims"])
        skipped = max(0, int(fields.get("HeaderSize", "0")))
        names, axes = _data_files(fields["ElementDataFile"], listed, dimensions)
    except (KeyError, ValueError) as error:
        raise damage_error(path, _KIND) from error
    if not shape or min(shape) < 1 or channels < 1 or len(shape) != dimensions:
        raise damage_error(path, _KIND, f"its dimensions are {shape}")
    # SimpleITK returns memory as it finds it where files are missing.
    if len(names) != math.prod(shape[axes:]):
        raise damage_error(path, _KIND, f"it names {len(names)} of {math.prod(shape[axes:])} files")
    values = math.prod(shape[:axes]) * channels
    # Numbers in words need a digit and a space each.
    needed = values * size if _is_true(fields.get("BinaryData", "False")) else 2 * values - 1
    for name in names:
        data_file, start = (path, end) if name == "LOCAL" else (find_reference(path, name, accept), skipped)
        stored = max(0, data_file.stat().st_size - start)
        if not _is_true(fields.get("CompressedData", "False")):
            check_claim(path, _KIND, needed, stored)
            if not _is_true(fields.get("BinaryData", "False")):
                _check_last_number(path, data_file)
            continue
        stated = int(fields.get("CompressedDataSize", "0")) if len(names) == 1 else 0
        # Of other data SimpleITK prints a message and returns pixels that are not theirs.
        if not check_packed(path, _KIND, data_file, start, "zlib", values * size) or stated not in (0, stored):
            raise damage_error(path, _KIND, "its compressed data are longer than its header states")
    known = "ElementSpacing" in fields or "ElementSize" in fields
    return VolumeHeader(_unit(fields.get("DistanceUnits", "mm")) if known else None, medical=True)


def _unit(text: str) -> str:
    try:
        name = unit_name(text)
    except GridError:
        return "millimeter"
    return name if name in METRES else "millimeter"


def _check_last_number(path: Path, data_file: Path) -> None:
    """Refuse numbers in words without a space or line break at their end: SimpleITK takes them for cut off."""
    with data_file.open("rb") as file:
        file.seek(-1, 2)
        if not file.read(1).isspace():
            raise UnreadableImageError(
                f"{path} must end its last number with a line break, or SimpleITK cannot read it.",
                remedy="Add the line break to the file with the numbers.",
            )


def _read_fields(path: Path) -> tuple[dict[str, str], int, list[str]]:
    """Return the fields of the header, the position of its end, and the lines of a list of files after it."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while file.tell() < _HEADER_BYTES and (line := file.readline(_HEADER_BYTES)):
            key, mark, value = re.sub("[:=]", "=", line.decode("utf-8", "replace"), count=1).partition("=")
            key = key.strip()
            if not mark:
                break
            if key in fields:
                raise damage_error(path, _KIND, f"its header states {key} twice")
            fields[key] = value.strip()
            if key == "ElementDataFile":
                end = file.tell()
                is_list = fields[key].upper().startswith("LIST")
                return fields, end, file.read(_HEADER_BYTES).decode("utf-8", "replace").split() if is_list else []
    raise damage_error(path, _KIND)


def _data_files(text: str, listed: list[str], dimensions: int) -> tuple[list[str], int]:
    """Return the files that hold the data, ``LOCAL`` for the file itself, and the number of axes of each."""
    words = text.split()
    if text.upper() == "LOCAL":
        return ["LOCAL"], dimensions
    if words and words[0].upper() == "LIST":
        axes = int(words[1].rstrip("Dd")) if len(words) > 1 else dimensions - 1
        if axes == dimensions:  # SimpleITK would read nothing
            raise ValueError("files of a list are parts of the image")
        return listed, axes if 1 <= axes < dimensions else dimensions - 1
    if "%" not in text:
        return [text], dimensions
    if not _PATTERN.fullmatch(words[0]):
        raise ValueError(f"{words[0]!r} must have one place for a number")
    first, last, step = (int(w) for w in words[1:4])
    return [words[0] % n for n in islice(range(first, last + 1, step), _MOST_FILES)], dimensions - 1


def _is_true(text: str) -> bool:
    return text[:1] in ("T", "t", "1")
