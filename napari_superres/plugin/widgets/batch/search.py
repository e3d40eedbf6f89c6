"""Find the files of a batch. Runs in a thread; without Qt."""

import glob
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_superres import io
from napari_superres.io.formats import find_format, is_zarr
from napari_superres.plugin.widgets.batch.facts import Facts

_CHUNK = 250
"""Files found between two checks of whether the user has chosen other files meanwhile."""


@dataclass(slots=True, eq=False)
class Row:
    """One file of a batch. The thread of a run writes to it; the window reads it a few times a second.

    Attributes
    ----------
    path
        Path of the file or folder.
    size
        Bytes; None for a folder.
    label
        Name that may be shown to others: the file name of a medical image may be a patient's.
    status
        ``"waiting"``, ``"running"``, ``"cancelled"``, ``"left out"`` because no model could be chosen, or a status of
        `Outcome`.
    share
        Computed share of the file, 0 to 1.
    seconds
        Duration of its run.
    reason
        Why it failed, in one line.
    chosen
        Why its model was chosen; empty if the user has named one.
    notes
        What the user should know about its result.
    target
        Path of the result; None while none exists.
    facts
        What the file holds; None until it was read.
    """

    path: Path
    size: int | None
    label: str
    status: str = "waiting"
    share: float = 0.0
    seconds: float = 0.0
    reason: str = ""
    chosen: str = ""
    notes: tuple[str, ...] = ()
    target: Path | None = None
    facts: Facts | None = None

    def as_waiting(self) -> "Row":
        """Return the same file with what it holds, and without what became of it."""
        return Row(self.path, self.size, self.label, facts=self.facts)


@dataclass(frozen=True, slots=True)
class Search:
    """Where to look for the files of a batch.

    Attributes
    ----------
    places
        Files and folders.
    pattern
        Glob pattern of the file names in folders; empty for all images.
    recursive
        Whether to look into subfolders.
    output
        Folder of the results, which are not inputs themselves.
    """

    places: tuple[Path, ...]
    pattern: str
    recursive: bool
    output: Path


@dataclass(slots=True, eq=False)
class Listing:
    """The files found so far.

    Attributes
    ----------
    rows
        One per file that is computed.
    found
        The same and those left out, which are results themselves.
    sources
        Arguments with which ``superres upscale`` finds the same files.
    problem
        Why a file or folder gave no image.
    """

    rows: list[Row] = field(default_factory=list)
    found: list[Row] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    problem: str = ""


def find_files(search: Search, before: Sequence[Row] = ()) -> Generator[Listing, None, None]:
    """Yield the same listing repeatedly while it grows.

    It holds the files that `upscale_files` takes, in the same order.

    Parameters
    ----------
    search
        Where to look.
    before
        Rows of an earlier search: what a file of the same size holds is not read again.
    """
    listing, known = Listing(), set[Path]()
    facts = {(row.path, row.size): row.facts for row in before}
    for source in _sources(search):
        try:
            found = io.find_images(source)
        except OSError as error:  # UnreadableImageError is an OSError.
            listing.problem = str(error)
            continue
        listing.sources.append(source)
        for path in found:
            if path not in known:
                known.add(path)
                row = _row(path)
                row.facts = facts.get((path, row.size))
                _add(row, listing, search)
                if len(listing.found) % _CHUNK == 0:
                    yield listing
        yield listing
    yield listing


def filter_again(before: Listing, search: Search) -> Generator[Listing, None, None]:
    """Yield what `find_files` yields after a search that differed only in the folder of the results."""
    listing = Listing(sources=before.sources, problem=before.problem)
    for row in before.found:
        _add(row.as_waiting(), listing, search)
        if len(listing.found) % _CHUNK == 0:
            yield listing
    yield listing


def _add(row: Row, listing: Listing, search: Search) -> None:
    """Add a file to those that were found, and to those that are computed unless it is a result."""
    from napari_superres.inference.batch_files import is_result

    listing.found.append(row)
    if not is_result(row.path, search.output, recursive=search.recursive):
        listing.rows.append(row)


def _sources(search: Search) -> Iterator[str]:
    """Yield paths and glob patterns as `upscale_files` takes them."""
    for place in search.places:
        if not place.is_dir() or _is_zarr_folder(place):
            yield str(place)
            continue
        for folder in _folders(place) if search.recursive else [place]:
            yield os.path.join(glob.escape(str(folder)), search.pattern) if search.pattern else str(folder)  # noqa: PTH118 - a pattern


def _folders(top: Path) -> Iterator[Path]:
    """Yield a folder and its subfolders, except hidden ones and those that are an image themselves."""
    for name, subfolders, _ in os.walk(top):
        folder = Path(name)
        subfolders[:] = sorted(n for n in subfolders if not n.startswith(".") and not _is_zarr_folder(folder / n))
        yield folder


def _is_zarr_folder(folder: Path) -> bool:
    return io.suffix(folder) in io.ZARR_SUFFIXES or is_zarr(folder)


def _row(path: Path) -> Row:
    try:
        size = None if path.is_dir() else path.stat().st_size
        file_format = find_format(path)
        return Row(path, size, file_format.name if file_format is not None and file_format.is_medical else path.name)
    except OSError:  # The file was deleted after it was found: the run reports that.
        return Row(path, None, path.name)
