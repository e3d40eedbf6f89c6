"""The form of the simulated instrument, with pictures of what it does."""

from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from magicgui.widgets import ComboBox
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFormLayout, QPushButton, QVBoxLayout, QWidget

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.pictures import Pictures
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.train import simulation
from napari_superres.plugin.widgets.train.fields import Labelled, Range
from napari_superres.plugin.widgets.train.instrument_kinds import KINDS, PSFS, InstrumentKind
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.viewer import Viewer

_DELAY = 250
"""Milliseconds without a change before new pictures are computed."""


class _RangeField(NamedTuple):
    """Label, unit, largest number, decimals and tooltip of a range."""

    label: str
    unit: str
    maximum: float
    decimals: int
    tooltip: str


_RANGES = {
    "psf_sigma": _RangeField(
        "PSF width",
        "px",
        6.0,
        2,
        "Standard deviation of the point-spread function in high-resolution pixels (along Z for thick slices); for a "
        "lens 0.21 × wavelength / NA.",
    ),
    "photons": _RangeField("Photons", "", 1e7, 0, "Photons or electrons in the brightest low-resolution pixel."),
    "read_noise": _RangeField("Read noise", "e⁻", 1e6, 2, "Standard deviation of the read noise, in electrons."),
    "share": _RangeField("Noise", "%", 100.0, 2, "Standard deviation of the noise, in percent of the brightest value."),
    "jpeg": _RangeField("JPEG quality", "", 100.0, 0, "Quality of the JPEG compression, 1 to 100."),
}


class DegradationForm(QWidget):
    """Choose the instrument and its ranges, see what it does, and measure it on a layer.

    Parameters
    ----------
    viewer
        napari viewer with layers that the instrument recorded.
    session
        Runs the jobs of the panel.
    """

    changed = Signal()

    def __init__(self, viewer: "Viewer", session: Session) -> None:
        super().__init__()
        self._session = session
        self._pictures_job: Job | None = None
        self._fit_job: Job | None = None
        self._sample: Callable[[], Image | Path | None] = lambda: None
        self._scale: tuple[int, ...] = (2, 2)
        self._is_torch_loaded = self._is_caption_temporary = False
        self._add_fields()
        self.real = forms.layer_box(
            viewer,
            label="Real layer",
            optional=True,
            tooltip="Raw low-resolution layer of your instrument, to compare the simulation with and to measure.",
        )
        self.fit = QPushButton("Fit to layer")
        self.fit.setToolTip(
            "Measure photons, read noise and offset on the real layer, and fill in ranges around them. The PSF is "
            "measured too if a checked high-resolution layer shows the same field."
        )
        self.fit.clicked.connect(self._fit)
        self.pictures = Pictures(
            ("High", "Simulated", "Real"),
            "Part of a high-resolution image, its simulated low-resolution image with the middle of each range, and a "
            "part of the real layer. Simulated and real should look alike.",
        )
        self.caption = forms.text()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.fields, forms.form([self.real]), self.fit, self.pictures, self.caption):
            layout.addWidget(widget)
        self.caption.hide()
        self._connect()
        self._show_kind()

    def _add_fields(self) -> None:
        self.kind = forms.narrow(
            ComboBox(
                choices=self._kind_choices,
                label="Instrument",
                tooltip="Simulation that makes low-resolution images during training. Choose what your instrument "
                "does.",
            )
        )
        self.psf = ComboBox(
            choices=list(PSFS.items()),
            label="PSF shape",
            tooltip="Gaussian, or diffraction at the lens of a widefield or confocal microscope in focus.",
        )
        self.ranges = {
            name: Range(field.label, field.tooltip, unit=field.unit, maximum=field.maximum, decimals=field.decimals)
            for name, field in _RANGES.items()
        }
        self.ranges["jpeg"].low.setMinimum(1)
        rows = [Labelled(field.label, field.tooltip, self.ranges[name]) for name, field in _RANGES.items()]
        self.fields = forms.form([self.kind, self.psf, *rows])

    def _connect(self) -> None:
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY)
        self._timer.timeout.connect(self._update_pictures)
        self.kind.changed.connect(self._show_kind)
        self.psf.changed.connect(self._update_soon)
        self.real.changed.connect(self._show_real)
        for field in self.ranges.values():
            field.changed.connect(self._update_soon)

    def _kind_choices(self, _: Any) -> list[tuple[str, InstrumentKind]]:
        is_volume = len(self._scale) == 3
        return [(kind.label, kind) for kind in KINDS if kind.is_volume == is_volume]

    @property
    def controls(self) -> list[QWidget]:
        """The controls that can have the focus, in order."""
        ends = [end for field in self.ranges.values() for end in (field.low, field.high)]
        return [self.kind.native, self.psf.native, *ends, self.real.native, self.fit]

    # What is chosen

    def _show_kind(self) -> None:
        """Show the fields of the chosen instrument, with its usual ranges."""
        kind: InstrumentKind = self.kind.value
        names = {kind.field_name(setting) for setting in kind.ranges}
        layout = self.fields.layout()
        assert isinstance(layout, QFormLayout)
        for name, field in {**self.ranges, "psf": self.psf.native}.items():
            is_visible = kind.kind == "optics" if name == "psf" else name in names
            field.setVisible(is_visible)
            layout.labelForField(field).setVisible(is_visible)
        self.settings = kind.ranges
        self._show_real()

    @property
    def settings(self) -> dict[str, Any]:
        """The degradation, as `make_instrument` takes it."""
        kind: InstrumentKind = self.kind.value
        settings: dict[str, Any] = {"kind": kind.kind} | ({"psf": self.psf.value} if kind.kind == "optics" else {})
        for name in kind.ranges:
            settings[name] = [kind.unit(name) * end for end in self.ranges[kind.field_name(name)].value]
        return settings

    @settings.setter
    def settings(self, settings: Mapping[str, Any]) -> None:
        kind: InstrumentKind = self.kind.value
        for name, ends in settings.items():
            if name in kind.ranges:
                unit = kind.unit(name)
                self.ranges[kind.field_name(name)].value = (ends[0] / unit, ends[1] / unit)
        self.psf.value = settings.get("psf", self.psf.value)
        self._update_soon()

    def imitate(self, modality: str, settings: Mapping[str, Any]) -> None:
        """Choose the degradation that another model was trained with, if the form has it, or the same instrument."""
        for kind in self.kind.choices:
            if kind.suits(modality, settings):
                self.kind.value = kind
                if kind.kind == settings["kind"]:
                    self.settings = settings
                return

    def show_sample(self, sample: Callable[[], Image | Path | None], scale: tuple[int, ...]) -> None:
        """Show from now on what happens to a sample at a scale."""
        was_volume = len(self._scale) == 3
        self._sample, self._scale = sample, scale
        if was_volume != (len(scale) == 3):
            with self.kind.changed.blocked():
                self.kind.reset_choices()
            self._show_kind()
        self._update_soon()

    def refresh(self) -> None:
        """Follow the viewer's layers."""
        if forms.refresh(self.real):
            self._show_real()

    def begin_pictures(self) -> None:
        """Compute pictures from now on: torch is loaded."""
        self._is_torch_loaded = True
        self._update_soon()

    def _show_real(self) -> None:
        self.fit.setEnabled(self.real.value is not None and self.kind.value.has_noise)
        self._update_soon()

    # Pictures and measurement

    def _update_soon(self) -> None:
        self._timer.start()
        self.changed.emit()

    def _images(self) -> tuple[Image | Path | None, Image | None]:
        return self._sample(), None if self.real.value is None else to_image(self.real.value)

    def _update_pictures(self) -> None:
        """Compute the pictures of what is chosen, and drop an earlier computation."""
        self._session.forget(self._pictures_job)
        self._pictures_job = None
        if not self._is_torch_loaded or not self.isEnabled() or self.isHidden():
            return
        try:
            sample, real = self._images()
        except SuperResError as error:
            self._say(str(error), temporary=True)
            return
        if sample is None:
            self.pictures.show_pictures((None, None, None))
            self._say("")
            return
        scale, settings = self._scale, self.settings

        def steps() -> Generator[Any, None, None]:
            yield simulation.simulate(sample, scale, settings, real)

        def show(planes: Any) -> None:
            self.pictures.show_pictures(planes)
            if self._is_caption_temporary:
                self._say("")

        self._pictures_job = self._start(steps, show)

    def _say(self, text: str, *, temporary: bool = False) -> None:
        """Show a caption; a temporary one goes away with the next pictures."""
        forms.say(self.caption, window_text(text))
        self._is_caption_temporary = temporary

    def _start(self, steps: Callable[[], Generator[Any, None, None]], done: Callable[[Any], None]) -> Job:
        job = Job(steps, stepped=done, failed=lambda message: self._say(message, temporary=True))
        self._session.add(job)
        return job

    def _fit(self) -> None:
        try:
            sample, real = self._images()
        except SuperResError as error:
            forms.show_error(str(error))
            return
        if real is None:
            return
        hr = sample if isinstance(sample, Image) else None
        scale, names = self._scale, tuple(self.kind.value.ranges)

        def steps() -> Generator[Any, None, None]:
            yield simulation.measure(real, hr, scale, names)

        def fill(measured: tuple[dict[str, tuple[float, float]], str]) -> None:
            self.settings = measured[0]
            self._say(measured[1])

        self._session.forget(self._fit_job)
        self._say("Measuring…")
        self._fit_job = self._start(steps, fill)
