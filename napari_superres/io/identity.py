"""How inputs are identified: by digest, and for medical images never by name or path, which are often a patient's.

Everything that reads an image holds its path as an `InputPath`, so that each message that mentions it is safe.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from napari_superres.io.formats import FORMATS, Format, dicom_files, find_format, is_zarr, stem, suffix
from napari_superres.io.series import check_present, sha256, translate_errors
from napari_superres.storage import HiddenRemotePath, RemotePath, as_path, is_address
from napari_superres.storage.client import state_of

_DIGITS = 12
_ZARR_METADATA = (".zgroup", ".zarray", ".zattrs", ".zmetadata")
# Of files in many folders, most time is waiting.
_DIGESTED_AT_ONCE = 8

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # Python 3.11 cannot derive classes from Path itself.


class InputPath(_Path):
    """A path that messages show as `label` does: ``f"{path}"``. ``str(path)`` and the file system see the path itself.

    Paths that are derived from it, such as those of the files of a folder, are of the same kind.
    """

    __slots__ = ()

    def __new__(cls, *parts: str | Path) -> "InputPath":
        """Return an address as a `RemotePath`."""
        if len(parts) == 1 and is_address(parts[0]):
            remote = as_path(parts[0])
            hidden = HiddenRemotePath(*remote.parts) if issubclass(cls, HiddenPath) else remote
            return cast(InputPath, hidden)
        return super().__new__(cls, *parts)

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
    path = as_path(path)
    if isinstance(path, RemotePath):
        return path.is_medical
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
    path = as_path(path)
    if isinstance(path, RemotePath):
        return f"{path}"
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
    digests of the files are digested. For an address, it is the names, sizes and tags of all objects, or the metadata
    where they cannot be listed.

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
    if isinstance(path, RemotePath):
        return state_of(path)
    if not path.is_dir():
        return sha256(path)
    if is_zarr(path):
        return zarr_digest(path)
    total = hashlib.sha256()
    for digest in sorted(sha256(p) for p in dicom_files(path)):
        total.update(f"{digest}\n".encode())
    return total.hexdigest()


def zarr_files(folder: Path) -> list[str]:
    """Return the names in a zarr folder of its files, sorted: metadata and chunks of all its groups and arrays.

    Other hidden files do not count: desktops and network disks leave theirs anywhere. There may be millions, so they
    are texts: paths would take ten times as long.
    """
    names: list[str] = []
    linked: set[str] = set()
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                name = f"{inside}{entry.name}"
                if not entry.is_dir():
                    if entry.name in _ZARR_METADATA or not entry.name.startswith("."):
                        names.append(name)
                    continue
                if entry.is_symlink():
                    # Levels may be links to another disk. A link to a folder above would never end.
                    real = os.path.realpath(entry.path)
                    if real in linked:
                        continue
                    linked.add(real)
                waiting.append(f"{name}/")
    return sorted(names)


def zarr_digest(folder: Path) -> str:
    """Return the SHA-256 of the names and the digests of all files of a zarr folder.

    Raises
    ------
    OSError
        If one of them cannot be read.
    """
    names = zarr_files(folder)
    with ThreadPoolExecutor(_DIGESTED_AT_ONCE) as threads:
        digests = threads.map(lambda name: sha256(folder / name), names)
        lines = [f"{name}\0{digest}\n" for name, digest in zip(names, digests, strict=True)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
