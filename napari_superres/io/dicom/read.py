"""Read DICOM strictly: single files, multi-frame files and folders that hold series.

Some faults are errors here that SimpleITK accepts silently: a missing slice (it widens the spacing), an absent pixel
spacing (it takes 1 mm), a tilted gantry, and mixed orientations. The message names the file. Only tags about the
pixels are read.

A single slice becomes a volume of one slice, which keeps its place in the body. If its file states no position,
orientation or thickness, it becomes a plane. Values of MONOCHROME1 files (high values are displayed dark)
stay as they are, and ``metadata["photometric"]`` says so.
"""

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
from napari_superres.io.dicom.elements import check_frames
from napari_superres.io.dicom.header import SliceHeader, has_place, make_reader, need_spacing, read_header
from napari_superres.io.dicom.stack import stack_slices
from napari_superres.io.formats import dicom_files
from napari_superres.io.series import Accept, Series, translate_errors
from napari_superres.io.volume.simpleitk import affine_in_array_order, quiet_simpleitk

_SOP = "1.2.840.10008.5.1.4.1.1."
# Multi-frame objects whose frames are slices. SimpleITK reads their positions from the tags of each frame.
_SLICED = {_SOP + x for x in ("2.1", "2.2", "4.1", "4.4", "130", "128.1", "481.2", "13.1.3")}

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
        If a file is damaged.
    """
    headers = [read_header(p) for p in (dicom_files(path) if path.is_dir() else [path])]
    groups: dict[str, list[SliceHeader]] = {}
    for header in headers:
        # A multi-frame file is an image of its own, even if other files belong to the same series.
        key = header.series if header.size[2] == 1 else str(header.path)
        groups.setdefault(key, []).append(header)
    return [_series(group, number, not accept.unknown_pixel_size) for number, group in enumerate(groups.values())]


def _series(group: list[SliceHeader], number: int, require_pixel_size: bool) -> Series:
    first = group[0]
    count = first.size[2] if len(group) == 1 else len(group)
    words = f"{count} slice(s) of {first.size[0]} x {first.size[1]}, {first.modality or 'unknown modality'}"
    read: Callable[[], Image]
    if len(group) > 1 or (first.size[2] == 1 and has_place(first)):
        read = partial(_stack, group, require_pixel_size)
    else:
        read = partial(_plane if first.size[2] == 1 else _frames, first, require_pixel_size)

    def open_image(axes: str | None) -> Image:
        image = read()
        return image if axes is None or validate_axes(axes, image.shape) == image.axes else _with_axes(image, axes)

    return Series(f"{first.modality or 'DICOM'} series {number}", words, open_image)


def _stack(group: list[SliceHeader], require_pixel_size: bool) -> Image:
    known = require_pixel_size or group[0].spacing is not None
    # If the files state no spacing, 1 holds its place: the caller then replaces it by the user's pixel size.
    ordered, affine = stack_slices(group if known else [replace(h, spacing=(1.0, 1.0)) for h in group])
    planes = _pixels(ordered[0])[0]
    planes = np.concatenate([planes, np.empty((len(ordered) - 1, *planes.shape[1:]), planes.dtype)])
    for number, header in enumerate(ordered[1:], start=1):
        plane = _pixels(header)[0][0]
        # Each slice may have its own rescale slope, and therefore its own data type.
        planes = planes.astype(np.result_type(planes, plane), copy=False)
        planes[number] = plane
    return _image(planes, "ZYX", affine, ordered[0], "LPS")


def _plane(header: SliceHeader, require_pixel_size: bool) -> Image:
    known = require_pixel_size or header.spacing is not None
    sizes = need_spacing(header) if known else (1.0, 1.0)
    return _image(_pixels(header)[0][0], "YX", np.diag([*sizes, 1.0]), header, None, known)


def _frames(header: SliceHeader, require_pixel_size: bool) -> Image:
    """Return a multi-frame file: as slices if their distance is known, else as frames in time."""
    data, volume = _pixels(header)
    if header.sop_class in _SLICED or (header.spacing and header.slice_spacing and not header.frame_time):
        spacing = list(volume.GetSpacing())
        if header.sop_class not in _SLICED and header.slice_spacing:
            spacing[2] = abs(header.slice_spacing)
        affine = affine_in_array_order(tuple(spacing), volume.GetOrigin(), volume.GetDirection(), 3)
        if header.spacing is None and require_pixel_size and spacing[:2] == [1.0, 1.0]:
            need_spacing(header)
        return _image(data, "ZYX", affine, header, "LPS")
    if header.frame_time is None:
        raise UnreadableImageError(
            f"{header.path} must say what its {header.size[2]} frames are, but states neither the distance of slices "
            "(tag 0018,0088) nor a frame time (0018,1063).",
            remedy="Convert it to NIfTI with a DICOM tool first.",
        )
    known = require_pixel_size or header.spacing is not None
    sizes = need_spacing(header) if known else (1.0, 1.0)
    image = _image(data, "TYX", np.diag([*sizes, 1.0]), header, None, known)
    return image.replace(
        units={**image.units, "T": "millisecond"}, metadata={**image.metadata, "time_step": header.frame_time}
    )


def _image(
    data: npt.NDArray[Any],
    axes: str,
    affine: npt.NDArray[np.float64],
    header: SliceHeader,
    space: str | None,
    known: bool = True,
) -> Image:
    axes += "S" * (data.ndim - len(axes))
    units = dict.fromkeys((a for a in axes if a in "ZYX"), "millimeter" if known else None)
    metadata = {"photometric": "MONOCHROME1"} if header.photometric == "MONOCHROME1" else {}
    if header.modality:
        metadata["modality"] = _MODALITIES.get(header.modality, f"{header.modality} (DICOM)")
    return Image(_narrowest(data), axes, affine, units, space, (), metadata)


def _pixels(header: SliceHeader) -> tuple[npt.NDArray[Any], Any]:
    """Return the pixels ``(frames, Y, X[, samples])``, rescaled as the file says, and SimpleITK's image."""
    check_frames(header.path)
    with translate_errors(header.path, "DICOM image"), quiet_simpleitk() as sitk:
        volume = make_reader(sitk, header.path).Execute()
        data = sitk.GetArrayFromImage(volume)
        samples = volume.GetNumberOfComponentsPerPixel()
        data = data.reshape((-1, *data.shape[-3 if samples > 1 else -2 :]))
        if header.mirror is not None:
            for frame in data:
                frame[...] = (header.mirror - frame.astype(np.float64)).astype(data.dtype)
        return data, volume


def _narrowest(data: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Undo the widening by the rescaling: return integers as int16 if they fit, and floats with 32 bits."""
    if data.dtype == np.float64:
        return data.astype(np.float32)
    if data.dtype == np.int32 and data.size and data.min() >= -(2**15) and data.max() < 2**15:
        return data.astype(np.int16)
    return data


def _with_axes(image: Image, axes: str) -> Image:
    axes = validate_axes(axes, image.shape)
    spatial = [a for a in axes if a in "ZYX"]
    sizes = dict(zip(image.spatial, image.pixel_size, strict=True))
    affine = np.diag([*(sizes.get(a, 1.0) for a in spatial), 1.0])
    return image.replace(axes=axes, affine=affine, units=dict.fromkeys(spatial, image.units["X"]), space=None)
