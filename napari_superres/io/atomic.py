"""Writing without loss: a temporary name beside the target, renamed when complete, removed on failure."""

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from napari_superres.errors import OutputError, SuperResError
from napari_superres.io.formats import stem, suffix

SIDECAR = ".provenance.json"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def replacing(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Give one temporary path per target; rename all when the block ends, remove all if it fails.

    The temporary names keep the suffix, by which format libraries choose what to write.
    A target that is not written stays as it was.

    Raises
    ------
    OutputError
        If the folder may not be written or the disk is full. Targets are untouched.
    """
    temporary = tuple(t.with_name(f".{stem(t)}.{uuid4().hex[:8]}.partial{suffix(t)}") for t in targets)
    try:
        yield temporary
        for made, target in zip(temporary, targets, strict=True):
            if made.exists():
                _rename(made, target)
    except (SuperResError, MemoryError):
        raise
    except OSError as error:
        raise _explained(error, targets[0]) from error
    finally:
        for made in temporary:
            _remove(made)


def is_disk_error(error: OSError) -> bool:
    """Return whether writing failed because of the disk: full, over quota, read-only, forbidden or broken."""
    return error.errno in {*_FULL, *_FORBIDDEN, errno.EIO, errno.ENOENT}


def put_in_place(made: Path, target: Path, record: Mapping[str, Any]) -> None:
    """Rename a finished result to its target, its record beside it; at no moment is a target beside another's record.

    What was there is moved beside `made`.

    Raises
    ------
    OutputError
        If the folder may not be written or the disk is full. The target is untouched.
    """
    sidecar, noted = target.with_name(stem(target) + SIDECAR), made.with_name("record.json")
    moves = (
        (target, made.with_name("replaced")),
        (sidecar, made.with_name("replaced.json")),
        (noted, sidecar),
        (made, target),
    )
    moved: list[tuple[Path, Path]] = []
    try:
        write_record(noted, record)
        for old, new in moves:
            if old.exists():
                _remove(new)
                old.replace(new)
                moved.append((old, new))
    except OSError as error:
        for old, new in reversed(moved):
            new.replace(old)
        raise _explained(error, target) from error


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a result's record as JSON for people and programs."""
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _rename(made: Path, target: Path) -> None:
    if not (target.is_dir() or (made.is_dir() and target.exists())):
        made.replace(target)
        return
    # A folder cannot be replaced in one step: the old one steps aside and returns if the rename fails.
    aside = target.with_name(f".{stem(target)}.{uuid4().hex[:8]}.old{suffix(target)}")
    target.replace(aside)
    try:
        made.replace(target)
    except OSError:
        aside.replace(target)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _nearly_full(target: Path) -> bool:
    try:
        return shutil.disk_usage(target.parent).free < 2**20
    except OSError:
        return False


def _explained(error: OSError, target: Path) -> OutputError:
    # Some libraries report a failed write without its number.
    if error.errno in _FULL or (error.errno is None and _nearly_full(target)):
        what = "the disk is full. Free space there or choose another folder"
    elif error.errno in _FORBIDDEN:
        what = "permission denied. Choose a folder that you may write to"
    else:
        what = f"{os.strerror(error.errno) if error.errno else 'writing failed'}. Check the folder and the disk"
    return OutputError(f"{target} could not be written: {what}; nothing was changed.")
