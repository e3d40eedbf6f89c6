"""Whether a folder holds one zarr image and nothing else, so that a result may replace it."""

import json
import os
import re
from pathlib import Path
from typing import Any

from napari_superres.errors import OutputExistsError
from napari_superres.io.formats import ZARR_METADATA

_METADATA = {*ZARR_METADATA, ".zmetadata"}
# File managers leave these in every folder that they show.
_IGNORED = {".DS_Store", "Thumbs.db"}
_CHUNK = re.compile(r"c|(c[./])?\d+([./]\d+)*")


def check_replaceable(folder: Path) -> None:
    """Refuse to replace a folder, unless it is one zarr image and holds nothing else.

    Raises
    ------
    OutputExistsError
        If it is refused. The message names what else the folder holds.
    """
    other = _find_other(folder)
    if other is not None:
        raise OutputExistsError(
            f"{folder} is a folder that holds other things, such as {other}, and is never replaced.",
            remedy="Choose another name.",
        )


def _find_other(folder: Path) -> str | None:
    """Return the name of an entry that is no part of one zarr image; None if there is none."""
    if _is_array(folder):
        return _find_other_in_array(folder)
    levels = _level_names(folder)
    for entry in sorted(folder.iterdir(), key=lambda p: (p.name in _METADATA, p.name)):
        if entry.name in levels and _is_array(entry):
            other = _find_other_in_array(entry)
            if other is not None:
                return f"{entry.name}/{other}"
        elif entry.name not in _IGNORED and not (levels and entry.name in _METADATA and entry.is_file()):
            return entry.name
    return None


def _find_other_in_array(array: Path) -> str | None:
    for folder, _, files in os.walk(array):
        for name in files:
            file = Path(folder, name).relative_to(array)
            is_own = len(file.parts) == 1 and name in _METADATA
            if not is_own and name not in _IGNORED and not _CHUNK.fullmatch(file.as_posix()):
                return file.as_posix()
    return None


def _is_array(folder: Path) -> bool:
    return (folder / ".zarray").is_file() or _read(folder / "zarr.json").get("node_type") == "array"


def _level_names(folder: Path) -> set[str]:
    """Return the names of the arrays that an OME-Zarr image lists as its levels."""
    attributes = _read(folder / "zarr.json").get("attributes") or _read(folder / ".zattrs")
    try:
        images = (attributes.get("ome") or attributes)["multiscales"]
        return {str(level["path"]) for image in images for level in image["datasets"]}
    except (KeyError, TypeError, AttributeError):
        return set()


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
