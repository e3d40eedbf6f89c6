"""Read the few DICOM tags that describe the pixels and where they lie; never who was imaged."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import UnreadableImageError
from napari_superres.io.dicom.elements import check_elements
from napari_superres.io.series import translate_errors
from napari_superres.io.volume.simpleitk import is_text, quiet_simpleitk

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """Tags of one file: a slice, or all frames of a multi-frame file.

    Attributes
    ----------
    path
        The file.
    series
        Series instance UID.
    modality, photometric, sop_class
        Modality, photometric interpretation and SOP class; empty if absent.
    size
        Number of columns, rows and frames.
    spacing
        Spacing between rows and between columns, in millimeters; None if absent.
    detector_spacing
        Pixel spacing of the detector, not of the body, in millimeters; None if absent.
    position, orientation
        Image position (3 numbers) and image orientation (6 numbers); None if absent.
    frame_time
        Time between frames, in milliseconds; None if absent.
    slice_spacing, thickness
        Spacing between slices and thickness of a slice, in millimeters; None if absent.
    mirror
        For MONOCHROME1 files (high values are displayed dark), which SimpleITK inverts: the values of the file are
        `mirror` minus the values that SimpleITK returns. None for other files.
    """

    path: Path
    series: str
    modality: str
    photometric: str
    sop_class: str
    size: tuple[int, int, int]
    spacing: tuple[float, float] | None
    detector_spacing: tuple[float, ...] | None
    position: Vector | None
    orientation: Vector | None
    frame_time: float | None
    slice_spacing: float | None
    thickness: float | None
    mirror: float | None


def make_reader(sitk: Any, path: Path) -> Any:
    """Return SimpleITK's reader for one DICOM file.

    Raises
    ------
    UnreadableImageError
        If the path of the file is no text.
    """
    if not is_text(path):
        raise UnreadableImageError(
            "a DICOM file cannot be opened, because its name or that of its folder is no text in UTF-8.",
            remedy="Rename it.",
        )
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    return reader


def read_header(path: Path) -> SliceHeader:
    """Read the tags of a file, but not its pixels.

    Raises
    ------
    UnreadableImageError
        If the file is not a DICOM image, or is cut off.
    """
    check_elements(path)
    with translate_errors(path, "DICOM image"), quiet_simpleitk() as sitk:
        file = make_reader(sitk, path)
        file.ReadImageInformation()
        size = tuple(file.GetSize())

    def text(tag: str) -> str:
        return str(file.GetMetaData(tag)).strip(" \0") if file.HasMetaDataKey(tag) else ""

    def numbers(tag: str, count: int) -> tuple[float, ...] | None:
        with suppress(ValueError):
            values = tuple(float(v) for v in text(tag).split("\\"))
            return values if len(values) == count and all(math.isfinite(v) for v in values) else None
        return None

    spacing = numbers("0028|0030", 2)
    if spacing is not None and min(spacing) <= 0:
        spacing = None
    position, orientation = numbers("0020|0032", 3), numbers("0020|0037", 6)
    frame_time, slice_spacing = numbers("0018|1063", 1), numbers("0018|0088", 1)
    thickness = numbers("0018|0050", 1)
    return SliceHeader(
        path=path,
        series=text("0020|000e"),
        modality=text("0008|0060"),
        photometric=text("0028|0004"),
        sop_class=text("0008|0016"),
        size=(size[0], size[1], size[2] if len(size) > 2 else 1),
        spacing=None if spacing is None else (spacing[0], spacing[1]),
        detector_spacing=numbers("0018|1164", 2),
        position=None if position is None else np.asarray(position),
        orientation=None if orientation is None else np.asarray(orientation),
        frame_time=None if frame_time is None else frame_time[0],
        slice_spacing=None if slice_spacing is None else slice_spacing[0],
        thickness=None if thickness is None or thickness[0] <= 0 else thickness[0],
        mirror=_mirror(numbers) if text("0028|0004") == "MONOCHROME1" else None,
    )


def _mirror(numbers: Callable[[str, int], tuple[float, ...] | None]) -> float:
    bits, signed = numbers("0028|0101", 1) or (16.0,), numbers("0028|0103", 1) or (0.0,)
    intercept, slope = numbers("0028|1052", 1) or (0.0,), numbers("0028|1053", 1) or (1.0,)
    smallest_plus_largest = -1.0 if signed[0] else 2.0 ** bits[0] - 1.0
    return slope[0] * smallest_plus_largest + 2.0 * intercept[0]


def need_spacing(header: SliceHeader) -> tuple[float, float]:
    """Return the spacing between rows and between columns, in millimeters.

    Raises
    ------
    UnreadableImageError
        If the file states none. SimpleITK would silently take 1 mm. The message names the missing tag.
    """
    if header.spacing is not None:
        return header.spacing
    detector = ""
    if header.detector_spacing is not None:
        detector = f" (at the detector, not in the body, pixels are {header.detector_spacing[0]:g} mm)"
    raise UnreadableImageError(
        f"{header.path} must state its pixel spacing (tag 0028,0030), but does not{detector}.",
        remedy="Set `pixel_size` and `unit='millimeter'`.",
    )


def has_place(header: SliceHeader) -> bool:
    """Return whether a single slice states its position in the patient and its thickness."""
    thickness = header.slice_spacing or header.thickness
    place = (header.position, header.orientation, header.spacing)
    return bool(thickness) and all(value is not None for value in place)
