"""What users said that the images of a folder show, remembered until they say something else.

The file holds a digest of each folder's path and no path, because folders have the names of people.
"""

import json
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from napari_superres.errors import SuperResError
from napari_superres.models.library_folder import library_folder
from napari_superres.storage.atomic import make_folder, write_text

_NAME = "folders.json"
_MOST = 1000
"""Folders that are remembered; the oldest are forgotten."""


def remembered_kind(folder: Path) -> str | None:
    """Return the modality that the user named for the images of a folder; None if there is none."""
    return _read().get(_digest(folder))


def remember_kind(folder: Path, kind: str) -> None:
    """Remember the modality of the images of a folder. Where that cannot be written, it is asked for again."""
    kinds = {key: value for key, value in _read().items() if key != _digest(folder)}
    kinds[_digest(folder)] = kind
    with suppress(SuperResError, OSError):
        make_folder(_file().parent)
        write_text(_file(), json.dumps(dict(list(kinds.items())[-_MOST:])))


def _file() -> Path:
    return library_folder().parent / _NAME


def _digest(folder: Path) -> str:
    return sha256(str(folder.absolute()).encode()).hexdigest()[:16]


def _read() -> dict[str, str]:
    try:
        values = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # absent or damaged: nothing is remembered
        return {}
    return {str(key): str(value) for key, value in values.items()} if isinstance(values, dict) else {}
