"""The table of a batch: one row per file, with its size and status."""

from collections.abc import Sequence
from html import escape
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor, QGuiApplication, QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QStyledItemDelegate, QTableView

from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.widgets.batch.search import Row
from napari_superres.plugin.widgets.common.wording import byte_count, duration

_HEIGHT = 106  # pixels
_COLUMNS = ("File", "Size", "Status", "Fit", "Pixel", "Channels")
_FROM_LEFT = (0, 2, 3, 4, 5, 1)
"""Columns as they are shown: in a narrow dock, those on the right are reached by scrolling."""
_COLORS = {"done": "#2a8f45", "failed": "#dd4a40"}
"""Colours with a contrast of at least 3 : 1 on napari's dark and light theme."""
_WIDEST = ("999 MB", "running 100 %", "cannot run", "0.125 µm", "Channels")
"""Texts for which the columns after the first leave room."""
_FIT, _NOT_READ = 3, "…"
"""A column, and what it shows of a file that was not read yet."""
_NARROWEST = 84  # pixels of the column File


class FileModel(QAbstractTableModel):
    """Qt model of the rows. Rows may be added and changed at any time; call the methods below to show that."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self.model = ""
        self._count = 0

    def show_model(self, model: str) -> None:
        """Show how well a model fits the files; its name as in `BatchOptions`."""
        if model != self.model:
            self.model = model
            if self._count:
                self.dataChanged.emit(self.index(0, 3), self.index(self._count - 1, 3))

    def show_rows(self, rows: list[Row]) -> None:
        """Show a list of rows. Called again with the same list, show the rows that were appended to it."""
        if rows is not self.rows:
            self.beginResetModel()
            self.rows, self._count = rows, len(rows)
            self.endResetModel()
        elif len(rows) > self._count:
            count = len(rows)  # Read once, because a thread may be appending.
            self.beginInsertRows(QModelIndex(), self._count, count - 1)
            self._count = count
            self.endInsertRows()

    def rows_changed(self, first: int, last: int) -> None:
        """Update the status and the facts of the rows from `first` to `last`."""
        self.dataChanged.emit(self.index(first, 2), self.index(min(last, self._count - 1), len(_COLUMNS) - 1))

    def rowCount(self, parent: Any = None) -> int:  # noqa: N802 - Qt's name
        """Return the number of rows."""
        return 0 if parent is not None and parent.isValid() else self._count

    def columnCount(self, parent: Any = None) -> int:  # noqa: N802 - Qt's name
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802 - Qt's name
        """Return the name of a column."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _COLUMNS[section]
        return None

    def data(self, index: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, tooltip, colour or alignment of a cell."""
        row, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            texts = (row.path.name, _size_text(row), _status_text(row), *_facts_texts(row, self.model))
            return texts[column] or (_NOT_READ if column == _FIT else "")
        if role == Qt.ItemDataRole.ToolTipRole:
            fit = "" if row.facts is None else window_text(row.facts.fit(self.model)[1])
            text = {2: _details_text(row), 3: fit}.get(column, str(row.path))
            # Escaped, because Qt would render HTML in a file name.
            return f"<qt>{escape(text).replace(chr(10), '<br>')}</qt>"
        if role == Qt.ItemDataRole.DecorationRole and column == 2 and row.status in _COLORS:
            return QColor(_COLORS[row.status])
        if role == Qt.ItemDataRole.TextAlignmentRole and column == 1:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None


def _status_text(row: Row) -> str:
    """Return the status of a file in one line."""
    if row.status == "running":
        return f"running {100 * row.share:.0f} %"
    if row.status in ("failed", "left out"):
        return f"{row.status}: {row.reason}"
    if row.status == "skipped":
        return "skipped (already done)"
    return f"{row.status}, with a warning" if row.notes else row.status


def _details_text(row: Row) -> str:
    """Return everything known about a file, in lines."""
    took = f" in {duration(row.seconds)}" if row.status == "done" else ""
    target = "" if row.target is None else f"{row.target}\nDouble-click to open it."
    return "\n".join(line for line in (f"{_status_text(row)}{took}", row.chosen, *row.notes, target) if line)


def _facts_texts(row: Row, model: str) -> tuple[str, str, str]:
    """Return the texts of the columns Fit, Pixel and Channels; they are empty until the file was read."""
    return ("", "", "") if row.facts is None else (row.facts.fit(model)[0], row.facts.pixel, row.facts.channels)


def _size_text(row: Row) -> str:
    return "folder" if row.size is None else byte_count(row.size)


class FileTable(QTableView):
    """The table of the files, which opens results and copies rows."""

    opened = Signal(object)
    """Emits a row whose result the user wants to open."""

    details_changed = Signal(str)
    """Emits everything known about the selected row."""

    def __init__(self) -> None:
        super().__init__()
        self.files = FileModel()
        self.setModel(self.files)
        self.setMinimumHeight(_HEIGHT)
        self.setAccessibleName("Files of the batch")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)  # Tab moves to the next control.
        self.setWordWrap(False)
        self.setShowGrid(False)
        self._names = _LeftElided()
        self.setItemDelegateForColumn(0, self._names)
        self.setToolTip("The files and their status. Double-click a finished file, or press Enter, to open its result.")
        side, top, metrics = self.verticalHeader(), self.horizontalHeader(), self.fontMetrics()
        assert side is not None
        assert top is not None
        side.hide()
        side.setDefaultSectionSize(metrics.height() + 6)
        top.setHighlightSections(False)
        for column, widest in enumerate(_WIDEST, start=1):
            self.setColumnWidth(column, metrics.horizontalAdvance(widest) + 12)
        for place, column in enumerate(_FROM_LEFT):
            top.moveSection(top.visualIndex(column), place)
        self.doubleClicked.connect(self._open)
        self.selectionModel().currentRowChanged.connect(lambda *_: self._emit_details())
        self.files.modelReset.connect(self._emit_details)
        self.files.dataChanged.connect(self._follow_change)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the least height: the layout gives the table all the height that is left."""
        return QSize(super().sizeHint().width(), _HEIGHT)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Give the column of the names the width that is left; without enough of it, the table scrolls."""
        super().resizeEvent(event)
        view = self.viewport()
        others = sum(self.columnWidth(column) for column in range(1, len(_COLUMNS)))
        self.setColumnWidth(0, max(_NARROWEST, (0 if view is None else view.width()) - others))

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Copy the selected rows, or open the result of the current one."""
        if event.matches(QKeySequence.StandardKey.Copy):
            selection = self.selectionModel()
            selected = [] if selection is None else sorted(index.row() for index in selection.selectedRows())
            to_clipboard(as_text([self.files.rows[i] for i in selected], self.files.model))
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._open(self.currentIndex())
        else:
            super().keyPressEvent(event)

    def follow(self, before: int, now: int) -> None:
        """Scroll from one row to another, unless the user has scrolled away from the first."""
        rect, view = self.visualRect(self.files.index(before, 0)), self.viewport()
        if view is not None and view.rect().intersects(rect):
            self.scrollTo(self.files.index(now, 0))

    def _follow_change(self, first: Any, last: Any) -> None:
        """Select the first file that fails if none is selected; update the details of the selected one."""
        current = self.currentIndex()
        failed = (i for i in range(first.row(), last.row() + 1) if self.files.rows[i].status == "failed")
        if not current.isValid() and (row := next(failed, None)) is not None:
            self.setCurrentIndex(self.files.index(row, 0))
        elif current.isValid() and first.row() <= current.row() <= last.row():
            self._emit_details()

    def _emit_details(self) -> None:
        current = self.currentIndex()
        row = self.files.rows[current.row()] if current.isValid() else None
        self.details_changed.emit("" if row is None else f"{row.path.name}: {_details_text(row)}")

    def _open(self, index: Any) -> None:
        if index.isValid():
            self.opened.emit(self.files.rows[index.row()])


class _LeftElided(QStyledItemDelegate):
    """Shorten file names on the left: names of one series differ at their ends."""

    def initStyleOption(self, option: Any, index: Any) -> None:  # noqa: N802 - Qt's name
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideLeft


def as_text(rows: Sequence[Row], model: str = "") -> str:
    """Return rows as tab-separated lines for a spreadsheet, without file names that may be a patient's.

    Parameters
    ----------
    rows
        Rows of the table.
    model
        Model whose fit is told, as in `BatchOptions`.
    """
    lines = ["\t".join((*_COLUMNS, "Warnings"))]
    for row in rows:
        texts = (row.label, _size_text(row), _status_text(row), *_facts_texts(row, model), " ".join(row.notes))
        lines.append("\t".join(texts))
    return "\n".join(lines) + "\n"


def to_clipboard(text: str) -> None:
    """Copy a text to the clipboard."""
    clipboard = QGuiApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)
