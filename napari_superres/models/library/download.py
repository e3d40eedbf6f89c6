"""A model file at an address, fetched once: with a limit, resumed where it broke off, and the same each time.

Nothing is fetched unless the user gives an address.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from napari_superres.errors import ModelFileError, OutputError, UnreadableImageError
from napari_superres.models.library.search import known_sha256
from napari_superres.models.library_folder import library_folder
from napari_superres.models.model_file import digest
from napari_superres.storage.atomic import write_text
from napari_superres.storage.web import SILENT_SECONDS, Answer, WebAddress, asked, parts, web_address

LARGEST_BYTES = 2 * 2**30
"""Largest file that is fetched. Networks of images rarely have more than a tenth of it."""

_FOLDER, _PINS = "downloads", "addresses.json"
_ATTEMPTS, _PAUSE = 3, 0.2


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
        If it is another kind of address, or holds a secret.
    OutputError
        If the file cannot be kept.
    """
    source = web_address(address)
    folder = library_folder() / _FOLDER / hashlib.sha256(source.text.encode()).hexdigest()[:16]
    file = folder / source.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _fetch(source, file, report)
        _check_pin(source.text, digest(file), folder)
    except OSError as error:
        raise OutputError(f"{source.name} cannot be kept in {folder}: {error.strerror or error}.") from error
    finally:
        if not file.is_file() or not file.stat().st_size:
            _forget(folder)
    yield file
    _forget(folder)


def _fetch(source: WebAddress, file: Path, report: Callable[[str, float], None] | None) -> None:
    """Fetch a file, or what is missing of it; what breaks off is tried again."""
    for attempt in range(_ATTEMPTS):
        try:
            if _fetch_part(source, file, report):
                return
        except UnreadableImageError as error:
            raise ModelFileError(error.message, remedy=error.remedy) from error
        except _BrokeOffError as error:
            if attempt == _ATTEMPTS - 1:
                raise ModelFileError(
                    f"{source} could not be fetched completely: {error}.",
                    remedy="Run the same again: it is resumed if the server can.",
                ) from error
            time.sleep(_PAUSE * 2**attempt)
    raise ModelFileError(f"{source} changes while it is fetched.", remedy="Try again later.")


class _BrokeOffError(Exception):
    """A transfer that had begun."""


def _fetch_part(source: WebAddress, file: Path, report: Callable[[str, float], None] | None) -> bool:
    """Ask once; return False if the server has another file than the part that is here, which is then dropped."""
    noted = file.with_name("tag.txt")
    done = file.stat().st_size if file.is_file() and noted.is_file() else 0
    if report is not None:
        report(f"waiting for {source.server}, at most {SILENT_SECONDS} s", 0.0)
    # The last byte is asked for again: a server has no answer to the question for none.
    with asked(source, max(done - 1, 0)) as answer:
        state = f"{answer.size} {answer.tag}"
        if answer.start and (answer.start != done - 1 or noted.read_text(encoding="utf-8") != state):
            file.unlink()
            return False
        _check_size(source, answer.size)
        with file.open("r+b" if answer.start else "wb") as target:
            if answer.tag:
                write_text(noted, state)
            else:
                noted.unlink(missing_ok=True)  # Nothing shows whether a later answer is of the same file.
            target.seek(answer.start)
            for part in _parts(answer):
                target.write(part)
                target.flush()
                _check_size(source, target.tell())
                if report is not None:
                    report("fetching it", target.tell() / answer.size if answer.size else 0.0)
    return True


def _parts(answer: Answer) -> Iterator[bytes]:
    try:
        yield from parts(answer)
    except UnreadableImageError as error:
        raise _BrokeOffError(error.message) from error


def _check_size(source: WebAddress, size: int | None) -> None:
    if size is not None and size > LARGEST_BYTES:
        raise ModelFileError(
            f"{source.name} has {size / 2**30:.1f} GiB or more; {LARGEST_BYTES / 2**30:.0f} GiB are allowed.",
            remedy="Fetch it in another way, then add the file.",
        )


def _forget(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # Others are being fetched.
        folder.parent.rmdir()


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
            _forget(folder)
            raise ModelFileError(
                f"the file at {address} has the sha256 {sha256}, where {whence} {stated}: it was exchanged.",
                remedy="Ask its author. To accept it, fetch it yourself and add the file.",
            )
    write_text(path, json.dumps({**pins, address: sha256}, indent=1, sort_keys=True) + "\n")
