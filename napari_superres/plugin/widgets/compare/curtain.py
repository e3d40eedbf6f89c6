"""The left part of one layer over another one, up to a line that can be moved."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_superres.plugin.host import field
from napari_superres.plugin.host.layers import to_image, to_layer
from napari_superres.plugin.widgets.compare.blink import TEMPORARY, Stage
from napari_superres.plugin.widgets.compare.view import (
    VisiblePart,
    displayed_axes,
    level_shape,
    pixel_size_on_screen,
    visible_part,
    visible_range,
    world_to_pixels,
)

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

_GRAB_DISTANCE = 8.0
"""Screen pixels from the line within which the mouse grabs it."""
_LOOKS = ("contrast_limits", "gamma", "colormap", "interpolation2d")
_GEOMETRY = ("scale", "translate", "rotate", "shear", "affine")


class Curtain:
    """Show the left part of a layer over another one, up to a line across its X axis that can be moved.

    The left part is a layer with its own data, because clipping planes have no effect in 2-D. It follows the geometry
    and looks of its source. Planes above 2048 pixels per side are cut to their visible part, not finer than the
    screen.

    Parameters
    ----------
    viewer
        napari viewer for which `is_possible` is true.
    left
        Image layer of the viewer.
    right
        Image layer, in the viewer or not.
    moved
        Called when the line was moved in the canvas, or another part became visible.
    removed
        Called when one of the layers is removed.
    pattern
        As for `Stage`.

    Raises
    ------
    AxesError, DataTypeError, GridError
        If the left layer is not an image that can be super-resolved.
    """

    def __init__(
        self,
        viewer: "Viewer",
        left: "ImageLayer",
        right: "ImageLayer",
        *,
        moved: Callable[[], None],
        removed: Callable[[], None],
        pattern: "ImageLayer | None" = None,
    ) -> None:
        from napari.layers import Layer

        self._viewer, self._left, self._moved = viewer, left, moved
        self._image = to_image(left)
        self._x = self._image.axes.replace("S", "").index("X")
        self._planes: dict[str, Any] = {}
        self._part = visible_part(viewer, left)
        low, high = visible_range(viewer, left)[:, self._x]
        self._cut = round((low + high) / 2)
        self.layer: Any = Layer.create(*self._layer_data())
        self.layer.bounding_box.points = False
        self.layer.bounding_box.line_color = "#ffd000"
        self.layer.bounding_box.line_thickness = 1.5
        self.layer.bounding_box.visible = True
        self._stage: Stage | None = Stage(viewer, (left, right, self.layer), (right, self.layer), removed, pattern)
        self._draw()
        for event, callback in self._connections():
            event.connect(callback)
        viewer.mouse_drag_callbacks.append(self._drag)

    @staticmethod
    def is_possible(viewer: "Viewer", layer: "ImageLayer") -> bool:
        """Whether a viewer shows the X axis of a layer in 2-D, and all layers in one place."""
        x = to_image(layer).axes.replace("S", "").index("X")
        grid = getattr(viewer, "canvas", viewer).grid  # Before napari 0.9 the viewer had the grid.
        return viewer.dims.ndisplay == 2 and x in displayed_axes(viewer, layer) and not grid.enabled

    @property
    def fraction(self) -> float:
        """Place of the line, from 0 at the left end of the visible part of the layer to 1 at its right end."""
        low, high = visible_range(self._viewer, self._left)[:, self._x]
        return float(np.clip((self._cut - low) / max(high - low, 1e-9), 0.0, 1.0))

    @fraction.setter
    def fraction(self, value: float) -> None:
        low, high = visible_range(self._viewer, self._left)[:, self._x]
        self._move_to(low + value * (high - low))

    def follow(self) -> None:
        """Cut what is visible now."""
        wanted, part = visible_part(self._viewer, self._left), self._part
        low, high = visible_range(self._viewer, self._left)
        is_inside = np.all(part.origin <= low) and np.all(high <= part.origin + part.step * part.size)
        if not is_inside or wanted.level != part.level or not np.array_equal(wanted.step, part.step):
            self._update_geometry()

    def end(self) -> None:
        """Restore the viewer."""
        if self._stage is not None:
            for event, callback in self._connections():
                event.disconnect(callback)
            self._viewer.mouse_drag_callbacks.remove(self._drag)
            self._stage.end()
            self._stage = None

    def _connections(self) -> list[tuple[Any, Callable[..., None]]]:
        """Return the events that the curtain follows, with their callbacks."""
        events, dims, camera = self._left.events, self._viewer.dims.events, field.camera(self._viewer).events
        geometry = [(getattr(events, name), self._update_geometry) for name in ("data", *_GEOMETRY)]
        looks = [(getattr(events, name), self._update_looks) for name in _LOOKS]
        views = [(event, self._react_to_view) for event in (camera.center, camera.zoom, dims.ndisplay, dims.order)]
        return [*geometry, *looks, *views]

    def _react_to_view(self, _: Any = None) -> None:
        self._moved()

    def _update_looks(self, _: Any = None) -> None:
        for name in _LOOKS:
            setattr(self.layer, name, getattr(self._left, name))

    def _update_geometry(self, _: Any = None) -> None:
        self._image, self._part = to_image(self._left), visible_part(self._viewer, self._left)
        self._planes.clear()
        data, keywords, _kind = self._layer_data()
        for name in _GEOMETRY:
            setattr(self.layer, name, keywords[name])
        self.layer.data = data
        self._draw()

    def _move_to(self, position: float) -> None:
        cut = int(np.clip(np.rint(position), 0, level_shape(self._left, 0)[self._x]))
        if cut != self._cut:
            self._cut = cut
            self._draw()

    def _draw(self) -> None:
        width = self._width()
        if width and width != self.layer.data.shape[self._x]:
            self.layer.data = self._data(width)
        self.layer.visible = width > 0

    def _width(self) -> int:
        """Return how many elements of the visible part lie left of the line."""
        part, x = self._part, self._x
        return int(np.clip(np.ceil((self._cut - part.origin[x]) / part.step[x]), 0, part.size[x]))

    def _data(self, width: int) -> Any:
        part = self._part
        source = self._left.data[part.level] if self._left.multiscale else self._left.data
        if not isinstance(source, np.ndarray):
            return _LazyCut(source, part, self._x, width, self._planes)
        return source[part.box][(slice(None),) * self._x + (slice(width),)]

    def _layer_data(self) -> tuple[Any, dict[str, Any], str]:
        image = self._image
        spatial = [image.axes.replace("S", "").index(a) for a in image.spatial]
        origin, step = self._part.origin[spatial], self._part.step[spatial]
        grid = np.diag([*step, 1.0])
        grid[:-1, -1] = origin + (step - 1.0) / 2.0
        part = image.replace(data=self._data(max(1, self._width())), affine=image.affine @ grid)
        data, keywords, kind = to_layer(part, image, self._left, name=f"curtain: {self._left.name}")
        return data, {**keywords, "metadata": TEMPORARY, "opacity": 1.0, "blending": "translucent"}, kind

    def _drag(self, _: Any, event: Any) -> Generator[None, None, None]:
        """Move the line with the mouse, if the button is pressed near it and no drawing tool is active."""
        active = self._viewer.layers.selection.active
        across = displayed_axes(self._viewer, self._left).index(self._x)
        order = sorted(event.dims_displayed)

        def position() -> float:
            points = world_to_pixels(self._viewer, self._left, np.asarray(event.position)[None, order])
            return float(points[0, across])

        distance = abs(position() - self._cut) * pixel_size_on_screen(self._viewer, self._left)[across]
        if distance > _GRAB_DISTANCE or (active is not None and active.mode != "pan_zoom"):
            return
        yield
        while event.type == "mouse_move":
            event.handled = True  # Otherwise napari would pan the view.
            self._move_to(position())
            self._moved()
            yield


class _LazyCut:
    """The visible part of an array that is not in memory, cut along one axis and read plane by plane.

    Parameters
    ----------
    source
        The array.
    part
        Its visible part.
    axis, width
        Axis of the cut, and number of elements along it.
    planes
        The plane that was read last, shared by all cuts of one part: moving the cut reads nothing.
    """

    def __init__(self, source: Any, part: VisiblePart, axis: int, width: int, planes: dict[str, Any]) -> None:
        self._source, self._part, self._axis, self._width, self._planes = source, part, axis, width, planes
        self.dtype, self.ndim = source.dtype, len(source.shape)
        shape = [int(n) for n in part.size]
        shape[axis] = width
        self.shape = (*shape, *source.shape[len(shape) :])

    def __getitem__(self, key: Any) -> Any:
        key = key if isinstance(key, tuple) else (key,)
        name = f"{self._part} {key}"
        if name not in self._planes:
            box = (*self._part.box, *(slice(None),) * (self.ndim - len(self._part.box)))
            full_key = (*key, *(slice(None),) * (self.ndim - len(key)))
            self._planes.clear()
            self._planes[name] = np.asarray(
                self._source[tuple(b if k == slice(None) else k for b, k in zip(box, full_key, strict=True))]
            )
        axes_before = sum(isinstance(k, slice) for k in key[: self._axis])
        return self._planes[name][(slice(None),) * axes_before + (slice(self._width),)]
