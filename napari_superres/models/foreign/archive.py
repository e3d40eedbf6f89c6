"""Unpacking of zip files that may be hostile: everything is checked before anything is written."""

import lzma
import os
import stat
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from napari_superres.errors import ModelFileError
from napari_superres.models.model_file import GET_AGAIN

_MAX_MEMBERS = 1000
_LONGEST_NAME = 200
_LARGEST_TOTAL = 4 * 2**30
_LARGEST_GROWTH, _SMALL_MEMBER = 200, 2**20
"""Factor by which a member may grow when unpacked, unless it then has at most this many bytes."""

_BLOCK_BYTES = 2**20
_ENCRYPTED_FLAG = 0x1


def unpack(path: Path, into: Path) -> None:
    """Unpack a zip file.

    Parameters
    ----------
    path
        Zip file, which anyone may have made.
    into
        Existing folder. Nothing is written outside of it.

    Raises
    ------
    ModelFileError
        If it is not a complete zip file, or has a member that leads out of `into`, is a link, is encrypted, occurs
        twice, or grows too much when unpacked.
    """
    try:
        with ZipFile(path) as archive:
            members = archive.infolist()
            _check(path.name, members)
            for member in members:
                _write(archive, member, into)
    except ModelFileError:
        raise  # ModelFileError is a ValueError, which is caught below.
    except (BadZipFile, EOFError, OSError, ValueError, NotImplementedError, zlib.error, lzma.LZMAError) as error:
        raise ModelFileError(f"{path.name} is not a zip file or is damaged ({error}).", remedy=GET_AGAIN) from error


def check_folder(path: Path) -> None:
    """Check that no link in a folder leads out of it.

    Raises
    ------
    ModelFileError
        If one does.
    """
    root = path.resolve()
    for folder, folders, files in os.walk(root):
        for member in (Path(folder, name) for name in folders + files):
            if member.is_symlink() and not member.resolve().is_relative_to(root):
                raise ModelFileError(
                    f"{path.name}: {member.relative_to(root)} is a link that leads out of the folder.",
                    remedy="Remove it.",
                )


def _check(archive: str, members: Iterable[ZipInfo]) -> None:
    members = list(members)
    if len(members) > _MAX_MEMBERS:
        raise ModelFileError(f"{archive} holds {len(members)} files; a model may have {_MAX_MEMBERS}.")
    total = sum(member.file_size for member in members)
    if total > _LARGEST_TOTAL:
        raise ModelFileError(f"{archive} would take {total / 2**30:.1f} GiB when unpacked; 4 GiB are allowed.")
    seen = set()
    for member in members:
        if fault := _fault(member):
            raise ModelFileError(f"{archive} is unsafe: its member {member.filename[:_LONGEST_NAME]!r} {fault}.")
        # Names that differ only in case are one file on some systems.
        name = member.filename.casefold().rstrip("/")
        if name in seen:
            raise ModelFileError(f"{archive} is unsafe: its member {member.filename!r} occurs twice.")
        seen.add(name)


def _fault(member: ZipInfo) -> str:
    """Return what is wrong with a member, or an empty text."""
    name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
    if not name or len(name) > _LONGEST_NAME or "\0" in member.orig_filename:
        return f"has no name, or one of more than {_LONGEST_NAME} characters"
    if name.startswith("/") or "\\" in name or ":" in name:
        return "has an absolute path, a drive or a backslash in its name"
    if ".." in PurePosixPath(name).parts:
        return "leads out of the archive"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if member.flag_bits & _ENCRYPTED_FLAG:
        return "is encrypted"
    if member.file_size > max(_SMALL_MEMBER, _LARGEST_GROWTH * member.compress_size):
        return f"grows more than {_LARGEST_GROWTH} times when unpacked"
    return ""


def _write(archive: ZipFile, member: ZipInfo, into: Path) -> None:
    target = into / member.filename
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as source, target.open("xb") as file:
        while block := source.read(_BLOCK_BYTES):
            written += len(block)
            if written > member.file_size:
                break
            file.write(block)
    if written != member.file_size:
        raise BadZipFile(f"{member.filename} has another size than the archive states")
