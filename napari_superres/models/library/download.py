"""A model file at an address, fetched once: with a limit, resumed where it broke off, and the same each time.

Nothing is fetched unless the user gives an address.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_superres.errors import ModelFileError, OutputError, SettingsError, UnreadableImageError
from napari_superres.models.library.search import known_sha256
from napari_superres.models.library_folder import library_folder
from napari_superres.models.model_file import digest
from napari_superres.storage import RemotePath, as_path
from napari_superres.storage.atomic import write_text
from napari_superres.storage.client import fetch_range, size_and_tag

LARGEST_BYTES = 2 * 2**30
"""Largest file that is fetched. Networks of images rarely have more than a tenth of it."""

_FOLDER, _PINS = "downloads", "addresses.json"
_STEP = 4 * 2**20
_SCHEMES = ("https:", "http:")


@contextmanager
def fetched(address: str, report: Callable[[str, float], None] | None = None) -> Iterator[Path]:
    """Yield the file at an address, fetched; it is deleted afterwards if all went well, and resumed otherwise.

    Parameters
    ----------
    address
        ``https://...`` or ``http://...``.
    report
        Called with what is done and the share of it.

    Raises
    ------
    ModelFileError
        If there is no file, the server does not answer, it is larger than `LARGEST_BYTES`, or its content is not what
        the index states or what was fetched from the address before.
    SettingsError
        If it is another kind of address.
    MissingExtraError
        If obstore is not installed.
    """
    source = as_path(address)
    if not isinstance(source, RemotePath) or source.parts[0] not in _SCHEMES or not source.key:
        raise SettingsError(f"models are fetched from https:// and http://, got {address[:200]}.")
    folder = library_folder() / _FOLDER / hashlib.sha256(str(source).encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / source.name
        _fetch(source, file, report)
    except UnreadableImageError as error:
        raise ModelFileError(
            f"{source} could not be fetched completely: {error.message}", remedy="Run the same again: it is resumed."
        ) from error
    except OSError as error:
        raise OutputError(f"{source.name} cannot be kept in {folder}: {error.strerror or error}.") from error
    _check_pin(str(source), digest(file), folder)
    yield file
    shutil.rmtree(folder, ignore_errors=True)


def _fetch(source: RemotePath, file: Path, report: Callable[[str, float], None] | None) -> None:
    state = size_and_tag(source)
    if state is None:
        raise ModelFileError(f"there is no file at {source}.", remedy="Check the address.")
    size, tag = state
    if size > LARGEST_BYTES:
        raise ModelFileError(
            f"{source.name} has {size / 2**30:.1f} GiB; {LARGEST_BYTES / 2**30:.0f} GiB are allowed.",
            remedy="Fetch it in another way, then add the file.",
        )
    noted = file.with_name("tag.txt")
    if not noted.is_file() or noted.read_text(encoding="utf-8") != f"{size} {tag}":
        file.unlink(missing_ok=True)
        write_text(noted, f"{size} {tag}")
    done = file.stat().st_size if file.is_file() else 0
    with file.open("ab") as target:
        while done < size:
            part = fetch_range(source, done, min(size, done + _STEP))
            if not part:
                raise ModelFileError(f"{source} ends before its {size} bytes.", remedy="Run the same again.")
            target.write(part)
            target.flush()
            done += len(part)
            if report is not None:
                report("fetching it", done / size)


def _check_pin(address: str, sha256: str, folder: Path) -> None:
    """Refuse another content than the index or an earlier time says; remember this one."""
    path = library_folder() / _PINS
    try:
        pins: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        pins = {}
    pins = pins if isinstance(pins, dict) else {}
    for stated, whence in ((known_sha256(address), "the index says"), (pins.get(address, ""), "it had before")):
        if stated and stated != sha256:
            shutil.rmtree(folder, ignore_errors=True)
            raise ModelFileError(
                f"the file at {address} has the sha256 {sha256}, where {whence} {stated}: it was exchanged.",
                remedy="Ask its author. To accept it, fetch it yourself and add the file.",
            )
    write_text(path, json.dumps({**pins, address: sha256}, indent=1, sort_keys=True) + "\n")
