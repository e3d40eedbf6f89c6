"""A crop of the user's own image: as it is, interpolated, and as the model makes it."""

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.plugin.host import field
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.parts.fold import fold
from napari_superres.plugin.widgets.common.parts.remembered import remember
from napari_superres.plugin.widgets.common.pictures import Pictures
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.upscale.state import Request
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

_DELAY_MS = 400
_FINE = 96
"""Pixels of the result along an edge, drawn about one to one in a narrow dock."""
_COARSEST = 24
_LOOKS = ("colormap", "contrast_limits", "gamma")

Box = Mapping[str, field.Range]


class _Planes(NamedTuple):
    """The crop as arrays ``(Y, X)`` or ``(Y, X, S)``."""

    layer: "ImageLayer"
    low: npt.NDArray[Any]
    interpolated: npt.NDArray[Any]
    fine: npt.NDArray[Any]


class Crop(QWidget):
    """Three pictures of the middle of the visible field. They follow the view and the settings while they are in view.

    Parameters
    ----------
    viewer
        napari viewer of the layer.
    session
        Session of the panel, for the jobs.
    choose
        Returns the chosen layer and its request, or None if nothing can be computed.

    Attributes
    ----------
    section
        The section that folds; closed, it computes nothing.
    """

    def __init__(
        self, viewer: "Viewer", session: Session, choose: "Callable[[], tuple[ImageLayer, Request] | None]"
    ) -> None:
        super().__init__()
        self.viewer, self.session, self._choose = viewer, session, choose
        self.pictures = Pictures(
            ("Input", "Bicubic", "Result"),
            "The middle of the visible field: as it is, interpolated, and as the model makes it, in the contrast of "
            "the layer. It follows the view and the settings.",
        )
        self.pictures.hide()
        self.waiting = forms.text("Computing…")
        self._content = QWidget()
        content = QVBoxLayout(self._content)
        content.setContentsMargins(0, 0, 0, 0)
        for widget in (self.waiting, self.pictures):
            content.addWidget(widget)
        self.section = fold("Your image", self._content)
        self.section.expand(animate=False)
        remember("super-resolve", crop=self.section)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.section)
        self._planes: _Planes | None = None
        self._followed: ImageLayer | None = None
        self._scale = 1
        self._job: Job | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._compute)
        self.section.toggled.connect(self._ask_soon)
        camera, dims = field.camera(viewer).events, viewer.dims.events
        self._view_events = [camera.zoom, camera.center, dims.current_step, dims.order, dims.ndisplay]
        for event in self._view_events:
            event.connect(self._ask_soon)
        self.hide()

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Compute once the panel is in view."""
        super().showEvent(event)
        self._ask_soon()

    def ask(self, scale: int) -> None:
        """Compute the crop with the settings of now.

        Parameters
        ----------
        scale
            Factor of the model along X.
        """
        self._scale = scale
        self.show()
        self._ask_soon()

    def stop(self) -> None:
        """Give way to a run."""
        self._timer.stop()
        self.session.forget(self._job)

    def clear(self) -> None:
        """Hide the pictures, because nothing can be computed."""
        self.stop()
        self.hide()

    def end(self) -> None:
        """Follow the viewer no longer."""
        self.clear()
        for event in self._view_events:
            event.disconnect(self._ask_soon)
        self._view_events = []
        self._follow(None)

    def _ask_soon(self, _: Any = None) -> None:
        if self._content.isVisible():
            self._timer.start(_DELAY_MS)

    def _follow(self, layer: "ImageLayer | None") -> None:
        """Listen to the looks of one layer, and of no other."""
        if layer is self._followed:
            return
        for one, act in ((self._followed, "disconnect"), (layer, "connect")):
            for event in [] if one is None else [getattr(one.events, name) for name in _LOOKS]:
                getattr(event, act)(self._draw)
        self._followed = layer

    def _compute(self) -> None:
        try:
            choice = self._choose() if self._content.isVisible() else None
            box = {} if choice is None else self._box(*choice)
        except SuperResError:  # The estimate says what is wrong.
            return
        if choice is None:
            return
        layer, request = choice
        if self._planes is not None and self._planes.layer is not layer:
            self._show_pictures(None)
        index = self._channel(layer, request)
        self.session.forget(self._job)

        def steps() -> Generator[_Planes, None, None]:
            yield _Planes(layer, *crop(request, box, index))

        # What fails here fails in the estimate, too, which says so.
        self._job = Job(steps, stepped=self._show_pictures, failed=lambda _: self.hide())
        self.session.add(self._job)

    def _box(self, layer: "ImageLayer", request: Request) -> Box:
        axes, edge = request.image.axes, max(_COARSEST, _FINE // self._scale)
        sliced = field.slice_box(self.viewer, layer, axes)
        rest = {a: (request.image.size(a) // 2, request.image.size(a) // 2 + 1) for a in "TZ" if a in axes}
        return {**rest, **sliced, **field.middle(field.visible_box(self.viewer, layer, axes), edge)}

    def _channel(self, layer: "ImageLayer", request: Request) -> int:
        """Return the index of the channel in view among those that are computed."""
        axes = request.image.axes
        if "C" not in axes:
            return 0
        shown = field.slice_box(self.viewer, layer, axes, along="C").get("C", (0, 1))[0]
        return request.channels.index(shown) if shown in request.channels else 0

    def _show_pictures(self, planes: _Planes | None) -> None:
        """Show the pictures of a crop, or that it is being computed."""
        self._planes = planes
        self._follow(None if planes is None else planes.layer)
        self._draw()
        self.pictures.setVisible(planes is not None)
        self.waiting.setVisible(planes is None)

    def _draw(self, _: Any = None) -> None:
        if self._planes is not None:
            layer, *planes = self._planes
            self.pictures.show_pictures([_look(layer, plane) for plane in planes])


def crop(request: Request, box: Box, channel: int) -> tuple[npt.NDArray[Any], ...]:
    """Return a part of an image as it is, interpolated, and as the model makes it.

    Parameters
    ----------
    request
        The run.
    box
        Start and stop along T, Z, Y and X.
    channel
        Index among the channels that are computed.

    Returns
    -------
    tuple
        Three arrays ``(Y, X)``, or ``(Y, X, S)`` of colour.

    Raises
    ------
    SuperResError
        If the model cannot compute it.
    """
    from napari_superres.evaluation.baselines import BICUBIC, interpolation_name

    image, options = request.image, {**request.options, "roi": box}
    fine = _last(tasks.preview(image, request.model, options, {}, in_parts=False))
    scale = {a: fine.size(a) // (box[a][1] - box[a][0]) for a in "ZYX" if a in box}
    key = tuple(slice(*box[a]) if a in box else slice(None) for a in image.axes)
    low = image.replace(data=np.asarray(image.data[key]))
    if "C" in image.axes:
        some = np.asarray(low.data).take(request.channels, axis=image.axes.index("C"))
        low = image.replace(data=some, channel_names=())
    base = low
    if max(scale.values()) > 1:
        plain: dict[str, Any] = {k: v for k, v in options.items() if k in ("roi", "tile")}
        plain["channels"] = request.channels or None
        base = _last(tasks.preview(image, interpolation_name(BICUBIC, scale), plain, {}, in_parts=False))
    return tuple(_plane(each, channel) for each in (low, base, fine))


def _last(steps: Any) -> Image:
    image: Image | None = None
    for step in steps:
        image = step.image
    assert image is not None
    return image


def _plane(image: Image, channel: int) -> npt.NDArray[Any]:
    key = tuple({"C": channel, "Y": slice(None), "X": slice(None), "S": slice(None)}.get(a, -1) for a in image.axes)
    middle = tuple(n // 2 if k == -1 else k for k, n in zip(key, image.shape, strict=True))
    plane = np.asarray(image.data[middle])
    axes = [a for a in image.axes if a in "YXS"]
    return plane.transpose([axes.index(a) for a in "YXS" if a in axes])


def _look(layer: "ImageLayer", plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a plane in the contrast and colours of a layer, from 0 to 1."""
    if plane.ndim == 3:
        most = np.iinfo(plane.dtype).max if np.issubdtype(plane.dtype, np.integer) else 1
        return plane[..., :3] / most
    low, high = layer.contrast_limits
    values = np.clip((np.nan_to_num(plane.astype(np.float64)) - low) / max(high - low, 1e-12), 0, 1) ** layer.gamma
    colours: npt.NDArray[Any] = layer.colormap.map(values.ravel())[:, :3].reshape(*plane.shape, 3)
    return colours
