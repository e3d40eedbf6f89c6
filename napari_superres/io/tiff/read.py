"""TIFF, read lazily: OME-TIFF, ImageJ TIFF, plain, tiled, compressed, big-endian and BigTIFF.

Pixel size and origin come from, in this order: OME-XML, ImageJ's description, the resolution tags.
Resolution tags without a unit, and the 72 and 96 dots per inch that programs write without knowing,
leave the pixel size unknown.
"""

import logging
import struct
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.axes import ALLOWED, spatial_axes, validate_axes
from napari_superres.core.image import Image
from napari_superres.errors import AxesError, GridError, UnreadableImageError
from napari_superres.io.lazy import Box, LazyArray
from napari_superres.io.pyramid import PyramidSeries
from napari_superres.io.series import Series, damaged, library, reading, summary
from napari_superres.io.tiff import metadata as tiff_facts
from napari_superres.io.tiff.write import losses, write

__all__ = ["losses", "scan", "write"]

# tifffile reports damage through logging, which Python prints if nobody listens; we raise instead.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

# Above this many pages only every n-th is checked against the size of the file.
_CHECKED_PAGES = 4096
# Resolution, description, ImageJ's metadata, strips and tiles. Programs leave broken tags of their own.
_NEEDED_TAGS = {270, 273, 279, 282, 283, 324, 325, 330, 50838, 50839}
# Bytes of one value per TIFF data type.
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


class TiffArray(LazyArray):
    """One series of a TIFF file. The file is open from the first slicing until the array is dropped.

    Parameters
    ----------
    path
        The file.
    series, level
        Index of the series, and of its level of resolution.
    keep
        Axes of tifffile's full shape that the array has; the others have one element.
    shape, dtype
        Of the array.
    """

    def __init__(
        self, path: Path, series: int, level: int, keep: tuple[int, ...], shape: tuple[int, ...], dtype: npt.DTypeLike
    ) -> None:
        super().__init__(shape, dtype)
        self._facts = (path, series, level, keep, shape, np.dtype(dtype).str)
        self._zarr: Any = None
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return TiffArray, self._facts

    def read_box(self, box: Box) -> npt.NDArray[Any]:
        """Read the strips or tiles that the box touches."""
        path, _, _, keep, *_ = self._facts
        with reading(path, "TIFF"):
            array = self._opened()
            full: list[Any] = [0] * array.ndim
            for axis, item in zip(keep, box, strict=True):
                full[axis] = item
            return np.array(array[tuple(full)], dtype=self.dtype)

    def level(self, number: int, shape: tuple[int, ...]) -> "TiffArray":
        """Return a coarser level, whose full shape is given."""
        path, series, _, keep, _, dtype = self._facts
        return TiffArray(path, series, number, keep, tuple(shape[i] for i in keep), dtype)

    def _opened(self) -> Any:
        with self._lock:
            if self._zarr is None:
                file = library("tifffile").TiffFile(self._facts[0])
                weakref.finalize(self, file.close)
                _, index, level, *_ = self._facts
                series = file.series[index].levels[level]
                if series.dataoffset is not None:  # one block of plain numbers, of which any part is read by itself
                    dtype, shape = series.dtype.newbyteorder(file.byteorder), series.get_shape(squeeze=False)
                    self._zarr = np.memmap(self._facts[0], dtype, "r", series.dataoffset, shape)
                else:
                    store = file.series[index].aszarr(level=level, squeeze=False)
                    self._zarr = library("zarr").open_array(store, mode="r")
            return self._zarr


def scan(path: Path, strict: bool) -> list[Series]:
    """Return the series of a TIFF file, not yet opened.

    Raises
    ------
    UnreadableImageError
        If it is not a TIFF, or cut off.
    """
    del strict
    tifffile = library("tifffile")
    found = []
    with reading(path, "TIFF"), tifffile.TiffFile(path) as file:
        _check_chain(path, file)
        if not file.series:
            raise damaged(path, "TIFF", "it holds no image")
        for index, series in enumerate(file.series):
            _check_complete(path, file, series)
            array, axes = _array(path, index, series)
            facts = tiff_facts.facts_of(file, index, series)
            found.append(_series(path, index, series, _whole_levels(path, file, series), array, axes, facts))
    return found


def _whole_levels(path: Path, file: Any, series: Any) -> list[Any]:
    """Return the coarser levels of a series up to the first that is cut off or has other axes."""
    found: list[Any] = []
    for level in series.levels[1:]:
        try:
            _check_complete(path, file, level)
        except UnreadableImageError:
            break
        if level.get_axes(squeeze=False) != series.get_axes(squeeze=False):
            break
        found.append(level)
    return found


def _series(
    path: Path, index: int, series: Any, levels: Sequence[Any], array: TiffArray, axes: str, facts: tiff_facts.Facts
) -> Series:
    def open_(wanted: str | None) -> Image:
        return _image(array, validate_axes(wanted, array.shape) if wanted else _known_axes(axes, array), facts)

    try:
        words = summary(open_(None))
    except (AxesError, GridError, TypeError) as error:
        words = f"{array.shape} {array.dtype}: {error}"
    name = path.name if index == 0 else f"{path.name} [{series.name or index}]"
    shapes = [level.get_shape(squeeze=False) for level in levels]

    def coarser() -> Iterator[Image]:
        finest = open_(None)
        for number, shape in enumerate(shapes, 1):
            yield _coarser(finest, array.level(number, shape))

    return PyramidSeries(name, words, open_, coarser) if shapes else Series(name, words, open_)


def _coarser(finest: Image, array: TiffArray) -> Image:
    """Return the image of a level, whose pixels unite those of the finest: TIFF says no more of it than its shape."""
    counts = dict(zip(finest.axes, array.shape, strict=True))
    step = np.array([max(1.0, round(finest.size(a) / counts[a])) for a in finest.spatial])
    relative = np.diag([*step, 1.0])
    relative[:-1, -1] = (step - 1.0) / 2.0
    return finest.replace(data=array, affine=finest.affine @ relative)


def _array(path: Path, index: int, series: Any) -> tuple[TiffArray, str]:
    """Return the lazy array of a series and its axes as tifffile says them, single-element axes left out."""
    axes, shape = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    ours = tiff_facts.own_note(series).get("axes")
    wanted = ours if ours is not None and set(ours) <= set(axes) else None
    keep = [
        i
        for i, (a, n) in enumerate(zip(axes, shape, strict=True))
        if (a in wanted if wanted is not None else n > 1 or a in "YX")
    ]
    if wanted is not None and any(shape[i] > 1 for i in range(len(shape)) if i not in keep):
        keep = [i for i, (a, n) in enumerate(zip(axes, shape, strict=True)) if n > 1 or a in "YX"]
    array = TiffArray(path, index, 0, tuple(keep), tuple(shape[i] for i in keep), series.dtype)
    return array, "".join(axes[i] for i in keep)


def _known_axes(axes: str, array: TiffArray) -> str:
    """Return axes with the letters that mean nothing here replaced by Z, C or T, the innermost first."""
    letters = list(axes)
    for i, letter in enumerate(letters):
        if letter == "S" and array.shape[i] not in (3, 4):
            letters[i] = "?" if "C" in letters else "C"
    free = [a for a in "ZCT" if a not in letters]
    for i in reversed(range(len(letters))):
        if letters[i] not in ALLOWED or letters.count(letters[i]) > 1:
            if not free:
                raise AxesError(f"an image has at most the axes {ALLOWED}, got {axes!r} of shape {array.shape}.")
            letters[i] = free.pop(0)
    return validate_axes("".join(letters), array.shape)


def _image(array: TiffArray, axes: str, facts: tiff_facts.Facts) -> Image:
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
    """Follow the pages from one to the next. tifffile ends silently where the chain leaves the file."""
    handle, tiff = file.filehandle, file.tiff
    if tiff.is_ndpi:  # its offsets are wider than the format says
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
                raise damaged(path, "TIFF", f"it is cut off within its tag {code}")
        offset = struct.unpack(tiff.offsetformat, handle.read(tiff.offsetsize))[0]
    listed = (file.imagej_metadata or {}).get("images", 1) if file.is_imagej else 1
    if listed > len(seen) > 0 and file.series and file.series[0].kind != "imagej":
        raise damaged(path, "ImageJ TIFF", f"of {listed} planes {len(seen)} are there")


def _check_complete(path: Path, file: Any, series: Any) -> None:
    """Compare where the pixels should be with the size of the file, which costs no decoding."""
    size = file.filehandle.size
    if series.dataoffset is not None:
        end = series.dataoffset + int(np.prod(series.get_shape(squeeze=False), dtype=np.int64)) * series.dtype.itemsize
        if end > size:
            raise damaged(path, "TIFF", f"it is cut off: {end} bytes are needed and {size} are there")
        return
    count = len(series.pages)
    for number in range(0, count, max(1, count // _CHECKED_PAGES)):
        page = series.pages[number]
        if page is None:
            raise UnreadableImageError(
                f"{path} says it has {count} planes, but plane {number} is not there. "
                "Put all files of a multi-file OME-TIFF into one folder, or copy the file again."
            )
        if page.parent is not file and Path(page.parent.filehandle.path) != path:
            continue
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if ends and max(ends) > size:
            raise damaged(path, "TIFF", f"it is cut off: {max(ends)} bytes are needed and {size} are there")
