"""Writing all or nothing: a temporary name next to the target, renamed when complete, removed on failure."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from napari_superres.errors import OutputError, SuperResError

PARTIAL = ".partial"
"""What the names of unfinished files have in them."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def replacing(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Yield one temporary path per target; rename all when the block ends, remove all if it fails.

    Temporary names end as the targets do, because format libraries choose by the suffix what to write. A target that
    is not written stays as it was.

    Raises
    ------
    OutputError
        If the folder may not be written or the disk is full. Targets are untouched.
    """
    temporary = tuple(t.with_name(f".{uuid4().hex[:8]}{PARTIAL}.{t.name[-40:]}") for t in targets)
    try:
        yield temporary
        for made, target in zip(temporary, targets, strict=True):
            if made.exists():
                _rename(made, target)
    except (SuperResError, MemoryError):
        raise
    except OSError as error:
        raise explained(error, targets[0]) from error
    finally:
        for made in temporary:
            remove(made)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises
    ------
    OutputError
        If the folder may not be written or the disk is full. The file is untouched.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", remedy="Choose another name.")
    with replacing(path) as (made,):
        made.write_text(text, encoding="utf-8")


def is_disk_error(error: OSError) -> bool:
    """Return whether writing failed because of the disk: full, over quota, read-only, forbidden or broken."""
    return error.errno in {*_FULL, *_FORBIDDEN, errno.EIO, errno.ENOENT}


def explained(error: OSError, target: Path) -> OutputError:
    """Return the error of a failed write in words, with what to do."""
    # Some libraries report a failed write without its number.
    if error.errno in _FULL or (error.errno is None and _nearly_full(target)):
        what, remedy = "the disk is full", "Free space there or choose another folder."
    elif error.errno in _FORBIDDEN:
        what, remedy = "permission denied", "Choose a folder that you may write to."
    else:
        what = (os.strerror(error.errno) if error.errno else str(error) or "writing failed").lower()
        remedy = "Check the folder and the disk."
    return OutputError(f"{target} could not be written: {what}; nothing was changed.", remedy=remedy)


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there and if that is allowed."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _rename(made: Path, target: Path) -> None:
    if not (target.is_dir() or (made.is_dir() and target.exists())):
        made.replace(target)
        return
    # A folder cannot be replaced in one step: the old one steps aside and returns if the rename fails.
    aside = target.with_name(f".{uuid4().hex[:8]}.old.{target.name[-40:]}")
    target.replace(aside)
    try:
        made.replace(target)
    except OSError:
        aside.replace(target)
        raise
    remove(aside)


def _nearly_full(target: Path) -> bool:
    try:
        return shutil.disk_usage(target.parent).free < 2**20
    except OSError:
        return False
