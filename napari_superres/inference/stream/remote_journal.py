"""The journal of a result at an address: one object for the header, and one for each finished box.

Stores rename nothing and append to nothing. The result is therefore written where it will be, and becomes an image when
its OME metadata are written, last. A store has no locks either: two runs at the same time would compute the same boxes.
"""

import hashlib
import json
import re
from collections.abc import Collection
from io import BytesIO
from pathlib import Path
from typing import Self

from napari_superres.errors import OutputError
from napari_superres.inference.engine.global_statistics import GlobalStatistics
from napari_superres.inference.stream.entries import Line, as_header, as_line
from napari_superres.inference.stream.journal import LINES, STATISTICS, Journal, pack_statistics
from napari_superres.storage import RemotePath, client

_BOX = re.compile(r"box-(\d+)\.json")


class RemoteJournal(Journal):
    """The objects of an unfinished result at an address."""

    folder: RemotePath
    target: RemotePath

    def __init__(self, target: RemotePath, *, forget: bool = False) -> None:
        super().__init__(target, forget=forget)
        self.result = target
        self._is_finished = False

    def __enter__(self) -> Self:
        """Read the journal.

        Raises
        ------
        OutputError
            If it is damaged, or the store does not answer.
        """
        names = client.list_objects(self.folder)
        if self._forget and names:
            self.clear()
        elif LINES in names:
            self._read_objects(names)
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the unfinished result and its journal if they hold nothing worth keeping."""
        if not self._is_finished and not self._is_worth_keeping:
            self.clear()

    def add(self, line: Line) -> None:
        """Record a finished box; when this returns, the store has the record."""
        client.put(self.folder / f"box-{line['box']}.json", json.dumps(line).encode())
        self.lines[line["box"]] = line

    def drop(self, boxes: Collection[int]) -> None:
        """Forget the lines of some boxes."""
        for box in boxes:
            client.delete(self.folder / f"box-{box}.json")
            del self.lines[box]

    def _write(self) -> None:
        client.put(self.folder / LINES, json.dumps(self.header).encode() + b"\n")

    def remove(self) -> None:
        """Remove the journal of a finished result."""
        self._is_finished = True
        self._remove_objects()

    def clear(self) -> None:
        """Delete the unfinished run: its result and its journal."""
        client.delete_folder(self.target)
        self._remove_objects()
        self.header, self.lines = None, {}

    def _remove_objects(self) -> None:
        # The header goes first: without it, the rest is no journal.
        for name in sorted(client.list_objects(self.folder), key=lambda name: name != LINES):
            if name in (LINES, STATISTICS) or _BOX.fullmatch(name):
                client.delete(self.folder / name)

    def _read_objects(self, names: Collection[str]) -> None:
        content = client.get(self.folder / LINES) or b""
        self.header = as_header(content.partition(b"\n")[0])
        if self.header is None:
            raise self.damaged()
        found = (as_line(client.get(self.folder / name) or b"") for name in names if _BOX.fullmatch(name))
        self.lines = {line["box"]: line for line in found if line}

    def damaged(self) -> OutputError:
        """Return the error for a journal that says what cannot be."""
        return OutputError(
            f"the journal {self.folder} of an unfinished result is damaged.", remedy="Delete it and the result there."
        )

    @property
    def _is_worth_keeping(self) -> bool:
        return self.header is not None and (bool(self.lines) or self.header.get("statistics") is not None)

    def _save_statistics(self, statistics: tuple[GlobalStatistics | None, ...]) -> str | None:
        packed = BytesIO()
        if not pack_statistics(statistics, packed):
            return None
        client.put(self.folder / STATISTICS, packed.getvalue())
        return hashlib.sha256(packed.getvalue()).hexdigest()


def open_journal(target: Path, *, forget: bool) -> Journal:
    """Return the journal of a target on a disk or at an address, to be used as a context."""
    return RemoteJournal(target, forget=forget) if isinstance(target, RemotePath) else Journal(target, forget=forget)
