"""The journal of an unfinished result: its input, model and settings, and which boxes are finished.

It lies with the result in a hidden folder next to the target. The line of a box is written, and flushed to the disk,
after the box itself, and holds the checksums of its files. Incomplete or damaged lines are dropped, and their boxes
computed again. One process at a time writes. What is read here is checked like any input; see `entries`.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Self
from uuid import uuid4
from zipfile import BadZipFile

import numpy as np

from napari_superres.errors import OutputError, OutputExistsError
from napari_superres.inference.engine.global_statistics import GlobalStatistics
from napari_superres.inference.stream.entries import FORMAT, Line, as_header, as_line
from napari_superres.limits import is_link_or_special
from napari_superres.storage.atomic import keep_permissions

_RESULT, LINES, STATISTICS, _LOCK = ".ome.zarr", "journal.jsonl", "statistics.npz", "lock"
_REPLACED = "replaced"
_FILES = {LINES, "journal.new", STATISTICS, "record.json", "replaced.json", _REPLACED}
_OURS = re.compile(rf"[0-9a-f]{{12}}{re.escape(_RESULT)}")


def is_unfinished(target: Path) -> bool:
    """Return whether an unfinished run to a target exists."""
    return (_folder(target) / LINES).exists()


def _folder(target: Path) -> Path:
    return target.with_name(f".{target.name}.unfinished")


class Journal:
    """The folder of an unfinished result.

    Parameters
    ----------
    target
        Where the result will be.
    forget
        Forget an unfinished run, even one whose record is damaged.

    Attributes
    ----------
    folder, result
        The hidden folder, and the unfinished result in it.
    header
        Input, model and settings of the run; None if no run was started.
    lines
        That of each finished box.
    """

    def __init__(self, target: Path, *, forget: bool = False) -> None:
        self.target = target
        self.folder = _folder(target)
        # The name is unique, because a worker of a killed run may still write to the folder of that run.
        self.result = self.folder / f"{uuid4().hex[:12]}{_RESULT}"
        self.header: dict[str, Any] | None = None
        self.lines: dict[int, Line] = {}
        self._file = self.folder / LINES
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
            # What is cut, renamed or deleted here must not lie elsewhere.
            if any(map(is_link_or_special, (self.folder, *self.folder.iterdir()))):
                raise OutputError(f"{self.folder} must be a folder without links and pipes.", remedy="Remove it.")
            keep_permissions(self.folder, self.target)
            self._lock = FileLock(self.folder / _LOCK)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise OutputExistsError(
                f"{self.target} is being written by another run.", remedy="Wait for it, or choose another name."
            ) from error
        except OutputError:
            raise
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

    def begin(self, header: Mapping[str, Any], statistics: tuple[GlobalStatistics | None, ...]) -> None:
        """Write the header and the global statistics. From now on the run can be resumed.

        Raises
        ------
        OSError
            If the disk is full or fails.
        """
        digest = self._save_statistics(statistics)
        self.header = {"format": FORMAT, "result": self.result.name, "statistics": digest, **header}
        self._write()

    def add(self, line: Line) -> None:
        """Record a finished box; when this returns, the record is safe on the disk.

        Raises
        ------
        OSError
            If the disk is full or fails.
        """
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            _flush(file)
        self.lines[line["box"]] = line

    def drop(self, boxes: Collection[int]) -> None:
        """Forget the lines of some boxes.

        Raises
        ------
        OSError
            If the disk is full or fails.
        """
        if boxes:
            for box in boxes:
                del self.lines[box]
            self._write()

    def _write(self) -> None:
        made = self._file.with_suffix(".new")
        with made.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in (self.header, *self.lines.values()))
            _flush(file)
        made.replace(self._file)
        # Windows does not open folders, and has no need to.
        with suppress(PermissionError):
            folder = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

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
        self.header, self.lines = None, {}

    @property
    def _is_worth_keeping(self) -> bool:
        return self.header is not None and (bool(self.lines) or (self.folder / STATISTICS).exists())

    def _read(self) -> None:
        if not self._file.exists():
            self.clear()
            return
        whole, _, torn = self._file.read_bytes().rpartition(b"\n")
        if torn:
            os.truncate(self._file, len(whole) + 1)
        first, *others = whole.splitlines() or [b""]
        self.header = as_header(first)
        if self.header is None or not _OURS.fullmatch(str(self.header.get("result"))):
            raise self.damaged()
        self.lines = {line["box"]: line for line in map(as_line, others) if line}
        begun = self.folder / self.header["result"]
        # A journal without its result: the result is in its place already, and only the removal was interrupted.
        if not begun.is_dir() or not self._is_worth_keeping:
            self.clear()
            return
        self.result = begun

    def damaged(self) -> OutputError:
        """Return the error for a journal that says what cannot be."""
        return OutputError(
            f"the journal {self._file} of an unfinished result is damaged.",
            remedy=f"Remove {self.folder}, or start again with `overwrite`.",
        )

    def _save_statistics(self, statistics: tuple[GlobalStatistics | None, ...]) -> str | None:
        """Keep the global statistics, so that a resumed run uses the same; return their sha256, None without any."""
        packed = BytesIO()
        if not pack_statistics(statistics, packed):
            return None
        path = self.folder / STATISTICS
        with path.open("wb") as file:
            file.write(packed.getvalue())
            _flush(file)
        return hashlib.sha256(packed.getvalue()).hexdigest()

    def load_statistics(self, parts: int) -> tuple[GlobalStatistics | None, ...]:
        """Return the global statistics of each of `parts` parts, as `begin` kept them.

        Raises
        ------
        OutputError
            If they are missing or damaged.
        """
        digest = (self.header or {}).get("statistics")
        if digest is None:
            return (None,) * parts
        try:
            content = (self.folder / STATISTICS).read_bytes()
            if hashlib.sha256(content).hexdigest() != digest:
                raise self.damaged()
            with np.load(BytesIO(content)) as arrays:
                return tuple(_statistics_of(part, arrays) for part in range(parts))
        except (OSError, ValueError, KeyError, IndexError, TypeError, BadZipFile) as error:
            raise self.damaged() from error


def pack_statistics(statistics: tuple[GlobalStatistics | None, ...], file: BytesIO) -> bool:
    """Write the global statistics of all parts to a file; return whether there are any."""
    arrays: dict[str, Any] = {}
    for part, found in enumerate(statistics):
        if found is None:
            continue
        arrays[f"{part}"] = np.array([found.layers, found.passes, found.left])
        for key, rows in found.planes.items():
            arrays |= {f"{part}/{','.join(map(str, key))}/{k}": values for k, values in enumerate(rows)}
    if arrays:
        np.savez(file, **arrays)
    return bool(arrays)


def _statistics_of(part: int, arrays: Mapping[str, Any]) -> GlobalStatistics | None:
    if str(part) not in arrays:
        return None
    planes: dict[tuple[int, ...], list[Any]] = {}
    names = [n.split("/") for n in arrays if n.startswith(f"{part}/")]
    for _, key, k in sorted(names, key=lambda n: int(n[2])):
        plane = tuple(int(i) for i in key.split(",") if i)
        planes.setdefault(plane, []).append(arrays[f"{part}/{key}/{k}"])
    layers, passes, left = arrays[str(part)]
    return GlobalStatistics(planes, int(layers), int(passes), float(left))


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
