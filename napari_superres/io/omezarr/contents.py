"""The files of a zarr folder, and a digest of all of them."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from napari_superres.io.series import sha256

_METADATA = (".zgroup", ".zarray", ".zattrs", ".zmetadata")
# Of files in many folders, most time is waiting.
_DIGESTED_AT_ONCE = 8


def zarr_files(folder: Path) -> list[Path]:
    """Return the files of a zarr folder in a fixed order: metadata and chunks of all its groups and arrays.

    Other hidden files do not count: desktops and network disks leave theirs anywhere.
    """
    files: list[Path] = []
    linked: set[Path] = set()
    for inside, inner, names in os.walk(folder, followlinks=True):
        files += [Path(inside, name) for name in names if name in _METADATA or not name.startswith(".")]
        # Levels may be links to another disk. A link to a folder above would never end.
        links = {name: Path(inside, name).resolve() for name in inner if Path(inside, name).is_symlink()}
        inner[:] = [name for name in inner if links.get(name) not in linked]
        linked.update(links.values())
    return sorted(files)


def zarr_digest(folder: Path) -> str:
    """Return the SHA-256 of the names and the digests of all files of a zarr folder.

    Raises
    ------
    OSError
        If one of them cannot be read.
    """
    files = zarr_files(folder)
    with ThreadPoolExecutor(_DIGESTED_AT_ONCE) as threads:
        digests = threads.map(sha256, files)
        lines = [f"{f.relative_to(folder).as_posix()}\0{d}\n" for f, d in zip(files, digests, strict=True)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
