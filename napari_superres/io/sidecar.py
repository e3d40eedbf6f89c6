"""The provenance record: a JSON file next to every result that tells how the result was made."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_superres.atomic import keep_permissions, output_error, remove
from napari_superres.io.formats import stem

SIDECAR = ".provenance.json"
"""End of a record's file name, after the stem of the result's."""


def sidecar_path(target: Path) -> Path:
    """Return the path of a result's record."""
    return target.with_name(stem(target) + SIDECAR)


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as indented JSON."""
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def put_in_place(temporary: Path, target: Path, record: Mapping[str, Any]) -> None:
    """Rename a finished result to its target and put its record next to it.

    At no moment does a result lie next to the record of another. A result and record that are replaced move to the
    folder of `temporary`.

    Parameters
    ----------
    temporary
        The finished result, in a folder on the same disk as `target`.
    target
        Final path of the result.
    record
        Provenance record of the result.

    Raises
    ------
    OutputError
        If the folder may not be written or the disk is full. The target stays as it was.
    """
    sidecar, temporary_record = sidecar_path(target), temporary.with_name("record.json")
    moves = (
        (target, temporary.with_name("replaced")),
        (sidecar, temporary.with_name("replaced.json")),
        (temporary_record, sidecar),
        (temporary, target),
    )
    done: list[tuple[Path, Path]] = []
    try:
        write_record(temporary_record, record)
        keep_permissions(temporary, target)
        keep_permissions(temporary_record, sidecar)
        for old, new in moves:
            if old.exists():
                remove(new)
                old.replace(new)
                done.append((old, new))
    except OSError as error:
        for old, new in reversed(done):
            new.replace(old)
        raise output_error(error, target) from error
