"""Compare: a result against a reference layer, always beside interpolation."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QApplication, QCheckBox, QGridLayout, QHBoxLayout, QPushButton, QWidget
from superqt import QCollapsible

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import to_image, to_layer
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.panel import Panel
from napari_superres.plugin.widgets.compare import answers, maps
from napari_superres.plugin.widgets.compare.interpolated import Interpolated
from napari_superres.plugin.widgets.compare.look import LookSection
from napari_superres.plugin.widgets.compare.plots import Plot, SpectraSection
from napari_superres.plugin.widgets.compare.profile import ProfileSection
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    import napari

    from napari_superres.evaluation import Report

_ANY_HEIGHT = (1 << 24) - 1  # Qt's own
_RANGES = ("reference-range", "reference-percentile", "dtype")


class CompareWidget(Panel):
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
        self._interpolated = Interpolated(self.session, self._chosen, self._interpolating)
        self._make_forms()
        self._make_answers()
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
        self.register = QCheckBox("Register the reference first")
        self.register.setToolTip(
            "By fractions of a pixel, before anything is measured or mapped; the numbers without it are shown too."
        )
        for box in (self.result, self.reference, self.lr, self.convention):
            box.changed.connect(self._enable)
        self.measure = QPushButton("Measure")
        self.measure.setToolTip("Compare the result, interpolation and classical restoration with the reference.")
        self.measure.clicked.connect(self._measure_or_cancel)
        self.status = forms.text()
        lists = [self.result, self.reference, self.lr, forms.narrow(self.convention), forms.narrow(self.data_range)]
        self.body.addWidget(forms.form(lists))
        self.body.addWidget(self.register)
        self.body.addWidget(self.measure)
        self._make_maps()
        self.body.addWidget(self.status)
        self.status.hide()
        self._make_sections()

    def _make_maps(self) -> None:
        self.maps: dict[str, QPushButton] = {}
        grid = QGridLayout()
        grid.addWidget(forms.text("Add a map of:"), 0, 0, 1, 2)
        for at, kind in enumerate(maps.KINDS):
            button = QPushButton(window_text(kind.name))
            button.setToolTip(kind.words)
            button.clicked.connect(lambda _=False, kind=kind: self._map(kind))
            grid.addWidget(button, 1 + at // 2, at % 2)
            self.maps[kind.name] = button
        self.body.addLayout(grid)

    def _make_sections(self) -> None:
        given = self._chosen, self._interpolated.give
        self.look, self.plot = LookSection(self.viewer, *given), Plot(self.viewer)
        self.profile = ProfileSection(self.viewer, self.session, self.plot, *given)
        self.spectra = SpectraSection(self.plot, *given, start=self._start, is_registered=self.register.isChecked)
        self.sections: dict[str, QCollapsible] = {}
        for title, section in {"Look": self.look, "Profile": self.profile, "Spectra": self.spectra}.items():
            self.sections[title] = _collapsible(title, section)
            self.body.addWidget(self.sections[title])
        self.body.addWidget(self.plot)
        for ears in (self.plot.ears, self.profile.ears):
            self.destroyed.connect(lambda _=None, ears=ears: ears.close())

    def leave(self) -> None:
        """Take away what the panel shows in the viewer for a while: its dock was closed."""
        self.look.end()
        self.plot.ears.close()
        self.profile.ears.close()

    def _make_answers(self) -> None:
        self.judged, self.answers, self.notes = (forms.text(rich=rich) for rich in (False, True, False))
        self.table = answers.Table()
        self.table.setToolTip("The best of each line is bold.")
        self.copy = QPushButton("Copy as CSV")
        self.copy.setToolTip("Put all numbers on the clipboard.")
        self.copy.clicked.connect(self._copy)
        self.save = QPushButton("Save report…")
        self.save.setToolTip("Save answers, numbers, maps and curves as one web page.")
        self.save.clicked.connect(self._save)
        report = QHBoxLayout()
        report.addWidget(self.copy)
        report.addWidget(self.save)
        for widget in (self.judged, self.answers, self.table):
            self.body.addWidget(widget)
        self.body.addLayout(report)
        self.body.addWidget(self.notes)
        for widget in (self.judged, self.answers, self.table, self.copy, self.save, self.notes):
            widget.hide()

    @property
    def is_running(self) -> bool:
        """Whether something is being computed."""
        return self._job is not None or self._interpolated.is_running

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
        result, reference, lr = self.result.value, self.reference.value, self.lr.value
        idle = not self.is_running
        same = result is not None and result is reference
        ready = idle and result is not None and reference is not None and not same
        self.measure.setEnabled(ready or self._job is not None)
        self.measure.setText("Measure" if self._job is None else "Cancel")
        with_input = idle and result is not None and lr is not None and lr is not result
        for kind in maps.KINDS:
            self.maps[kind.name].setEnabled(ready if kind.needs == "reference" else with_input)
        self.save.setEnabled(idle)
        self.data_range.enabled = self.convention.value != "sr-paper"
        if idle:
            missing = "Open a result, and a reference scan of the same field." if None in (result, reference) else ""
            said = "Result and reference are the same layer: choose another." if same else missing
            forms.say(self.status, said)
        self.look.changed()
        self.profile.changed()
        self.spectra.changed(idle)

    def _chosen(self) -> dict[str, Any]:
        """Return the layers that are chosen, by what they are; those that are the result itself are not there."""
        result = self.result.value
        others = {"reference": self.reference.value, "input": self.lr.value}
        found = {name: layer for name, layer in others.items() if layer is not None and layer is not result}
        return found if result is None else {"result": result, **found}

    def _interpolating(self, doing: str) -> None:
        self._enable()
        if doing:
            forms.say(self.status, doing)

    @property
    def _range(self) -> str | None:
        return None if self.convention.value == "sr-paper" else str(self.data_range.value)

    # What is measured

    def _start(self, doing: str, steps: Any, done: Any) -> None:
        found: list[Any] = []

        def ended(complete: bool) -> None:
            self._job = None
            self._enable()
            if complete:
                done(found[-1])

        self._job = Job(steps, stepped=found.append, failed=_complain, ended=ended)
        self._enable()
        forms.say(self.status, doing)
        self.session.add(self._job)

    def _measure_or_cancel(self) -> None:
        if self._job is None:
            self._measure()
        else:
            self._job.cancel()
            forms.say(self.status, "Cancelling…")

    def _measure(self) -> None:
        layer, lr = self.result.value, self.lr.value
        try:
            result, reference = to_image(layer), to_image(self.reference.value)
            options: dict[str, Any] = {"lr": None if lr is None else to_image(lr)}
        except SuperResError as error:
            _complain(str(error))
            return
        options |= {
            "convention": self.convention.value,
            "data_range": self._range,
            "register": self.register.isChecked(),
        }
        name = layer.name
        between = f"{name} against {self.reference.value.name}"

        def steps() -> "Generator[Report, None, None]":
            yield tasks.evaluate(result, reference, name=name, **options)

        def show(report: "Report") -> None:
            self._show(report, between)

        self._start("Measuring…", steps, show)

    def _show(self, report: "Report", between: str) -> None:
        self.report = report
        forms.say(self.judged, between)
        forms.say(self.answers, answers.answers_html(report))
        answers.fill(self.table, report.rows)
        forms.say(self.notes, answers.notes(report))
        self.copy.show()
        self.save.show()
        self.scroll_to(self.judged)

    def _copy(self) -> None:
        clipboard = QApplication.clipboard()
        if self.report is not None and clipboard is not None:
            clipboard.setText(self.report.to_csv())

    def _save(self) -> None:
        report = self.report
        path = "" if report is None else answers.ask_where(self, next(iter(report.findings), "image"))
        if report is None or not path:
            return

        def steps() -> Generator[str, None, None]:
            report.to_html(path)
            yield path

        self._start("Writing the report…", steps, lambda _: forms.say(self.status, f"The report was saved as {path}"))

    def _map(self, kind: maps.Kind) -> None:
        judged = self.result.value
        layer = judged if kind.needs == "reference" else self.lr.value
        try:
            result = to_image(judged)
            other = to_image(self.reference.value if kind.needs == "reference" else layer)
        except SuperResError as error:
            _complain(str(error))
            return
        register, data_range = self.register.isChecked(), self._range
        record, calibration = judged.metadata.get("provenance", {}), None
        if kind is maps.ERROR_BAR and (calibration := answers.ask_calibration(self)) is None:
            return

        def steps() -> Generator[Image | None, None, None]:
            if kind.needs == "model":
                yield from tasks.trust_map(record, other, calibration)
            elif kind.needs == "input":
                yield tasks.residual_map(result, other)
            else:
                yield tasks.map_of(kind.name, result, other, register=register, data_range=data_range)

        def add(made: Image) -> None:
            if layer in self.viewer.layers:
                named = layer if kind.needs == "input" else judged
                self._add_map(made, result if layer is judged else other, layer, maps.title(kind, made, named), kind)

        self._start(f"Computing the {kind.name} map…", steps, add)

    def _add_map(self, made: Image, source: Image, layer: Any, name: str, kind: maps.Kind) -> None:
        from napari.layers import Layer

        try:
            data, keywords, layer_type = to_layer(made, source, layer, name=name)
        except SuperResError as error:
            _complain(str(error))
            return
        self.viewer.layers.append(Layer.create(data, {**keywords, **maps.looks(kind, data)}, layer_type))


def _collapsible(title: str, content: QWidget) -> QCollapsible:
    """Return a section that is closed at first, and as high as what is in it once it is open."""
    section = QCollapsible()
    # Arrows as text: as icons they would not follow the theme.
    section.setExpandedIcon(QIcon())
    section.setCollapsedIcon(QIcon())
    section.toggleButton().setStyleSheet("text-align: left; background: transparent; padding: 2px;")
    section.toggleButton().setToolTip(f"Show or hide: {title.lower()}.")
    section.layout().setContentsMargins(0, 0, 0, 0)
    section.setDuration(0)
    section.setContent(content)

    def toggled(is_open: bool) -> None:
        section.setText(f"{'▾' if is_open else '▸'} {title}")
        content.setMaximumHeight(_ANY_HEIGHT if is_open else 0)
        content.setVisible(is_open)  # what is hidden takes no focus and no space

    section.toggled.connect(toggled)
    section.collapse(animate=False)
    return section


def _complain(message: str) -> None:
    forms.show_error(message)


def _choices(box: ComboBox) -> list[tuple[str, Any]]:
    return [(layer.name, layer) for layer in box.choices if layer is not None]
