"""The table of formats: which suffix belongs to which family, and what is found at a path."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from napari_superres.errors import SettingsError, UnreadableImageError

_ZARR_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


@dataclass(frozen=True, slots=True)
class Format:
    """One family of files.

    Attributes
    ----------
    name
        Name to display.
    module
        Module of this package with ``scan(path, strict)``; where `write` is not empty also with
        ``losses(image, suffix)`` and ``write(image, path)``.
    read, write
        Suffixes that are read and written, longest first.
    result
        Suffix that a result gets when the input is of this family.
    """

    name: str
    module: str
    read: tuple[str, ...]
    write: tuple[str, ...]
    result: str

    def load(self) -> ModuleType:
        """Import the module of this family."""
        return import_module(f"napari_superres.io.{self.module}")


TIFF = Format(
    "TIFF",
    "tiff.read",
    (".ome.tiff", ".ome.tif", ".ome.tf8", ".ome.btf", ".tiff", ".tif", ".tf8", ".btf"),
    (".ome.tiff", ".ome.tif", ".tiff", ".tif"),
    ".ome.tif",
)
ZARR = Format("OME-Zarr", "omezarr.read", (".ome.zarr", ".zarr"), (".ome.zarr", ".zarr"), ".ome.zarr")
NIFTI = Format("NIfTI", "volume.read", (".nii.gz", ".nii"), (".nii.gz", ".nii"), ".nii.gz")
NRRD = Format("NRRD", "volume.read", (".nrrd", ".nhdr"), (".nrrd",), ".nrrd")
METAIMAGE = Format("MetaImage", "volume.read", (".mha", ".mhd"), (".mha",), ".mha")
DICOM = Format("DICOM", "dicom.read", (".dicom", ".dcm", ".ima"), (), ".nii.gz")
PICTURE = Format("picture", "picture", (".png", ".jpeg", ".jpg", ".bmp"), (".png",), ".png")
MRC = Format("MRC", "mrc", (".mrc", ".mrcs", ".rec"), (), ".ome.tif")

FORMATS = (TIFF, ZARR, NIFTI, NRRD, METAIMAGE, DICOM, PICTURE, MRC)
READ_SUFFIXES: tuple[str, ...] = tuple(s for f in FORMATS for s in f.read)
WRITE_SUFFIXES: tuple[str, ...] = tuple(s for f in FORMATS for s in f.write)
ZARR_SUFFIXES: tuple[str, ...] = ZARR.write


def suffix(path: str | Path) -> str:
    """Return the suffix that names the format, in lower case: ``".ome.tif"`` of ``a.ome.tif``.

    Empty where the name has none, as many DICOM files do.
    """
    name = Path(path).name.lower()
    known = [s for s in READ_SUFFIXES if name.endswith(s) and len(name) > len(s)]
    if known:
        return max(known, key=len)
    other = Path(name).suffix
    return "" if other[1:].isdigit() else other


def stem(path: str | Path) -> str:
    """Return the file's name without the suffix that names the format: ``"a"`` of ``a.ome.tif``."""
    name = Path(path).name
    return name[: len(name) - len(suffix(path))]


def family(path: str | Path) -> Format | None:
    """Return the format of an existing file or folder, or the one its suffix names; None if unknown."""
    path = Path(path)
    if path.is_dir():
        if is_zarr(path):
            return ZARR
        return DICOM if dicom_files(path) else None
    found = next((f for f in FORMATS if suffix(path) in f.read), None)
    if found is None and has_dicom_mark(path):
        return DICOM
    return found


def family_to_read(path: Path) -> Format:
    """Return the format of an existing file or folder.

    Raises
    ------
    UnreadableImageError
        If it is of no format that is read; the message lists those.
    """
    found = family(path)
    if found is ZARR and not path.is_dir():
        raise UnreadableImageError(f"{path} must be a folder: OME-Zarr is a folder of chunks, and this is a file.")
    if found is not None:
        return found
    if path.is_dir():
        raise UnreadableImageError(
            f"the folder {path} is neither an OME-Zarr nor holds DICOM files. "
            "Give one image file, or treat the folder as a batch."
        )
    raise UnreadableImageError(
        f"{path} has the suffix {suffix(path) or '(none)'!r}, which is not read. Readable: {', '.join(READ_SUFFIXES)}."
    )


def family_to_write(path: Path) -> Format:
    """Return the format that the suffix of a target names.

    Raises
    ------
    SettingsError
        If nothing is written with this suffix; the message lists those that are.
    """
    ending = suffix(path)
    found = next((f for f in FORMATS if ending in f.write), None)
    if found is None:
        raise SettingsError(
            f"an output must end in one of {', '.join(WRITE_SUFFIXES)}; got {path.name!r}. Change its suffix."
        )
    return found


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a zarr array or group."""
    return any((path / mark).is_file() for mark in _ZARR_MARKS)


def has_dicom_mark(path: Path) -> bool:
    """Return whether a file carries the DICOM mark after its preamble."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def dicom_files(folder: Path) -> list[Path]:
    """Return the DICOM files directly inside a folder, sorted; index files are left out."""
    files = (p for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith("."))
    return [p for p in files if p.name.upper() != "DICOMDIR" and (suffix(p) in DICOM.read or _maybe_dicom(p))]


def _maybe_dicom(path: Path) -> bool:
    return suffix(path) not in READ_SUFFIXES and has_dicom_mark(path)
