"""The part of the Compare widget that shows a report, copies its numbers and saves it."""

import re
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QFileDialog,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.compare import report_text

if TYPE_CHECKING:
    from napari_superres.evaluation import Report
    from napari_superres.evaluation.metrics.score import Row

_NOT_IN_FILE_NAMES = re.compile(r'[\\/:*?"<>|\s]+')


class MetricTable(QTableWidget):
    """A table as high as its rows, so that only the panel scrolls up and down."""

    def __init__(self) -> None:
        super().__init__(0, 0)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setToolTip("The best value of each line is bold.")
        self.setAccessibleName("All numbers of the report")

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Make room for the horizontal scroll bar that a narrower dock needs."""
        super().resizeEvent(event)
        self.fit_height()

    def fit_height(self) -> None:
        """Set the height to that of the rows."""
        side, top, bar = self.verticalHeader(), self.horizontalHeader(), self.horizontalScrollBar()
        if side is not None and top is not None and bar is not None:
            is_wide = top.length() + side.sizeHint().width() > self.width() - 2 * self.frameWidth()
            height = side.length() + top.sizeHint().height() + (bar.sizeHint().height() if is_wide else 0)
            self.setFixedHeight(height + 2 * self.frameWidth())

    def show_rows(self, rows: "Sequence[Row]") -> None:
        """Show the rows of a report: one column per candidate, first the metrics as they are, then aligned."""
        several_channels = len({row["channel"] for row in rows}) > 1
        metrics = report_text.metrics()
        self.setRowCount(len(metrics))
        self.setColumnCount(len(rows))
        self.setHorizontalHeaderLabels([report_text.heading(r, several_channels=several_channels) for r in rows])
        self.setVerticalHeaderLabels([metric.name for metric in metrics])
        for line, metric in enumerate(metrics):
            header = self.verticalHeaderItem(line)
            if header is not None:
                header.setToolTip(metric.tooltip)
            for column, row in enumerate(rows):
                self.setItem(line, column, _cell(row, rows, metric))
        self.resizeColumnsToContents()
        self.resizeRowsToContents()
        self.show()
        self.fit_height()


def _cell(row: "Row", rows: "Sequence[Row]", metric: report_text.Metric) -> QTableWidgetItem:
    item = QTableWidgetItem(report_text.value_text(row, metric))
    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    if report_text.is_best(row, rows, metric):
        font = item.font()
        font.setBold(True)
        item.setFont(font)
    return item


class VerdictView(QWidget):
    """Verdict and answers of a report, hidden while there is none. A click on an answer's link shows its reason."""

    def __init__(self) -> None:
        super().__init__()
        self._report: Report | None = None
        self._opened: set[int] = set()
        self.title, self.verdict, self.answers = forms.text(), forms.text(rich=True), forms.text(rich=True)
        self.answers.setOpenExternalLinks(False)
        self.answers.linkActivated.connect(self._toggle)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.title, self.verdict, self.answers):
            layout.addWidget(widget)
        self.hide()

    def show_report(self, report: "Report", title: str) -> None:
        """Show a report under a title."""
        self._report, self._opened = report, set()
        forms.say(self.title, title)
        forms.say(self.verdict, report_text.verdict_html(report))
        forms.say(self.answers, report_text.answers_html(report, self._opened))
        self.show()

    def _toggle(self, link: str) -> None:
        assert self._report is not None
        every = set(range(report_text.answer_count(self._report)))
        self._opened ^= every - self._opened or every if link == report_text.ALL else {int(link)}
        forms.say(self.answers, report_text.answers_html(self._report, self._opened))


class ReportView(QWidget):
    """All numbers of a report and how they were computed, hidden while there is none; copy and save it.

    Parameters
    ----------
    write
        Writes a report in a thread, given a function that returns the steps, and the path.
    """

    def __init__(self, write: Callable[[Callable[[], Generator[str, None, None]], str], None]) -> None:
        super().__init__()
        self._write = write
        self.report: Report | None = None
        self.conditions = forms.text()
        self.table = MetricTable()
        self.copy = QPushButton("Copy as CSV")
        self.copy.setToolTip("Copy all numbers to the clipboard.")
        self.copy.clicked.connect(self._copy)
        self.save = QPushButton("Save report…")
        self.save.setToolTip("Save answers, numbers, maps and curves as one web page.")
        self.save.clicked.connect(self._ask_and_save)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.table, self.conditions, forms.row(self.copy, self.save)):
            layout.addWidget(widget)
        self.hide()

    def show_report(self, report: "Report") -> None:
        """Show a report."""
        self.report = report
        self.table.show_rows(report.rows)
        self.table.setVisible(bool(report.rows))
        self.copy.setEnabled(bool(report.rows))
        forms.say(self.conditions, report_text.conditions_text(report))
        self.show()

    def _copy(self) -> None:
        clipboard = QApplication.clipboard()
        if self.report is not None and clipboard is not None:
            clipboard.setText(self.report.to_csv())

    def _ask_and_save(self) -> None:
        report = self.report
        path = "" if report is None else _ask_path(self, next(iter(report.findings), "image"))
        if report is None or not path:
            return

        def steps() -> Generator[str, None, None]:
            report.to_html(path)
            yield path

        self._write(steps, path)


def _ask_path(parent: QWidget, name: str) -> str:
    """Ask where to save the report on an image; return a path that ends in .html, or an empty text."""
    dialog = QFileDialog(parent, "Save report", "", "Web page (*.html)")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix("html")  # Set now, before the dialog asks whether to overwrite.
    dialog.selectFile(f"{_NOT_IN_FILE_NAMES.sub('_', name)}_report.html")
    paths = dialog.selectedFiles() if dialog.exec() else []
    dialog.deleteLater()
    return paths[0] if paths else ""
