"""The files of a zarr folder, and a digest of all of them."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from napari_superres.io.series import sha256

_METADATA = (".zgroup", ".zarray", ".zattrs", ".zmetadata")
# Of files in many folders, most time is waiting.
_DIGESTED_AT_ONCE = 8


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
                    if entry.name in _METADATA or not entry.name.startswith("."):
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
