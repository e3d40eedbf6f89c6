"""Plots of the Compare widget in the colours of napari's theme; the section of ring correlation and spectra."""

from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_superres.core.image import Image
from napari_superres.core.units import METRES, convert
from napari_superres.errors import EvaluationError, SuperResError
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.worker import tasks

BACKEND = "matplotlib.backends.backend_qtagg"
"""Module that `load` imports last."""
Chosen = Callable[[], dict[str, Any]]
"""Returns the layers that are chosen: ``"result"``, ``"reference"``, ``"input"``, those that are there."""
Interpolate = Callable[[Callable[[Any], None]], None]
"""Is given what to do with the layer of the interpolated input, or with None where there cannot be one."""

_HEIGHT, _TICKS = 230, 5
_LEFT = 62  # pixels for the numbers and the name of y
_LAID_OUT = 50  # milliseconds after which the panel has made room
_SHORT = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "centimeter": "cm", "angstrom": "Å"}
# Told apart without colours too.
_LINES = {"result": "-", "reference": "-", "input": ":", "interpolation": "--"}
_COLORS = {
    "dark": {"result": "#56b4e9", "reference": "#f0f0f0", "input": "#b0b0b0", "interpolation": "#e69f00"},
    "light": {"result": "#0072b2", "reference": "#202020", "input": "#6a6a6a", "interpolation": "#b35900"},
}


class Drawing(NamedTuple):
    """What a plot shows.

    Attributes
    ----------
    curves
        By name: x and y.
    x, y
        Names of the axes.
    logarithmic
        Whether y is.
    level
        Height of a dotted line, and its name.
    mark
        Where on x something is.
    range
        Of y; by default that of the curves.
    words
        Said below.
    """

    curves: Mapping[str, tuple[Any, Any]]
    x: str
    y: str
    logarithmic: bool = False
    level: tuple[float, str] | None = None
    mark: float | None = None
    range: tuple[float, float] | None = None
    words: str = ""


def load() -> None:
    """Import matplotlib, to be called in a thread: it takes half a second."""
    import matplotlib.backends.backend_qtagg
    import matplotlib.figure  # noqa: F401


class Ears:
    """Connections to events of napari that end with a widget; no Qt object, so that they can end after it."""

    def __init__(self) -> None:
        self._open: list[tuple[Any, Callable[..., None]]] = []

    def open(self, event: Any, told: Callable[..., None]) -> None:
        """Have something called whenever an event happens."""
        event.connect(told)
        self._open.append((event, told))

    def close(self) -> None:
        """Listen no more."""
        while self._open:
            event, told = self._open.pop()
            event.disconnect(told)


class Plot(QWidget):
    """One plot and a line of text, hidden until there is something to show.

    Parameters
    ----------
    viewer
        napari viewer whose theme it follows.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self.owner: Any = None
        self._drawing: Drawing | None = None
        self._canvas: Any = None
        self.words = forms.text()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.words)
        self._reveal = QTimer(self)
        self._reveal.setSingleShot(True)
        self._reveal.timeout.connect(self._show_whole)
        self.ears = Ears()
        self.ears.open(viewer.events.theme, self._recolour)
        self.hide()

    @property
    def drawing(self) -> Drawing | None:
        """What is shown."""
        return self._drawing

    def draw(self, drawing: Drawing, owner: Any) -> None:
        """Show curves of one of the sections; after `load`."""
        if self.isHidden() or self.owner is not owner:
            self._reveal.start(_LAID_OUT)
        self._drawing, self.owner = drawing, owner
        if self._canvas is None:
            self._canvas = _canvas()
            self.layout().insertWidget(0, self._canvas)
        self._paint(drawing)
        self._canvas.show()
        forms.say(self.words, drawing.words)
        self.show()

    def say(self, words: str, owner: Any) -> None:
        """Show a text of one of the sections instead of curves."""
        self._drawing, self.owner = None, owner
        if self._canvas is not None:
            self._canvas.hide()
        forms.say(self.words, words)
        self.setVisible(bool(words))

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Leave the numbers as much room as they need at any width."""
        super().resizeEvent(event)
        self._recolour()

    def _show_whole(self) -> None:
        area = self.parent()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parent()
        if area is not None:
            area.ensureWidgetVisible(self)

    def _recolour(self, _: Any = None) -> None:
        if self._drawing is not None:
            self._paint(self._drawing)

    def _paint(self, drawing: Drawing) -> None:
        from napari.utils.theme import get_theme

        theme = get_theme(self._viewer.theme)
        text, back = theme.text.as_hex(), theme.background.as_hex()
        colors = _COLORS[theme.type]
        figure = self._canvas.figure
        figure.clear()
        figure.set_facecolor(back)
        left = min(0.3, _LEFT / max(self.width(), 1))
        axes = figure.add_axes((left, 0.2, 0.97 - left, 0.66), facecolor=back)
        for name, (x, y) in drawing.curves.items():
            # What others are made of is drawn over them: it has the fewest ink.
            axes.plot(x, y, _LINES[name], color=colors[name], lw=1.3, label=name, zorder=2 + (name == "input"))
        if drawing.level is not None:
            axes.axhline(drawing.level[0], ls=(0, (1, 2)), color=text, lw=1, label=drawing.level[1])
        if drawing.mark is not None:
            axes.axvline(drawing.mark, ls=(0, (1, 2)), color=colors["result"], lw=1)
        if drawing.logarithmic:
            axes.set_yscale("log")
            axes.minorticks_off()
        axes.locator_params("both" if not drawing.logarithmic else "x", nbins=_TICKS)  # text takes most of the time
        if drawing.range is not None:
            axes.set_ylim(*drawing.range)
        axes.margins(x=0)
        axes.set_xlabel(drawing.x, color=text, fontsize=8)
        axes.set_ylabel(drawing.y, color=text, fontsize=8)
        axes.tick_params(colors=text, labelsize=7)
        axes.spines[:].set_color(text)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(0.0, 1.0),
            bbox_transform=figure.transFigure,
            ncols=4,
            fontsize=7,
            frameon=False,
            labelcolor=text,
            handlelength=1.4,
            columnspacing=0.8,
            handletextpad=0.4,
            borderaxespad=0.2,
        )
        self._canvas.draw_idle()


def _canvas() -> Any:
    from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
    from matplotlib.figure import Figure

    class Canvas(FigureCanvasQTAgg):  # imported late: not at the top
        """A canvas over which the panel scrolls."""

        def wheelEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
            event.ignore()

    canvas: Any = Canvas(Figure(figsize=(3, 2.3)))  # type: ignore[no-untyped-call]
    canvas.setFixedHeight(_HEIGHT)
    canvas.setMinimumWidth(50)
    return canvas


class SpectraSection(QWidget):
    """How far result and reference agree, by detail, and how much detail there is.

    Parameters
    ----------
    plot
        Where it is drawn.
    chosen, interpolate
        What the widget has.
    start
        Runs steps in a thread: what is said meanwhile, the steps, what is told their last.
    is_registered
        Whether the reference is registered first.
    """

    def __init__(
        self,
        plot: Plot,
        chosen: Chosen,
        interpolate: Interpolate,
        *,
        start: Callable[[str, Any, Any], None],
        is_registered: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._plot, self._chosen, self._interpolate = plot, chosen, interpolate
        self._start, self._is_registered = start, is_registered
        self.correlation, self.spectra = QPushButton("Ring correlation"), QPushButton("Power spectra")
        self.correlation.setToolTip(
            "Correlate result and reference, ring by ring of spatial frequency: where it falls below 1/7 they agree no "
            "more. First channel."
        )
        self.spectra.setToolTip(
            "Draw how much of each spatial frequency result, reference and interpolation hold. First channel."
        )
        self.correlation.clicked.connect(lambda: self._with_interpolation(self._correlate))
        self.spectra.clicked.connect(lambda: self._with_interpolation(self._transform))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.correlation)
        row.addWidget(self.spectra)

    def changed(self, idle: bool) -> None:
        """React to layers that were chosen, came or went, and to work that began or ended."""
        chosen = self._chosen()
        self.spectra.setEnabled(idle and "result" in chosen)
        self.correlation.setEnabled(idle and {"result", "reference"} <= set(chosen))

    def _with_interpolation(self, then: Callable[[dict[str, Image]], None]) -> None:
        chosen = self._chosen()

        def go(made: Any) -> None:
            layers = {**chosen, **({"interpolation": made} if made else {})}
            try:
                then({name: to_image(layer) for name, layer in layers.items()})
            except SuperResError as error:
                self._plot.say(window_text(str(error)), self)

        if "input" in chosen:
            self._interpolate(go)
        else:
            go(None)

    def _correlate(self, images: dict[str, Image]) -> None:
        register = self._is_registered()

        def steps() -> Generator[Any, None, None]:
            load()
            try:
                yield tasks.ring_correlations(
                    images["result"], images["reference"], images.get("interpolation"), register=register
                )
            except EvaluationError as error:
                yield str(error)

        self._start("Correlating…", steps, self._show_correlation)

    def _show_correlation(self, found: Any) -> None:
        if isinstance(found, str):
            self._plot.say(f"Not measurable: {found}", self)
            return
        result = found["result"]
        met = result.agreement("1/7")
        words = f"Not measurable: {met.reason}."
        if met.value is not None:
            words = f"Result and reference agree down to {met.value:.3g} {_short(met.unit)} (threshold 1/7)."
        drawing = Drawing(
            {name: (curve.frequency, curve.correlation) for name, curve in found.items()},
            _frequency(result.unit),
            "ring correlation",
            level=(1 / 7, "1/7"),
            mark=None if met.value is None else 1 / met.value,
            range=(-0.15, 1.05),
            words=words,
        )
        self._plot.draw(drawing, self)

    def _transform(self, images: dict[str, Image]) -> None:
        lr = images.pop("input", None)

        def steps() -> Generator[Any, None, None]:
            load()
            yield tasks.radial_powers(images)

        def show(found: Any) -> None:
            unit, _ = found["result"]
            curves = {
                name: (frequency[1:] * _ratio(unit, own), np.maximum(power[1:], 1e-12 * power.max()))
                for name, (own, (frequency, power)) in found.items()
            }
            limit = None if lr is None else 0.5 / max(lr.pixel_size[-2:]) * _ratio(unit, lr.units["X"])
            words = "" if limit is None else "Dotted: the finest detail that the input's pixels can hold."
            self._plot.draw(Drawing(curves, _frequency(unit), "power", logarithmic=True, mark=limit, words=words), self)

        self._start("Transforming…", steps, show)


def _ratio(unit: str, own: str | None) -> float:
    """Return how many of an image's own units a unit is."""
    return convert(1.0, unit, own) if unit in METRES and own in METRES else 1.0


def _frequency(unit: str) -> str:
    return f"spatial frequency (1/{_short(unit)})"


def _short(unit: str) -> str:
    return _SHORT.get(unit, unit)
