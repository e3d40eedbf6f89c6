"""Check the header of a MetaImage: MHA, or MHD with its data in other files."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

from napari_superres.io.series import Accept, check_claim, damage_error, find_reference
from napari_superres.io.volume.header import VolumeHeader, check_packed

_KIND = "MetaImage"
_HEADER_BYTES = 2**20
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
    fields, end, rest = _read_fields(path)
    try:
        shape = [int(n) for n in fields["DimSize"].split()]
        size = _VALUE_BYTES[fields["ElementType"]]
        channels, dimensions = int(fields.get("ElementNumberOfChannels", "1")), int(fields["NDims"])
        skipped = max(0, int(fields.get("HeaderSize", "0")))
        names = list(_data_files(fields["ElementDataFile"], rest))
    except (KeyError, ValueError) as error:
        raise damage_error(path, _KIND) from error
    if not shape or min(shape) < 1 or channels < 1 or len(shape) != dimensions:
        raise damage_error(path, _KIND, f"its dimensions are {shape}")
    values = math.prod(shape) * channels
    files = [(path, end)] if names == ["LOCAL"] else [(find_reference(path, n, accept), skipped) for n in names]
    if _is_true(fields.get("CompressedData", "False")):
        for data_file, start in files:
            stated = int(fields.get("CompressedDataSize", "0")) if len(files) == 1 else 0
            whole = check_packed(path, _KIND, data_file, start, "zlib", values * size // len(files))
            # Of other data SimpleITK prints a message and returns pixels that are not theirs.
            if not whole or stated not in (0, data_file.stat().st_size - start):
                raise damage_error(path, _KIND, "its compressed data are longer than its header states")
    else:
        # Numbers in words need a digit and a space each.
        needed = values * size if _is_true(fields.get("BinaryData", "False")) else 2 * values - 1
        check_claim(path, _KIND, needed, sum(max(0, f.stat().st_size - start) for f, start in files))
    known = "ElementSpacing" in fields or "ElementSize" in fields
    return VolumeHeader("millimeter" if known else None, medical=True)


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


def _data_files(text: str, rest: list[str]) -> Iterator[str]:
    """Yield the names of the files that hold the data; ``LOCAL`` for the file itself."""
    words = text.split()
    if text.upper() == "LOCAL":
        yield "LOCAL"
    elif words and words[0].upper() == "LIST":
        if not rest:
            raise ValueError("the list of files is empty")
        yield from rest
    elif "%" in text:
        if not _PATTERN.fullmatch(words[0]):
            raise ValueError(f"{words[0]!r} must have one place for a number")
        first, last, step = (int(w) for w in words[1:4])
        # A missing file ends the search before the range does.
        yield from (words[0] % n for n in range(first, last + 1, step))
    else:
        yield text


def _is_true(text: str) -> bool:
    return text[:1] in ("T", "t", "1")
