"""The section of the Compare widget that plots Fourier ring correlation and power spectra."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError, SuperResError
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.compare.interpolation import Request
from napari_superres.plugin.widgets.compare.line_profile import own_units_per
from napari_superres.plugin.widgets.compare.plot import Drawing, Plot, load_matplotlib
from napari_superres.plugin.widgets.compare.state import CompareState
from napari_superres.plugin.worker import tasks

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

_SYMBOLS = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "centimeter": "cm", "angstrom": "Å"}

Start = Callable[[str, Callable[[], Generator[Any, None, None]], Callable[[Any], None]], None]
"""Runs steps in a thread, given a status line, the steps, and a function that receives their last value."""


class SpectraSection(QWidget):
    """Plot down to which detail result and reference agree, and how much detail each image has.

    Parameters
    ----------
    plot
        The plot to draw in.
    state
        Returns what is chosen.
    request_interpolation
        Provides the layer of the interpolated input.
    start
        Runs steps in a thread.
    """

    def __init__(
        self, plot: Plot, state: Callable[[], CompareState], request_interpolation: Request, start: Start
    ) -> None:
        super().__init__()
        self._plot, self._state, self._request_interpolation, self._start = plot, state, request_interpolation, start
        self.correlation, self.spectra = QPushButton("Ring correlation"), QPushButton("Power spectra")
        self.correlation.setToolTip(
            "Plot the Fourier ring correlation of result and reference, of the first channel. They agree down to the "
            "detail where it falls below 1/7."
        )
        self.spectra.setToolTip(
            "Plot the power of result, reference and interpolation over spatial frequency, of the first channel."
        )
        self.correlation.clicked.connect(lambda: self._with_images(self._correlate))
        self.spectra.clicked.connect(lambda: self._with_images(self._transform))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(forms.row(self.correlation, self.spectra))

    def show_state(self) -> None:
        """Enable the buttons as the state says."""
        state = self._state()
        self.spectra.setEnabled(state.can_plot_spectra)
        self.correlation.setEnabled(state.can_correlate)

    def _with_images(self, then: Callable[[dict[str, Image]], None]) -> None:
        """Call a function with the images of the chosen layers and of the interpolated input."""
        chosen = self._state().layers

        def convert_layers(interpolation: "ImageLayer | None") -> None:
            layers = {**chosen, **({"interpolation": interpolation} if interpolation else {})}
            try:
                then({name: to_image(layer) for name, layer in layers.items()})
            except SuperResError as error:
                self._plot.say(window_text(str(error)), self)

        if "input" in chosen:
            self._request_interpolation(convert_layers)
        else:
            convert_layers(None)

    def _correlate(self, images: dict[str, Image]) -> None:
        register = self._state().register

        def steps() -> Generator[Any, None, None]:
            load_matplotlib()
            try:
                yield tasks.ring_correlations(
                    images["result"], images["reference"], images.get("interpolation"), register=register
                )
            except EvaluationError as error:
                yield str(error)

        self._start("Correlating…", steps, self._show_correlation)

    def _show_correlation(self, correlations: Any) -> None:
        if isinstance(correlations, str):
            self._plot.say(window_text(f"Not measurable: {correlations}"), self)
            return
        result = correlations["result"]
        agreement = result.agreement("1/7")
        caption = f"Not measurable: {agreement.reason}."
        if agreement.value is not None:
            detail = f"{agreement.value:.3g} {_symbol(agreement.unit)}"
            caption = f"Result and reference agree down to {detail} (threshold 1/7)."
        drawing = Drawing(
            {name: (curve.frequency, curve.correlation) for name, curve in correlations.items()},
            _frequency_label(result.unit),
            "ring correlation",
            level=(1 / 7, "1/7"),
            mark=None if agreement.value is None else 1 / agreement.value,
            range=(-0.15, 1.05),
            caption=caption,
        )
        self._plot.draw(drawing, self)

    def _transform(self, images: dict[str, Image]) -> None:
        lr = images.pop("input", None)

        def steps() -> Generator[Any, None, None]:
            load_matplotlib()
            yield tasks.radial_powers(images)

        def show(powers: Any) -> None:
            unit, _ = powers["result"]
            curves = {
                name: (frequency[1:] * own_units_per(unit, own), np.maximum(power[1:], 1e-12 * power.max()))
                for name, (own, (frequency, power)) in powers.items()
            }
            limit = None if lr is None else 0.5 / max(lr.pixel_size[-2:]) * own_units_per(unit, lr.units["X"])
            caption = "" if limit is None else "Dotted: the finest detail that the input's pixels can hold."
            label = _frequency_label(unit)
            self._plot.draw(Drawing(curves, label, "power", logarithmic=True, mark=limit, caption=caption), self)

        self._start("Transforming…", steps, show)


def _frequency_label(unit: str) -> str:
    return f"spatial frequency (1/{_symbol(unit)})"


def _symbol(unit: str) -> str:
    return _SYMBOLS.get(unit, unit)
