"""A batch without its window: where files are found, what became of each, and the run over them in a thread."""

import glob
import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_superres import io
from napari_superres.errors import SuperResWarning, UnreadableImageError
from napari_superres.io.formats import is_zarr
from napari_superres.plugin.host.labels import as_labels
from napari_superres.plugin.widgets.common.wording import duration

if TYPE_CHECKING:
    from napari_superres.inference import Outcome, Progress

_CHUNK = 250  # files found between two looks at whether the user chose others meanwhile
_SURE = 0.02  # files that must be done before the time left is told


@dataclass(slots=True, eq=False)
class Row:
    """A file of a batch. A run writes to it in its thread; the window reads it a few times a second.

    Attributes
    ----------
    path
        Where it is.
    size
        Bytes; None of a folder.
    label
        Its name as it may be told to others: that of a DICOM file may be a patient's.
    status
        ``"waiting"``, ``"running"``, ``"cancelled"``, or as in `Outcome`.
    share
        How much of it is done, 0 to 1.
    seconds
        Time it took.
    reason
        Why it failed, in one line.
    warnings
        What the user should know of its result.
    target
        Where its result is; None while there is none.
    """

    path: Path
    size: int | None
    label: str
    status: str = "waiting"
    share: float = 0.0
    seconds: float = 0.0
    reason: str = ""
    warnings: tuple[str, ...] = ()
    target: Path | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Where the files of a batch are looked for.

    Attributes
    ----------
    places
        Files and folders.
    pattern
        Glob pattern of names in folders; all images if empty.
    deep
        Whether folders in folders are looked into, too.
    output
        Folder of the results, which are no inputs themselves.
    """

    places: tuple[Path, ...]
    pattern: str
    deep: bool
    output: Path


@dataclass(slots=True, eq=False)
class Listing:
    """The files found so far.

    Attributes
    ----------
    rows
        One per file.
    sources
        What ``superres upscale`` is given to find the same ones.
    problem
        Why a place gave none.
    """

    rows: list[Row] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    problem: str = ""


def find(chosen: Chosen) -> Generator[Listing, None, None]:
    """Yield the listing as it grows, the same one each time: those files, in that order, that `upscale_files` takes."""
    from napari_superres.inference.files import batch_sources

    listing, seen = Listing(), set[Path]()
    for source in _sources(chosen):
        try:
            paths = batch_sources([source], chosen.output)
        except OSError as error:  # of which UnreadableImageError is one
            listing.problem = str(error)
            continue
        listing.sources.append(source)
        for path in paths:
            if path not in seen:
                seen.add(path)
                listing.rows.append(_row(path))
                if len(listing.rows) % _CHUNK == 0:
                    yield listing
        yield listing
    yield listing


def _sources(chosen: Chosen) -> Iterator[str]:
    for place in chosen.places:
        if not place.is_dir() or _is_zarr(place):
            yield str(place)
            continue
        for folder in _folders(place) if chosen.deep else [place]:
            yield os.path.join(glob.escape(str(folder)), chosen.pattern) if chosen.pattern else str(folder)  # noqa: PTH118 - a pattern


def _folders(top: Path) -> Iterator[Path]:
    """Yield a folder and those in it, hidden ones and images left out."""
    for name, inner, _ in os.walk(top):
        here = Path(name)
        inner[:] = sorted(n for n in inner if not n.startswith(".") and not _is_zarr(here / n))
        yield here


def _is_zarr(folder: Path) -> bool:
    return io.suffix(folder) in io.ZARR_SUFFIXES or is_zarr(folder)


def _row(path: Path) -> Row:
    try:
        size = None if path.is_dir() else path.stat().st_size
        return Row(path, size, "DICOM" if io.is_anonymous(path) else path.name)
    except OSError:  # gone since it was found: the run says so
        return Row(path, None, path.name)


class Batch:
    """A run over files in a thread, which the window looks at.

    Parameters
    ----------
    chosen
        Where the files are. They are looked for anew: a microscope may have written more.
    options
        Of `upscale_files`.

    Attributes
    ----------
    listing
        The files; the run writes to their rows what becomes of each.
    is_begun
        Whether all are found.
    at
        How many files are done with: the index of the one at work.
    counts
        Of files by their status.
    is_stopped
        Tells whether to stop; asked after every window.
    """

    def __init__(self, chosen: Chosen, options: dict[str, Any]) -> None:
        self.listing = Listing()
        self.is_begun = False
        self.at = 0
        self.counts: Counter[str] = Counter()
        self.is_stopped: Callable[[], bool] = lambda: False
        self._chosen, self._options = chosen, options
        self._heard: list[warnings.WarningMessage] = []
        self._start = time.monotonic()

    @property
    def rows(self) -> list[Row]:
        """One per file."""
        return self.listing.rows

    def steps(self) -> Generator[None, None, None]:
        """Find the files, then do them one after the other.

        Raises
        ------
        SuperResError
            If no image is found, the model cannot be used or the folder cannot be made.
        """
        from napari_superres.inference import upscale_files

        for listing in find(self._chosen):
            self.listing = listing
            yield  # may be stopped here
        if not self.rows:
            raise UnreadableImageError(self.listing.problem or "there is no image any more.")
        self.is_begun, self._start = True, time.monotonic()
        self._begin()
        try:
            with warnings.catch_warnings(record=True) as self._heard, suppress(_Stopped):
                warnings.simplefilter("always", SuperResWarning)
                upscale_files(
                    self.listing.sources,
                    self._chosen.output,
                    progress=self._progressed,
                    finished=self._finished,
                    **self._options,
                )
        finally:
            for row in self.rows[self.at : self.at + 1]:
                row.status = "cancelled" if row.share and self.is_stopped() else "waiting"

    def _begin(self) -> None:
        for row in self.rows[self.at : self.at + 1]:
            row.status = "running"

    def _progressed(self, _: str, index: int, step: "Progress") -> None:
        self.rows[index].share = step.done / max(step.total, 1)
        self._stop_if_asked()

    def _finished(self, outcome: "Outcome") -> None:
        row = self.rows[self.at]
        row.label, row.seconds, row.reason, row.share = outcome.source, outcome.seconds, _reason(outcome, row.path), 1.0
        row.target = None if outcome.status == "failed" else outcome.target
        told = [str(heard.message) for heard in self._heard if issubclass(heard.category, SuperResWarning)]
        row.warnings = tuple(dict.fromkeys(told))
        self._heard.clear()
        row.status = outcome.status
        self.counts[outcome.status] += 1
        self.at += 1
        self._begin()
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self.is_stopped():
            raise _Stopped

    def progress_text(self, at: int) -> str:
        """Return how far it is, with so many files done with."""
        share, count = self.rows[at].share, len(self.rows)
        computed = at - self.counts["skipped"] + share
        failed = f", {self.counts['failed']} failed" if self.counts["failed"] else ""
        if computed < _SURE:
            return f"File {at + 1} of {count}{failed}…"
        left = (time.monotonic() - self._start) / computed * (count - at - share)
        return f"File {at + 1} of {count}{failed}, about {duration(left)} left"

    @property
    def summary(self) -> str:
        """What became of the files."""
        words = [f"{n} {status}" for status in ("done", "skipped", "failed") if (n := self.counts[status])]
        return f"{', '.join(words) or '0 done'} in {duration(time.monotonic() - self._start)}"


def _reason(outcome: "Outcome", path: Path) -> str:
    """Return why a file failed, without what the table shows already."""
    message = outcome.message.removeprefix(f"{path} ").replace(str(path), outcome.source)
    return as_labels(message.replace(f"{outcome.target.parent}{os.sep}", ""))


class _Stopped(Exception):  # noqa: N818 - no error
    """Raised through the engine when the user cancels."""
