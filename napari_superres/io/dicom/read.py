"""Read DICOM strictly: single files, multi-frame files and folders that hold series.

Some faults are errors here that other readers accept silently: a missing slice, an absent pixel spacing, a tilted
gantry, and mixed orientations. The message names the file. Only tags about the pixels are read.

The files of a series that lie at the same place are the time points (T), echoes or b-values (C) that their tags state.

A single slice becomes a volume of one slice, which keeps its place in the body. If its file states no position,
orientation or thickness, it becomes a plane. Values of MONOCHROME1 files (high values are displayed dark)
stay as they are, and ``metadata["photometric"]`` says so.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.axes import validate_axes
from napari_superres.core.image import Image
from napari_superres.errors import UnreadableImageError
from napari_superres.io.dicom.dataset import KIND, number, numbers, text
from napari_superres.io.dicom.frames import FrameGrid, frame_headers, share_places, sort_frames
from napari_superres.io.dicom.header import SliceHeader, distinguish, has_place, need_spacing, read_header
from napari_superres.io.dicom.kinds import NoImageError
from napari_superres.io.dicom.mosaic import read_volumes
from napari_superres.io.dicom.stack import stack_slices
from napari_superres.io.dicom.values import Pixels, read_pixels
from napari_superres.io.formats import dicom_files
from napari_superres.io.series import Accept, Series, translate_errors

# Names of modalities on model cards.
_MODALITIES = {"MR": "MRI", "CT": "CT"}


def scan(path: Path, accept: Accept) -> list[Series]:
    """Return the series of a DICOM file or folder. Headers are read, pixels are not.

    Parameters
    ----------
    path
        A file, or a folder whose files are DICOM. Its subfolders are left out.
    accept
        Whether files without pixel spacing are read, because the user states the pixel size.

    Raises
    ------
    UnreadableImageError
        If a file is damaged, or holds no image.
    """
    groups, others = _groups(path)
    found = [_series(group, number_, not accept.unknown_pixel_size) for number_, group in enumerate(groups)]
    if not others:
        return found
    note = f"{len(others)} DICOM object(s) without an image lie in the folder and were left out: "
    note += f"{', '.join(sorted(set(others)))}."
    return [_noted(series, note) for series in found]


def _noted(series: Series, note: str) -> Series:
    """Return a series whose image has one note more."""

    def open_image(axes: str | None) -> Image:
        image = series.open(axes)
        return image.replace(metadata={**image.metadata, "notes": (*image.metadata.get("notes", ()), note)})

    return replace(series, open=open_image)


def has_volumes(folder: Path) -> bool:
    """Return whether a series in a folder has several slices at one place. Only headers are read."""
    return any(len(group) > 1 and share_places(group) for group in _groups(folder)[0])


def _groups(path: Path) -> tuple[list[list[SliceHeader]], list[str]]:
    """Return the headers of the files of each series, and what the objects are that hold no image.

    Raises
    ------
    UnreadableImageError
        If a file is damaged, or none holds an image.
    """
    groups: dict[str, list[SliceHeader]] = {}
    headers: list[SliceHeader] = []
    others: list[NoImageError] = []
    for file in dicom_files(path) if path.is_dir() else [path]:
        try:
            headers.append(read_header(file))
        except NoImageError as error:
            others.append(error)
    if others and not headers:
        raise others[0]
    for header in headers:
        # A multi-frame file is an image of its own, even if other files belong to the same series.
        key = header.series if header.size[2] == 1 else str(header.path)
        groups.setdefault(key, []).append(header)
    return list(groups.values()), [error.kind for error in others]


def _series(group: list[SliceHeader], number_: int, require_pixel_size: bool) -> Series:
    first = group[0]
    count = first.size[2] if len(group) == 1 else len(group)
    words = f"{count} slice(s) of {first.size[0]} x {first.size[1]}, {first.modality or 'unknown modality'}"
    words = ", ".join([words, *distinguish(first)])
    read: Callable[[str | None], Image]
    if any(header.is_mosaic for header in group):
        words = words.replace("slice(s)", "mosaic(s)")
        read = partial(_mosaics, group)
    elif len(group) > 1 or (first.size[2] == 1 and has_place(first)):
        read = partial(_stack, group, require_pixel_size)
    else:
        read = partial(_plane if first.size[2] == 1 else _frames, first, require_pixel_size)

    def open_image(axes: str | None) -> Image:
        with translate_errors(first.path, KIND):
            image = read(axes)
        return image if axes is None or validate_axes(axes, image.shape) == image.axes else _with_axes(image, axes)

    return Series(f"{first.modality or 'DICOM'} series {number_}", words, open_image)


def _known(header: SliceHeader, require_pixel_size: bool) -> SliceHeader:
    """Return a header with 1 in the place of an absent spacing, if the caller replaces it by the user's pixel size."""
    return header if require_pixel_size or header.spacing is not None else replace(header, spacing=(1.0, 1.0))


def _stack(group: list[SliceHeader], require_pixel_size: bool, _axes: str | None) -> Image:
    slices = [_known(h, require_pixel_size or group[0].spacing is not None) for h in group]
    if share_places(slices):
        grid = sort_frames(slices[0], slices)
        ordered = [slices[i] for i in grid.order.ravel()]
    else:
        ordered, affine = stack_slices(slices)
        grid = FrameGrid("ZYX", np.arange(len(ordered)), affine)
    planes = read_pixels(ordered[0].path)
    data = np.concatenate([planes.data, np.empty((len(ordered) - 1, *planes.data.shape[1:]), planes.data.dtype)])
    joined = Pixels(data, planes.no_data)
    for index, header in enumerate(ordered[1:], start=1):
        joined = _put(joined, index, read_pixels(header.path))
    stacked = joined.data.reshape(*grid.order.shape, *joined.data.shape[1:])
    return _image_of(replace(joined, data=stacked), grid, ordered[0])


def _image_of(pixels: Pixels, grid: FrameGrid, header: SliceHeader) -> Image:
    image = _image(pixels, grid.axes, grid.affine, header, "LPS", channels=grid.channel_names)
    return image if grid.time is None else _with_time(image, *grid.time)


def _put(joined: Pixels, index: int, plane: Pixels) -> Pixels:
    """Put a slice into its place in a stack. Each may have its own rescaling, and therefore its own data type."""
    data, values, no_data = joined.data, plane.data[0], joined.no_data
    if plane.no_data is not None and no_data is None and data.dtype.kind in "ui":
        no_data = plane.no_data
    elif plane.no_data is not None and plane.no_data != no_data:
        values = _as_nan(values, plane.no_data)
    dtype = np.result_type(data, values)
    if dtype.kind == "f" and no_data is not None:
        data, no_data = _as_nan(data, no_data), None
    if dtype.kind == "f":
        dtype = np.dtype(np.float32)
    data = data.astype(dtype, copy=False)
    data[index] = values
    return Pixels(data, no_data)


def _as_nan(values: npt.NDArray[Any], no_data: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Return values with 32 bits in which those that were not measured are NaN."""
    return np.where((values >= no_data[0]) & (values <= no_data[1]), np.float32(np.nan), values).astype(np.float32)


def _mosaics(group: list[SliceHeader], _axes: str | None) -> Image:
    volumes, mosaic = read_volumes(group)
    if len(volumes) == 1:
        return _image(volumes[0], "ZYX", mosaic.affine, group[0], "LPS")
    joined = Pixels(np.stack([volume.data for volume in volumes]), volumes[0].no_data)
    image = _image(joined, "TZYX", mosaic.affine, group[0], "LPS")
    step = number(group[0].tags, "RepetitionTime")
    return image if not step else _with_time(image, step, "millisecond")


def _plane(header: SliceHeader, require_pixel_size: bool, _axes: str | None) -> Image:
    known = require_pixel_size or header.spacing is not None
    sizes = need_spacing(_known(header, require_pixel_size))
    pixels = read_pixels(header.path)
    return _image(replace(pixels, data=pixels.data[0]), "YX", np.diag([*sizes, 1.0]), header, None, known)


def _frames(header: SliceHeader, require_pixel_size: bool, axes: str | None) -> Image:
    """Return a multi-frame file: as slices if their places are known, else as frames in time."""
    known = require_pixel_size or header.spacing is not None
    header = _known(header, require_pixel_size)
    frames = frame_headers(header)
    if frames:
        grid = sort_frames(header, frames)
        pixels = read_pixels(header.path)
        data = pixels.data[grid.order]
        data[grid.order < 0] = 0
        return _image_of(replace(pixels, data=data), grid, header)
    steps = numbers(header.tags, "FrameTime", 1) or (numbers(header.tags, "FrameTimeVector") or ())[1:]
    if header.slice_spacing and header.spacing and not steps:
        affine = np.diag([abs(header.slice_spacing), *header.spacing, 1.0])
        return _image(read_pixels(header.path), "ZYX", affine, header, None)
    if not steps and axes is None:
        raise UnreadableImageError(
            f"{header.path} must say what its {header.size[2]} frames are, but states neither their places "
            "(tags 0020,0032 and 0018,0088) nor a frame time (0018,1063).",
            remedy="If you know what they are, set `axes`, for example to 'TYX'.",
        )
    image = _image(read_pixels(header.path), "TYX", np.diag([*need_spacing(header), 1.0]), header, None, known)
    even = steps and min(steps) > 0 and np.allclose(steps, steps[0], rtol=0.01)
    return _with_time(image, float(np.mean(steps)), "millisecond") if even else image


def _with_time(image: Image, step: float, unit: str) -> Image:
    return image.replace(units={**image.units, "T": unit}, metadata={**image.metadata, "time_step": step})


def _image(
    pixels: Pixels,
    axes: str,
    affine: npt.NDArray[np.float64],
    header: SliceHeader,
    space: str | None,
    known: bool = True,
    channels: tuple[str, ...] = (),
) -> Image:
    axes += "S" * (pixels.data.ndim - len(axes))
    units = dict.fromkeys((a for a in axes if a in "ZYX"), "millimeter" if known else None)
    metadata: dict[str, Any] = {"photometric": "MONOCHROME1"} if header.photometric == "MONOCHROME1" else {}
    if header.modality == "SEG" and text(header.tags, "SegmentationType") != "FRACTIONAL":
        metadata["labels"] = True
    several = "Z" in axes and pixels.data.shape[axes.index("Z")] > 1
    if header.thickness and known and several:  # the pixel size of a single slice is its thickness
        metadata["slice_thickness"] = header.thickness  # in millimeters, as the pixel size
    if header.modality:
        metadata["modality"] = _MODALITIES.get(header.modality, f"{header.modality} (DICOM)")
    if re.fullmatch(r"[A-Z ]{2,16}", part := text(header.tags, "BodyPartExamined")):  # a term, and not somebody's words
        metadata["body_part"] = part
    return Image(pixels.data, axes, affine, units, space, channels, metadata, pixels.no_data)


def _with_axes(image: Image, axes: str) -> Image:
    axes = validate_axes(axes, image.shape)
    spatial = [a for a in axes if a in "ZYX"]
    sizes = dict(zip(image.spatial, image.pixel_size, strict=True))
    affine = np.diag([*(sizes.get(a, 1.0) for a in spatial), 1.0])
    return image.replace(axes=axes, affine=affine, units=dict.fromkeys(spatial, image.units["X"]), space=None)
