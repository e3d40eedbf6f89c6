"""The provenance record: a JSON file next to every result that tells how the result was made."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_superres.io.formats import dicom_files, is_zarr
from napari_superres.io.identity import file_digest, zarr_files
from napari_superres.storage import RemotePath, as_path, atomic
from napari_superres.storage.client import put, state_of

SIDECAR = ".provenance.json"
"""End of a record's file name, after the whole name of the result's."""

RESULT = "result"
"""Key of a record's entry on the file next to it. No record inside a file has it."""


def sidecar_path(target: Path) -> Path:
    """Return the path of a result's record: ``x.ome.tif.provenance.json`` for ``x.ome.tif``."""
    return target.with_name(target.name + SIDECAR)


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as indented JSON. Bytes of file names that are no text are escaped."""
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    if isinstance(path, RemotePath):
        put(path, text.encode("utf-8", errors="backslashreplace"))
        return
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def put_in_place(temporary: Path, target: Path, record: Mapping[str, Any]) -> None:
    """Rename a finished result to its target and put its record next to it.

    At no moment does a result lie next to the record of another. A result and record that are replaced move to the
    folder of `temporary` meanwhile.

    Parameters
    ----------
    temporary
        The finished result, in a folder on the same disk as `target`. At an address, it is there already.
    target
        Final path of the result.
    record
        Provenance record of the result.

    Raises
    ------
    OutputError
        If the folder may not be written or the disk is full. The target stays as it was.
    """
    if isinstance(target, RemotePath):
        write_record(sidecar_path(target), record)
        return
    temporary_record, replaced = temporary.with_name("record.json"), temporary.with_name("replaced")
    moves = ((temporary, target, replaced), (temporary_record, sidecar_path(target), replaced.with_suffix(".json")))
    try:
        write_record(temporary_record, record)
        for *_, aside in moves:
            atomic.remove(aside)
        atomic.put_in_place(moves)
    except OSError as error:
        raise atomic.output_error(error, target) from error


def file_state(path: str | Path, *, exact: bool = False) -> str:
    """Return a digest of the sizes and modification times of a file, or of the files of an image folder.

    It changes when pixels change, and takes less time than `file_digest`.

    Parameters
    ----------
    path
        File or folder. What does not exist has a state, too.
    exact
        Count inodes and times of status changes, too. Programs cannot reset these, as they can modification times, but
        a copy has others.
    """
    path, total = as_path(path), hashlib.sha256()
    if isinstance(path, RemotePath):
        return state_of(path)
    folder = f"{path}{os.sep}" if path.is_dir() else str(path)
    for name in _names(path):
        try:
            facts = os.stat(folder + name)  # noqa: PTH116 - of millions of files; paths take ten times as long
        except OSError as error:
            states: tuple[int | None, ...] = (error.errno,)
        else:
            states = (facts.st_size, facts.st_mtime_ns)
            states += (facts.st_ino, facts.st_ctime_ns) if exact else ()
        total.update(f"{name}\0{states}\n".encode())
    return total.hexdigest()


def _names(path: Path) -> list[str]:
    """Return the names in a folder of the files of its image; of a file, nothing."""
    if not path.is_dir():
        return [""]
    return zarr_files(path) if is_zarr(path) else [file.name for file in dicom_files(path)]


def with_state(record: Mapping[str, Any], result: Path) -> dict[str, Any]:
    """Return a record with the digest and the state of the finished result that it will lie next to."""
    return {**record, RESULT: {"sha256": file_digest(result), "state": file_state(result)}}


def is_as_written(target: Path, record: Mapping[str, Any]) -> bool:
    """Return whether a result is unchanged since its record was written, by sizes and times."""
    entry = record.get(RESULT)
    return isinstance(entry, dict) and entry.get("state") == file_state(target)
