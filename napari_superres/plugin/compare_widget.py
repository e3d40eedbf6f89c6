"""Compare: a result against a reference layer, always beside interpolation."""

from collections.abc import Generator, Sequence
from math import inf, isnan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from magicgui.widgets import ComboBox  # noqa: TID253 - a Qt file
from qtpy.QtCore import Qt  # noqa: TID253 - a Qt file
from qtpy.QtWidgets import (  # noqa: TID253 - a Qt file
    QAbstractItemView,
    QApplication,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
)  # fmt: skip

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.plugin import engine, forms
from napari_superres.plugin.job import Job
from napari_superres.plugin.layers import to_image, to_layer

if TYPE_CHECKING:
    import napari

    from napari_superres.evaluation import Report
    from napari_superres.evaluation.scores import Row


class _Metric(NamedTuple):
    key: str
    name: str
    form: str
    more_is_better: bool
    words: str


_METRICS = (
    _Metric("psnr", "PSNR (dB)", ".2f", True, "Peak signal-to-noise ratio: mean squared error on a logarithmic scale."),
    _Metric("ssim", "SSIM", ".4f", True, "Structural similarity: 1 where local means, contrasts and patterns agree."),
    _Metric("nrmse", "NRMSE", ".4f", False, "Root mean square error over the root mean square of the reference."),
    _Metric("mae", "MAE", ".4g", False, "Mean absolute error in the unit of the intensities."),
    _Metric("pearson", "r", ".4f", True, "Pearson correlation; blind to gain and offset."),
)
_ALIGNED = "after the best gain and offset: the part of the error that is brightness and contrast only is gone"
_RANGES = ("reference-range", "reference-percentile", "dtype")


class CompareWidget(forms.Panel):
    """The Compare widget.

    Parameters
    ----------
    viewer
        napari viewer whose layers are compared.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self.report: Report | None = None
        self._job: Job | None = None
        self._make_forms()
        self._make_table()
        self.body.addStretch(1)
        self._preset()
        self._enable()

    def _make_forms(self) -> None:
        self.result = forms.layer_box(self.viewer, label="Result", tooltip="The enhanced layer to be judged.")
        self.reference = forms.layer_box(
            self.viewer, label="Reference", tooltip="A real scan of the same field on the finer grid."
        )
        self.lr = forms.layer_box(
            self.viewer,
            label="Input",
            tooltip="The layer the result was made from: its interpolation stands beside the result. "
            "Without it, an input is simulated from the reference.",
            optional=True,
        )
        self.convention = ComboBox(
            choices=["microscopy", "sr-paper"],
            label="Convention",
            tooltip="microscopy: intensities as they are. sr-paper: Y of 8-bit RGB, borders cropped, range 255.",
        )
        self.data_range = ComboBox(
            choices=_RANGES,
            label="Range",
            tooltip="What PSNR and SSIM take for the range of intensities: of the reference, of its 0.1 to 99.9 "
            "percentiles, or of its data type. sr-paper fixes it.",
        )
        for box in (self.result, self.reference, self.lr, self.convention):
            box.changed.connect(self._enable)
        self.measure = QPushButton("Measure")
        self.measure.setToolTip("Compute the metrics of the result and of interpolation against the reference.")
        self.measure.clicked.connect(self._measure)
        self.status = forms.text()
        self.body.addWidget(
            forms.form(
                [self.result, self.reference, self.lr, forms.narrow(self.convention), forms.narrow(self.data_range)]
            )
        )
        self.body.addWidget(self.measure)
        self.body.addWidget(self.status)
        self.status.hide()

    def _make_table(self) -> None:
        self.table = QTableWidget(0, 0)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setToolTip("The better of each line is bold.")
        self.table.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.table.hide()
        self.notes = forms.text()
        self.notes.hide()
        self.copy = QPushButton("Copy as CSV")
        self.copy.setToolTip("Put all numbers on the clipboard.")
        self.copy.clicked.connect(self._copy)
        self.copy.hide()
        self.difference = QPushButton("Difference map")
        self.difference.setToolTip("Add result less reference as a layer: pink below zero, green above.")
        self.difference.clicked.connect(lambda: self._map("difference"))
        self.ssim = QPushButton("SSIM map")
        self.ssim.setToolTip("Add the structural similarity around each pixel as a layer: 1 where both agree.")
        self.ssim.clicked.connect(lambda: self._map("SSIM"))
        maps = QHBoxLayout()
        maps.addWidget(self.difference)
        maps.addWidget(self.ssim)
        self.body.addWidget(self.table)
        self.body.addWidget(self.notes)
        self.body.addWidget(self.copy)
        self.body.addLayout(maps)

    @property
    def is_running(self) -> bool:
        """Whether something is being computed."""
        return self._job is not None

    # What is chosen

    def layers_changed(self) -> None:
        """Follow the viewer's layers."""
        for box in (self.result, self.reference, self.lr):
            forms.refresh(box)
        if self.result.value is self.reference.value:
            self._preset()
        self._enable()

    def _preset(self) -> None:
        """Choose the layers that are meant most probably: the newest result, then what is as large and as small."""
        layers = [layer for _, layer in _choices(self.result)]
        result = next((layer for layer in layers if "provenance" in layer.metadata), layers[0] if layers else None)
        if result is None:
            return
        others = [layer for layer in layers if layer is not result]
        same = [layer for layer in others if layer.data.shape == result.data.shape]
        named = [layer for layer in same if "reference" in layer.name.lower()]
        source = [layer for layer in others if result.name.startswith(f"{layer.name} [")]
        self.result.value = result
        if named or same:
            self.reference.value = (named or same)[0]
        self.lr.value = source[0] if source else None

    def _enable(self, _: Any = None) -> None:
        both = self.result.value is not None and self.reference.value is not None
        ready = both and self.result.value is not self.reference.value and self._job is None
        for button in (self.measure, self.difference, self.ssim):
            button.setEnabled(ready)
        self.data_range.enabled = self.convention.value != "sr-paper"
        if self._job is None:
            same = both and self.result.value is self.reference.value
            forms.say(self.status, "Result and reference are the same layer: choose another." if same else "")

    def _images(self) -> tuple[Image, Image, Image | None]:
        lr = self.lr.value
        return to_image(self.result.value), to_image(self.reference.value), None if lr is None else to_image(lr)

    # What is measured

    def _start(self, doing: str, steps: Any, done: Any) -> None:
        found: list[Any] = []

        def ended(complete: bool) -> None:
            self._job = None
            self._enable()
            if complete:
                done(found[-1])

        self._job = Job(steps, stepped=found.append, failed=forms.show_error, ended=ended)
        self._enable()
        forms.say(self.status, doing)
        self.session.add(self._job)

    def _measure(self) -> None:
        try:
            result, reference, lr = self._images()
        except SuperResError as error:
            forms.show_error(str(error))
            return
        convention = self.convention.value
        data_range = None if convention == "sr-paper" else self.data_range.value

        def steps() -> "Generator[Report, None, None]":
            yield engine.evaluate(result, reference, lr=lr, convention=convention, data_range=data_range)

        self._start("Measuring…", steps, self._show)

    def _show(self, report: "Report") -> None:
        self.report = report
        fill(self.table, report.rows)
        lines = [f"Convention {report.conventions['convention']}: {report.conventions['values']}."]
        lines.append(f"Data range: {report.conventions['data_range']}. Aligned: {_ALIGNED}.")
        lines += [f"{note[:1].upper()}{note[1:]}." for note in report.notes]
        forms.say(self.notes, "\n".join(lines))
        self.copy.show()

    def _copy(self) -> None:
        clipboard = QApplication.clipboard()
        if self.report is not None and clipboard is not None:
            clipboard.setText(self.report.to_csv())

    def _map(self, kind: str) -> None:
        layer = self.result.value
        try:
            result, reference, _ = self._images()
        except SuperResError as error:
            forms.show_error(str(error))
            return
        data_range = None if self.convention.value == "sr-paper" else self.data_range.value

        def steps() -> Generator[Image, None, None]:
            if kind == "difference":
                yield engine.difference_map(result, reference)
            else:
                yield engine.ssim_map(result, reference, data_range=data_range)

        def add(made: Image) -> None:
            if layer in self.viewer.layers:
                self._add_map(made, result, layer, kind)

        self._start(f"Computing the {kind} map…", steps, add)

    def _add_map(self, made: Image, result: Image, layer: Any, kind: str) -> None:
        from napari.layers import Layer

        data, keywords, layer_type = to_layer(made, result, layer, name=f"{kind} of {layer.name}")
        looks: dict[str, Any] = {"colormap": "viridis", "contrast_limits": (0.0, 1.0)}
        if kind == "difference":
            limit = _symmetric_limit(data)
            looks = {"colormap": "PiYG", "contrast_limits": (-limit, limit)}
        looks |= {"gamma": 1.0, "opacity": 1.0, "blending": "translucent", "interpolation2d": "nearest"}
        added = Layer.create(data, {**keywords, **looks}, layer_type)
        self.viewer.layers.append(added)


def fill(table: QTableWidget, rows: "Sequence[Row]") -> None:
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
    _fit(table)


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


def _fit(table: QTableWidget) -> None:
    """Make the table as high as its rows, so that only the panel scrolls."""
    table.resizeColumnsToContents()
    table.resizeRowsToContents()
    table.show()
    rows, top, bar = table.verticalHeader(), table.horizontalHeader(), table.horizontalScrollBar()
    if rows is not None and top is not None and bar is not None:
        wide = top.length() + rows.sizeHint().width() > table.width()
        height = rows.length() + top.sizeHint().height() + (bar.sizeHint().height() if wide else 0)
        table.setFixedHeight(height + 2 * table.frameWidth())


def _heading(row: "Row", several: bool) -> str:
    name = str(row["candidate"]).replace(" (simulated input)", "\n(simulated input)")
    return f"{name}\n{row['channel']}" if several else name


def _choices(box: ComboBox) -> list[tuple[str, Any]]:
    return [(layer.name, layer) for layer in box.choices if layer is not None]


def _symmetric_limit(values: Any) -> float:
    """Return the limit around zero that shows all but the largest thousandth of the differences."""
    size = np.abs(np.asarray(values))
    limit = float(np.nanpercentile(size, 99.9)) if np.isfinite(size).any() else 1.0
    return limit if 0 < limit < inf else max(float(np.nanmax(size, initial=0.0)), 1e-6)
