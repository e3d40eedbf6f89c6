"""Check a TIFF before its pixels are read: is it whole, can it hold what it claims, and do its names stay near it."""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_superres.errors import UnreadableImageError
from napari_superres.io.series import Accept, check_claim, check_confined, damage_error
from napari_superres.io.tiff.every_axis import axes_of, series_of, shape_of
from napari_superres.limits import COPIES, SPARE_BYTES, Packing

_KIND = "TIFF"
# With more pages than this, only every n-th page is checked against the size of the file.
_CHECKED_PAGES = 4096
# Tags of the resolution, description, ImageJ's metadata, strips and tiles. Other tags may be broken without harm.
_NEEDED_TAGS = {270, 273, 279, 282, 283, 324, 325, 330, 50838, 50839}
# Bytes of one value per TIFF data type.
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_PACKING: dict[int, Packing] = {1: "none", 5: "lzw", 7: "jpeg", 8: "deflate", 32773: "run-length", 32946: "deflate"}
# tifffile keeps a list with a pointer for each plane.
_PLANE_BYTES = 8


def check_chain(path: Path, file: Any) -> None:
    """Follow the pages from one to the next. tifffile stops silently if the chain leaves the file."""
    handle, tiff = file.filehandle, file.tiff
    if tiff.is_ndpi:  # NDPI uses wider offsets than the TIFF format
        return
    handle.seek(4 if tiff.version == 42 else 8)
    offset = struct.unpack(tiff.offsetformat, handle.read(tiff.offsetsize))[0]
    entry = file.byteorder + ("HHII" if tiff.version == 42 else "HHQQ")
    seen: set[int] = set()
    while offset:
        if offset in seen:
            raise damage_error(path, _KIND, "its pages follow each other in a circle")
        seen.add(offset)
        handle.seek(offset)
        count = struct.unpack(tiff.tagnoformat, handle.read(tiff.tagnosize))[0]
        check_claim(path, _KIND, offset + tiff.tagnosize + count * tiff.tagsize, handle.size)
        for code, kind, length, where in struct.iter_unpack(entry, handle.read(count * tiff.tagsize)):
            size = length * _VALUE_BYTES.get(kind, 0)
            if code in _NEEDED_TAGS and size > tiff.offsetsize and where + size > handle.size:
                raise damage_error(path, _KIND, f"it is cut off within its tag {code}")
        offset = struct.unpack(tiff.offsetformat, handle.read(tiff.offsetsize))[0]
    expected = (file.imagej_metadata or {}).get("images", 1) if file.is_imagej else 1
    if expected > len(seen) > 0 and series_of(file) and series_of(file)[0].kind != "imagej":
        raise damage_error(path, "ImageJ TIFF", f"only {len(seen)} of its {expected} planes are present")


def check_description(path: Path, file: Any, accept: Accept) -> None:
    """Check the OME-XML of a file before tifffile follows it to other files, and makes lists as long as it says.

    Raises
    ------
    UnreadableImageError
        If it names files outside the folder, or more planes than so large a file can describe.
    """
    if not file.is_ome or not file.ome_metadata:
        return
    most = max(SPARE_BYTES, COPIES * file.filehandle.size) // _PLANE_BYTES
    for element in ElementTree.fromstring(file.ome_metadata).iter():
        name = element.tag.rpartition("}")[2]
        if name == "UUID" and "FileName" in element.attrib:
            check_confined(path, element.attrib["FileName"], accept)
        elif name in ("Pixels", "TiffData") or name.startswith("ModuloAlong"):
            planes = _stated_planes(name, element.attrib)
            if planes > most:
                raise damage_error(path, "OME-TIFF", f"its description states {planes:.6g} planes")


def _stated_planes(name: str, numbers: dict[str, str]) -> float:
    """Return the number of planes, or of steps, that an element of OME-XML states."""
    if name == "Pixels":
        return math.prod(int(numbers[f"Size{axis}"]) for axis in "ZCT")
    if name == "TiffData":
        return max(int(numbers.get(key, 0)) for key in ("PlaneCount", "NumPlanes"))
    if "Start" not in numbers:
        return 0
    step = float(numbers.get("Step", 1))
    steps = (float(numbers["End"]) - float(numbers["Start"])) / step if step else math.inf
    return steps if math.isfinite(steps) else math.inf


def check_complete(path: Path, file: Any, series: Any, accept: Accept) -> None:
    """Check that the file is long enough to hold all pixels, without decoding them.

    Raises
    ------
    UnreadableImageError
        If it is cut off, or claims more pixels than it can hold.
    """
    size, shape = file.filehandle.size, shape_of(series)
    if series.dataoffset is not None:
        check_claim(path, _KIND, series.dataoffset + math.prod(shape) * series.dtype.itemsize, size)
        return
    parents = {id(page.parent): page.parent for page in series.pages if page is not None} if series.is_multifile else {}
    for parent in parents.values():
        check_confined(path, parent.filehandle.path, accept)
    count = len(series.pages)
    packing: Packing = "none"
    for number in range(0, count, max(1, count // _CHECKED_PAGES)):
        page = series.pages[number]
        if page is None:
            raise UnreadableImageError(
                f"{path} must have {count} planes, but plane {number} is missing.",
                remedy="Put all files of a multi-file OME-TIFF into one folder under their own names, or copy again.",
            )
        packing = _check_page(path, page, check_ends=page.parent is file or Path(page.parent.filehandle.path) == path)
    claimed = math.prod(shape) * _bits(series.keyframe) // 8
    check_claim(path, _KIND, claimed, sum(p.filehandle.size for p in parents.values()) or size, packing)


def _check_page(path: Path, page: Any, *, check_ends: bool) -> Packing:
    """Check the strips or tiles of a page, and return how they are packed."""
    offsets, counts = np.asarray(page.dataoffsets, np.uint64), np.asarray(page.databytecounts, np.uint64)
    number = min(len(offsets), len(counts))
    if not number:
        raise damage_error(path, _KIND, "it does not say where its pixels are")
    ends = offsets[:number] + counts[:number]
    if check_ends:
        overflows = bool((ends < offsets[:number]).any())
        check_claim(path, _KIND, 2**64 if overflows else int(ends.max()), page.parent.filehandle.size)
    packing = _PACKING.get(int(page.keyframe.compression), "other")
    segment = math.prod(page.keyframe.chunks) * _bits(page.keyframe) // 8
    if segment > SPARE_BYTES:
        check_claim(path, _KIND, segment, int(counts.max()), packing)
    # A strip or tile of no bytes is an empty part of the image.
    return packing if counts[:number].all() else "sparse"


def _bits(keyframe: Any) -> int:
    """Return the number of bits of a stored value."""
    bits = keyframe.bitspersample
    return int(min(bits) if isinstance(bits, tuple) else bits)


def iter_levels(path: Path, file: Any, series: Any, accept: Accept) -> Iterator[Any]:
    """Yield the coarser levels of a series, up to the first that is cut off or has other axes."""
    for level in series.levels[1:]:
        try:
            check_complete(path, file, level, accept)
        except UnreadableImageError:
            return
        if axes_of(level) != axes_of(series):
            return
        yield level
