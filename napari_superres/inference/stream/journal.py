"""The journal of an unfinished result: its input, model and settings, and which boxes are finished.

It lies with the result in a hidden folder next to the target. The line of a box is written, and flushed to the disk,
after the box itself. An incomplete last line is dropped. One process at a time writes.
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

from napari_superres.atomic import keep_permissions
from napari_superres.errors import OutputError, OutputExistsError
from napari_superres.inference.engine.global_statistics import GlobalStatistics

FORMAT = 1
_RESULT, _LINES, _STATISTICS, _LOCK = ".ome.zarr", "journal.jsonl", "statistics.npz", "lock"
_REPLACED = "replaced"
_FILES = {_LINES, "journal.new", _STATISTICS, "record.json", "replaced.json", _REPLACED}
_OURS = re.compile(rf"[0-9a-f]{{12}}{re.escape(_RESULT)}")


def is_unfinished(target: Path, stem: str) -> bool:
    """Return whether an unfinished run to a target, named `stem` without suffix, exists."""
    return (_folder(target, stem) / _LINES).exists()


def _folder(target: Path, stem: str) -> Path:
    # Named after the stem, because NAME.zarr and NAME.ome.zarr share one record.
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
        Input, model and settings of the run; None if no run was started.
    lines
        One per finished box.
    """

    def __init__(self, target: Path, stem: str, *, forget: bool = False) -> None:
        self.target = target
        self.folder = _folder(target, stem)
        # The name is unique, because a worker of a killed run may still write to the folder of that run.
        self.result = self.folder / f"{uuid4().hex[:12]}{_RESULT}"
        self.header: dict[str, Any] | None = None
        self.lines: list[dict[str, Any]] = []
        self._file = self.folder / _LINES
        self._lock: Any = None
        self._forget = forget

    def __enter__(self) -> Self:
        """Lock the folder for this process and read the journal.

        Raises
        ------
        OutputExistsError
            If another process works on it.
        OutputError
            If the folder cannot be made or the journal is damaged.
        """
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(exist_ok=True)
            keep_permissions(self.folder, self.target)
            self._lock = FileLock(self.folder / _LOCK)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise OutputExistsError(
                f"{self.target} is being written by another run.", remedy="Wait for it, or choose another name."
            ) from error
        except OSError as error:
            raise OutputError(
                f"{self.folder} cannot be made: {error.strerror}.", remedy="Choose another folder."
            ) from error
        try:
            if self._forget:
                self.clear()
            self._read()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Unlock the folder; remove it if it holds nothing worth keeping."""
        if not self._is_worth_keeping:
            self.remove()
        self._lock.release()

    def begin(self, header: Mapping[str, Any]) -> None:
        """Write the header. From now on the run can be resumed.

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
        """How much is finished, in words."""
        return "1 part is finished" if len(self.lines) == 1 else f"{len(self.lines)} parts are finished"

    def remove(self) -> None:
        """Remove the folder, unless it holds files that are not ours."""
        with suppress(OSError):
            self.clear()
            (self.folder / _LOCK).unlink(missing_ok=True)
            self.folder.rmdir()

    def clear(self) -> None:
        """Delete the unfinished run, and what finished runs replaced."""
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
                f"the journal {self._file} of an unfinished result is damaged.",
                remedy=f"Remove {self.folder} to start again.",
            ) from error
        begun = self.folder / str(self.header.get("result"))
        # A journal without its result: the result is in its place already, and only the removal was interrupted.
        if begun.suffix != ".zarr" or not begun.is_dir() or not self._is_worth_keeping:
            self.clear()
            return
        self.result = begun

    def save_statistics(self, statistics: tuple[GlobalStatistics | None, ...]) -> None:
        """Keep the global statistics, so that a resumed run uses the same."""
        arrays: dict[str, Any] = {}
        for part, found in enumerate(statistics):
            if found is None:
                continue
            arrays[f"{part}"] = np.array([found.layers, found.passes, found.left])
            for key, rows in found.planes.items():
                arrays |= {f"{part}/{','.join(map(str, key))}/{k}": values for k, values in enumerate(rows)}
        if arrays:
            with (self.folder / _STATISTICS).open("wb") as file:
                np.savez(file, **arrays)
                _flush(file)

    def load_statistics(self, parts: int) -> tuple[GlobalStatistics | None, ...]:
        """Return the global statistics of each of `parts` parts, as `save_statistics` kept them."""
        path = self.folder / _STATISTICS
        if not path.exists():
            return (None,) * parts
        found: list[GlobalStatistics | None] = []
        with np.load(path) as arrays:
            for part in range(parts):
                if str(part) not in arrays:
                    found.append(None)
                    continue
                planes: dict[tuple[int, ...], list[Any]] = {}
                names = [n.split("/") for n in arrays if n.startswith(f"{part}/")]
                for _, key, k in sorted(names, key=lambda n: int(n[2])):
                    plane = tuple(int(i) for i in key.split(",") if i)
                    planes.setdefault(plane, []).append(arrays[f"{part}/{key}/{k}"])
                layers, passes, left = arrays[str(part)]
                found.append(GlobalStatistics(planes, int(layers), int(passes), float(left)))
        return tuple(found)


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
