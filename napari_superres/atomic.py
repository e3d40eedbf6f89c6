"""Writing files completely or not at all: under a temporary name next to the target, which is renamed at the end."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from napari_superres.errors import OutputError, SuperResError

PARTIAL = ".partial"
"""Part of the names of unfinished files."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def replacing(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Yield one temporary path per target; rename them to the targets when the block ends, or remove them if it fails.

    Temporary names have the suffixes of the targets, because format libraries choose the format by the suffix. A
    target whose temporary path was not written stays as it was. Targets that exist keep their permissions, and what
    replaces a private file is private from its first byte.

    Raises
    ------
    OutputError
        If the folder may not be written or the disk is full. The targets stay as they were.
    """
    temporary = tuple(t.with_name(f".{uuid4().hex[:8]}{PARTIAL}.{t.name[-40:]}") for t in targets)
    try:
        for path, target in zip(temporary, targets, strict=True):
            _reserve(path, target)
        yield temporary
        for path, target in zip(temporary, targets, strict=True):
            if path.is_dir() or (path.exists() and path.stat().st_size):
                _rename(path, target)
    except (SuperResError, MemoryError):
        raise
    except OSError as error:
        raise output_error(error, targets[0]) from error
    finally:
        for path in temporary:
            remove(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, completely or not at all.

    Raises
    ------
    OutputError
        If the folder may not be written or the disk is full. The file stays as it was.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", remedy="Choose another name.")
    with replacing(path) as (temporary,):
        temporary.write_text(text, encoding="utf-8")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. A folder that exists already is no error.

    Raises
    ------
    OutputError
        If the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"folder {folder} cannot be made: {error.strerror}.", remedy="Choose another output folder."
        ) from error


def is_disk_error(error: OSError) -> bool:
    """Return whether writing failed because of the disk: it is full, over quota, read-only, forbidden or broken."""
    return error.errno in {*_FULL, *_FORBIDDEN, errno.EIO, errno.ENOENT}


def output_error(error: OSError, target: Path) -> OutputError:
    """Return the `OutputError` for a failed write, with the reason and a remedy in words."""
    # Some libraries report a failed write without its number.
    if error.errno in _FULL or (error.errno is None and _nearly_full(target)):
        reason, remedy = "the disk is full", "Free space there or choose another folder."
    elif error.errno in _FORBIDDEN:
        reason, remedy = "permission denied", "Choose a folder that you may write to."
    else:
        reason = (os.strerror(error.errno) if error.errno else str(error) or "writing failed").lower()
        remedy = "Check the folder and the disk."
    return OutputError(f"{target} could not be written: {reason}; nothing was changed.", remedy=remedy)


def remove(path: Path) -> None:
    """Remove a file or folder. A missing or protected one is no error."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def keep_permissions(made: Path, target: Path) -> None:
    """Give a finished file or folder the permissions of the target that it replaces, if there is one."""
    if target.is_dir() == made.is_dir() and target.exists():
        with suppress(OSError):  # Some disks have no permissions.
            shutil.copymode(target, made)


def _reserve(path: Path, target: Path) -> None:
    """Make an empty file with the permissions of the target, if that is a file that others may not read."""
    mode = stat.S_IMODE(target.stat().st_mode) if target.is_file() else _READ_BY_OTHERS
    if not mode & _READ_BY_OTHERS:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))


def _rename(temporary: Path, target: Path) -> None:
    keep_permissions(temporary, target)
    if not (target.is_dir() or (temporary.is_dir() and target.exists())):
        temporary.replace(target)
        return
    # A folder cannot be replaced in one step: the old one moves aside, and moves back if the rename fails.
    aside = target.with_name(f".{uuid4().hex[:8]}.old.{target.name[-40:]}")
    target.replace(aside)
    try:
        temporary.replace(target)
    except OSError:
        aside.replace(target)
        raise
    remove(aside)


def _nearly_full(target: Path) -> bool:
    try:
        return shutil.disk_usage(target.parent).free < 2**20
    except OSError:
        return False
