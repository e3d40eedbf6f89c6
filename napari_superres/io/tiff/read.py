"""Read TIFF lazily: OME-TIFF, ImageJ TIFF, LSM, slides, plain, tiled, compressed, big-endian and BigTIFF.

The pixel size and origin come from OME-XML, else from ImageJ's description, else from the resolution tags. Resolution
tags without a unit, and the 72 and 96 dots per inch that many programs write by default, leave the pixel size unknown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.core.axes import ALLOWED, spatial_axes, validate_axes
from napari_superres.core.image import Image
from napari_superres.errors import AxesError, GridError
from napari_superres.io.formats import format_to_read
from napari_superres.io.lazy import LazyArray
from napari_superres.io.pyramid import PyramidSeries
from napari_superres.io.series import GUESSED, Accept, Series, damage_error, summarize, translate_errors
from napari_superres.io.tiff.array import TiffArray
from napari_superres.io.tiff.colour import Present, RecolouredArray, Unmeasured, find_presentation
from napari_superres.io.tiff.complete import check_chain, check_complete, check_description, iter_levels
from napari_superres.io.tiff.every_axis import axes_of, series_of, shape_of
from napari_superres.io.tiff.instruments import instrument_facts, is_image
from napari_superres.io.tiff.metadata import TiffFacts, read_facts, read_note
from napari_superres.io.tiff.ome_set import open_tiff, own_series
from napari_superres.io.tiff.quiet import quiet_tifffile
from napari_superres.io.tiff.turn import Turn, find_turn

_SWAPPED = {"Y": "X", "X": "Y"}


def scan(path: Path, accept: Accept) -> list[Series]:
    """Return the series of a TIFF file, not yet opened.

    Raises
    ------
    UnreadableImageError
        If the file is not a TIFF, is cut off, claims more pixels than it can hold, names files elsewhere, or holds no
        intensities.
    """
    all_series: list[Series] = []
    with translate_errors(path, "TIFF"), quiet_tifffile(), open_tiff(path, accept) as file:
        check_description(path, file, accept)
        check_chain(path, file)
        if not series_of(file):
            raise damage_error(path, "TIFF", "it holds no image")
        file_format = format_to_read(path)
        title = file_format.name if file_format.is_medical else path.name
        for index in own_series(path, file):
            series = series_of(file)[index]
            if not is_image(file, series):
                continue
            check_complete(path, file, series, accept)
            array, axes = _array(path, index, series, accept)
            present, turn = find_presentation(path, file, series), find_turn(series)
            facts = instrument_facts(file, series) or read_facts(file, series)
            if turn.is_swapped:
                facts = replace(facts, sizes={_SWAPPED.get(a, a): size for a, size in facts.sizes.items()})
            levels = list(iter_levels(path, file, series, accept))
            name = title if not all_series else f"{title} [{series.name or index}]"
            all_series.append(_series(name, levels, array, axes, present, turn, facts))
    return all_series


def _series(
    name: str,
    levels: Sequence[Any],
    stored: TiffArray,
    stored_axes: str,
    present: Present,
    turn: Turn,
    facts: TiffFacts,
) -> Series:
    def shown(level: TiffArray) -> tuple[LazyArray, str]:
        array, axes = present(level, stored_axes)
        if facts.no_data is not None and array.dtype.kind == "f":
            array = RecolouredArray(array, Unmeasured(facts.no_data[0]), array.shape, array.dtype)
        return turn.apply(array, axes), axes

    array, axes = shown(stored)

    def open_image(new_axes: str | None) -> Image:
        letters = validate_axes(new_axes, array.shape) if new_axes else _known_axes(axes, array)
        image = _image(array, letters, facts)
        return image if new_axes or letters == axes else image.replace(metadata={**image.metadata, GUESSED: True})

    try:
        summary = summarize(open_image(None))
    except (AxesError, GridError, TypeError) as error:
        summary = f"{array.shape} {array.dtype}: {error}"
    shapes = [shape_of(level) for level in levels]

    def coarser() -> Iterator[Image]:
        finest = open_image(None)
        for number, shape in enumerate(shapes, 1):
            yield _coarser(finest, shown(stored.level(number, shape))[0])

    return PyramidSeries(name, summary, open_image, coarser) if shapes else Series(name, summary, open_image)


def _coarser(finest: Image, array: LazyArray) -> Image:
    """Return the image of a coarser level. TIFF states only its shape; its pixels cover blocks of finest pixels."""
    counts = dict(zip(finest.axes, array.shape, strict=True))
    step = np.array([max(1.0, round(finest.size(a) / counts[a])) for a in finest.spatial])
    relative = np.diag([*step, 1.0])
    relative[:-1, -1] = (step - 1.0) / 2.0
    return finest.replace(data=array, affine=finest.affine @ relative)


def _array(path: Path, index: int, series: Any, accept: Accept) -> tuple[TiffArray, str]:
    """Return the lazy array of a series and its axes as tifffile names them.

    Axes of one element are left out, unless this package noted them in the file.
    """
    axes, shape = axes_of(series), shape_of(series)
    keep = [i for i, (a, n) in enumerate(zip(axes, shape, strict=True)) if n > 1 or a in "YX"]
    noted_axes = read_note(series).get("axes")
    if noted_axes is not None and set(noted_axes) <= set(axes):
        noted = [i for i, a in enumerate(axes) if a in noted_axes]
        if all(shape[i] == 1 for i in range(len(shape)) if i not in noted):
            keep = noted
    array = TiffArray(path, index, 0, tuple(keep), tuple(shape[i] for i in keep), series.dtype, accept)
    return array, "".join(axes[i] for i in keep)


def _known_axes(axes: str, array: LazyArray) -> str:
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
                    f"an image has at most the axes {ALLOWED}, but this one has {len(axes)} and no colour samples: "
                    f"{' x '.join(map(str, array.shape))} elements.",
                    remedy="Split the file into images with fewer axes.",
                )
            letters[i] = free.pop(0)
    return validate_axes("".join(letters), array.shape)


def _image(array: LazyArray, axes: str, facts: TiffFacts) -> Image:
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
    if len(metadata.get("optics", ())) != count:
        metadata.pop("optics", None)
    names = facts.channel_names if len(facts.channel_names) == count else ()
    return Image(
        data=array,
        axes=axes,
        affine=affine,
        units=units,
        space=facts.space,
        channel_names=names,
        metadata=metadata,
        no_data=None if array.dtype.kind == "f" else facts.no_data,
    )
