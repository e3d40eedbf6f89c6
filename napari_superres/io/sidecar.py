"""The record that lies next to every result, as JSON for people and programs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_superres.atomic import explained, remove
from napari_superres.io.formats import stem

SIDECAR = ".provenance.json"


def sidecar_path(target: Path) -> Path:
    """Return where the record of a result is."""
    return target.with_name(stem(target) + SIDECAR)


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a result's record as JSON for people and programs."""
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def put_in_place(made: Path, target: Path, record: Mapping[str, Any]) -> None:
    """Rename a finished result to its target, its record next to it; at no moment does a target lie next to another's.

    What was there is moved to the folder of `made`.

    Raises
    ------
    OutputError
        If the folder may not be written or the disk is full. The target is untouched.
    """
    sidecar, noted = sidecar_path(target), made.with_name("record.json")
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
                remove(new)
                old.replace(new)
                moved.append((old, new))
    except OSError as error:
        for old, new in reversed(moved):
            new.replace(old)
        raise explained(error, target) from error
