"""The section of the Compare widget that plots intensities along a line drawn in the canvas."""

import sys
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QPushButton, QVBoxLayout, QWidget

from napari_superres.errors import SuperResError
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import pixels_of
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.compare.interpolation import Request
from napari_superres.plugin.widgets.compare.line_profile import normalise, profiles
from napari_superres.plugin.widgets.compare.plot import MATPLOTLIB_BACKEND, Connections, Drawing, Plot, load_matplotlib
from napari_superres.plugin.widgets.compare.state import CompareState
from napari_superres.plugin.widgets.compare.view import pixel_size_on_screen, plane_reader
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

_DELAY = 150
"""Milliseconds between a move of the line and the new plot."""
_SMALL = 2048**2
"""Pixels of an array in memory up to which the line is sampled on the GUI thread: a job would take longer."""


class ProfileSection(QWidget):
    """Plot the intensities of result, reference, input and interpolation along a line.

    Parameters
    ----------
    viewer
        napari viewer.
    session
        Runs the jobs of the widget.
    plot
        The plot to draw in.
    state
        Returns what is chosen.
    request_interpolation
        Provides the layer of the interpolated input.
    """

    def __init__(
        self,
        viewer: "Viewer",
        session: Session,
        plot: Plot,
        state: Callable[[], CompareState],
        request_interpolation: Request,
    ) -> None:
        super().__init__()
        self._viewer, self._session, self._plot = viewer, session, plot
        self._state, self._request_interpolation = state, request_interpolation
        self._job: Job | None = None
        self._sampled_corners: Any = None
        self.line: Any = None
        self.draw = QPushButton("Draw line")
        self.draw.setToolTip("Draw a line in the canvas. The plot follows the line, its ends and the displayed slice.")
        self.draw.clicked.connect(self._draw)
        self.normalise = QCheckBox("Normalise")
        self.normalise.setToolTip("Scale each curve from its smallest and largest value to 0 and 1.")
        self.normalise.toggled.connect(self.update_soon)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(forms.row(self.draw, self.normalise))
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY)
        self._timer.timeout.connect(self._sample)
        self.connections = Connections()
        self.connections.add(viewer.dims.events.point, self.update_soon)

    def update_soon(self, _: Any = None) -> None:
        """Sample the line again after a short delay: layers, line or slice have changed."""
        self.draw.setEnabled(self._state().can_draw_profile)
        if self.line is not None and not self._timer.isActive():
            self._timer.start()

    def _draw(self) -> None:
        layer = self._state().layers.get("result")
        if layer is None:
            return
        if self.line not in self._viewer.layers:
            from napari.layers import Shapes

            width = 2.0 / pixel_size_on_screen(self._viewer, layer)[-1] * layer.scale[-1]
            # A layer with two axes only is visible on every slice.
            self.line = Shapes(
                ndim=2,
                name="profile",
                units=layer.units[-2:],
                edge_color="#ffd000",
                edge_width=float(width),
                opacity=1.0,
            )
            self.connections.add(self.line.events.set_data, self.update_soon)
            self.connections.add(self.line.events.data, self._finish_drawing)
            self._viewer.layers.append(self.line)
        self._viewer.layers.selection.active = self.line
        self.line.mode = "add_line"

    def _finish_drawing(self, event: Any) -> None:
        """Let the user move the ends of a new line, once napari has finished it."""
        if str(getattr(event, "action", "")) == "added" and self.line.mode == "add_line":
            line = self.line
            QTimer.singleShot(0, lambda: setattr(line, "mode", "direct"))

    def _corners(self) -> Any:
        """Return the corners of the selected line, or of the last one, in the world; None without a line."""
        if self.line not in self._viewer.layers or not len(self.line.data):
            return None
        index = max(self.line.selected_data, default=len(self.line.data) - 1)
        corners = np.array([self.line.data_to_world(corner) for corner in self.line.data[index]])
        return corners if np.ptp(corners, axis=0).any() else None

    def _sample(self) -> None:
        layers = self._state().layers
        corners = self._corners()
        if corners is None or "result" not in layers:
            return
        if np.array_equal(corners, self._sampled_corners) and self._plot.owner is not self:
            return  # Another plot is shown, which only a line that moves replaces.
        self._sampled_corners = corners
        if "input" in layers:
            self._request_interpolation(
                lambda layer: self._sample_layers({**layers, **({"interpolation": layer} if layer else {})})
            )
        else:
            self._sample_layers(layers)

    def _sample_layers(self, layers: "Mapping[str, ImageLayer]") -> None:
        corners = self._corners()
        if corners is None:
            return
        try:
            readers = {name: plane_reader(self._viewer, layer) for name, layer in layers.items()}
        except SuperResError as error:
            self._say(str(error))
            return
        unit = str(self.line.units[-1])

        def steps() -> Generator[Any, None, None]:
            load_matplotlib()
            yield profiles({name: read() for name, read in readers.items()}, corners, unit)

        self._session.forget(self._job)
        arrays = [pixels_of(layer) for layer in layers.values()]
        is_quick = all(isinstance(a, np.ndarray) and a[..., 0].size <= _SMALL for a in arrays)
        if MATPLOTLIB_BACKEND in sys.modules and is_quick:
            self._show(next(steps()))
        else:
            self._job = Job(steps, stepped=self._show, failed=self._say)
            self._session.add(self._job)

    def _show(self, profiles_: tuple[Any, Mapping[str, Any]]) -> None:
        distance, values = profiles_
        known = {name: v for name, v in values.items() if np.isfinite(v).any()}
        if not known:
            self._say("the line lies outside the layers. Draw it on them.")
            return
        is_normalised = self.normalise.isChecked()
        curves = {name: (distance, normalise(v) if is_normalised else v) for name, v in known.items()}
        y = "normalised intensity" if is_normalised else "intensity"
        self._plot.draw(Drawing(curves, f"distance along the line ({self.line.units[-1]:~P})", y), self)

    def _say(self, message: str) -> None:
        self._plot.say(window_text(message), self)
