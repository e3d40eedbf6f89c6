"""The record of an unfinished result: what it is made from and with, and which boxes of it are done.

It lies with the result in a hidden folder beside the target. A line is written, and safe on the disk,
after the box that it names; a torn last line is dropped. One process at a time writes.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import numpy as np

from napari_superres.errors import OutputError, OutputExistsError
from napari_superres.inference.engine.global_statistics import Settled

FORMAT = 1
_RESULT, _LINES, _STATISTICS, _LOCK = ".ome.zarr", "journal.jsonl", "statistics.npz", "lock"
_REPLACED = "replaced"
_FILES = {_LINES, "journal.new", _STATISTICS, "record.json", "replaced.json", _REPLACED}
_OURS = re.compile(rf"[0-9a-f]{{12}}{re.escape(_RESULT)}")


def is_unfinished(target: Path, stem: str) -> bool:
    """Return whether a run to a target, named `stem` without suffix, was begun and not finished."""
    return (_folder(target, stem) / _LINES).exists()


def _folder(target: Path, stem: str) -> Path:
    # Of the stem: NAME.zarr and NAME.ome.zarr have one record, and so one run at a time.
    return target.with_name(f".{stem}.unfinished")


class Journal:
    """The folder of an unfinished result.

    Parameters
    ----------
    target
        Where the result will be.
    stem
        Its name without suffix.
    forget
        Forget an unfinished run, even one whose record is damaged.

    Attributes
    ----------
    folder, result
        The hidden folder, and the unfinished result in it.
    header
        What the run was begun with; None where none was begun.
    lines
        One per finished box.
    """

    def __init__(self, target: Path, stem: str, *, forget: bool = False) -> None:
        self.target = target
        self.folder = _folder(target, stem)
        # A name of its own: a worker of a run that was killed and forgotten may still write to that one's.
        self.result = self.folder / f"{uuid4().hex[:12]}{_RESULT}"
        self.header: dict[str, Any] | None = None
        self.lines: list[dict[str, Any]] = []
        self._file = self.folder / _LINES
        self._lock: Any = None
        self._forget = forget

    def __enter__(self) -> Self:
        """Take the folder for this process and read what was done.

        Raises
        ------
        OutputExistsError
            If another process works on it.
        OutputError
            If the folder cannot be made or its record is not understood.
        """
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(exist_ok=True)
            self._lock = FileLock(self.folder / _LOCK)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise OutputExistsError(
                f"{self.target} is being written by another run. Wait for it, or choose another name."
            ) from error
        except OSError as error:
            raise OutputError(f"{self.folder} cannot be made: {error.strerror}. Choose another folder.") from error
        try:
            if self._forget:
                self.clear()
            self._read()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Give the folder back; one that holds nothing worth keeping is removed."""
        if not self._is_worth_keeping:
            self.remove()
        self._lock.release()

    def begin(self, header: Mapping[str, Any]) -> None:
        """Write the header: from now on the run can be gone on with.

        Raises
        ------
        OSError
            If the disk is full or fails.
        """
        self.header = {"format": FORMAT, "result": self.result.name, **header}
        made = self._file.with_suffix(".new")
        with made.open("w", encoding="utf-8") as file:
            file.write(json.dumps(self.header) + "\n")
            _flush(file)
        made.replace(self._file)
        # Windows does not open folders, and has no need to.
        with suppress(PermissionError):
            folder = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def add(self, line: dict[str, Any]) -> None:
        """Record a finished box; when this returns, the record is safe on the disk.

        Raises
        ------
        OSError
            If the disk is full or fails.
        """
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            _flush(file)
        self.lines.append(line)

    @property
    def state(self) -> str:
        """How much is done, in words."""
        return "1 part is done" if len(self.lines) == 1 else f"{len(self.lines)} parts are done"

    def remove(self) -> None:
        """Remove the folder; one that holds anything else stays, with that."""
        with suppress(OSError):
            self.clear()
            (self.folder / _LOCK).unlink(missing_ok=True)
            self.folder.rmdir()

    def clear(self) -> None:
        """Forget the run that was begun, and what finished ones replaced."""
        for path in self.folder.iterdir():
            if path.is_dir() and (path.name == _REPLACED or _OURS.fullmatch(path.name)):
                shutil.rmtree(path)
            elif path.name in _FILES:
                path.unlink()
        self.header, self.lines = None, []

    @property
    def _is_worth_keeping(self) -> bool:
        return self.header is not None and (bool(self.lines) or (self.folder / _STATISTICS).exists())

    def _read(self) -> None:
        if not self._file.exists():
            self.clear()
            return
        whole, _, torn = self._file.read_bytes().rpartition(b"\n")
        if torn:
            os.truncate(self._file, len(whole) + 1)
        try:
            self.header, *self.lines = (dict(json.loads(line)) for line in whole.splitlines())
        except (ValueError, TypeError) as error:
            raise OutputError(
                f"the record {self._file} of an unfinished result is damaged. Remove {self.folder} to start anew."
            ) from error
        begun = self.folder / str(self.header.get("result"))
        # A record without its result: that is in its place already, and only the removal was interrupted.
        if begun.suffix != ".zarr" or not begun.is_dir() or not self._is_worth_keeping:
            self.clear()
            return
        self.result = begun

    def save_statistics(self, settled: tuple[Settled | None, ...]) -> None:
        """Keep the statistics of the whole image, so that an interrupted run has the same."""
        arrays: dict[str, Any] = {}
        for part, found in enumerate(settled):
            if found is None:
                continue
            arrays[f"{part}"] = np.array([found.layers, found.passes, found.left])
            for key, rows in found.places.items():
                arrays |= {f"{part}/{','.join(map(str, key))}/{k}": values for k, values in enumerate(rows)}
        if arrays:
            with (self.folder / _STATISTICS).open("wb") as file:
                np.savez(file, **arrays)
                _flush(file)

    def load_statistics(self, parts: int) -> tuple[Settled | None, ...]:
        """Return what `save_statistics` kept, for so many parts."""
        path = self.folder / _STATISTICS
        if not path.exists():
            return (None,) * parts
        found: list[Settled | None] = []
        with np.load(path) as arrays:
            for part in range(parts):
                if str(part) not in arrays:
                    found.append(None)
                    continue
                places: dict[tuple[int, ...], list[Any]] = {}
                names = [n.split("/") for n in arrays if n.startswith(f"{part}/")]
                for _, key, k in sorted(names, key=lambda n: int(n[2])):
                    place = tuple(int(i) for i in key.split(",") if i)
                    places.setdefault(place, []).append(arrays[f"{part}/{key}/{k}"])
                layers, passes, left = arrays[str(part)]
                found.append(Settled(places, int(layers), int(passes), float(left)))
        return tuple(found)


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
