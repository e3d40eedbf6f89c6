"""One plot of the Compare widget, in the colours of napari's theme."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from napari_superres.plugin.widgets.common import forms

if TYPE_CHECKING:
    from napari.viewer import Viewer

MATPLOTLIB_BACKEND = "matplotlib.backends.backend_qtagg"
"""Module that `load_matplotlib` imports last."""

_HEIGHT, _TICKS = 230, 5
_LEFT_MARGIN = 62
"""Pixels for the numbers and the name of the y axis."""
_LAYOUT_DELAY = 50
"""Milliseconds after which the panel has made room for the plot."""
# Line styles can be told apart without colours.
_LINES = {"result": "-", "reference": "-", "input": ":", "interpolation": "--"}
_COLORS = {
    "dark": {"result": "#56b4e9", "reference": "#f0f0f0", "input": "#b0b0b0", "interpolation": "#e69f00"},
    "light": {"result": "#0072b2", "reference": "#202020", "input": "#6a6a6a", "interpolation": "#b35900"},
}


class Drawing(NamedTuple):
    """Content of a plot.

    Attributes
    ----------
    curves
        x and y of each curve, by name.
    x, y
        Names of the axes.
    logarithmic
        Whether the y axis is logarithmic.
    level
        Height of a dotted horizontal line, and its name.
    mark
        Position of a dotted vertical line on the x axis.
    range
        Range of the y axis; None for that of the curves.
    caption
        Text below the plot.
    """

    curves: Mapping[str, tuple[Any, Any]]
    x: str
    y: str
    logarithmic: bool = False
    level: tuple[float, str] | None = None
    mark: float | None = None
    range: tuple[float, float] | None = None
    caption: str = ""


def load_matplotlib() -> None:
    """Import matplotlib. Call this in a thread, because it takes half a second."""
    import matplotlib.backends.backend_qtagg
    import matplotlib.figure  # noqa: F401


class Connections:
    """Connections to events of napari that end with a widget. This is no Qt object, so it can outlive the widget."""

    def __init__(self) -> None:
        self._open: list[tuple[Any, Callable[..., None]]] = []

    def add(self, event: Any, callback: Callable[..., None]) -> None:
        """Call a function at every event."""
        event.connect(callback)
        self._open.append((event, callback))

    def close(self) -> None:
        """Disconnect all functions."""
        while self._open:
            event, callback = self._open.pop()
            event.disconnect(callback)


class Plot(QWidget):
    """One plot with a caption, hidden while it is empty.

    Parameters
    ----------
    viewer
        napari viewer whose theme the plot follows.
    """

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__()
        self._viewer = viewer
        self.owner: Any = None
        self._drawing: Drawing | None = None
        self._canvas: Any = None
        self.caption = forms.text()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.caption)
        self._scroll_timer = QTimer(self)
        self._scroll_timer.setSingleShot(True)
        self._scroll_timer.timeout.connect(self._scroll_to_plot)
        self.connections = Connections()
        self.connections.add(viewer.events.theme, self._repaint)
        self.hide()

    @property
    def drawing(self) -> Drawing | None:
        """The curves in the plot; None while there are none."""
        return self._drawing

    def draw(self, drawing: Drawing, owner: Any) -> None:
        """Show the curves of a section. Call `load_matplotlib` first."""
        if self.isHidden() or self.owner is not owner:
            self._scroll_timer.start(_LAYOUT_DELAY)
        self._drawing, self.owner = drawing, owner
        if self._canvas is None:
            self._canvas = _canvas()
            self.layout().insertWidget(0, self._canvas)
        self._paint(drawing)
        self._canvas.show()
        forms.say(self.caption, drawing.caption)
        self.show()

    def say(self, text: str, owner: Any) -> None:
        """Show a text of a section in place of curves."""
        self._drawing, self.owner = None, owner
        if self._canvas is not None:
            self._canvas.hide()
        forms.say(self.caption, text)
        self.setVisible(bool(text))

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Keep the margin for the numbers at any width."""
        super().resizeEvent(event)
        self._repaint()

    def _scroll_to_plot(self) -> None:
        area = self.parent()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parent()
        if area is not None:
            area.ensureWidgetVisible(self)

    def _repaint(self, _: Any = None) -> None:
        if self._drawing is not None:
            self._paint(self._drawing)

    def _paint(self, drawing: Drawing) -> None:
        from napari.utils.theme import get_theme

        theme = get_theme(self._viewer.theme)
        text, background = theme.text.as_hex(), theme.background.as_hex()
        figure = self._canvas.figure
        figure.clear()
        figure.set_facecolor(background)
        left = min(0.3, _LEFT_MARGIN / max(self.width(), 1))
        axes = figure.add_axes((left, 0.2, 0.97 - left, 0.66), facecolor=background)
        _draw_curves(axes, drawing, _COLORS[theme.type], text)
        _draw_axes(axes, drawing, text)
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


def _draw_curves(axes: Any, drawing: Drawing, colors: Mapping[str, str], text: str) -> None:
    for name, (x, y) in drawing.curves.items():
        # The dotted input is drawn on top, because it would hide behind its interpolation.
        axes.plot(x, y, _LINES[name], color=colors[name], lw=1.3, label=name, zorder=2 + (name == "input"))
    if drawing.level is not None:
        axes.axhline(drawing.level[0], ls=(0, (1, 2)), color=text, lw=1, label=drawing.level[1])
    if drawing.mark is not None:
        axes.axvline(drawing.mark, ls=(0, (1, 2)), color=colors["result"], lw=1)


def _draw_axes(axes: Any, drawing: Drawing, text: str) -> None:
    if drawing.logarithmic:
        axes.set_yscale("log")
        axes.minorticks_off()
    # Few ticks, because drawing text takes most of the time.
    axes.locator_params("both" if not drawing.logarithmic else "x", nbins=_TICKS)
    if drawing.range is not None:
        axes.set_ylim(*drawing.range)
    axes.margins(x=0)
    axes.set_xlabel(drawing.x, color=text, fontsize=8)
    axes.set_ylabel(drawing.y, color=text, fontsize=8)
    axes.tick_params(colors=text, labelsize=7)
    axes.spines[:].set_color(text)
    axes.spines[["top", "right"]].set_visible(False)


def _canvas() -> Any:
    from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
    from matplotlib.figure import Figure

    # Defined here, because matplotlib is imported in a thread and not with this module.
    class Canvas(FigureCanvasQTAgg):
        """A canvas that leaves the mouse wheel to the panel, which scrolls."""

        def wheelEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
            event.ignore()

    canvas: Any = Canvas(Figure(figsize=(3, 2.3)))  # type: ignore[no-untyped-call]
    canvas.setFixedHeight(_HEIGHT)
    canvas.setMinimumWidth(50)
    return canvas
