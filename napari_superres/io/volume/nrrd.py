"""Check the header of an NRRD file: attached, or detached with its data in other files."""

import math
import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from napari_superres.errors import UnreadableImageError
from napari_superres.io.series import Accept, check_claim, damage_error, find_reference
from napari_superres.io.volume.header import VolumeHeader, check_packed
from napari_superres.io.volume.nrrd_axes import read_facts
from napari_superres.limits import Codec

_KIND = "NRRD file"
_HEADER_BYTES = 2**24
_MOST_FILES = 10**6
# The library behind SimpleITK copies a wrong field into a message of 1024 characters, and kills the process if it is
# longer. Fields of free text are not among them.
_LONGEST_LINE = 500
_WORDS = {"content", "labels", "sampleunits"}
_VALUE_BYTES = {
    name: size
    for size, names in {
        1: "signed char, int8, int8_t, uchar, unsigned char, uint8, uint8_t",
        2: "short, short int, signed short, signed short int, int16, int16_t, ushort, unsigned short, "
        "unsigned short int, uint16, uint16_t",
        4: "int, signed int, int32, int32_t, uint, unsigned int, uint32, uint32_t, float",
        8: "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t, ulonglong, "
        "unsigned long long, unsigned long long int, uint64, uint64_t, double",
    }.items()
    for name in names.split(", ")
}
_CODECS: Mapping[str, Codec] = {"gz": "gzip", "gzip": "gzip"}


def check(path: Path, accept: Accept) -> VolumeHeader:
    """Check that the data are as long as the header says, and return the facts of the header."""
    fields, end, listed = _read_fields(path)
    try:
        _check_data(path, fields, end, listed, accept)
    except (KeyError, ValueError) as error:
        raise damage_error(path, _KIND) from error
    try:
        return read_facts(path, fields)
    except (ValueError, IndexError) as error:
        raise damage_error(path, _KIND) from error


def _check_data(path: Path, fields: Mapping[str, str], end: int, listed: list[str], accept: Accept) -> None:
    shape = [int(n) for n in fields["sizes"].split()]
    if not shape or min(shape) < 1 or len(shape) != int(fields["dimension"]):
        raise damage_error(path, _KIND, f"its sizes are {shape}")
    values, size = math.prod(shape), _VALUE_BYTES[fields["type"].lower()]
    skipped, skipped_lines = int(fields.get("byteskip", "0")), int(fields.get("lineskip", "0"))
    files = [(path, end)]
    if "datafile" in fields:
        files = [(find_reference(path, name, accept), 0) for name in _data_files(fields["datafile"], listed)]
    encoding = fields["encoding"].lower()
    if encoding in ("bz2", "bzip2"):
        raise UnreadableImageError(
            f"{path} must be packed with gzip or not at all, but is packed with bzip2, which SimpleITK cannot unpack.",
            remedy="Save it with gzip.",
        )
    if encoding in _CODECS:
        for data_file, start in files:
            needed = values * size // len(files) + max(0, skipped)
            begin = start + _lines_length(data_file, start, skipped_lines)
            check_packed(path, _KIND, data_file, begin, _CODECS[encoding], needed)
        return
    # Numbers in words need a digit and a space each; hexadecimal digits come in pairs.
    needed = {"raw": values * size, "hex": 2 * values * size}.get(encoding, 2 * values - 1)
    check_claim(path, _KIND, needed, sum(f.stat().st_size - start - max(0, skipped) for f, start in files))


def _lines_length(data_file: Path, start: int, lines: int) -> int:
    """Return the length of the lines that are skipped before the data."""
    with data_file.open("rb") as file:
        file.seek(start)
        return sum(len(line) for line in islice(file, max(0, lines)))


def _data_files(text: str, listed: list[str]) -> list[str]:
    """Return the names of the files that hold the data."""
    words = text.split()
    if words and words[0] == "LIST":
        names = listed
    elif "%" in text:
        if not re.fullmatch(r"[^%]*%(0?[1-9])?d[^%]*", words[0]):
            raise ValueError(f"{words[0]!r} must have one place for a number")
        first, last, step = (int(w) for w in words[1:4])
        names = [words[0] % n for n in islice(range(first, last + (1 if step > 0 else -1), step), _MOST_FILES)]
    else:
        names = [text]
    if not names:
        raise ValueError("the list of files is empty")
    return names


def _read_fields(path: Path) -> tuple[dict[str, str], int, list[str]]:
    """Return the fields by name without spaces, the position after the header, and the lines of a list of files."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        if not file.readline(80).startswith(b"NRRD"):
            raise damage_error(path, _KIND)
        while file.tell() < _HEADER_BYTES and (raw := file.readline(_HEADER_BYTES)):
            line = raw.decode("utf-8", "replace").strip("\r\n")
            if not line:
                break
            if line.startswith("#") or ":=" in line:
                continue
            key, _, value = line.partition(":")
            key = key.replace(" ", "").lower()
            if key in fields:
                raise damage_error(path, _KIND, f"its header states {key} twice")
            if len(raw) > _LONGEST_LINE and key not in _WORDS:
                raise damage_error(path, _KIND, f"its header has {len(raw)} characters for {key[:20]!r}")
            fields[key] = value.strip()
            if key == "datafile" and value.split()[:1] == ["LIST"]:
                lines = file.read(_HEADER_BYTES).decode("utf-8", "replace").splitlines()
                return fields, file.tell(), [entry for entry in lines if entry]
        return fields, file.tell(), []
