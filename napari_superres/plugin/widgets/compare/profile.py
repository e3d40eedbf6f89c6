"""The profile along a line: the plane that a viewer shows of a layer, values along a line in it, the section."""

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QWidget

from napari_superres.core.image import Image
from napari_superres.core.units import METRES, convert
from napari_superres.errors import AxesError, SettingsError, SuperResError
from napari_superres.plugin.host import field
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import pixels_of, to_image
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.compare.plots import BACKEND, Chosen, Drawing, Ears, Interpolate, Plot, load
from napari_superres.plugin.worker.job import Job

Floats = npt.NDArray[np.float64]

_PER_PIXEL, _MOST = 2, 2000
"""Samples per pixel of the finest image, and of a line."""
_DELAY = 150  # milliseconds between a move of the line and the plot
_LIGHT = 2048**2  # pixels of a plane that is sampled at once
_ROUNDING = 1e-6
"""Pixels by which a sample may miss an outermost pixel's centre."""


def sample_line(image: Image, world_points: npt.ArrayLike, samples: int) -> Floats:
    """Return the values of an image along a line, by linear interpolation between the centres of pixels.

    Parameters
    ----------
    image
        Spatial axes only; of colour samples (S, the last axis) the mean of red, green and blue is taken.
    world_points
        ``(K, n)`` corners of the line in world coordinates, one column per spatial axis, in the image's unit.
    samples
        How many, evenly spaced from the first corner to the last.

    Returns
    -------
    ndarray
        ``(samples,)``; nan where the line is outside the centres of the outermost pixels.

    Raises
    ------
    AxesError
        If the image has frames or channels.
    SettingsError
        If there are fewer than two corners or samples, or corners have another number of axes.
    """
    from scipy.ndimage import map_coordinates

    if image.axes.removesuffix("S") != image.spatial:
        raise AxesError(f"a line is sampled in one frame of one channel, got the axes {image.axes}. Choose one.")
    corners = np.asarray(world_points, dtype=np.float64)
    n = len(image.spatial)
    if corners.ndim != 2 or len(corners) < 2 or corners.shape[1] != n or samples < 2:
        raise SettingsError(
            f"a line needs two corners or more with {n} coordinates each and two samples or more, "
            f"got corners of shape {corners.shape} and {samples} samples."
        )
    inverse = np.linalg.inv(image.affine)
    index = _along(corners, samples) @ inverse[:n, :n].T + inverse[:n, n]
    last = np.array([image.size(a) for a in image.spatial]) - 1
    inside = np.all((index >= -_ROUNDING) & (index <= last + _ROUNDING), axis=1)
    values = np.full(samples, np.nan)
    if inside.any():
        at = index[inside].clip(0, last)
        start, stop = np.floor(at.min(axis=0)).astype(int), np.ceil(at.max(axis=0)).astype(int) + 1
        box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        part = np.asarray(image.data[box])
        # scipy reads neither half precision nor colours.
        part = part.astype(np.float32) if part.dtype == np.float16 else part
        layers = [part[..., s] for s in range(min(3, part.shape[-1]))] if "S" in image.axes else [part]
        found = [map_coordinates(v, (at - start).T, output=np.float64, order=1, mode="nearest") for v in layers]
        values[inside] = np.mean(found, axis=0)
    return values


def profiles(planes: Mapping[str, Image], corners: Floats, unit: str) -> tuple[Floats, dict[str, Floats]]:
    """Return distances along a line, and the values of every plane there.

    Parameters
    ----------
    planes
        At least one, two-dimensional.
    corners
        As for `sample_line`, in `unit`.
    unit
        Of length; ``"pixel"`` where lengths are unknown.
    """
    factors = {name: _in_unit_of(plane, unit) for name, plane in planes.items()}
    length = float(np.linalg.norm(np.diff(corners, axis=0), axis=1).sum())
    finest = min(min(plane.pixel_size) / factors[name] for name, plane in planes.items())
    samples = int(np.clip(np.ceil(_PER_PIXEL * length / finest - _ROUNDING) + 1, 2, _MOST))
    values = {name: sample_line(plane, corners * factors[name], samples) for name, plane in planes.items()}
    return np.linspace(0.0, length, samples), values


def normalised(values: Floats) -> Floats:
    """Return values between 0 and 1, their smallest and largest; 0 where they do not differ."""
    known = values[np.isfinite(values)]
    if not known.size:
        return values
    low, high = known.min(), known.max()
    return np.asarray((values - low) / ((high - low) or 1.0))


def shown_plane(viewer: Any, layer: Any) -> Callable[[], Image]:
    """Return what reads the plane of an image layer that a viewer shows, to be called in any thread.

    It is placed as napari draws it: what a tilted volume does across the plane is left out.

    Raises
    ------
    AxesError, DataTypeError, GridError
        If it is not the plane of Y and X that is shown, or the layer is no image of ours.
    """
    image = to_image(layer)
    axes = image.axes.replace("S", "")
    shown = [axes.index(a) for a in "YX"]
    dims = viewer.dims
    if dims.ndisplay != 2 or tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1) or axes[-2:] != "YX":
        raise AxesError("a line is sampled in the plane of Y and X. Show that one, in 2-D.")
    hidden = [i for i in range(layer.ndim) if i not in shown]
    point = np.asarray(dims.point)[dims.ndim - layer.ndim :] * field.units_per_world(viewer, layer)
    matrix, offset = restricted(layer.world_to_data, layer.ndim, hidden)
    at = np.rint(matrix @ point[hidden] + offset).astype(int)
    key: list[Any] = [slice(None)] * len(image.axes)
    for i, index in zip(hidden, at, strict=True):
        key[i] = int(np.clip(index, 0, image.shape[i] - 1))
    affine = np.eye(3)
    affine[:2, :2], affine[:2, 2] = restricted(layer.data_to_world, layer.ndim, shown)
    units = {a: image.units[a] for a in "YX"}

    def read() -> Image:
        return Image(data=image.data[tuple(key)], axes="YXS" if layer.rgb else "YX", affine=affine, units=units)

    return read


def restricted(transform: Callable[[Any], Any], ndim: int, axes: Sequence[int]) -> tuple[Floats, Floats]:
    """Return matrix and offset of a layer's affine transform over some of its axes, as napari slices it."""
    at = list(axes)
    offset = np.asarray(transform(np.zeros(ndim)), dtype=np.float64)
    columns = [np.asarray(transform(np.eye(ndim)[i])) - offset for i in at]
    return np.reshape([[column[j] for column in columns] for j in at], (len(at), len(at))), offset[at]


def to_pixels(viewer: Any, layer: Any, world: Floats) -> Floats:
    """Return pixels, from the edge of a layer's first one on, of points of the displayed world.

    Both ``(N, n)``, one column per displayed axis in the order of the axes, not of display.
    """
    shown = shown_axes(viewer, layer)
    matrix, offset = restricted(layer.data_to_world, layer.ndim, shown)
    return (world * field.units_per_world(viewer, layer)[shown] - offset) @ np.linalg.inv(matrix).T + 0.5


def on_screen(viewer: Any, layer: Any) -> Floats:
    """Return the size of a layer's pixels in pixels of the screen, per displayed axis."""
    shown = shown_axes(viewer, layer)
    matrix, _ = restricted(layer.data_to_world, layer.ndim, shown)
    world = matrix / field.units_per_world(viewer, layer)[shown, None]
    return np.asarray(np.linalg.norm(world, axis=0) * camera_of(viewer).zoom)


def shown_axes(viewer: Any, layer: Any) -> list[int]:
    """Return a layer's axes that are displayed, in its own order."""
    first = viewer.dims.ndim - layer.ndim
    return sorted(a - first for a in viewer.dims.displayed if a >= first)


def camera_of(viewer: Any) -> Any:
    """Return the camera; before napari 0.9 it was the viewer's own."""
    return getattr(viewer, "scene", viewer).camera


def _along(corners: Floats, samples: int) -> Floats:
    """Return points evenly spaced along a line of several corners."""
    reached = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    wanted = np.linspace(0.0, reached[-1], samples)
    return np.stack([np.interp(wanted, reached, column) for column in corners.T], axis=1)


def _in_unit_of(image: Image, unit: str) -> float:
    own = image.units.get("X")
    return convert(1.0, unit, own) if own in METRES and unit in METRES else 1.0


class ProfileSection(QWidget):
    """Values of result, reference, input and interpolation along a line that is drawn.

    Parameters
    ----------
    viewer
        napari viewer.
    session
        Runs jobs of the widget.
    plot
        Where it is drawn.
    chosen, interpolate
        What the widget has.
    """

    def __init__(self, viewer: Any, session: Session, plot: Plot, chosen: Chosen, interpolate: Interpolate) -> None:
        super().__init__()
        self._viewer, self._session, self._plot = viewer, session, plot
        self._chosen, self._interpolate = chosen, interpolate
        self._job: Job | None = None
        self._sampled: Any = None
        self.line: Any = None
        self.draw = QPushButton("Draw a line")
        self.draw.setToolTip(
            "Draw a line in the canvas. The plot follows it when you move it or its ends, and the slice that is shown."
        )
        self.draw.clicked.connect(self._draw)
        self.normalise = QCheckBox("Normalise")
        self.normalise.setToolTip("Draw each curve from 0 to 1, its own smallest and largest value.")
        self.normalise.toggled.connect(self.changed)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.draw)
        row.addWidget(self.normalise)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_DELAY)
        self._soon.timeout.connect(self._sample)
        self.ears = Ears()
        self.ears.open(viewer.dims.events.point, self.changed)

    def changed(self, _: Any = None) -> None:
        """Sample the line anew, soon: layers were chosen, the line or the slice was moved."""
        self.draw.setEnabled("result" in self._chosen())
        if self.line is not None and not self._soon.isActive():
            self._soon.start()

    def _draw(self) -> None:
        layer = self._chosen().get("result")
        if layer is None:
            return
        if self.line not in self._viewer.layers:
            from napari.layers import Shapes

            width = 2.0 / on_screen(self._viewer, layer)[-1] * layer.scale[-1]
            # Two axes only: it is seen on every slice.
            self.line = Shapes(
                ndim=2,
                name="profile",
                units=layer.units[-2:],
                edge_color="#ffd000",
                edge_width=float(width),
                opacity=1.0,
            )
            self.ears.open(self.line.events.set_data, self.changed)
            self.ears.open(self.line.events.data, self._drawn)
            self._viewer.layers.append(self.line)
        self._viewer.layers.selection.active = self.line
        self.line.mode = "add_line"

    def _drawn(self, event: Any) -> None:
        """Let the ends of a line that was drawn be moved, once napari has finished it."""
        if str(getattr(event, "action", "")) == "added" and self.line.mode == "add_line":
            line = self.line
            QTimer.singleShot(0, lambda: setattr(line, "mode", "direct"))

    def _corners(self) -> Any:
        """Return the corners of the line that is selected, or of the last one, in the world."""
        if self.line not in self._viewer.layers or not len(self.line.data):
            return None
        at = max(self.line.selected_data, default=len(self.line.data) - 1)
        corners = np.array([self.line.data_to_world(corner) for corner in self.line.data[at]])
        return corners if np.ptp(corners, axis=0).any() else None

    def _sample(self) -> None:
        chosen = self._chosen()
        corners = self._corners()
        if corners is None or "result" not in chosen:
            return
        if np.array_equal(corners, self._sampled) and self._plot.owner is not self:
            return  # another plot is shown: only a line that moves takes its place
        self._sampled = corners
        if "input" in chosen:
            self._interpolate(lambda made: self._sample_all({**chosen, **({"interpolation": made} if made else {})}))
        else:
            self._sample_all(chosen)

    def _sample_all(self, layers: Mapping[str, Any]) -> None:
        corners = self._corners()
        if corners is None:
            return
        try:
            planes = {name: shown_plane(self._viewer, layer) for name, layer in layers.items()}
        except SuperResError as error:
            self._say(str(error))
            return
        unit = str(self.line.units[-1])

        def steps() -> Generator[Any, None, None]:
            load()
            yield profiles({name: read() for name, read in planes.items()}, corners, unit)

        self._session.forget(self._job)
        arrays = [pixels_of(layer) for layer in layers.values()]
        if BACKEND in sys.modules and all(isinstance(a, np.ndarray) and a[..., 0].size <= _LIGHT for a in arrays):
            self._show(next(steps()))
        else:
            self._job = Job(steps, stepped=self._show, failed=self._say)
            self._session.add(self._job)

    def _show(self, found: tuple[Any, Mapping[str, Any]]) -> None:
        distance, values = found
        known = {name: v for name, v in values.items() if np.isfinite(v).any()}
        if not known:
            self._say("the line lies beside the layers. Draw it on them.")
            return
        normal = self.normalise.isChecked()
        curves = {name: (distance, normalised(v) if normal else v) for name, v in known.items()}
        y = "intensity, normalised" if normal else "intensity"
        self._plot.draw(Drawing(curves, f"distance along the line ({self.line.units[-1]:~P})", y), self)

    def _say(self, message: str) -> None:
        self._plot.say(window_text(message), self)
