"""What the Compare widget shows of a report: the answers, the table of numbers, the file."""

import re
from collections.abc import Sequence
from html import escape
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QFileDialog, QSizePolicy, QTableWidget, QTableWidgetItem, QWidget

from napari_superres.plugin.host.labels import window_text

if TYPE_CHECKING:
    from napari_superres.evaluation import Report
    from napari_superres.evaluation.metrics.score import Row


class _Metric(NamedTuple):
    key: str
    name: str
    form: str
    more_is_better: bool
    words: str


_METRICS = (
    _Metric("psnr", "PSNR (dB)", ".2f", True, "Peak signal-to-noise ratio: mean squared error on a logarithmic scale."),
    _Metric("ssim", "SSIM", ".4f", True, "Structural similarity: 1 where local means, contrasts and patterns agree."),
    _Metric("ms_ssim", "MS-SSIM", ".4f", True, "SSIM over five scales; not measured of images too small for them."),
    _Metric("nrmse", "NRMSE", ".4f", False, "Root mean square error over the root mean square of the reference."),
    _Metric("mae", "MAE", ".4g", False, "Mean absolute error in the unit of the intensities."),
    _Metric("hfen", "HFEN", ".4f", False, "High-frequency error norm: error of edges and fine detail, relative."),
    _Metric("pearson", "r", ".4f", True, "Pearson correlation; blind to gain and offset."),
)
_ALIGNED = "after the best gain and offset: the part of the error that is brightness and contrast only is gone"

# 3 : 1 or more on the panels of napari's dark and light theme.
_COLORS = {"yes": "#2a8f45", "no": "#dd4a40", "doubtful": "#b47700", "not measurable": "#808080"}
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\s]+')


class Table(QTableWidget):
    """A table of texts, as high as its rows, so that only the panel scrolls up and down."""

    def __init__(self) -> None:
        super().__init__(0, 0)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Make room for the horizontal scroll bar that a narrower dock needs."""
        super().resizeEvent(event)
        self.fit()

    def fit(self) -> None:
        """Become as high as the rows are."""
        rows, top, bar = self.verticalHeader(), self.horizontalHeader(), self.horizontalScrollBar()
        if rows is not None and top is not None and bar is not None:
            wide = top.length() + rows.sizeHint().width() > self.width() - 2 * self.frameWidth()
            height = rows.length() + top.sizeHint().height() + (bar.sizeHint().height() if wide else 0)
            self.setFixedHeight(height + 2 * self.frameWidth())


def answers_html(report: "Report") -> str:
    """Return the questions of a report with their answers: a coloured dot, the state as a word, the reason."""
    lines = [
        f'<tr><td style="color: {_COLORS[answer.state]}">●&nbsp;</td>'
        f"<td>{escape(answer.question)} <b>{answer.state}</b><br>{escape(window_text(answer.reason))}</td></tr>"
        for found in report.findings.values()
        for answer in found.answers
    ]
    return f'<table cellspacing="0" cellpadding="2">{"".join(lines)}</table>' if lines else ""


def notes(report: "Report") -> str:
    """Return how the numbers were made, and what was taken for granted."""
    rules = report.conventions
    lines = [f"Convention {rules['convention']}: {rules['values']}."]
    lines.append(f"Data range: {rules['data_range']}. Aligned: {_ALIGNED}.")
    return "\n".join([*lines, *(f"{window_text(note)}." for note in report.notes)])


def fill(table: Table, rows: "Sequence[Row]") -> None:
    """Show the rows of a report: one column per candidate, raw metrics first, then the aligned ones."""
    several = len({row["channel"] for row in rows}) > 1
    lines = [*_METRICS, *(_aligned(m) for m in _METRICS if m.key != "pearson")]
    table.setRowCount(len(lines))
    table.setColumnCount(len(rows))
    table.setHorizontalHeaderLabels([_heading(row, several) for row in rows])
    table.setVerticalHeaderLabels([metric.name for metric in lines])
    for at, metric in enumerate(lines):
        header = table.verticalHeaderItem(at)
        if header is not None:
            header.setToolTip(metric.words)
        for column, row in enumerate(rows):
            peers = [r for r in rows if r["channel"] == row["channel"]]
            table.setItem(at, column, _cell(row, peers, metric))
    table.resizeColumnsToContents()
    table.resizeRowsToContents()
    table.show()
    table.fit()


def _aligned(metric: _Metric) -> _Metric:
    words = f"{metric.words} Aligned: {_ALIGNED}."
    return metric._replace(key=f"{metric.key}_aligned", name=f"{metric.name} aligned", words=words)


def _cell(row: "Row", peers: "Sequence[Row]", metric: _Metric) -> QTableWidgetItem:
    value = row[metric.key]
    item = QTableWidgetItem("-" if isnan(value) else format(value, metric.form))
    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    values = {peer[metric.key] for peer in peers if not isnan(peer[metric.key])}
    if len(values) > 1 and value == (max if metric.more_is_better else min)(values):
        font = item.font()
        font.setBold(True)
        item.setFont(font)
    return item


def _heading(row: "Row", several: bool) -> str:
    """Return a narrow heading in lines: candidate, channel if there are several, whether it is a baseline."""
    lines = [str(row["candidate"]).replace(", ", ",\n").replace(" (", "\n(")]
    lines += [str(row["channel"])] if several else []
    lines += ["baseline"] if row["role"] == "baseline" else []
    return "\n".join(lines)


def ask_where(parent: QWidget, name: str) -> str:
    """Ask where to save the report on an image, and return the path, ending in .html, or an empty text."""
    dialog = QFileDialog(parent, "Save report", "", "Web page (*.html)")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix("html")  # before the dialog asks whether to overwrite
    dialog.selectFile(f"{_NOT_IN_NAMES.sub('_', name)}_report.html")
    chosen = dialog.selectedFiles() if dialog.exec() else []
    dialog.deleteLater()
    return chosen[0] if chosen else ""


def ask_calibration(parent: QWidget) -> Path | None:
    """Ask for the file of a calibration."""
    path, _ = QFileDialog.getOpenFileName(parent, "Calibration of superres calibrate", "", "Calibration (*.json)")
    return Path(path) if path else None
