"""The few tags of a DICOM file that say where its pixels lie. Never who was imaged."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import UnreadableImageError
from napari_superres.io.series import damaged, reading
from napari_superres.io.volume.read import quiet

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Header:
    """Tags of one file.

    Attributes
    ----------
    path
        The file.
    series
        Series instance UID.
    modality, photometric, sop_class
        As in the file; empty where absent.
    size
        Columns, rows, frames.
    spacing
        Between rows and between columns, in millimeters; None where absent.
    detector_spacing
        Imager pixel spacing: that of the detector, not of the body.
    position, orientation
        Image position (3 numbers) and orientation (6); None where absent.
    frame_time, slice_spacing, thickness
        Milliseconds between frames; millimeters between slices, and of one slice; None where absent.
    mirror
        SimpleITK turns MONOCHROME1 (dark means much) round; the file's values are this minus what it gives.
        None for other files.
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


def reader(path: Path) -> Any:
    """Return SimpleITK's reader of one DICOM file."""
    found = quiet().ImageFileReader()
    found.SetImageIO("GDCMImageIO")
    found.SetFileName(str(path))
    return found


def read_header(path: Path) -> Header:
    """Read the tags of a file, not its pixels.

    Raises
    ------
    UnreadableImageError
        If it is not a DICOM image.
    """
    with reading(path, "DICOM image"):
        file = reader(path)
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
    return Header(
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
    # Smallest plus largest value that can be stored.
    ends = -1.0 if signed[0] else 2.0 ** bits[0] - 1.0
    return slope[0] * ends + 2.0 * intercept[0]


def need_spacing(header: Header) -> tuple[float, float]:
    """Return the pixel spacing, or say which tag is missing.

    Raises
    ------
    UnreadableImageError
        If there is none; SimpleITK would silently take 1 mm.
    """
    if header.spacing is not None:
        return header.spacing
    detector = ""
    if header.detector_spacing is not None:
        detector = f" (at the detector, not in the body, pixels are {header.detector_spacing[0]:g} mm)"
    raise UnreadableImageError(
        f"{header.path} must state its pixel spacing (tag 0028,0030), but does not{detector}. "
        "Give it with pixel_size and unit (--pixel-size P --unit millimeter)."
    )


def stacked(headers: Sequence[Header]) -> tuple[list[Header], Vector]:
    """Return the slices of a series in order along their normal, and the index-to-world matrix ``(Z, Y, X)``.

    Parameters
    ----------
    headers
        Slices of one series, in any order; a single one `is_placed`.

    Raises
    ------
    UnreadableImageError
        If the slices do not form a straight, evenly spaced stack; the message names the file.
    """
    first = headers[0]
    for header in headers:
        _need_same(header, first)
    if first.orientation is None:
        raise damaged(first.path, "slice", "its orientation (tag 0020,0037) is missing")
    spacing = need_spacing(first)
    across, down = first.orientation[:3], first.orientation[3:]
    if abs(across @ down) > 1e-3 or max(abs(np.linalg.norm(across) - 1), abs(np.linalg.norm(down) - 1)) > 1e-3:
        raise damaged(first.path, "slice", "its rows and columns are not at right angles (tag 0020,0037)")
    normal = np.cross(across, down)
    ordered = sorted(headers, key=lambda h: float(_position(h) @ normal))
    if len(ordered) > 1:
        step = _checked_step(ordered, normal, min(spacing))
    else:
        step = normal * (first.slice_spacing or first.thickness or 1.0)
    affine = np.eye(4)
    columns = np.stack([step, down * spacing[0], across * spacing[1]], axis=1)
    affine[:3, :3] = columns[::-1]
    affine[:3, 3] = _position(ordered[0])[::-1]
    return ordered, affine


def is_placed(header: Header) -> bool:
    """Return whether a single slice says where it lies in the patient, and how thick it is."""
    known = header.slice_spacing or header.thickness
    stated = (header.position, header.orientation, header.spacing)
    return bool(known) and all(value is not None for value in stated)


def _position(header: Header) -> Vector:
    if header.position is None:
        raise damaged(header.path, "slice", "its position (tag 0020,0032) is missing")
    return header.position


def _need_same(header: Header, first: Header) -> None:
    if header.size != first.size:
        raise UnreadableImageError(
            f"{header.path} must have the size of the other slices of its series, {first.size[0]} x {first.size[1]}, "
            f"but is {header.size[0]} x {header.size[1]}. Move it to another folder."
        )
    same = (
        header.orientation is not None
        and first.orientation is not None
        and np.allclose(header.orientation, first.orientation, atol=1e-3)
    )
    if first.orientation is not None and not same:
        raise UnreadableImageError(
            f"{header.path} must lie parallel to the other slices of its series, but is turned against "
            f"{first.path.name} (mixed orientations). Move slices of one orientation to a folder of their own."
        )
    if first.spacing is not None and not np.allclose(need_spacing(header), first.spacing, rtol=1e-3):
        raise UnreadableImageError(
            f"{header.path} must have the pixel spacing of the other slices, {first.spacing}, but has "
            f"{header.spacing}. Move it to another folder."
        )


def _checked_step(ordered: Sequence[Header], normal: Vector, pixel: float) -> Vector:
    """Return the step from slice to slice after checking that all steps are the same and along the normal."""
    positions = np.stack([_position(h) for h in ordered])
    gaps = np.diff(positions @ normal)
    usual = float(np.median(gaps))
    where = "Complete the series, or move the slices that belong together to a folder of their own."
    for number, gap in enumerate(gaps):
        here, after = ordered[number].path, ordered[number + 1].path
        if gap < 1e-3:
            raise UnreadableImageError(
                f"{after} must lie at a position of its own, but lies where {here.name} does "
                f"(several time points, echoes or copies). {where}"
            )
        if abs(gap - usual) > max(0.02 * usual, 0.005):
            what = f"{gap:.4g} mm where {usual:.4g} mm is usual"
            if gap > 1.5 * usual:
                missing = round(gap / usual) - 1
                raise UnreadableImageError(
                    f"{here} must be followed by the next slice, but {missing} slice(s) are missing before "
                    f"{after.name} ({what}). {where}"
                )
            raise UnreadableImageError(f"{after} must follow {here.name} evenly, but the gap is {what}. {where}")
    step: Vector = (positions[-1] - positions[0]) / (len(ordered) - 1)
    if np.linalg.norm(step - (step @ normal) * normal) > 0.01 * usual:
        tilt = math.degrees(math.acos(min(1.0, abs(float(step @ normal)) / float(np.linalg.norm(step)))))
        raise UnreadableImageError(
            f"{ordered[0].path} and the other slices must be stacked at right angles, but are shifted sideways by "
            f"{tilt:.1f} degrees (gantry tilt). Resample the series to a straight grid first."
        )
    straight = positions[0] + np.arange(len(ordered))[:, None] * step
    off = np.linalg.norm(positions - straight, axis=1)
    if off.max() > max(0.1 * usual, 0.1 * pixel):
        raise UnreadableImageError(
            f"{ordered[int(off.argmax())].path} must lie in line with the other slices, "
            f"but is {off.max():.3g} mm off. {where}"
        )
    return step
