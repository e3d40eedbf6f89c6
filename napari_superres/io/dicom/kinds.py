"""Say what a DICOM object is that holds no image, or none that is a grid of pixels, and what can read it."""

from pathlib import Path

from napari_superres.errors import SuperResError, UnreadableImageError
from napari_superres.io.dicom.dataset import KIND, Elements, quiet_pydicom, text, value
from napari_superres.io.series import damage_error

_OBJECTS = "1.2.840.10008.5.1.4.1.1."
_DIRECTORY = "1.2.840.10008.1.3.10"
# Beginnings of the UIDs of objects without images, and what reads them.
_READERS = {
    "481.": "a planning system, or 3D Slicer with the extension SlicerRT",
    "88.": "a DICOM viewer, or dsrdump of DCMTK",
    "104.": "a DICOM viewer, or dcm2pdf of DCMTK, which takes the document out",
    "9.": "a viewer of waveforms, or pydicom",
    "11.": "the DICOM viewer that saved it",
    "4.2": "a program for spectra, such as jMRUI or FSL-MRS",
    "66.": "3D Slicer, or pydicom",
    "68.": "3D Slicer, or pydicom",
}
_OTHER = "a DICOM viewer, or pydicom"


class NoImageError(UnreadableImageError):
    """An object holds no image by its nature. In a folder with images it is left out.

    Attributes
    ----------
    kind
        What the object is.
    """

    kind = "DICOMDIR"


def describe_kind(elements: Elements) -> tuple[str, str]:
    """Return what an object is, such as ``"RT Plan"``, and what reads it."""
    uid = text(elements.tags, "SOPClassUID") or elements.kind
    with quiet_pydicom() as pydicom:
        name = str(pydicom.uid.UID(uid).name) if uid.startswith("1.2.840.10008.") else ""
    if name == uid:  # not in pydicom's dictionary
        name = ""
    end = uid.removeprefix(_OBJECTS)
    reader = next((reads for start, reads in _READERS.items() if uid != end and end.startswith(start)), _OTHER)
    return name.removesuffix(" Storage").removesuffix(" -"), reader


def no_image_error(path: Path, elements: Elements) -> SuperResError:
    """Return the error for a file without pixels: what it is, or that its pixels are missing."""
    if elements.kind == _DIRECTORY:
        return NoImageError(
            f"{path} is a DICOM directory (DICOMDIR), which lists files but holds no image.",
            remedy="Choose the folder with the images.",
        )
    kind, reader = describe_kind(elements)
    if value(elements.tags, "Rows") is not None or "Image" in kind:
        return damage_error(path, KIND, "its pixels are missing: they were left out, or it is cut off")
    if not kind and not text(elements.tags, "SOPClassUID"):
        return UnreadableImageError(
            f"{path} holds DICOM elements, but no image, and does not say what it is.",
            remedy="Look into it with pydicom or dcmdump of DCMTK.",
        )
    what = kind or "an object of a private kind"
    error = NoImageError(f"{path} is a DICOM object without an image: {what}.", remedy=f"Open it with {reader}.")
    error.kind = what
    return error


def check_is_grid(path: Path, elements: Elements) -> None:
    """Check that the frames of an object are images of their own.

    Raises
    ------
    UnreadableImageError
        If they are the tiles of a slide.
    """
    if value(elements.tags, "TotalPixelMatrixColumns") is not None:
        raise UnreadableImageError(
            f"{path} is a whole slide, whose frames are tiles of one picture.",
            remedy="Convert it to OME-TIFF with bioformats2raw or wsidicomizer first.",
        )
