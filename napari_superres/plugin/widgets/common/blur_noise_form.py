"""Controls for the blur and the noise that a conditioned network is told."""

from collections.abc import Callable
from math import floor, log10

from magicgui.widgets import LineEdit
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QHBoxLayout, QPushButton, QSlider, QVBoxLayout, QWidget

from napari_superres.inference.planning.lens import Lens
from napari_superres.models import ModelCard
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.blur_noise import FROM_FILE, BlurNoise, SigmaRange, sigma_range

_STEPS = 150
"""Positions of a slider: 1 % of noise each."""
_NO_RANGE = SigmaRange("", 1.0, 1.0, 1)


class NumberSlider(QWidget):
    """A slider with a number next to it that can be typed, as a row of `forms.form`.

    Parameters
    ----------
    label, tooltip
        Of the row.
    """

    changed = Signal()

    def __init__(self, label: str, tooltip: str) -> None:
        super().__init__()
        self.label, self.tooltip, self.native = label, tooltip, self
        self.slider, self.number = QSlider(Qt.Orientation.Horizontal), QDoubleSpinBox()
        self.slider.setRange(0, _STEPS)
        self.slider.setPageStep(_STEPS // 15)
        self.number.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.number.setKeyboardTracking(False)  # A number counts once it is typed in full.
        self.number.setStyleSheet("min-width: 56px")  # The style of napari is wider than a narrow dock allows.
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.number)
        for widget in (self.slider, self.number, self.number.lineEdit()):
            widget.setToolTip(tooltip)
            widget.setAccessibleName(label)
        self.slider.valueChanged.connect(lambda at: self.number.setValue(at * self.number.maximum() / _STEPS))
        self.number.valueChanged.connect(self._follow)

    def _follow(self, value: float) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(value * _STEPS / self.number.maximum()))
        self.changed.emit()

    def set_range(self, most: float, unit: str, value: float) -> None:
        """Set the largest number, the unit behind it and the number, without a signal."""
        with QSignalBlocker(self):
            self.number.setDecimals(max(0, 2 - floor(log10(most))))
            self.number.setMaximum(most)
            self.number.setSuffix(f" {unit}")
            self.number.setValue(value)
            self._follow(self.number.value())


class BlurNoiseForm(QWidget):
    """Two sliders, *Noise* and *Sharpen*, and a line for noise that is known. Hidden unless a model is told these.

    Parameters
    ----------
    changed
        Called when the user changes one of the controls.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self.strength = NumberSlider(
            "Noise",
            "How much of the noise is removed, relative to the measured noise. 0 % keeps it; more than 100 % smooths "
            "fine detail, too.",
        )
        self.strength.set_range(150, "%", 100)
        self.noise_text = forms.text()
        self.noise_text.setToolTip("Standard deviation of the noise in the middle of the intensity range.")
        self.noise_text.hide()
        self.told_text = forms.text()
        self.told_text.hide()
        self.sigma = NumberSlider(
            "Sharpen",
            "Known sigma of the point-spread function, about 0.21 wavelength / NA in widefield; px are pixels of the "
            "result. Leave it off if you do not know it: too large a value invents edges.",
        )
        self.sigma.number.setSpecialValueText("off")
        self.from_file = QPushButton(FROM_FILE)
        self.from_file.setToolTip("Set the sigma by the lens that the file states.")
        self.from_file.clicked.connect(self._take_stated)
        self.from_file.hide()
        self.noise = LineEdit(
            label="Known noise",
            tooltip="Gain and read noise in intensities of the image, such as 0.5, 3, or with the offset of darkness, "
            "such as 0.5, 3, 100; 0 for none. Leave it empty to have it measured.",
        )
        self.noise.native.setPlaceholderText("measured")
        self._is_told, self._range = False, _NO_RANGE
        self._stated: float | None = None
        self._noise_row, self._sigma_row = QWidget(), forms.form([self.sigma])
        self._known_row = forms.form([self.noise])
        noise_layout, layout = QVBoxLayout(self._noise_row), QVBoxLayout(self)
        for box in (noise_layout, layout):
            box.setContentsMargins(0, 0, 0, 0)
            box.setSpacing(4)
        for widget in (forms.form([self.strength]), self.noise_text):
            noise_layout.addWidget(widget)
        for widget in (self._noise_row, self._sigma_row, self.from_file, self._known_row, self.told_text):
            layout.addWidget(widget)
        for signal in (self.strength.changed, self.sigma.changed, self.noise.changed):
            signal.connect(lambda *_: changed())
        self.hide()

    def fit(
        self,
        card: ModelCard | None,
        pixel_size: float | None = None,
        unit: str | None = None,
        *,
        lens: Lens | None = None,
    ) -> None:
        """Show what a model is told. A width is kept while it means the same.

        Parameters
        ----------
        card
            Card of the model; None without one.
        pixel_size, unit
            Pixel size of the image along X and its unit; None if it is unknown.
        lens
            Lens that the image's file states; None if it states none.
        """
        conditions = card.conditions if card is not None else {}
        self._is_told = bool(conditions)
        self.setVisible(self._is_told)
        has_noise = bool({"gain", "read_noise"} & conditions.keys())
        self._noise_row.setVisible(has_noise)
        self._known_row.setVisible(has_noise)
        self._sigma_row.setVisible("psf_sigma" in conditions)
        self.from_file.hide()
        if card is None or "psf_sigma" not in conditions:
            return
        wanted = sigma_range(card, pixel_size, unit)
        if wanted != self._range:
            value = self.sigma.number.value() if wanted.is_for_same_image(self._range) else 0.0
            self._range = wanted
            self.sigma.set_range(wanted.most, wanted.unit, value)
        self._stated = None if lens is None or pixel_size is None else lens.sigma
        self.from_file.setVisible(self._stated is not None)
        if lens is not None:
            self.from_file.setToolTip(f"Set the sigma by {lens.describe()}.")

    def _take_stated(self) -> None:
        if self._stated is not None:
            self.sigma.number.setValue(self._range.from_micrometers(self._stated))

    def say(self, noise: str, told: str) -> None:
        """Show the noise in words, and what the model is told of blur and noise."""
        forms.say(self.noise_text, noise)
        forms.say(self.told_text, told)

    def take(self, told: BlurNoise) -> None:
        """Choose what another form has chosen for the same model."""
        self.strength.number.setValue(100 * told.strength)
        self.noise.value = told.noise
        self.sigma.number.setValue(told.psf_sigma * self._range.pixel)

    @property
    def value(self) -> BlurNoise | None:
        """What is chosen; None if the model is told nothing."""
        if not self._is_told:
            return None
        sigma = self._range.in_pixels(self.sigma.number.value())
        strength = round(self.strength.number.value() / 100, 4)
        return BlurNoise(strength=strength, noise=self.noise.value.strip(), psf_sigma=sigma)
