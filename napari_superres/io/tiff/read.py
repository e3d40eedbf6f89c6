"""Read TIFF lazily: OME-TIFF, ImageJ TIFF, LSM, slides, plain, tiled, compressed, big-endian and BigTIFF.

The pixel size and origin come from OME-XML, else from ImageJ's description, else from the resolution tags. Resolution
tags without a unit, and the 72 and 96 dots per inch that many programs write by default, leave the pixel size unknown.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.core.axes import ALLOWED, spatial_axes, validate_axes
from napari_superres.core.image import Image
from napari_superres.errors import AxesError, GridError
from napari_superres.io.identity import is_anonymous
from napari_superres.io.pyramid import PyramidSeries
from napari_superres.io.series import Accept, Series, damage_error, import_library, summarize, translate_errors
from napari_superres.io.tiff.array import TiffArray
from napari_superres.io.tiff.complete import check_chain, check_complete, check_description, iter_levels
from napari_superres.io.tiff.instruments import instrument_facts, is_image
from napari_superres.io.tiff.metadata import TiffFacts, read_facts, read_note
from napari_superres.io.tiff.quiet import quiet_tifffile


def scan(path: Path, accept: Accept) -> list[Series]:
    """Return the series of a TIFF file, not yet opened.

    Raises
    ------
    UnreadableImageError
        If the file is not a TIFF, is cut off, claims more pixels than it can hold, or names files elsewhere.
    """
    tifffile = import_library("tifffile")
    all_series = []
    with translate_errors(path, "TIFF"), quiet_tifffile(), tifffile.TiffFile(path) as file:
        check_description(path, file, accept)
        check_chain(path, file)
        if not file.series:
            raise damage_error(path, "TIFF", "it holds no image")
        for index, series in enumerate(file.series):
            if not is_image(file, series):
                continue
            check_complete(path, file, series, accept)
            array, axes = _array(path, index, series)
            facts = instrument_facts(file, series) or read_facts(file, index, series)
            levels = list(iter_levels(path, file, series, accept))
            all_series.append(_series(path, index, series, levels, array, axes, facts))
    return all_series


def _series(
    path: Path, index: int, series: Any, levels: Sequence[Any], array: TiffArray, axes: str, facts: TiffFacts
) -> Series:
    def open_image(new_axes: str | None) -> Image:
        return _image(array, validate_axes(new_axes, array.shape) if new_axes else _known_axes(axes, array), facts)

    try:
        summary = summarize(open_image(None))
    except (AxesError, GridError, TypeError) as error:
        summary = f"{array.shape} {array.dtype}: {error}"
    # The name of a slide may be that of a patient.
    whole = "slide" if is_anonymous(path) else path.name
    name = whole if index == 0 else f"{whole} [{series.name or index}]"
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
