"""The Compare widget: binds the controls to `CompareState`, measures and computes maps in threads."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QCheckBox, QFileDialog, QGridLayout, QPushButton, QWidget
from superqt import QCollapsible

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import to_image, to_layer
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.panel import Panel
from napari_superres.plugin.widgets.compare import map_kinds
from napari_superres.plugin.widgets.compare.interpolation import Interpolation
from napari_superres.plugin.widgets.compare.map_kinds import MapKind
from napari_superres.plugin.widgets.compare.plot import Plot
from napari_superres.plugin.widgets.compare.profile_section import ProfileSection
from napari_superres.plugin.widgets.compare.report_view import ReportView
from napari_superres.plugin.widgets.compare.spectra_section import SpectraSection
from napari_superres.plugin.widgets.compare.state import CONVENTIONS, RANGES, Activity, CompareState, suggest_layers
from napari_superres.plugin.widgets.compare.visual_section import VisualSection
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    import napari
    from napari.layers import Image as ImageLayer

    from napari_superres.evaluation import Report

_NO_MAXIMUM = (1 << 24) - 1
"""Qt's largest height of a widget."""


class CompareWidget(Panel):
    """The Compare widget.

    Parameters
    ----------
    viewer
        napari viewer whose layers are compared.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:  # napari looks for this very annotation
        super().__init__(viewer)
        self._job: Job | None = None
        self._interpolation = Interpolation(self.session, lambda: self.state, self._show_interpolation_status)
        self._add_choices()
        self._add_measure()
        self._add_maps()
        self.status = forms.text()
        self.body.addWidget(self.status)
        self.status.hide()
        self._add_sections()
        self.report_view = ReportView(self._save_report)
        self.body.addWidget(self.report_view)
        self.body.addStretch(1)
        self._choose_suggested()
        self._show_state()

    def _add_choices(self) -> None:
        self.result = forms.layer_box(self.viewer, label="Result", tooltip="Super-resolved layer to judge.")
        self.reference = forms.layer_box(
            self.viewer, label="Reference", tooltip="Real scan of the same field on the finer grid."
        )
        self.lr = forms.layer_box(
            self.viewer,
            label="Input",
            tooltip="Layer the result was made from; its interpolation is shown next to the result. Without it, an "
            "input is simulated from the reference.",
            optional=True,
        )
        self.convention = ComboBox(
            choices=CONVENTIONS,
            label="Convention",
            tooltip="microscopy: intensities as they are. sr-paper: Y of 8-bit RGB, borders cropped, range 255.",
        )
        self.data_range = ComboBox(
            choices=RANGES,
            label="Range",
            tooltip="Range of intensities for PSNR and SSIM: that of the reference, of its 0.1 to 99.9 percentiles, or "
            "of its data type. sr-paper fixes it.",
        )
        for box in (self.result, self.reference, self.lr, self.convention):
            box.changed.connect(self._show_state)
        boxes = [self.result, self.reference, self.lr, forms.narrow(self.convention), forms.narrow(self.data_range)]
        self.body.addWidget(forms.form(boxes))

    def _add_measure(self) -> None:
        self.register = QCheckBox("Register reference")
        self.register.setToolTip(
            "Align the reference to the result to a fraction of a pixel before measuring or mapping. The numbers "
            "without registration are shown too."
        )
        self.measure = QPushButton("Measure")
        self.measure.setToolTip("Compare result, interpolation and classical restoration with the reference.")
        self.measure.clicked.connect(self._measure_or_cancel)
        self.body.addWidget(self.register)
        self.body.addWidget(self.measure)

    def _add_maps(self) -> None:
        self.maps: dict[str, QPushButton] = {}
        grid = QGridLayout()
        grid.addWidget(forms.text("Add map:"), 0, 0, 1, 2)
        for i, kind in enumerate(map_kinds.KINDS):
            button = QPushButton(window_text(kind.name))
            button.setToolTip(kind.tooltip)
            button.clicked.connect(lambda _=False, kind=kind: self._add_map(kind))
            grid.addWidget(button, 1 + i // 2, i % 2)
            self.maps[kind.name] = button
        self.body.addLayout(grid)

    def _add_sections(self) -> None:
        def state() -> CompareState:
            return self.state

        request = self._interpolation.request
        self.plot = Plot(self.viewer)
        self.visual = VisualSection(self.viewer, state, request)
        self.profile = ProfileSection(self.viewer, self.session, self.plot, state, request)
        self.spectra = SpectraSection(self.plot, state, request, self._start)
        self.sections: dict[str, QCollapsible] = {}
        contents = {"Visual comparison": self.visual, "Line profile": self.profile, "Spectra": self.spectra}
        for title, content in contents.items():
            self.sections[title] = _collapsible(title, content)
            self.body.addWidget(self.sections[title])
        self.body.addWidget(self.plot)
        for connections in (self.plot.connections, self.profile.connections):
            self.destroyed.connect(lambda _=None, connections=connections: connections.close())

    def leave(self) -> None:
        """Restore the viewer when the dock was closed."""
        self.visual.end()
        self.plot.connections.close()
        self.profile.connections.close()

    @property
    def is_running(self) -> bool:
        """Whether something is being computed."""
        return self._job is not None or self._interpolation.is_running

    # What is chosen

    @property
    def state(self) -> CompareState:
        """What is chosen now."""
        interpolating: Activity = "interpolation" if self._interpolation.is_running else "idle"
        return CompareState(
            result=self.result.value,
            reference=self.reference.value,
            lr=self.lr.value,
            convention=str(self.convention.value),
            data_range=str(self.data_range.value),
            register=self.register.isChecked(),
            activity="job" if self._job is not None else interpolating,
        )

    def _show_state(self, _: Any = None) -> None:
        """Enable and label the controls as the state says."""
        state = self.state
        self.measure.setEnabled(state.can_press_measure)
        self.measure.setText(state.measure_label)
        for kind in map_kinds.KINDS:
            self.maps[kind.name].setEnabled(state.can_map(kind.needs))
        self.report_view.save.setEnabled(state.can_save)
        self.data_range.enabled = state.can_choose_range
        if state.is_idle:
            forms.say(self.status, state.hint)
        self.visual.show_state()
        self.profile.update_soon()
        self.spectra.show_state()

    def layers_changed(self) -> None:
        """Follow the viewer's layers."""
        for box in (self.result, self.reference, self.lr):
            forms.refresh(box)
        if self.result.value is self.reference.value:
            self._choose_suggested()
        self._show_state()

    def _choose_suggested(self) -> None:
        """Choose the layers that the user most probably wants to compare."""
        suggestion = suggest_layers([layer for layer in self.result.choices if layer is not None])
        if suggestion is not None:
            self.result.value = suggestion.result
            if suggestion.reference is not None:
                self.reference.value = suggestion.reference
            self.lr.value = suggestion.lr

    def _show_interpolation_status(self, status: str) -> None:
        self._show_state()
        if status:
            forms.say(self.status, status)

    # Computing

    def _start(self, status: str, steps: Callable[[], Generator[Any, None, None]], done: Callable[[Any], None]) -> None:
        """Run steps in a thread, show a status line meanwhile, and pass their last value on."""
        values: list[Any] = []

        def finish(complete: bool) -> None:
            self._job = None
            self._show_state()
            if complete:
                done(values[-1])

        self._job = Job(steps, stepped=values.append, failed=forms.show_error, ended=finish)
        self._show_state()
        forms.say(self.status, status)
        self.session.add(self._job)

    def _measure_or_cancel(self) -> None:
        if self._job is None:
            self._measure()
        else:
            self._job.cancel()
            forms.say(self.status, "Cancelling…")

    def _measure(self) -> None:
        state = self.state
        result_layer, reference_layer = state.result, state.reference
        assert result_layer is not None
        assert reference_layer is not None
        try:
            result, reference = to_image(result_layer), to_image(reference_layer)
            lr = None if state.lr is None else to_image(state.lr)
        except SuperResError as error:
            forms.show_error(str(error))
            return
        title = f"{result_layer.name} against {reference_layer.name}"
        # Reports are given away, and the layers of a patient's images bear the names of files.
        name = "result" if result.space or reference.space else result_layer.name

        def steps() -> "Generator[Report, None, None]":
            yield tasks.evaluate(result, reference, lr=lr, name=name, **state.evaluate_options)

        def show(report: "Report") -> None:
            self.report_view.show_report(report, title)
            self.scroll_to(self.report_view)

        self._start("Measuring…", steps, show)

    def _save_report(self, steps: Callable[[], Generator[str, None, None]], path: str) -> None:
        self._start("Writing the report…", steps, lambda _: forms.say(self.status, f"The report was saved as {path}"))

    def _add_map(self, kind: MapKind) -> None:
        state, register = self.state, self.register.isChecked()
        result_layer = state.result
        other_layer = state.reference if kind.needs == "reference" else state.lr
        assert result_layer is not None
        assert other_layer is not None
        try:
            result, other = to_image(result_layer), to_image(other_layer)
        except SuperResError as error:
            forms.show_error(str(error))
            return
        record, calibration = result_layer.metadata.get("provenance", {}), None
        if kind is map_kinds.ERROR_BAR and (calibration := _ask_calibration(self)) is None:
            return

        def steps() -> Generator[Image | None, None, None]:
            if kind.needs == "model":
                yield from tasks.trust_map(record, other, calibration)
            elif kind.needs == "input":
                yield tasks.residual_map(result, other)
            else:
                yield tasks.map_of(kind.name, result, other, register=register, data_range=state.given_range)

        def add(values: Image) -> None:
            # A map is placed like the layer it was computed from, and named after the layer it is about.
            source_layer = result_layer if kind.needs == "reference" else other_layer
            named_layer = other_layer if kind.needs == "input" else result_layer
            if source_layer in self.viewer.layers:
                source = result if source_layer is result_layer else other
                self._add_map_layer(values, source, source_layer, map_kinds.title(kind, values, named_layer), kind)
            for note in values.metadata.get("notes", ()):
                forms.show_warning(note)

        self._start(f"Computing the {kind.name} map…", steps, add)

    def _add_map_layer(
        self, values: Image, source: Image, source_layer: "ImageLayer", name: str, kind: MapKind
    ) -> None:
        from napari.layers import Layer

        try:
            data, keywords, layer_type = to_layer(values, source, source_layer, name=name)
        except SuperResError as error:
            forms.show_error(str(error))
            return
        self.viewer.layers.append(Layer.create(data, {**keywords, **map_kinds.looks(kind, data)}, layer_type))


def _ask_calibration(parent: QWidget) -> Path | None:
    """Ask for the file of a calibration."""
    path, _ = QFileDialog.getOpenFileName(parent, "Open calibration", "", "Calibration (*.json)")
    return Path(path) if path else None


def _collapsible(title: str, content: QWidget) -> QCollapsible:
    """Return a section that is closed at first, and as high as its content once it is open."""
    section = QCollapsible()
    # Arrows are drawn as text, because icons would not follow the theme.
    section.setExpandedIcon(QIcon())
    section.setCollapsedIcon(QIcon())
    section.toggleButton().setStyleSheet("text-align: left; background: transparent; padding: 2px;")
    section.toggleButton().setToolTip(f"Show or hide: {title.lower()}.")
    section.layout().setContentsMargins(0, 0, 0, 0)
    section.setDuration(0)
    section.setContent(content)

    def toggle(is_open: bool) -> None:
        section.setText(f"{'▾' if is_open else '▸'} {title}")
        content.setMaximumHeight(_NO_MAXIMUM if is_open else 0)
        content.setVisible(is_open)  # Hidden controls take neither focus nor space.

    section.toggled.connect(toggle)
    section.collapse(animate=False)
    return section
