"""Read the few DICOM tags that describe the pixels and where they lie; never who was imaged."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import UnreadableImageError
from napari_superres.io.dicom.dataset import KIND, first_item, integer, items, number, numbers, read_elements, text
from napari_superres.io.dicom.decode import check_pixels, frame_count
from napari_superres.io.dicom.kinds import check_is_grid, no_image_error
from napari_superres.io.series import translate_errors

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """Tags of one file, or of one frame of it.

    Attributes
    ----------
    path, frame
        The file, and the number of the frame if the tags are those of one frame among others.
    series
        Series instance UID.
    modality, photometric
        Modality and photometric interpretation; empty if absent.
    size
        Number of columns, rows and frames.
    spacing
        Spacing between rows and between columns, in millimeters; None if absent.
    detector_spacing
        Pixel spacing of the detector, not of the body, in millimeters; None if absent.
    position, orientation
        Image position (3 numbers) and image orientation (6 numbers); None if absent.
    slice_spacing, thickness
        Spacing between slices (negative if they lie against the normal) and thickness of a slice, in millimeters; None
        if absent.
    instance
        Number of the file within its series; 0 if absent.
    is_mosaic
        Whether the file holds the slices of a volume side by side, as Siemens stores functional MRI.
    tags
        pydicom's data set, for questions about several frames. It holds no personal data.
    """

    path: Path
    frame: int | None
    series: str
    modality: str
    photometric: str
    size: tuple[int, int, int]
    spacing: tuple[float, float] | None
    detector_spacing: tuple[float, ...] | None
    position: Vector | None
    orientation: Vector | None
    slice_spacing: float | None
    thickness: float | None
    instance: int
    is_mosaic: bool
    tags: Any = field(repr=False)

    @property
    def name(self) -> str:
        """How messages name it: the label of the file, which hides a patient's name, and where to find the slice."""
        if self.frame is not None:
            return f"frame {self.frame} of {self.path}"
        known = [f"instance {self.instance}"] if self.instance else []
        if self.position is not None:
            known.append("at " + ", ".join(f"{a} {v:.4g}" for a, v in zip("xyz", self.position, strict=True)) + " mm")
        return f"{self.path} ({', '.join(known)})" if known else f"{self.path}"


def read_header(path: Path) -> SliceHeader:
    """Read the tags of a file, but not its pixels.

    Raises
    ------
    UnreadableImageError
        If the file is not a DICOM image, or is cut off.
    """
    with translate_errors(path, KIND):
        elements = read_elements(path)
        tags = elements.tags
        if elements.stored is None:
            raise no_image_error(path, elements)
        check_is_grid(path, elements)
        check_pixels(path, elements)
        header = SliceHeader(
            path=path,
            frame=None,
            series=text(tags, "SeriesInstanceUID"),
            modality=text(tags, "Modality"),
            photometric=text(tags, "PhotometricInterpretation"),
            size=(integer(tags, "Columns", 0), integer(tags, "Rows", 0), frame_count(elements)),
            spacing=None,
            detector_spacing=numbers(tags, "ImagerPixelSpacing", 2),
            position=None,
            orientation=None,
            slice_spacing=None,
            thickness=None,
            instance=integer(tags, "InstanceNumber", 0),
            is_mosaic="MOSAIC" in text(tags, "ImageType").upper(),
            tags=tags,
        )
        shared = first_item("SharedFunctionalGroupsSequence", tags)
        per_frame = items(tags, "PerFrameFunctionalGroupsSequence")
        alone = per_frame[0] if len(per_frame) == 1 else None
        detector = first_item("DetectorInformationSequence", tags)  # nuclear medicine has its place there
        for group in (tags, detector):
            header = _with_place(header, group, group, group)
        return with_groups(header, alone, shared)


def with_groups(header: SliceHeader, frame: Any, shared: Any) -> SliceHeader:
    """Return a header with what the functional groups of a frame, or else those of all frames, say of its place.

    Parameters
    ----------
    header
        Header of the file.
    frame, shared
        Items with functional groups; None if absent.
    """
    return _with_place(
        header,
        first_item("PixelMeasuresSequence", frame, shared),
        first_item("PlanePositionSequence", frame, shared),
        first_item("PlaneOrientationSequence", frame, shared),
    )


def _with_place(header: SliceHeader, measures: Any, position: Any, orientation: Any) -> SliceHeader:
    spacing = numbers(measures, "PixelSpacing", 2)
    place, direction = numbers(position, "ImagePositionPatient", 3), numbers(orientation, "ImageOrientationPatient", 6)
    thickness = number(measures, "SliceThickness")
    found: dict[str, Any] = {
        "spacing": None if spacing is None or min(spacing) <= 0 else spacing,
        "position": None if place is None else np.asarray(place),
        "orientation": None if direction is None else np.asarray(direction),
        "slice_spacing": number(measures, "SpacingBetweenSlices") or None,
        "thickness": thickness if thickness is not None and thickness > 0 else None,
    }
    return replace(header, **{name: value for name, value in found.items() if value is not None})


def distinguish(header: SliceHeader) -> list[str]:
    """Return what tells a series from others: numbers and terms, and no text that somebody wrote.

    Descriptions and names of protocols may hold a patient's name.
    """
    tags, found = header.tags, []
    if header.spacing is not None:
        found.append(f"pixel {header.spacing[0]:.4g} x {header.spacing[1]:.4g} mm")
    if header.orientation is not None:
        normal = np.abs(np.cross(header.orientation[:3], header.orientation[3:]))
        found.append(("sagittal", "coronal", "axial")[int(normal.argmax())])
    times = (("TR", "RepetitionTime"), ("TE", "EchoTime"), ("TI", "InversionTime"))
    found += [f"{name} {time:.4g} ms" for name, keyword in times if (time := number(tags, keyword)) is not None]
    if text(tags, "ContrastBolusAgent"):
        found.append("with contrast agent")
    number_ = integer(tags, "SeriesNumber", -1)
    return found if number_ < 0 else [*found, f"SeriesNumber {number_}"]


def need_spacing(header: SliceHeader) -> tuple[float, float]:
    """Return the spacing between rows and between columns, in millimeters.

    Raises
    ------
    UnreadableImageError
        If the file states none. The message names the missing tag.
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
