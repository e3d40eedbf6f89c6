"""Unpacking of zip files that may be hostile: everything is checked before anything is written."""

import lzma
import os
import stat
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from napari_superres.errors import ModelFileError

_MOST_MEMBERS = 1000
_LONGEST_NAME = 200
_LARGEST_TOTAL = 4 * 2**30
_LARGEST_RATIO, _SMALL = 200, 2**20
_CHUNK = 2**20
_ENCRYPTED = 0x1


def unpack(path: Path, into: Path) -> None:
    """Unpack a zip file.

    Parameters
    ----------
    path
        File from anyone.
    into
        Folder that exists; nothing is written outside of it.

    Raises
    ------
    ModelFileError
        If it is not a whole zip file, or has a member that leaves `into`, is a link, encrypted, twice there, or
        much larger than the file promises.
    """
    try:
        with ZipFile(path) as archive:
            members = archive.infolist()
            _check(path.name, members)
            for member in members:
                _write(archive, member, into)
    except ModelFileError:
        raise  # it is a ValueError too
    except (BadZipFile, EOFError, OSError, ValueError, NotImplementedError, zlib.error, lzma.LZMAError) as error:
        raise ModelFileError(f"{path.name} is not a zip file or is damaged ({error}). Get the file again.") from error


def check_folder(path: Path) -> None:
    """Check that a folder holds no link to what lies outside of it.

    Raises
    ------
    ModelFileError
        If it does.
    """
    root = path.resolve()
    for folder, folders, files in os.walk(root):
        for found in (Path(folder, name) for name in folders + files):
            if found.is_symlink() and not found.resolve().is_relative_to(root):
                raise ModelFileError(
                    f"{path.name}: {found.relative_to(root)} is a link to what is outside of the folder. Remove it."
                )


def _check(archive: str, members: Iterable[ZipInfo]) -> None:
    members = list(members)
    if len(members) > _MOST_MEMBERS:
        raise ModelFileError(f"{archive} holds {len(members)} files; a model has {_MOST_MEMBERS} at most.")
    total = sum(member.file_size for member in members)
    if total > _LARGEST_TOTAL:
        raise ModelFileError(f"{archive} would take {total / 2**30:.1f} GiB when unpacked; 4 GiB are allowed.")
    seen = set()
    for member in members:
        if fault := _fault(member):
            raise ModelFileError(f"{archive} is unsafe: its member {member.filename[:_LONGEST_NAME]!r} {fault}.")
        # Names that differ in case only are one file on some systems.
        name = member.filename.casefold().rstrip("/")
        if name in seen:
            raise ModelFileError(f"{archive} is unsafe: its member {member.filename!r} is there twice.")
        seen.add(name)


def _fault(member: ZipInfo) -> str:
    """Return what is wrong with a member, or an empty text."""
    name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
    if not name or len(name) > _LONGEST_NAME or "\0" in member.orig_filename:
        return f"has no name, or one of more than {_LONGEST_NAME} characters"
    if name.startswith("/") or "\\" in name or ":" in name:
        return "has an absolute path, a drive or a backslash in its name"
    if ".." in PurePosixPath(name).parts:
        return "leads outside of the archive"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if member.file_size > max(_SMALL, _LARGEST_RATIO * member.compress_size):
        return f"grows more than {_LARGEST_RATIO} times when unpacked"
    return ""


def _write(archive: ZipFile, member: ZipInfo, into: Path) -> None:
    target = into / member.filename
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as source, target.open("xb") as file:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > member.file_size:
                break
            file.write(chunk)
    if written != member.file_size:
        raise BadZipFile(f"{member.filename} has another size than it says")
