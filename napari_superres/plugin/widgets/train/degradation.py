"""How low-resolution images are made of high-resolution ones, with a live picture of what that does."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFormLayout, QPushButton, QVBoxLayout, QWidget

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.train import simulation
from napari_superres.plugin.widgets.train.curves import Pictures
from napari_superres.plugin.widgets.train.fields import Labelled, Range
from napari_superres.plugin.worker.job import Job

_DELAY = 250  # milliseconds without a change before the picture is made anew


@dataclass(frozen=True, eq=False)
class Kind:
    """A way to make low-resolution images.

    Attributes
    ----------
    label
        As it stands in the list.
    kind
        Of `degradation.instruments`.
    modality
        For the card.
    strengths
        Settings that are ranges, with their usual ends: those of the shipped models.
    volume
        Whether it makes thick slices of volumes.
    """

    label: str
    kind: str
    modality: str
    strengths: Mapping[str, tuple[float, float]]
    volume: bool = False


KINDS = (
    Kind(
        "Fluorescence", "optics", "fluorescence", {"psf_sigma": (0.8, 2.2), "photons": (15, 400), "read_noise": (0, 2)}
    ),
    Kind(
        "Electron microscope",
        "optics",
        "electron microscopy",
        {"psf_sigma": (0.6, 1.4), "photons": (40, 1000), "read_noise": (0, 2)},
    ),
    Kind("CT", "optics", "CT", {"psf_sigma": (0.6, 1.4), "read_noise": (0, 0.06)}),
    Kind("MRI: k-space", "kspace", "MRI", {"noise": (0, 0.05)}),
    Kind("Photograph: bicubic", "bicubic", "photograph", {}),
    Kind("Photograph: JPEG", "bicubic", "photograph", {"jpeg": (30, 95)}),
    Kind(
        "Thick slices: fluorescence",
        "slices",
        "fluorescence",
        {"psf_sigma": (0.3, 1.0), "photons": (15, 400), "noise": (0, 2)},
        volume=True,
    ),
    Kind("Thick slices: MRI", "slices", "MRI", {"noise": (0, 0.05)}, volume=True),
)
"""All that can be chosen."""

_PSFS = {"Gaussian": "gaussian", "Widefield lens": "widefield", "Confocal": "confocal"}


class DegradationForm(QWidget):
    """The form with kind and strengths, the pictures, and what measures an instrument.

    Parameters
    ----------
    viewer
        napari viewer with the layers that the instrument recorded.
    session
        Of the panel: runs jobs.
    """

    changed = Signal()

    def __init__(self, viewer: Any, session: Session) -> None:
        super().__init__()
        self._session = session
        self._job: Job | None = None
        self._sample: Callable[[], Image | Path | None] = lambda: None
        self._scale: tuple[int, ...] = (2, 2)
        self._ready = self._is_wrong = False
        self._make_fields()
        self.real = forms.layer_box(
            viewer,
            label="Real layer",
            optional=True,
            tooltip="A raw low-resolution layer of your instrument, to compare the simulation with, and to measure.",
        )
        self.fit = QPushButton("Fit to layer")
        self.fit.setToolTip(
            "Measure photons, read noise and offset on the real layer, and the width of its PSF where a checked "
            "high-resolution layer shows the same field; fill them in, with a margin."
        )
        self.fit.clicked.connect(self._fit)
        self.pictures = Pictures(
            ("High", "Simulated", "Real"),
            "Left: a part of a high-resolution image. Middle: the low-resolution image that is made of it, with the "
            "middle of each range. Right: a part of the real layer, as large. Simulated and real should look alike.",
        )
        self.words = forms.text()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.fields, forms.form([self.real]), self.fit, self.pictures, self.words):
            layout.addWidget(widget)
        self.words.hide()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY)
        self._timer.timeout.connect(self._draw)
        self.kind.changed.connect(self._kind_chosen)
        self.psf.changed.connect(self._moved)
        self.real.changed.connect(self._real_chosen)
        for strength in self.strengths.values():
            strength.changed.connect(self._moved)
        self._kind_chosen()
        self._real_chosen()

    def _make_fields(self) -> None:
        self.kind = forms.narrow(
            ComboBox(
                choices=self._kinds,
                label="Instrument",
                tooltip="What makes low-resolution images of the high-resolution ones while the network trains. "
                "Choose what your instrument does.",
            )
        )
        self.psf = ComboBox(
            choices=list(_PSFS.items()),
            label="PSF shape",
            tooltip="Gaussian, or diffraction at the lens of a widefield or confocal microscope in focus.",
        )
        about = {
            "psf_sigma": (
                "PSF width",
                "px",
                6.0,
                2,
                "Standard deviation of the point-spread function, in pixels of "
                "the high-resolution image; of a lens 0.21 × wavelength / NA. In thick slices along Z.",
            ),
            "photons": (
                "Photons",
                "",
                1e7,
                0,
                "Photons or electrons that a low-resolution pixel counts where it is brightest.",
            ),
            "read_noise": ("Read noise", "e⁻", 1e6, 2, "Standard deviation of the noise of reading out, in electrons."),
            "share": ("Noise", "%", 100.0, 2, "Standard deviation of the noise, in percent of the brightest."),
            "jpeg": ("JPEG", "", 100.0, 0, "Quality of JPEG compression, 1 to 100."),
        }
        self.strengths = {
            name: Range(label, tooltip, unit=unit, most=most, decimals=decimals)
            for name, (label, unit, most, decimals, tooltip) in about.items()
        }
        self.strengths["jpeg"].low.setMinimum(1)
        rows = {name: Labelled(about[name][0], about[name][4], field) for name, field in self.strengths.items()}
        self.fields = forms.form([self.kind, self.psf, *rows.values()])

    def _kinds(self, _: Any) -> list[tuple[str, Kind]]:
        volume = len(self._scale) == 3
        return [(kind.label, kind) for kind in KINDS if kind.volume == volume]

    @property
    def controls(self) -> list[QWidget]:
        """What can have the focus, in order."""
        ends = [end for field in self.strengths.values() for end in (field.low, field.high)]
        return [self.kind.native, self.psf.native, *ends, self.real.native, self.fit]

    # What is chosen

    def _field(self, name: str) -> str:
        """Return the field of a setting: noise is in electrons where photons are counted, else a share."""
        is_noise = name in ("noise", "read_noise")
        return ("read_noise" if "photons" in self.kind.value.strengths else "share") if is_noise else name

    def _kind_chosen(self) -> None:
        kind: Kind = self.kind.value
        shown = {self._field(name) for name in kind.strengths}
        layout = self.fields.layout()
        assert isinstance(layout, QFormLayout)
        for name, field in {**self.strengths, "psf": self.psf.native}.items():
            visible = kind.kind == "optics" if name == "psf" else name in shown
            field.setVisible(visible)
            layout.labelForField(field).setVisible(visible)
        self.settings = kind.strengths
        self._real_chosen()

    @property
    def settings(self) -> dict[str, Any]:
        """As `make_instrument` takes them."""
        kind: Kind = self.kind.value
        found: dict[str, Any] = {"kind": kind.kind} | ({"psf": self.psf.value} if kind.kind == "optics" else {})
        for name in kind.strengths:
            unit = 0.01 if self._field(name) == "share" else 1.0
            found[name] = [unit * end for end in self.strengths[self._field(name)].value]
        return found

    @settings.setter
    def settings(self, given: Mapping[str, Any]) -> None:
        for name, ends in given.items():
            if name in self.kind.value.strengths:
                unit = 0.01 if self._field(name) == "share" else 1.0
                self.strengths[self._field(name)].value = (ends[0] / unit, ends[1] / unit)
        self.psf.value = given.get("psf", self.psf.value)
        self._moved()

    def imitate(self, modality: str, given: Mapping[str, Any]) -> None:
        """Choose what another model was trained with, if it can be chosen."""
        for kind in self.kind.choices:
            same = set(given) - {"kind", "psf", "eight_bit"} <= set(kind.strengths)
            if (kind.modality, kind.kind) == (modality, given.get("kind")) and same:
                self.kind.value = kind
                self.settings = given
                return

    def look(self, sample: Callable[[], Image | Path | None], scale: tuple[int, ...]) -> None:
        """Show what happens to a sample at a scale from now on."""
        was_volume = len(self._scale) == 3
        self._sample, self._scale = sample, scale
        if was_volume != (len(scale) == 3):
            with self.kind.changed.blocked():
                self.kind.reset_choices()
            self._kind_chosen()
        self._moved()

    def refresh(self) -> None:
        """Follow the viewer's layers."""
        if forms.refresh(self.real):
            self._real_chosen()

    def start(self) -> None:
        """Begin to show pictures: torch is loaded."""
        self._ready = True
        self._moved()

    def _real_chosen(self) -> None:
        noisy = any(name in self.kind.value.strengths for name in ("read_noise", "noise"))
        self.fit.setEnabled(self.real.value is not None and noisy)
        self._moved()

    # What it does

    def _moved(self) -> None:
        self._timer.start()
        self.changed.emit()

    def _images(self) -> tuple[Image | Path | None, Image | None]:
        return self._sample(), None if self.real.value is None else to_image(self.real.value)

    def _draw(self) -> None:
        """Ask for the pictures of what is chosen; an older question is dropped."""
        self._session.forget(self._job)
        self._job = None
        if not self._ready or not self.isEnabled() or self.isHidden():
            return
        try:
            sample, real = self._images()
        except SuperResError as error:
            self._say(str(error), wrong=True)
            return
        if sample is None:
            self.pictures.show_pictures((None, None, None))
            self._say("")
            return
        scale, settings = self._scale, self.settings

        def steps() -> Generator[Any, None, None]:
            yield simulation.preview(sample, scale, settings, real)

        def show(found: Any) -> None:
            self.pictures.show_pictures(found)
            if self._is_wrong:
                self._say("")

        self._start(steps, show)

    def _say(self, words: str, *, wrong: bool = False) -> None:
        forms.say(self.words, window_text(words))
        self._is_wrong = wrong

    def _start(self, steps: Callable[[], Generator[Any, None, None]], done: Callable[[Any], None]) -> None:
        self._job = Job(steps, stepped=done, failed=lambda message: self._say(message, wrong=True))
        self._session.add(self._job)

    def _fit(self) -> None:
        try:
            sample, real = self._images()
        except SuperResError as error:
            forms.show_error(str(error))
            return
        if real is None:
            return
        known = sample if isinstance(sample, Image) else None
        scale, strengths = self._scale, tuple(self.kind.value.strengths)

        def steps() -> Generator[Any, None, None]:
            yield simulation.measure(real, known, scale, strengths)

        def fill(found: tuple[dict[str, tuple[float, float]], str]) -> None:
            self.settings = found[0]
            self._say(found[1])

        self._session.forget(self._job)
        self._say("Measuring…", wrong=True)  # whatever ends it
        self._start(steps, fill)
