"""The files of a batch: found where the user points, and a table that says what became of each."""

import glob
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal  # noqa: TID253 - a Qt file
from qtpy.QtGui import QColor, QGuiApplication, QKeySequence  # noqa: TID253 - a Qt file
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QStyledItemDelegate, QTableView  # noqa: TID253 - a Qt file

from napari_superres import io
from napari_superres.io.formats import is_zarr
from napari_superres.plugin.answers import in_window
from napari_superres.plugin.wording import byte_count, duration

_CHUNK = 250  # files found between two looks at whether the user chose others meanwhile
_HEIGHT = 150  # pixels
_COLUMNS = ("File", "Size", "Status")
_COLORS = {"done": "#2a8f45", "failed": "#dd4a40"}  # 3 : 1 or more on napari's dark and light theme
_WIDEST = ("999 MB", "running 100 %")


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

    @property
    def words(self) -> str:
        """The status as the table says it."""
        if self.status == "running":
            return f"running {100 * self.share:.0f} %"
        if self.status == "failed":
            return f"failed: {in_window(self.reason)}"
        if self.status == "skipped":
            return "skipped (already done)"
        return f"{self.status}, with a warning" if self.warnings else self.status

    @property
    def details(self) -> str:
        """All that is known of what became of it."""
        took = f" in {duration(self.seconds)}" if self.status == "done" else ""
        where = "" if self.target is None else f"{self.target}\nDouble click opens it."
        return "\n".join(line for line in (f"{self.words}{took}", *self.warnings, where) if line)


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


class FileModel(QAbstractTableModel):
    """Rows for a table. They may grow and change at any time; what is shown follows when it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self._count = 0

    def show_rows(self, rows: list[Row]) -> None:
        """Show these rows; the same list again for those that it has more by now."""
        if rows is not self.rows:
            self.beginResetModel()
            self.rows, self._count = rows, len(rows)
            self.endResetModel()
        elif len(rows) > self._count:
            count = len(rows)  # once: it may be growing
            self.beginInsertRows(QModelIndex(), self._count, count - 1)
            self._count = count
            self.endInsertRows()

    def rows_changed(self, first: int, last: int) -> None:
        """Show anew what became of these rows."""
        self.dataChanged.emit(self.index(first, 2), self.index(min(last, self._count - 1), 2))

    def rowCount(self, parent: Any = None) -> int:  # noqa: N802 - Qt's name
        """Return how many rows are shown."""
        return 0 if parent is not None and parent.isValid() else self._count

    def columnCount(self, parent: Any = None) -> int:  # noqa: N802 - Qt's name
        """Return how many columns there are."""
        return 0 if parent is not None and parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802 - Qt's name
        """Return a column's name."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _COLUMNS[section]
        return None

    def data(self, index: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        row, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return (row.path.name, _size(row), row.words)[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            text = row.details if column == 2 else str(row.path)
            return f"<qt>{escape(text).replace(chr(10), '<br>')}</qt>"  # never what a name takes for rich text
        if role == Qt.ItemDataRole.ForegroundRole and column == 2 and row.status in _COLORS:
            return QColor(_COLORS[row.status])
        if role == Qt.ItemDataRole.TextAlignmentRole and column == 1:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None


def _size(row: Row) -> str:
    return "folder" if row.size is None else byte_count(row.size)


class FileTable(QTableView):
    """The table of a batch's files."""

    opened = Signal(object)
    """A row whose result is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.files = FileModel()
        self.setModel(self.files)
        self.setMinimumHeight(_HEIGHT)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)  # Tab goes on to the next control
        self.setWordWrap(False)
        self.setShowGrid(False)
        self._names = _MiddleElided()
        self.setItemDelegateForColumn(0, self._names)
        self.setToolTip("The files and what becomes of them. Double click or Enter opens the result of a done one.")
        side, top, metrics = self.verticalHeader(), self.horizontalHeader(), self.fontMetrics()
        assert side is not None
        assert top is not None
        side.hide()
        side.setDefaultSectionSize(metrics.height() + 6)
        top.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        top.setHighlightSections(False)
        for column, widest in enumerate(_WIDEST, start=1):
            self.setColumnWidth(column, metrics.horizontalAdvance(widest) + 12)
        self.doubleClicked.connect(self._open)

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Copy rows, and open a result."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._open(self.currentIndex())
        else:
            super().keyPressEvent(event)

    def copy(self) -> None:
        """Put the rows that are selected, or all, on the clipboard: tabs between columns, no name of a patient."""
        clipboard, selection = QGuiApplication.clipboard(), self.selectionModel()
        chosen = [] if selection is None else sorted(index.row() for index in selection.selectedRows())
        rows = [self.files.rows[i] for i in chosen] or self.files.rows
        if clipboard is not None:
            clipboard.setText(as_text(rows))

    def follow(self, before: int, now: int) -> None:
        """Scroll from one row to another, unless the user looks elsewhere."""
        seen, view = self.visualRect(self.files.index(before, 0)), self.viewport()
        if view is not None and view.rect().intersects(seen):
            self.scrollTo(self.files.index(now, 0))

    def _open(self, index: Any) -> None:
        if index.isValid():
            self.opened.emit(self.files.rows[index.row()])


class _MiddleElided(QStyledItemDelegate):
    """Names of files differ at their ends."""

    def initStyleOption(self, option: Any, index: Any) -> None:  # noqa: N802 - Qt's name
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideMiddle


def as_text(rows: Sequence[Row]) -> str:
    """Return rows as lines for a spreadsheet."""
    lines = ["\t".join((*_COLUMNS, "Warnings"))]
    lines += ["\t".join((row.label, _size(row), row.words, " ".join(row.warnings))) for row in rows]
    return "\n".join(lines) + "\n"
