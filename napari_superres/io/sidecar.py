"""The provenance record: a JSON file next to every result that tells how the result was made."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_superres import atomic

SIDECAR = ".provenance.json"
"""End of a record's file name, after the whole name of the result's."""


def sidecar_path(target: Path) -> Path:
    """Return the path of a result's record: ``x.ome.tif.provenance.json`` for ``x.ome.tif``."""
    return target.with_name(target.name + SIDECAR)


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as indented JSON. Bytes of file names that are no text are escaped."""
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def put_in_place(temporary: Path, target: Path, record: Mapping[str, Any]) -> None:
    """Rename a finished result to its target and put its record next to it.

    At no moment does a result lie next to the record of another. A result and record that are replaced move to the
    folder of `temporary` meanwhile.

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
    temporary_record, replaced = temporary.with_name("record.json"), temporary.with_name("replaced")
    moves = ((temporary, target, replaced), (temporary_record, sidecar_path(target), replaced.with_suffix(".json")))
    try:
        write_record(temporary_record, record)
        for *_, aside in moves:
            atomic.remove(aside)
        atomic.put_in_place(moves)
    except OSError as error:
        raise atomic.output_error(error, target) from error
