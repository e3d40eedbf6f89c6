"""Two layers at one place: a curtain of one drawn over the other, or both in turn."""

from collections.abc import Callable, Generator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_superres.plugin.host.layers import to_image, to_layer
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.compare.profile import Floats, camera_of, on_screen, shown_axes, to_pixels

TEMPORARY = {forms.OURS: forms.TEMPORARY}
"""Metadata of layers that are shown for a while only: no list of ours offers them."""
KEY = "Shift-B"
"""Shows the other layer while two are shown in turn. B and Space are napari's own."""

_WHOLE = 2048
"""Pixels per side up to which planes are cut whole: with 8192 it would take 115 ms whenever the cut moves."""
_MARGIN = 0.25
"""Of the visible part of larger planes, on each side: small moves of the view need nothing new."""
_REACH = 8.0
"""Pixels of the screen from the line within which the mouse takes hold of it."""
_LOOKS = ("contrast_limits", "gamma", "colormap", "interpolation2d")
_PLACE = ("scale", "translate", "rotate", "shear", "affine")


class Stage:
    """Image layers shown alone for a while.

    Parameters
    ----------
    viewer
        napari viewer.
    layers
        Those that are not in the viewer are added above its images, and removed in the end.
    shown
        Of `layers`, those that are visible at first; all other images are hidden, and what was visible before is
        again in the end.
    gone
        Called when somebody removes one of `layers`; napari may be in the midst of removing more.
    """

    def __init__(self, viewer: Any, layers: tuple[Any, ...], shown: tuple[Any, ...], gone: Callable[[], None]) -> None:
        from napari.layers import Image

        self._viewer, self._layers = viewer, layers
        self._gone: Callable[[], None] | None = gone
        images = [layer for layer in viewer.layers if isinstance(layer, Image)]
        self._before = {layer: layer.visible for layer in images}
        self._added = [layer for layer in layers if layer not in viewer.layers]
        selected = set(viewer.layers.selection)
        top = 1 + max((viewer.layers.index(layer) for layer in images), default=-1)
        for at, layer in enumerate(self._added):
            viewer.layers.insert(top + at, layer)
        viewer.layers.selection.clear()
        viewer.layers.selection.update(selected)
        for layer in {*images, *self._added}:
            layer.visible = layer in shown
        viewer.layers.events.removed.connect(self._removed)

    def end(self) -> None:
        """Leave the viewer as it was."""
        if self._gone is not None:
            self._gone = None
            self._viewer.layers.events.removed.disconnect(self._removed)
            for layer in self._added:
                if layer in self._viewer.layers:
                    self._viewer.layers.remove(layer)
            for layer, visible in self._before.items():
                layer.visible = visible

    def _removed(self, event: Any) -> None:
        if event.value in self._layers and self._gone is not None:
            self._gone()


class Blink:
    """Two layers in turn.

    Parameters
    ----------
    viewer
        napari viewer.
    layers
        The two; the first is shown first.
    by_hand
        Called after somebody pressed the key that shows the other one.
    gone
        Called when one of them is removed.
    """

    def __init__(
        self, viewer: Any, layers: tuple[Any, Any], *, by_hand: Callable[[], None], gone: Callable[[], None]
    ) -> None:
        self._viewer = viewer
        self.shown, self._hidden = layers
        self._stage: Stage | None = Stage(viewer, layers, layers[:1], gone)

        def pressed(_: Any) -> None:
            self.step()
            by_hand()

        self._bound_before = viewer.bind_key(KEY, pressed, overwrite=True)

    def step(self) -> None:
        """Show the other layer."""
        self._hidden.visible = True  # first, so that no dark frame comes between
        self.shown.visible = False
        self.shown, self._hidden = self._hidden, self.shown

    def end(self) -> None:
        """Leave the viewer as it was."""
        if self._stage is not None:
            self._stage.end()
            self._stage = None
            self._viewer.bind_key(KEY, self._bound_before, overwrite=True)


class _Window(NamedTuple):
    """A part of a layer: which elements of which level; where it begins and how wide its elements are, in pixels.

    Positions are counted from the edge of the layer's first pixel on, one per axis of the layer.
    """

    level: int
    box: tuple[slice, ...]
    origin: Floats
    step: Floats

    @property
    def size(self) -> npt.NDArray[np.intp]:
        """How many elements it has per axis."""
        return np.array([len(range(s.start, s.stop, s.step)) for s in self.box])


class _CutPlanes:
    """A window of an array that is not in memory, cut along an axis: read plane by plane.

    `planes` is shared by all cuts of one window and holds the last plane, so that a moving cut reads nothing.
    """

    def __init__(self, source: Any, window: _Window, axis: int, count: int, planes: dict[str, Any]) -> None:
        self._source, self._window, self._axis, self._count, self._planes = source, window, axis, count, planes
        self.dtype, self.ndim = source.dtype, len(source.shape)
        shape = [int(n) for n in window.size]
        shape[axis] = count
        self.shape = (*shape, *source.shape[len(shape) :])

    def __getitem__(self, key: Any) -> Any:
        key = key if isinstance(key, tuple) else (key,)
        name = f"{self._window} {key}"
        if name not in self._planes:
            box = (*self._window.box, *(slice(None),) * (self.ndim - len(self._window.box)))
            whole = (*key, *(slice(None),) * (self.ndim - len(key)))
            self._planes.clear()
            self._planes[name] = np.asarray(
                self._source[tuple(b if k == slice(None) else k for b, k in zip(box, whole, strict=True))]
            )
        left_of_it = sum(isinstance(k, slice) for k in key[: self._axis])
        return self._planes[name][(slice(None),) * left_of_it + (slice(self._count),)]


class Curtain:
    """The left part of a layer over another one, up to a line across its X axis that can be moved.

    The left part is a layer with data of its own, since clipping planes have no effect in 2-D. It follows place and
    looks of its source. Of planes above 2048 pixels per side only the visible part is taken, not finer than the
    screen.

    Parameters
    ----------
    viewer
        napari viewer for which `is_possible`.
    left
        Image layer of the viewer.
    right
        Image layer, of the viewer or not.
    moved
        Called when the line was moved in the canvas, or another part became visible.
    gone
        Called when one of the layers is removed.

    Raises
    ------
    AxesError, DataTypeError, GridError
        If the left layer is no image of ours.
    """

    def __init__(
        self, viewer: Any, left: Any, right: Any, *, moved: Callable[[], None], gone: Callable[[], None]
    ) -> None:
        from napari.layers import Layer

        self._viewer, self._left, self._moved = viewer, left, moved
        self._image = to_image(left)
        self._x = self._image.axes.replace("S", "").index("X")
        self._planes: dict[str, Any] = {}
        self._window = _visible_window(self._viewer, self._left)
        low, high = _seen(self._viewer, self._left)[:, self._x]
        self._cut = round((low + high) / 2)
        self.layer = Layer.create(*self._layer_data())
        self.layer.bounding_box.points = False
        self.layer.bounding_box.line_color = "#ffd000"
        self.layer.bounding_box.line_thickness = 1.5
        self.layer.bounding_box.visible = True
        self._stage: Stage | None = Stage(viewer, (left, right, self.layer), (right, self.layer), gone)
        self._draw()
        for name, told in self._ears():
            name.connect(told)
        viewer.mouse_drag_callbacks.append(self._drag)

    @staticmethod
    def is_possible(viewer: Any, layer: Any) -> bool:
        """Whether a viewer shows X of a layer in 2-D, and all layers at one place."""
        x = to_image(layer).axes.replace("S", "").index("X")
        grid = getattr(viewer, "canvas", viewer).grid
        return viewer.dims.ndisplay == 2 and x in shown_axes(viewer, layer) and not grid.enabled

    @property
    def fraction(self) -> float:
        """Where the line is, from 0 at the left end of what is visible of the layer to 1 at its right end."""
        low, high = _seen(self._viewer, self._left)[:, self._x]
        return float(np.clip((self._cut - low) / max(high - low, 1e-9), 0.0, 1.0))

    @fraction.setter
    def fraction(self, value: float) -> None:
        low, high = _seen(self._viewer, self._left)[:, self._x]
        self._move_to(low + value * (high - low))

    def follow(self) -> None:
        """Take what is visible now."""
        wanted, now = _visible_window(self._viewer, self._left), self._window
        low, high = _seen(self._viewer, self._left)
        inside = np.all(now.origin <= low) and np.all(high <= now.origin + now.step * now.size)
        if not inside or wanted.level != now.level or not np.array_equal(wanted.step, now.step):
            self._place()

    def end(self) -> None:
        """Leave the viewer as it was."""
        if self._stage is not None:
            for name, told in self._ears():
                name.disconnect(told)
            self._viewer.mouse_drag_callbacks.remove(self._drag)
            self._stage.end()
            self._stage = None

    def _ears(self) -> list[tuple[Any, Callable[..., None]]]:
        events, dims, camera = self._left.events, self._viewer.dims.events, camera_of(self._viewer).events
        places = [(getattr(events, name), self._place) for name in ("data", *_PLACE)]
        looks = [(getattr(events, name), self._look) for name in _LOOKS]
        views = [(event, self._view_moved) for event in (camera.center, camera.zoom, dims.ndisplay, dims.order)]
        return [*places, *looks, *views]

    def _view_moved(self, _: Any = None) -> None:
        self._moved()

    def _look(self, _: Any = None) -> None:
        for name in _LOOKS:
            setattr(self.layer, name, getattr(self._left, name))

    def _place(self, _: Any = None) -> None:
        self._image, self._window = to_image(self._left), _visible_window(self._viewer, self._left)
        self._planes.clear()
        data, keywords, _kind = self._layer_data()
        for name in _PLACE:
            setattr(self.layer, name, keywords[name])
        self.layer.data = data
        self._draw()

    def _move_to(self, edge: float) -> None:
        cut = int(np.clip(np.rint(edge), 0, _level_shape(self._left, 0)[self._x]))
        if cut != self._cut:
            self._cut = cut
            self._draw()

    def _draw(self) -> None:
        count = self._count()
        if count and count != self.layer.data.shape[self._x]:
            self.layer.data = self._data(count)
        self.layer.visible = count > 0

    def _count(self) -> int:
        """Return how many pixels of the window lie left of the line."""
        window, x = self._window, self._x
        return int(np.clip(np.ceil((self._cut - window.origin[x]) / window.step[x]), 0, window.size[x]))

    def _data(self, count: int) -> Any:
        window = self._window
        source = self._left.data[window.level] if self._left.multiscale else self._left.data
        if not isinstance(source, np.ndarray):
            return _CutPlanes(source, window, self._x, count, self._planes)
        return source[window.box][(slice(None),) * self._x + (slice(count),)]

    def _layer_data(self) -> tuple[Any, dict[str, Any], str]:
        image = self._image
        at = [image.axes.replace("S", "").index(a) for a in image.spatial]
        origin, step = self._window.origin[at], self._window.step[at]
        place = np.diag([*step, 1.0])
        place[:-1, -1] = origin + (step - 1.0) / 2.0
        part = image.replace(data=self._data(max(1, self._count())), affine=image.affine @ place)
        data, keywords, kind = to_layer(part, image, self._left, name=f"curtain: {self._left.name}")
        return data, {**keywords, "metadata": TEMPORARY, "opacity": 1.0, "blending": "translucent"}, kind

    def _drag(self, _: Any, event: Any) -> Generator[None, None, None]:
        """Move the line with the mouse, if it is pressed near it while nothing is being drawn."""
        active = self._viewer.layers.selection.active
        across = shown_axes(self._viewer, self._left).index(self._x)
        order = sorted(event.dims_displayed)

        def at() -> float:
            return float(to_pixels(self._viewer, self._left, np.asarray(event.position)[None, order])[0, across])

        off = abs(at() - self._cut) * on_screen(self._viewer, self._left)[across]
        if off > _REACH or (active is not None and active.mode != "pan_zoom"):
            return
        yield
        while event.type == "mouse_move":
            event.handled = True  # the view stays where it is
            self._move_to(at())
            self._moved()
            yield


def _seen(viewer: Any, layer: Any) -> Floats:
    """Return first and last visible position per axis of a layer, in pixels from the edge of its first one on."""
    shown, shape = shown_axes(viewer, layer), np.array(_level_shape(layer, 0), dtype=np.float64)
    camera, box = camera_of(viewer), np.stack([np.zeros_like(shape), shape])
    size = viewer.canvas.size if hasattr(viewer, "canvas") else viewer._canvas_size
    corners = np.array(list(product((-0.5, 0.5), repeat=2))) * size / camera.zoom + np.asarray(camera.center)[-2:]
    index = to_pixels(viewer, layer, corners[:, np.argsort(viewer.dims.displayed)])
    box[:, shown] = np.stack([index.min(axis=0), index.max(axis=0)])
    return np.asarray(box.clip(0, shape))


def _visible_window(viewer: Any, layer: Any) -> _Window:
    """Return all of a plane up to 2048 pixels per side, else its visible part and a margin, not finer than the screen.

    The viewer shows two axes. Of a multiscale layer it is the level that suits.
    """
    shown, shape = shown_axes(viewer, layer), np.array(_level_shape(layer, 0))
    level, finer = 0, np.ones(len(shape))
    stride, edges = np.ones(len(shape), dtype=int), np.stack([np.zeros(len(shape)), shape])
    if layer.multiscale or shape[shown].max() > _WHOLE:
        wanted = np.maximum(1.0, np.floor(1.0 / on_screen(viewer, layer)))
        if layer.multiscale:
            factors = np.asarray(layer.downsample_factors)
            level = int(np.flatnonzero(np.all(factors[:, shown] <= wanted, axis=1)).max(initial=0))
            finer = factors[level]
        stride[shown] = np.maximum(1, wanted // finer[shown])
        low, high = _seen(viewer, layer)
        margin = _MARGIN * (high - low)
        edges[:, shown] = np.stack([low - margin, high + margin])[:, shown]
    first = (np.floor(edges[0] / (finer * stride)) * stride).astype(int).clip(0)
    last = np.ceil(edges[1] / finer).astype(int).clip(first + 1, _level_shape(layer, level))
    box = tuple(slice(*map(int, ends)) for ends in zip(first, last, stride, strict=True))
    return _Window(level, box, first * finer, finer * stride)


def _level_shape(layer: Any, level: int) -> tuple[int, ...]:
    """Return the shape of a level, colour samples left out."""
    return tuple((layer.data[level] if layer.multiscale else layer.data).shape[: layer.ndim])
