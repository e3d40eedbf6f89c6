"""The parts of the Compare widget that show a report, copy its numbers and save it."""

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

from napari_superres.plugin.host.docks import open_widget
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.compare import report_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

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
    """Verdict and answers of a report, hidden while there is none. A click on an answer's link shows its reason.

    Parameters
    ----------
    judge
        Called with the result of another channel that the user wants to have judged.
    """

    def __init__(self, judge: "Callable[[ImageLayer], None]") -> None:
        super().__init__()
        self._judge = judge
        self._others: list[ImageLayer] = []
        self._report: Report | None = None
        self._opened: set[int] = set()
        self.title, self.verdict, self.answers = forms.text(), forms.text(rich=True), forms.text(rich=True)
        self.channels = forms.text(rich=True)
        self.channels.linkActivated.connect(lambda link: self._judge(self._others[int(link)]))
        for label in (self.answers, self.channels):
            label.setOpenExternalLinks(False)
        self.answers.linkActivated.connect(self._toggle)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.title, self.channels, self.verdict, self.answers):
            layout.addWidget(widget)
        self.hide()

    def show_report(
        self, report: "Report", title: str, channel: str = "", others: "Mapping[str, ImageLayer] | None" = None
    ) -> None:
        """Show a report under a title.

        Parameters
        ----------
        report, title
            The report, and what was compared.
        channel
            The channel of a file that it judges.
        others
            Results of the other channels, by the names of their channels.
        """
        self._report, self._opened = report, set()
        self._others = list((others or {}).values())
        forms.say(self.title, title)
        forms.say(self.channels, report_text.channels_html(channel, list(others or {})))
        forms.say(self.verdict, report_text.verdict_html(report))
        forms.say(self.answers, report_text.answers_html(report, self._opened))
        self.show()

    def _toggle(self, link: str) -> None:
        assert self._report is not None
        every = set(range(report_text.answer_count(self._report)))
        self._opened ^= every - self._opened or every if link == report_text.ALL else {int(link)}
        forms.say(self.answers, report_text.answers_html(self._report, self._opened))


class ReportView(QWidget):
    """All numbers of a report and how they were computed, hidden while there is none; copy them."""

    def __init__(self) -> None:
        super().__init__()
        self.report: Report | None = None
        self.conditions = forms.text()
        self.table = MetricTable()
        self.copy = QPushButton("Copy as CSV")
        self.copy.setToolTip("Copy all numbers to the clipboard.")
        self.copy.clicked.connect(self._copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.table, self.conditions, self.copy):
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


class ReportSteps(QWidget):
    """What to do with a report, hidden while there is none: save it, save a figure, and go on to more files.

    Parameters
    ----------
    viewer
        napari viewer in which Batch opens.
    write
        Writes a file in a thread, given what it is, a function that returns the steps, and the path.
    """

    def __init__(
        self, viewer: "Viewer", write: Callable[[str, Callable[[], Generator[str, None, None]], str], None]
    ) -> None:
        super().__init__()
        self._write = write
        self._report: Report | None = None
        self.save = QPushButton("Save report…")
        self.save.setToolTip("Save answers, numbers, maps and curves as one web page.")
        self.save.clicked.connect(self._save_report)
        self.figure = QPushButton("Save figure…")
        self.figure.setToolTip("Save input, interpolation, result and reference at one contrast, for a paper.")
        self.figure.clicked.connect(self._save_figure)
        self.batch = QPushButton("Batch")
        self.batch.setToolTip("Super-resolve more files. Batch can take the settings of Super-resolve.")
        self.batch.clicked.connect(lambda: open_widget(viewer, "Batch"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(forms.row(self.save, self.figure, self.batch))
        self.hide()

    def show_report(self, report: "Report", folder: "Path") -> None:
        """Offer the steps for a report, whose files are saved in a folder unless the user chooses another one."""
        self._report, self._folder = report, folder
        self.show()

    def show_state(self, *, can_save: bool) -> None:
        """Enable the buttons that write files."""
        for button in (self.save, self.figure):
            button.setEnabled(can_save)

    def _save_report(self) -> None:
        self._save("report", "Web page (*.html)", lambda report, path: report.to_html(path))

    def _save_figure(self) -> None:
        self._save("figure", "Image (*.png);;Drawing (*.svg)", lambda report, path: report.to_figure(path))

    def _save(self, what: str, filters: str, write: "Callable[[Report, str], Any]") -> None:
        report = self._report
        name = "image" if report is None else next(iter(report.findings), "image")
        path = "" if report is None else _ask_path(self, what, self._folder, name, filters)
        if report is None or not path:
            return

        def steps() -> Generator[str, None, None]:
            write(report, path)
            yield path

        self._write(what, steps, path)


def _ask_path(parent: QWidget, what: str, folder: "Path", name: str, filters: str) -> str:
    """Ask where to save a file on an image; return a path with the suffix of the filters, or an empty text."""
    suffix = _suffix(filters)
    dialog = QFileDialog(parent, f"Save {what}", str(folder), filters)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(suffix)  # Set now, before the dialog asks whether to overwrite.
    dialog.filterSelected.connect(lambda chosen: dialog.setDefaultSuffix(_suffix(chosen)))
    dialog.selectFile(f"{_NOT_IN_FILE_NAMES.sub('_', name)}_{what}.{suffix}")
    paths = dialog.selectedFiles() if dialog.exec() else []
    dialog.deleteLater()
    return paths[0] if paths else ""


def _suffix(filters: str) -> str:
    """Return the first suffix of filters such as ``Image (*.png)``."""
    return filters.partition("*.")[2].partition(")")[0]
