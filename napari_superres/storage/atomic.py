"""Writing files completely or not at all: under a temporary name next to the target, which is renamed at the end."""

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from napari_superres.errors import OutputError, OutputExistsError, SuperResError
from napari_superres.storage import RemotePath

PARTIAL = ".partial"
"""Part of the names of unfinished files."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
_NO_FOLDER_FLUSH = {errno.EACCES, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP}
_LONGEST_NAME = 255
_LOCK = ".lock"
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]")


@contextmanager
def replacing(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Yield one temporary path per target; put them in place when the block ends, or remove them if it fails.

    Temporary names have the suffixes of the targets, because format libraries choose the format by the suffix. If the
    temporary path of the first target was not written, nothing changes. The other targets describe the first, and are
    replaced or removed together with it; see `put_in_place`. What replaces a private file is private from its first
    byte.

    Raises
    ------
    OutputError
        If the folder may not be written or the disk is full. The targets stay as they were.
    """
    for target in targets:
        _check_kind(target)
    temporary = tuple(_hidden(target, PARTIAL) for target in targets)
    try:
        reserved = [path for path, target in zip(temporary, targets, strict=True) if _reserve(path, target)]
        yield temporary
        for path in reserved:
            if path.is_file() and not path.stat().st_size:  # was not written
                path.unlink()
        if temporary[0].exists():
            put_in_place([(made, t, _hidden(t, ".old")) for made, t in zip(temporary, targets, strict=True)])
    except (SuperResError, MemoryError):
        raise
    except OSError as error:
        raise output_error(error, targets[0]) from error
    finally:
        for path in temporary:
            remove(path)


def put_in_place(moves: Sequence[tuple[Path, Path, Path]]) -> None:
    """Rename finished files or folders to their targets: all of them, or none if one rename fails.

    A target that is a file keeps its name until the new file takes it; a folder is away for a moment. At no moment does
    the first target lie next to the description of another. What is replaced is deleted last; its permissions are kept.

    Parameters
    ----------
    moves
        For each target: the finished file or folder, the target, and the path to which what is replaced moves
        meanwhile; all on one disk. The first target is the main one, the others describe it. A description that was
        not written is only removed. Files are flushed to the disk here; the contents of folders must be there already.

    Raises
    ------
    OSError
        If a rename fails. Everything is where it was.
    """
    for made, target, _ in moves:
        if target.is_dir() and not made.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        if os.path.lexists(made):
            keep_permissions(made, target)
        if made.is_file():
            flush(made)
    (new, main, kept), *descriptions = moves
    with ExitStack() as undo:
        for _, target, aside in descriptions:
            undo.callback(_move_back, aside, target)
            if os.path.lexists(target):
                target.replace(aside)
        undo.callback(_move_back, kept, main)
        _set_aside(main, kept, link=new.is_file())
        # Where a file is replaced, the new one goes first: its description would lie next to the old one.
        for made, target, _ in moves if os.path.lexists(main) else reversed(moves):
            if os.path.lexists(made):
                undo.callback(_move_back, target, made)
                made.replace(target)
        flush(main.parent)
        undo.pop_all()
    for *_, aside in moves:
        remove(aside)


def _set_aside(target: Path, aside: Path, *, link: bool) -> None:
    """Move a target to another path. With `link`, a file keeps its name too, where the disk can do that."""
    if link and target.is_file() and not target.is_symlink():
        with suppress(OSError):  # Some file systems have no hard links.
            aside.hardlink_to(target)
            return
    if os.path.lexists(target):
        target.replace(aside)


def _move_back(path: Path, origin: Path) -> None:
    """Undo a rename or a second name, unless there is none."""
    if not os.path.lexists(path):
        return
    if not os.path.lexists(origin):
        path.replace(origin)
    elif path.samefile(origin):
        path.unlink()


def flush(path: Path) -> None:
    """Wait until a file, or the list of files in a folder, is on the disk.

    Raises
    ------
    OSError
        If the disk fails.
    """
    is_folder = path.is_dir()
    try:
        # Windows flushes only files that are open for writing.
        handle = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        # Windows and some network disks cannot flush folders.
        if not is_folder or error.errno not in _NO_FOLDER_FLUSH:
            raise


@contextmanager
def one_writer(target: Path, *, longest: str = "") -> Iterator[None]:
    """Refuse every other run that wants to write a target, while the block runs.

    Parameters
    ----------
    target
        File or folder that the block will write.
    longest
        As for `check_writable`.

    Raises
    ------
    OutputExistsError
        If another run is writing the target.
    OutputError
        As `check_writable`.
    """
    from filelock import FileLock, Timeout

    check_writable(target, longest=longest)
    file = target.with_name(f".{target.name}{_LOCK}")
    # A generator that holds the lock may end in another thread.
    lock = FileLock(file, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputExistsError(
            f"{target} is being written by another run.", remedy="Wait for it, or choose another name."
        ) from error
    except (OSError, NotImplementedError) as error:
        # Some network disks have no locks: there, nobody else is noticed.
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise output_error(error, target) from error
    try:
        yield
    finally:
        remove(file)
        lock.release()


def check_writable(target: Path, *, longest: str = "") -> None:
    """Raise the error that writing a target would raise, before any time is spent on computing.

    Parameters
    ----------
    target
        File or folder to write. Whether it exists does not matter here.
    longest
        Longest ending that is added to the target's name for a file next to it.

    Raises
    ------
    OutputError
        If the folder of the target does not exist, may not be written, is full, or stores no files; if the name is too
        long; or if the target is a device or a pipe.
    """
    folder, elsewhere = target.parent, "Choose another folder for the output."
    try:
        if not folder.exists():
            raise OutputError(f"the folder {folder} does not exist.", remedy="Create it first.")
        if not folder.is_dir():
            raise OutputError(f"{folder} is a file, not a folder.", remedy=elsewhere)
        _check_length(target.name, longest, folder)
        _check_kind(target)
        usage = shutil.disk_usage(folder)
        if usage.total == 0:
            raise OutputError(f"the folder {folder} belongs to a file system that stores no files.", remedy=elsewhere)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"the folder {folder} may not be written.", remedy=elsewhere)
        if usage.free == 0:
            raise OutputError(f"the disk of {folder} is full.", remedy="Free space there or choose another folder.")
    except SuperResError:
        raise
    except OSError as error:
        raise output_error(error, target) from error


def _check_length(name: str, longest: str, folder: Path) -> None:
    most = os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else _LONGEST_NAME
    length = len(os.fsencode(name + longest))
    if length > most:
        raise OutputError(
            f"the name {name}{longest} is too long: it has {length} bytes, and the disk allows {most}.",
            remedy="Choose a shorter name.",
        )


def _check_kind(target: Path) -> None:
    """Refuse a target that a rename would turn from a device into a file."""
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise OutputError(f"{target} is a device or a pipe, which is never replaced.", remedy="Choose another name.")


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, completely or not at all. Bytes of file names that are no text are escaped.

    Raises
    ------
    OutputError
        If the folder may not be written or the disk is full. The file stays as it was.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", remedy="Choose another name.")
    with replacing(path) as (temporary,):
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. A folder that exists already is no error.

    Raises
    ------
    OutputError
        If the folder cannot be made.
    """
    if isinstance(folder, RemotePath):  # Stores have no folders.
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"folder {folder} cannot be made: {error.strerror}.", remedy="Choose another output folder."
        ) from error


def is_disk_error(error: OSError) -> bool:
    """Return whether writing failed because of the disk: it is full, over quota, read-only, forbidden or broken."""
    # zarr reports a missing folder without a number.
    return isinstance(error, FileNotFoundError) or error.errno in {*_FULL, *_FORBIDDEN, errno.EIO, errno.ENOENT}


def output_error(error: OSError, target: Path) -> OutputError:
    """Return the `OutputError` for a failed write, with the reason and a remedy in words."""
    # Some libraries report a failed write without its number.
    if error.errno in _FULL or (error.errno is None and _nearly_full(target)):
        reason, remedy = "the disk is full", "Free space there or choose another folder."
    elif error.errno in _FORBIDDEN:
        reason, remedy = "permission denied", "Choose a folder that you may write to."
    elif error.errno == errno.ENAMETOOLONG:
        reason, remedy = "its name is too long", "Choose a shorter name."
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


def _reserve(path: Path, target: Path) -> bool:
    """Make an empty file with the permissions of the target, if that is a file that others may not read."""
    mode = stat.S_IMODE(target.stat().st_mode) if target.is_file() else _READ_BY_OTHERS
    if mode & _READ_BY_OTHERS:
        return False
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    return True


def _hidden(target: Path, kind: str) -> Path:
    """Return a new hidden path next to a target: ASCII, because some libraries open no other names."""
    return target.with_name(f".{uuid4().hex[:8]}{kind}.{_NOT_PLAIN.sub('_', target.name[-40:])}")


def _nearly_full(target: Path) -> bool:
    try:
        return shutil.disk_usage(target.parent).free < 2**20
    except OSError:
        return False
