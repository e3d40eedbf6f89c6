"""Run a batch over its files. Runs in a thread; without Qt."""

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_superres.errors import UnreadableImageError
from napari_superres.plugin.host.labels import as_labels
from napari_superres.plugin.widgets.batch.search import Listing, Row, Search, find_files
from napari_superres.plugin.widgets.batch.state import BatchOptions
from napari_superres.plugin.widgets.common.wording import duration

if TYPE_CHECKING:
    from napari_superres.inference import Outcome, Progress

_MIN_COMPUTED = 0.02
"""Files that must be computed before a remaining time can be estimated."""


class Batch:
    """A run over files in a thread. The window reads its attributes a few times a second.

    Parameters
    ----------
    search
        Where to look for the files. The run looks again: a microscope may have written more of them.
    options
        How the files are computed and written.
    before
        Rows of the table: what is known of a file, and of a result that is not computed now, stays.
    only
        Files to compute; by default all.

    Attributes
    ----------
    listing
        The files; the run writes the status of each into its row.
    has_begun
        Whether all files are found.
    queue
        Indices of the rows to compute.
    position
        Number of those that are finished.
    counts
        Number of files by status.
    is_stopped
        Returns whether to stop; asked after every tile.
    """

    def __init__(
        self, search: Search, options: BatchOptions, before: Sequence[Row] = (), only: Collection[Path] = ()
    ) -> None:
        self.listing = Listing()
        self.queue: list[int] = []
        self.has_begun = False
        self.position = 0
        self.counts: Counter[str] = Counter()
        self.is_stopped: Callable[[], bool] = lambda: False
        self._search, self._options, self._only = search, options, frozenset(only)
        self._before = {row.path: row for row in before}
        self._start = time.monotonic()

    @property
    def rows(self) -> list[Row]:
        """One per file."""
        return self.listing.rows

    def steps(self) -> Generator[None, None, None]:
        """Find the files, then super-resolve one after the other.

        Raises
        ------
        SuperResError
            If no image is found, the model cannot be used or the output folder cannot be created.
        """
        from napari_superres.inference import upscale_files

        for listing in find_files(self._search, list(self._before.values())):
            self.listing = listing
            yield  # The search can be stopped here.
        if not self.rows:
            problem = self.listing.problem
            raise UnreadableImageError(problem or "no image is left in the chosen files and folders.")
        self._recall()
        self.has_begun, self._start = True, time.monotonic()
        self._mark_current()
        try:
            with suppress(_Stopped):
                upscale_files(
                    self.listing.sources,
                    self._search.output,
                    recursive=self._search.recursive,
                    only=self._only,
                    progress=self._record_progress,
                    finished=self._record_outcome,
                    **self._options.keywords(),
                )
        finally:
            for row in self._current:
                row.status = "cancelled" if row.share and self.is_stopped() else "waiting"

    def _recall(self) -> None:
        """Queue the files to compute, and copy to all rows what was known of them."""
        for index, row in enumerate(self.rows):
            old, is_queued = self._before.get(row.path), not self._only or row.path in self._only
            if is_queued:
                self.queue.append(index)
                row.facts = None if old is None else old.facts
            elif old is not None:
                self.rows[index] = old

    @property
    def _current(self) -> list[Row]:
        """The row that is computed; none at the end."""
        return [self.rows[index] for index in self.queue[self.position : self.position + 1]]

    def _mark_current(self) -> None:
        for row in self._current:
            row.status = "running"

    def _record_progress(self, _: str, index: int, step: "Progress") -> None:
        self.rows[index].share = step.done / max(step.total, 1)
        self._stop_if_asked()

    def _record_outcome(self, outcome: "Outcome") -> None:
        row = self.rows[self.queue[self.position]]
        row.label, row.seconds, row.share = outcome.source, outcome.seconds, 1.0
        row.reason = _short_reason(outcome, row.path)
        row.chosen = outcome.chosen
        row.notes = tuple(as_labels(note) for note in outcome.notes)
        row.target = None if outcome.status == "failed" else outcome.target
        row.status = "left out" if outcome.is_unknown else outcome.status
        self.counts[row.status] += 1
        self.position += 1
        self._mark_current()
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self.is_stopped():
            raise _Stopped

    def progress_text(self, position: int) -> str:
        """Return the progress of the run when `position` files are finished."""
        share, count = self.rows[self.queue[position]].share, len(self.queue)
        computed = position - self.counts["skipped"] - self.counts["left out"] + share
        failed = f", {self.counts['failed']} failed" if self.counts["failed"] else ""
        if computed < _MIN_COMPUTED:
            return f"File {position + 1} of {count}{failed}…"
        remaining = (time.monotonic() - self._start) / computed * (count - position - share)
        return f"File {position + 1} of {count}{failed}, about {duration(remaining)} left"

    @property
    def summary(self) -> str:
        """Number of files by status, and the duration of the run."""
        words = [f"{n} {status}" for status in ("done", "skipped", "left out", "failed") if (n := self.counts[status])]
        return f"{', '.join(words) or '0 done'} in {duration(time.monotonic() - self._start)}"


def _short_reason(outcome: "Outcome", path: Path) -> str:
    """Return why a file failed, without the paths that the table shows already."""
    message = outcome.message.removeprefix(f"{path} ").replace(str(path), outcome.source)
    return as_labels(message.replace(f"{outcome.target.parent}{os.sep}", ""))


class _Stopped(Exception):  # noqa: N818 - this is no error
    """Raised through the engine when the user cancels."""
