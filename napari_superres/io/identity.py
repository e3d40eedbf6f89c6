"""How inputs are identified: by digest, and for medical images never by name or path, which are often a patient's.

Everything that reads an image holds its path as an `InputPath`, so that each message that mentions it is safe.
"""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_superres.io.formats import FORMATS, Format, dicom_files, find_format, is_zarr, stem, suffix
from napari_superres.io.omezarr.contents import zarr_digest
from napari_superres.io.series import check_present, sha256, translate_errors

_DIGITS = 12

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # Python 3.11 cannot derive classes from Path itself.


class InputPath(_Path):
    """A path that messages show as `label` does: ``f"{path}"``. ``str(path)`` and the file system see the path itself.

    Paths that are derived from it, such as those of the files of a folder, are of the same kind.
    """

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return format(label(self), spec)


class HiddenPath(InputPath):
    """A path that no message shows, whatever its format."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return format(_unnamed(self), spec)


def is_anonymous(path: str | Path) -> bool:
    """Return whether the name and path of an input must stay out of messages and records.

    This is so for every medical format, for folders that hold such images, and for other files among them whose format
    is unknown.
    """
    path = Path(path)
    if (file_format := find_format(path)) is not None:
        return file_format.is_medical
    if any(f.is_medical and suffix(path) in f.read for f in FORMATS):  # a folder with the name of a file
        return True
    folder = path if path.is_dir() else path.parent
    return any(found.is_medical for found in map(find_format, _entries(folder)) if found is not None)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def label(path: str | Path) -> str:
    """Return how messages name an input: its path, or for medical images the format and the start of the sha256."""
    if not is_anonymous(path):
        return str(path)
    if (file_format := find_format(path)) is not None:
        with suppress(OSError):
            return _digest_label(file_format, _digest(Path(path)))
    return _unnamed(path)


def short_label(path: str | Path) -> str:
    """Return how lists of files name an input: as `label`, but the name instead of the path."""
    return label(path) if is_anonymous(path) else Path(path).name


def _unnamed(path: str | Path) -> str:
    file_format = find_format(path)
    words = ["the", "" if file_format is None else file_format.name, "folder" if Path(path).is_dir() else "file"]
    return " ".join(filter(None, words))


def safe_name(path: str | Path) -> str:
    """Return the name of an input for records, logs and results.

    It is the stem of the file name. For medical images, where the name may be a patient's, it is made of the format and
    the file's digest, such as ``nifti-0123456789ab``.

    Raises
    ------
    UnreadableImageError
        If a medical image cannot be read.
    """
    file_format = find_format(path)
    if file_format is None or not file_format.is_medical:
        return stem(path)
    return _digest_label(file_format, file_digest(path))


def _digest_label(file_format: Format, digest: str) -> str:
    return f"{file_format.name.lower()}-{digest[:_DIGITS]}"


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file or folder as hexadecimal digits.

    For an OME-Zarr folder the names and digests of all its files are digested. For a folder of DICOM files the sorted
    digests of the files are digested.

    Raises
    ------
    UnreadableImageError
        If the path does not exist, or may not be read.
    """
    path = InputPath(path)
    check_present(path)
    with translate_errors(path, "file"):
        return _digest(path)


def _digest(path: Path) -> str:
    if not path.is_dir():
        return sha256(path)
    if is_zarr(path):
        return zarr_digest(path)
    total = hashlib.sha256()
    for digest in sorted(sha256(p) for p in dicom_files(path)):
        total.update(f"{digest}\n".encode())
    return total.hexdigest()
