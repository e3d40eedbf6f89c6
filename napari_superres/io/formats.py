"""The table of file formats: which suffix belongs to which format, and which format a path has.

To add a format, see the text of `napari_superres.io`.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol, cast

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError, UnreadableImageError
from napari_superres.io.series import Accept, Series, Unsupported
from napari_superres.limits import is_special
from napari_superres.storage import RemotePath, as_path

_FIRST_ELEMENT, _FIRST_NUMBER = 256, 0x0020
"""Bytes of the first element, and its number, below which a file without a preamble may be DICOM."""

ZARR_METADATA = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
"""Names of the metadata files of zarr, versions 2 and 3."""


_TO_NIFTI = "Convert it to NIfTI, for example with {}."
# Suffixes of volumes and other objects that people have next to their images, with what they are and what to do.
_OTHERS = {
    ".hdr": ("the header of a pair of files (ANALYZE or NIfTI)", _TO_NIFTI.format("nibabel")),
    ".img": ("the pixels of a pair of files (ANALYZE or NIfTI)", _TO_NIFTI.format("nibabel")),
    ".mgz": ("a volume of FreeSurfer", _TO_NIFTI.format("mri_convert")),
    ".mgh": ("a volume of FreeSurfer", _TO_NIFTI.format("mri_convert")),
    ".mnc": ("a MINC volume", _TO_NIFTI.format("mnc2nii")),
    ".par": ("a volume of a Philips scanner (PAR/REC)", _TO_NIFTI.format("parrec2nii")),
    ".head": ("a volume of AFNI", _TO_NIFTI.format("3dAFNItoNIFTI")),
    ".brik": ("a volume of AFNI", _TO_NIFTI.format("3dAFNItoNIFTI")),
    ".v": ("an ECAT volume", _TO_NIFTI.format("nibabel")),
    ".gii": ("a GIFTI surface, not an image", "Choose the volume that it was made from."),
    ".trk": ("a set of streamlines, not an image", "Choose the volume that it was made from."),
    ".tck": ("a set of streamlines, not an image", "Choose the volume that it was made from."),
}


class Reader(Protocol):
    """The module ``read`` in the folder of a format."""

    def scan(self, path: Path, accept: Accept, /) -> list[Series]:
        """Return the images of an existing file or folder."""


class Writer(Protocol):
    """The module ``write`` in the folder of a format."""

    def find_unsupported(self, image: Image, suffix: str, /) -> list[Unsupported]:
        """Return the features of an image that a file with this suffix cannot store; no pixel is read."""

    def write(self, image: Image, path: Path, /) -> None:
        """Write an image to a path that does not exist yet."""


@dataclass(frozen=True, slots=True)
class Format:
    """One file format.

    Attributes
    ----------
    name
        Name to display.
    folder
        Folder of ``napari_superres/io`` with the modules ``read`` and, if the format can be written, ``write``; a dot
        before the name of an inner folder.
    read, write
        Suffixes that can be read and written, longest first.
    result
        Suffix of a result whose input has this format.
    is_medical
        Whether it is made for images of patients: names and paths of such files may be those of a patient.
    """

    name: str
    folder: str
    read: tuple[str, ...]
    write: tuple[str, ...]
    result: str
    is_medical: bool = False

    def import_reader(self) -> Reader:
        """Import the module that reads this format."""
        return cast(Reader, import_module(f"napari_superres.io.{self.folder}.read"))

    def import_writer(self) -> Writer:
        """Import the module that writes this format."""
        return cast(Writer, import_module(f"napari_superres.io.{self.folder}.write"))


TIFF = Format(
    "TIFF",
    folder="tiff",
    read=(".companion.ome", ".ome.tiff", ".ome.tif", ".ome.tf8", ".ome.btf", ".tiff", ".tif", ".tf8", ".btf", ".lsm"),
    write=(".ome.tiff", ".ome.tif", ".tiff", ".tif"),
    result=".ome.tif",
)
ZARR = Format(
    "OME-Zarr", folder="omezarr", read=(".ome.zarr", ".zarr"), write=(".ome.zarr", ".zarr"), result=".ome.zarr"
)
NIFTI = Format(
    "NIfTI",
    folder="volume.nifti",
    read=(".nii.gz", ".nii"),
    write=(".nii.gz", ".nii"),
    result=".nii.gz",
    is_medical=True,
)
NRRD = Format("NRRD", folder="volume", read=(".nrrd", ".nhdr"), write=(".nrrd",), result=".nrrd", is_medical=True)
METAIMAGE = Format("MetaImage", folder="volume", read=(".mha", ".mhd"), write=(".mha",), result=".mha", is_medical=True)
DICOM = Format("DICOM", folder="dicom", read=(".dicom", ".dcm", ".ima"), write=(), result=".nii.gz", is_medical=True)
PICTURE = Format("picture", folder="picture", read=(".png", ".jpeg", ".jpg", ".bmp"), write=(".png",), result=".png")
MRC = Format(
    "MRC", folder="microscope.mrc", read=(".mrc", ".mrcs", ".rec", ".map", ".st", ".ali"), write=(), result=".ome.tif"
)
# Slides of pathology are TIFF files; labels of patients are their names.
SLIDE = Format("slide", folder="tiff", read=(".svs", ".ndpi"), write=(), result=".ome.tif", is_medical=True)
BIO = Format("microscope", folder="microscope.bio", read=(".czi", ".nd2", ".lif"), write=(), result=".ome.tif")

FORMATS = (TIFF, ZARR, NIFTI, NRRD, METAIMAGE, DICOM, PICTURE, MRC, SLIDE, BIO)
READ_SUFFIXES: tuple[str, ...] = tuple(s for f in FORMATS for s in f.read)
WRITE_SUFFIXES: tuple[str, ...] = tuple(s for f in FORMATS for s in f.write)
ZARR_SUFFIXES: tuple[str, ...] = ZARR.write


def suffix(path: str | Path) -> str:
    """Return the suffix that names the format, in lower case: ``".ome.tif"`` for ``a.ome.tif``.

    The suffix is empty if the file name has none, as is common for DICOM.
    """
    name = Path(path).name.lower()
    known = [s for s in READ_SUFFIXES if name.endswith(s) and len(name) > len(s)]
    if known:
        return max(known, key=len)
    other = Path(name).suffix
    return "" if other[1:].isdigit() else other


def stem(path: str | Path) -> str:
    """Return the file name without the suffix that names the format: ``"a"`` for ``a.ome.tif``."""
    name = Path(path).name
    return name[: len(name) - len(suffix(path))]


def find_format(path: str | Path) -> Format | None:
    """Return the format of a path, from the content of a folder and the suffix of a file; None if unknown.

    A folder that is named like an OME-Zarr counts as one even if it is damaged: reading it then reports the damage.
    """
    path = as_path(path)
    if isinstance(path, RemotePath):
        return None if path.is_medical else ZARR
    if path.is_dir():
        if is_zarr(path) or suffix(path) in ZARR.read:
            return ZARR
        return DICOM if dicom_files(path) else None
    by_suffix = next((f for f in FORMATS if suffix(path) in f.read), None)
    if by_suffix is None and is_dicom(path):
        return DICOM
    return by_suffix


def format_to_read(path: Path) -> Format:
    """Return the format of an existing file or folder.

    Raises
    ------
    UnreadableImageError
        If this format cannot be read. The message lists those that can.
    """
    file_format = find_format(path)
    if (named := _name_of_other(path)) is not None:
        raise UnreadableImageError(f"{path} is {named[0]}, which cannot be read.", remedy=named[1])
    if file_format is ZARR and not path.is_dir():
        raise UnreadableImageError(
            f"{path} must be a folder, because OME-Zarr is a folder of chunks, but it is a file.",
            remedy="Copy the whole folder again.",
        )
    if file_format is not None:
        return file_format
    if path.is_dir():
        raise UnreadableImageError(
            f"{path} is a folder, but neither an OME-Zarr nor one of DICOM files.",
            remedy="Choose one image file, or treat the folder as a batch.",
        )
    raise UnreadableImageError(
        f"{path} has the suffix {suffix(path) or '(none)'!r}, which cannot be read.",
        remedy=f"Convert it to a readable format: {', '.join(READ_SUFFIXES)}.",
    )


def _name_of_other(path: Path) -> tuple[str, str] | None:
    """Return what a file is that no format here reads, and what to do; None for all others."""
    name = path.name.lower()
    if name.endswith(".rec") and any(path.with_suffix(s).exists() for s in (".par", ".PAR", ".Par")):
        return _OTHERS[".par"]  # and not the tomogram in an MRC file, which has this suffix, too
    return next((words for s, words in _OTHERS.items() if name.endswith((s, f"{s}.gz", f"{s}.bz2"))), None)


def format_to_write(path: Path) -> Format:
    """Return the format that the suffix of a target names.

    Raises
    ------
    SettingsError
        If no format with this suffix can be written. The message lists those that can.
    """
    file_format = next((f for f in FORMATS if suffix(path) in f.write), None)
    if file_format is None:
        raise SettingsError(
            f"the name of an output must end in one of {', '.join(WRITE_SUFFIXES)}, got {path.name!r}.",
            remedy="Change the suffix.",
        )
    return file_format


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a zarr array or group. One that cannot be read is none."""
    try:
        return any((path / name).is_file() for name in ZARR_METADATA)
    except OSError:
        return False


def is_dicom(path: Path) -> bool:
    """Return whether a file begins like a DICOM file; False if it cannot be read."""
    try:
        if is_special(path):
            return False
        with path.open("rb") as file:
            return begins_like_dicom(file.read(132))
    except OSError:
        return False


def begins_like_dicom(start: bytes) -> bool:
    """Return whether the first 132 bytes of a file are those of a DICOM file.

    They are a preamble of 128 bytes and ``DICM``, or the first element of a file without a preamble, as older programs
    write it: its group is 0002 or 0008, its number is low, and it is short.
    """
    if start[128:132] == b"DICM":
        return True
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        group, number = (int.from_bytes(start[i : i + 2], order) for i in (0, 2))
        states_kind = start[4:6].isalpha() and start[4:6].isupper()
        is_short = int.from_bytes(start[4:8], order) < _FIRST_ELEMENT
        if len(start) > 8 and group in (0x0002, 0x0008) and number < _FIRST_NUMBER and (states_kind or is_short):
            return True
    return False


def dicom_files(folder: Path) -> list[Path]:
    """Return the DICOM files directly inside a folder, sorted, without DICOMDIR; none if it cannot be read."""
    try:
        files = [p for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith(".")]
    except OSError:
        return []
    return [p for p in files if not is_dicomdir(p) and (suffix(p) in DICOM.read or _may_be_dicom(p))]


def is_dicomdir(path: Path) -> bool:
    """Return whether a file lists those of a medium, and holds no image."""
    return path.name.upper() == "DICOMDIR"


def _may_be_dicom(path: Path) -> bool:
    return suffix(path) not in READ_SUFFIXES and is_dicom(path)
