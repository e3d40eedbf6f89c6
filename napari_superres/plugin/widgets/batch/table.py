"""The table of a batch's files: what each is and what became of it."""

from collections.abc import Sequence
from html import escape
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor, QGuiApplication, QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QStyledItemDelegate, QTableView

from napari_superres.plugin.widgets.batch.work import Row
from napari_superres.plugin.widgets.common.wording import byte_count, duration

_HEIGHT = 150  # pixels
_COLUMNS = ("File", "Size", "Status")
_COLORS = {"done": "#2a8f45", "failed": "#dd4a40"}  # 3 : 1 or more on napari's dark and light theme
_WIDEST = ("999 MB", "     running 100 %")


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
            return (row.path.name, _size(row), _words(row))[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            text = _details(row) if column == 2 else str(row.path)
            return f"<qt>{escape(text).replace(chr(10), '<br>')}</qt>"  # never what a name takes for rich text
        if role == Qt.ItemDataRole.DecorationRole and column == 2 and row.status in _COLORS:
            return QColor(_COLORS[row.status])
        if role == Qt.ItemDataRole.TextAlignmentRole and column == 1:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None


def _words(row: Row) -> str:
    """Return what became of a file, in a line."""
    if row.status == "running":
        return f"running {100 * row.share:.0f} %"
    if row.status == "failed":
        return f"failed: {row.reason}"
    if row.status == "skipped":
        return "skipped (already done)"
    return f"{row.status}, with a warning" if row.warnings else row.status


def _details(row: Row) -> str:
    """Return all that is known of what became of a file."""
    took = f" in {duration(row.seconds)}" if row.status == "done" else ""
    where = "" if row.target is None else f"{row.target}\nDouble click opens it."
    return "\n".join(line for line in (f"{_words(row)}{took}", *row.warnings, where) if line)


def _size(row: Row) -> str:
    return "folder" if row.size is None else byte_count(row.size)


class FileTable(QTableView):
    """The table of a batch's files."""

    opened = Signal(object)
    """A row whose result is asked for."""

    told = Signal(str)
    """All that is known of the row that is chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.files = FileModel()
        self.setModel(self.files)
        self.setMinimumHeight(_HEIGHT)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)  # Tab goes on to the next control
        self.setWordWrap(False)
        self.setShowGrid(False)
        self._names = _LeftElided()
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
        self.selectionModel().currentRowChanged.connect(lambda *_: self._tell())
        self.files.modelReset.connect(self._tell)
        self.files.dataChanged.connect(self._changed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for no more than is needed: the table takes what the panel has left."""
        return QSize(super().sizeHint().width(), _HEIGHT)

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Copy rows, and open a result."""
        if event.matches(QKeySequence.StandardKey.Copy):
            selection = self.selectionModel()
            chosen = [] if selection is None else sorted(index.row() for index in selection.selectedRows())
            to_clipboard(as_text([self.files.rows[i] for i in chosen]))
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._open(self.currentIndex())
        else:
            super().keyPressEvent(event)

    def follow(self, before: int, now: int) -> None:
        """Scroll from one row to another, unless the user looks elsewhere."""
        seen, view = self.visualRect(self.files.index(before, 0)), self.viewport()
        if view is not None and view.rect().intersects(seen):
            self.scrollTo(self.files.index(now, 0))

    def _changed(self, first: Any, last: Any) -> None:
        """Tell of the first file that fails, unless another is chosen; and what becomes of the chosen one."""
        at = self.currentIndex()
        failed = (i for i in range(first.row(), last.row() + 1) if self.files.rows[i].status == "failed")
        if not at.isValid() and (row := next(failed, None)) is not None:
            self.setCurrentIndex(self.files.index(row, 0))
        elif at.isValid() and first.row() <= at.row() <= last.row():
            self._tell()

    def _tell(self) -> None:
        at = self.currentIndex()
        row = self.files.rows[at.row()] if at.isValid() else None
        self.told.emit("" if row is None else f"{row.path.name}: {_details(row)}")

    def _open(self, index: Any) -> None:
        if index.isValid():
            self.opened.emit(self.files.rows[index.row()])


class _LeftElided(QStyledItemDelegate):
    """Names of files of one series differ at their ends."""

    def initStyleOption(self, option: Any, index: Any) -> None:  # noqa: N802 - Qt's name
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideLeft


def as_text(rows: Sequence[Row]) -> str:
    """Return rows as lines for a spreadsheet, without names that may be a patient's."""
    lines = ["\t".join((*_COLUMNS, "Warnings"))]
    lines += ["\t".join((row.label, _size(row), _words(row), " ".join(row.warnings))) for row in rows]
    return "\n".join(lines) + "\n"


def to_clipboard(text: str) -> None:
    """Put a text on the clipboard."""
    clipboard = QGuiApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)
