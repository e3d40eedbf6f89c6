"""The Compare widget: binds the controls to `CompareState`, measures and computes maps in threads."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from qtpy.QtWidgets import QCheckBox, QFileDialog, QPushButton, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import channel_names_of, to_image, to_layer
from napari_superres.plugin.host.saving import folder_of
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.panel import Panel
from napari_superres.plugin.widgets.common.parts.fold import fold
from napari_superres.plugin.widgets.common.parts.made import MAP, is_result
from napari_superres.plugin.widgets.common.parts.remembered import remember
from napari_superres.plugin.widgets.compare import map_kinds
from napari_superres.plugin.widgets.compare.colour_bar import ColourBar
from napari_superres.plugin.widgets.compare.interpolation import Interpolation
from napari_superres.plugin.widgets.compare.map_kinds import MapKind
from napari_superres.plugin.widgets.compare.plot import Plot
from napari_superres.plugin.widgets.compare.profile_section import ProfileSection
from napari_superres.plugin.widgets.compare.report_view import ReportSteps, ReportView, VerdictView
from napari_superres.plugin.widgets.compare.spectra_section import SpectraSection
from napari_superres.plugin.widgets.compare.state import (
    CONVENTIONS,
    RANGES,
    Activity,
    CompareState,
    results_of_other_channels,
    suggest_layers,
)
from napari_superres.plugin.widgets.compare.visual_section import VisualSection
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    import napari
    from napari.layers import Image as ImageLayer

    from napari_superres.evaluation import Report


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
        self._map: ImageLayer | None = None
        self._is_by_hand = False
        # It is selected again after each layer that is added for a while.
        self._last_active = self.viewer.layers.selection.active
        self._add_choices()
        self._add_look()
        self.verdict_view = VerdictView(self._judge)
        self.body.addWidget(self.verdict_view)
        self._add_measure()
        self.status = forms.text()
        self.body.addWidget(self.status)
        self.status.hide()
        self._add_folded()
        self.next_steps = ReportSteps(self.viewer, self._write)
        self.foot.addWidget(self.next_steps)
        self.body.addStretch(1)
        self._choose_suggested()
        self._show_state()

    def _add_choices(self) -> None:
        self.result = forms.layer_box(self.viewer, label="Result", tooltip="Super-resolved layer to judge.")
        self.reference = forms.layer_box(
            self.viewer,
            label="Reference",
            tooltip="Scan of the same field on the finer grid. Without one, the result is checked against its input.",
            optional=True,
        )
        self.lr = forms.layer_box(
            self.viewer,
            label="Input",
            tooltip="Layer that the result was made from; its interpolation is shown next to the result. Without it, "
            "an input is simulated from the reference.",
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
        for box in (self.result, self.reference, self.lr):
            box.changed.connect(self._choose_by_hand)
        self.convention.changed.connect(self._show_state)
        self.body.addWidget(forms.form([self.result, self.reference, self.lr]))

    def _add_look(self) -> None:
        """Add what shows the images: curtain, blinking, grid and profile."""

        def state() -> CompareState:
            return self.state

        request = self._interpolation.request
        self.plot = Plot(self.viewer)
        self.visual = VisualSection(self.viewer, state, request)
        self.profile = ProfileSection(self.viewer, self.session, self.plot, state, request)
        self.spectra = SpectraSection(self.plot, state, request, self._start)
        for widget in (self.visual, self.profile, self.plot):
            self.body.addWidget(widget)
        for connections in (self.plot.connections, self.profile.connections):
            self.destroyed.connect(lambda _=None, connections=connections: connections.close())

    def _add_measure(self) -> None:
        self.register = QCheckBox("Register reference")
        self.register.setToolTip(
            "Align the reference to the result to a fraction of a pixel before measuring or mapping. The numbers "
            "without registration are shown too."
        )
        self.measure = QPushButton("Measure")
        self.measure.setToolTip(
            "Compare result, interpolation and classical restoration with the reference (Ctrl+Enter). Without a "
            "reference, check the result against its input."
        )
        self.measure.clicked.connect(self._measure_or_cancel)
        self.run_by_keys(self.measure)
        self.body.addWidget(self.measure)

    def _add_maps(self) -> QWidget:
        self.maps: dict[str, QPushButton] = {}
        for kind in map_kinds.KINDS:
            button = QPushButton(window_text(kind.name))
            button.setToolTip(kind.tooltip)
            button.clicked.connect(lambda _=False, kind=kind: self._add_map(kind))
            self.maps[kind.name] = button
        self.colour_bar = ColourBar()
        return _column(forms.row(*self.maps.values()), self.colour_bar)

    def _add_folded(self) -> None:
        """Add the parts that are folded away at first."""
        self.report_view = ReportView()
        options = _column(self.register, forms.form([forms.narrow(self.convention), forms.narrow(self.data_range)]))
        contents = {
            "Options": options,
            "Maps": self._add_maps(),
            "Curves": self.spectra,
            "All numbers": _column(self.report_view),  # which shows itself with the first report
        }
        self.sections: dict[str, QCollapsible] = {}
        for title, content in contents.items():
            self.sections[title] = fold(title, content)
            self.body.addWidget(self.sections[title])
        remember("compare", **{title.lower().replace(" ", "_"): section for title, section in self.sections.items()})

    def leave(self) -> None:
        """Restore the viewer when the dock was closed."""
        self.visual.end()
        self.colour_bar.show_layer(None)
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
        self.next_steps.show_state(can_save=state.can_save)
        self.data_range.enabled = state.can_choose_range and state.has_reference
        self.register.setEnabled(state.has_reference)
        self.convention.enabled = state.has_reference
        if state.is_idle:
            forms.say(self.status, state.hint)
        self.visual.show_state()
        self.profile.update_soon()
        self.spectra.show_state()

    def layers_changed(self) -> None:
        """Follow the viewer's layers."""
        changes = [forms.refresh(box) for box in (self.result, self.reference, self.lr)]
        if self.state.is_same_layer or changes[0] or not self._is_by_hand:
            self._choose_suggested()
        if self._map is not None and self._map not in self.viewer.layers:
            self._map = None
            self.colour_bar.show_layer(None)
        self._show_state()

    def active_changed(self) -> None:
        """Compare the result that is selected in napari's list."""
        active = self.viewer.layers.selection.active
        is_choice = active is not None and any(active is one for one in self.result.choices)
        if is_choice and active is not self._last_active and is_result(active):
            self._choose_suggested(active)
            self._last_active = active
            self._show_state()

    def _choose_by_hand(self) -> None:
        self._is_by_hand = True
        self._show_state()

    def _choose_suggested(self, result: "ImageLayer | None" = None) -> None:
        """Choose the layers that the user most probably wants to compare; the result first, if one is given."""
        # The list of choices keeps the order in which they came, not that of the layers.
        layers = [layer for _, layer in forms.image_layers(self.viewer) if layer is not result]
        suggestion = suggest_layers(layers if result is None else [result, *layers])
        if suggestion is not None:
            for box, layer in zip((self.result, self.reference, self.lr), suggestion, strict=True):
                with box.changed.blocked():
                    box.value = layer

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

    def _judge(self, result: "ImageLayer") -> None:
        """Measure the result of another channel."""
        if self._job is None and result in self.viewer.layers:
            self._choose_suggested(result)
            self._show_state()
            self._measure()

    def _measure(self) -> None:
        state = self.state
        result_layer, reference_layer = state.result, state.reference if state.has_reference else None
        lr_layer = state.layers.get("input")
        assert result_layer is not None
        try:
            result = to_image(result_layer)
            reference, lr = (None if layer is None else to_image(layer) for layer in (reference_layer, lr_layer))
        except SuperResError as error:
            forms.show_error(str(error))
            return
        other = reference_layer or lr_layer
        assert other is not None
        title = f"{result_layer.name} against {other.name}{'' if reference_layer else ', its input'}"
        # Reports are given away, and the layers of a patient's images bear the names of files.
        is_medical = any(image is not None and image.space for image in (result, reference, lr))
        name = "result" if is_medical else result_layer.name

        def steps() -> "Generator[Report, None, None]":
            yield tasks.evaluate(result, reference, lr=lr, name=name, **state.evaluate_options)

        def show(report: "Report") -> None:
            others = results_of_other_channels(self.viewer, result_layer, lr_layer)
            channel = "".join(channel_names_of(result_layer)) if others else ""
            self.verdict_view.show_report(report, title, channel, others)
            self.report_view.show_report(report)
            self.next_steps.show_report(report, folder_of(lr_layer or result_layer))
            self.scroll_to(self.verdict_view)

        self._start("Measuring…", steps, show)

    def _write(self, what: str, steps: Callable[[], Generator[str, None, None]], path: str) -> None:
        self._start(f"Writing the {what}…", steps, lambda _: forms.say(self.status, f"The {what} was saved as {path}"))

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
        keywords |= {**map_kinds.looks(kind, data), "metadata": {**keywords["metadata"], MAP: kind.name}}
        layer: Any = Layer.create(data, keywords, layer_type)
        if self._map is not None and self._map in self.viewer.layers:  # One map at a time: the new one takes its place.
            place = self.viewer.layers.index(self._map)
            self.viewer.layers.remove(self._map)
            self.viewer.layers.insert(place, layer)
        else:
            self.viewer.layers.append(layer)
        self._map = layer
        self.colour_bar.show_layer(layer)


def _ask_calibration(parent: QWidget) -> Path | None:
    """Ask for the file of a calibration."""
    path, _ = QFileDialog.getOpenFileName(parent, "Open calibration", "", "Calibration (*.json)")
    return Path(path) if path else None


def _column(*widgets: QWidget) -> QWidget:
    """Return widgets below each other."""
    part = QWidget()
    layout = QVBoxLayout(part)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return part
