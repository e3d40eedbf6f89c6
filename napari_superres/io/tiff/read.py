"""Read TIFF lazily: OME-TIFF, ImageJ TIFF, plain, tiled, compressed, big-endian and BigTIFF.

The pixel size and origin come from OME-XML, else from ImageJ's description, else from the resolution tags. Resolution
tags without a unit, and the 72 and 96 dots per inch that many programs write by default, leave the pixel size unknown.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.core.axes import ALLOWED, spatial_axes, validate_axes
from napari_superres.core.image import Image
from napari_superres.errors import AxesError, GridError, UnreadableImageError
from napari_superres.io.pyramid import PyramidSeries
from napari_superres.io.series import Series, damage_error, import_library, summarize, translate_errors
from napari_superres.io.tiff.array import TiffArray
from napari_superres.io.tiff.metadata import TiffFacts, read_facts, read_note
from napari_superres.io.tiff.quiet import quiet_tifffile

# With more pages than this, only every n-th page is checked against the size of the file.
_CHECKED_PAGES = 4096
# Tags of the resolution, description, ImageJ's metadata, strips and tiles. Other tags may be broken without harm.
_NEEDED_TAGS = {270, 273, 279, 282, 283, 324, 325, 330, 50838, 50839}
# Bytes of one value per TIFF data type.
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def scan(path: Path, require_pixel_size: bool) -> list[Series]:
    """Return the series of a TIFF file, not yet opened.

    Raises
    ------
    UnreadableImageError
        If the file is not a TIFF, or is cut off.
    """
    del require_pixel_size
    tifffile = import_library("tifffile")
    all_series = []
    with translate_errors(path, "TIFF"), quiet_tifffile(), tifffile.TiffFile(path) as file:
        _check_chain(path, file)
        if not file.series:
            raise damage_error(path, "TIFF", "it holds no image")
        for index, series in enumerate(file.series):
            _check_complete(path, file, series)
            array, axes = _array(path, index, series)
            facts = read_facts(file, index, series)
            all_series.append(_series(path, index, series, _complete_levels(path, file, series), array, axes, facts))
    return all_series


def _complete_levels(path: Path, file: Any, series: Any) -> list[Any]:
    """Return the coarser levels of a series, up to the first that is cut off or has other axes."""
    levels: list[Any] = []
    for level in series.levels[1:]:
        try:
            _check_complete(path, file, level)
        except UnreadableImageError:
            break
        if level.get_axes(squeeze=False) != series.get_axes(squeeze=False):
            break
        levels.append(level)
    return levels


def _series(
    path: Path, index: int, series: Any, levels: Sequence[Any], array: TiffArray, axes: str, facts: TiffFacts
) -> Series:
    def open_image(new_axes: str | None) -> Image:
        return _image(array, validate_axes(new_axes, array.shape) if new_axes else _known_axes(axes, array), facts)

    try:
        summary = summarize(open_image(None))
    except (AxesError, GridError, TypeError) as error:
        summary = f"{array.shape} {array.dtype}: {error}"
    name = path.name if index == 0 else f"{path.name} [{series.name or index}]"
    shapes = [level.get_shape(squeeze=False) for level in levels]

    def coarser() -> Iterator[Image]:
        finest = open_image(None)
        for number, shape in enumerate(shapes, 1):
            yield _coarser(finest, array.level(number, shape))

    return PyramidSeries(name, summary, open_image, coarser) if shapes else Series(name, summary, open_image)


def _coarser(finest: Image, array: TiffArray) -> Image:
    """Return the image of a coarser level. TIFF states only its shape; its pixels cover blocks of finest pixels."""
    counts = dict(zip(finest.axes, array.shape, strict=True))
    step = np.array([max(1.0, round(finest.size(a) / counts[a])) for a in finest.spatial])
    relative = np.diag([*step, 1.0])
    relative[:-1, -1] = (step - 1.0) / 2.0
    return finest.replace(data=array, affine=finest.affine @ relative)


def _array(path: Path, index: int, series: Any) -> tuple[TiffArray, str]:
    """Return the lazy array of a series and its axes as tifffile names them.

    Axes of one element are left out, unless this package noted them in the file.
    """
    axes, shape = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    keep = [i for i, (a, n) in enumerate(zip(axes, shape, strict=True)) if n > 1 or a in "YX"]
    noted_axes = read_note(series).get("axes")
    if noted_axes is not None and set(noted_axes) <= set(axes):
        noted = [i for i, a in enumerate(axes) if a in noted_axes]
        if all(shape[i] == 1 for i in range(len(shape)) if i not in noted):
            keep = noted
    array = TiffArray(path, index, 0, tuple(keep), tuple(shape[i] for i in keep), series.dtype)
    return array, "".join(axes[i] for i in keep)


def _known_axes(axes: str, array: TiffArray) -> str:
    """Return the axes with unknown letters replaced by the free ones of Z, C and T, from the last axis to the first."""
    letters = list(axes)
    for i, letter in enumerate(letters):
        if letter == "S" and array.shape[i] not in (3, 4):
            letters[i] = "?" if "C" in letters else "C"
    free = [a for a in "ZCT" if a not in letters]
    for i in reversed(range(len(letters))):
        if letters[i] not in ALLOWED or letters.count(letters[i]) > 1:
            if not free:
                raise AxesError(
                    f"an image has at most the axes {ALLOWED}, got {axes!r} of shape {array.shape}.",
                    remedy="Split the file into images with fewer axes.",
                )
            letters[i] = free.pop(0)
    return validate_axes("".join(letters), array.shape)


def _image(array: TiffArray, axes: str, facts: TiffFacts) -> Image:
    spatial = spatial_axes(axes)
    n = len(spatial)
    affine = np.eye(n + 1)
    units: dict[str, str | None] = {}
    for i, axis in enumerate(spatial):
        if axis in facts.sizes:
            affine[i, i] = facts.sizes[axis]
            affine[i, n] = facts.origin.get(axis, 0.0)
            units[axis] = facts.unit
    metadata = dict(facts.metadata)
    if "T" in axes and facts.time_step is not None:
        metadata["time_step"], units["T"] = facts.time_step
    count = array.shape[axes.index("C")] if "C" in axes else 1
    names = facts.channel_names if len(facts.channel_names) == count else ()
    return Image(
        data=array, axes=axes, affine=affine, units=units, space=facts.space, channel_names=names, metadata=metadata
    )


def _check_chain(path: Path, file: Any) -> None:
    """Follow the pages from one to the next. tifffile stops silently if the chain leaves the file."""
    handle, tiff = file.filehandle, file.tiff
    if tiff.is_ndpi:  # NDPI uses wider offsets than the TIFF format
        return
    handle.seek(4 if tiff.version == 42 else 8)
    offset = struct.unpack(tiff.offsetformat, handle.read(tiff.offsetsize))[0]
    entry = file.byteorder + ("HHII" if tiff.version == 42 else "HHQQ")
    seen: set[int] = set()
    while offset and offset not in seen:
        seen.add(offset)
        handle.seek(offset)
        count = struct.unpack(tiff.tagnoformat, handle.read(tiff.tagnosize))[0]
        for code, kind, length, where in struct.iter_unpack(entry, handle.read(count * tiff.tagsize)):
            size = length * _VALUE_BYTES.get(kind, 0)
            if code in _NEEDED_TAGS and size > tiff.offsetsize and where + size > handle.size:
                raise damage_error(path, "TIFF", f"it is cut off within its tag {code}")
        offset = struct.unpack(tiff.offsetformat, handle.read(tiff.offsetsize))[0]
    expected = (file.imagej_metadata or {}).get("images", 1) if file.is_imagej else 1
    if expected > len(seen) > 0 and file.series and file.series[0].kind != "imagej":
        raise damage_error(path, "ImageJ TIFF", f"only {len(seen)} of its {expected} planes are present")


def _check_complete(path: Path, file: Any, series: Any) -> None:
    """Check that the file is long enough to hold all pixels, without decoding them."""
    size = file.filehandle.size
    if series.dataoffset is not None:
        end = series.dataoffset + int(np.prod(series.get_shape(squeeze=False), dtype=np.int64)) * series.dtype.itemsize
        if end > size:
            raise damage_error(path, "TIFF", f"it is cut off: {end} bytes are needed and {size} are present")
        return
    count = len(series.pages)
    for number in range(0, count, max(1, count // _CHECKED_PAGES)):
        page = series.pages[number]
        if page is None:
            raise UnreadableImageError(
                f"{path} must have {count} planes, but plane {number} is missing.",
                remedy="Put all files of a multi-file OME-TIFF into one folder, or copy the file again.",
            )
        if page.parent is not file and Path(page.parent.filehandle.path) != path:
            continue
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if ends and max(ends) > size:
            raise damage_error(path, "TIFF", f"it is cut off: {max(ends)} bytes are needed and {size} are present")
