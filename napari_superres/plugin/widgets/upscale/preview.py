"""A preview of the visible field that follows the view, the settings and the layer's data."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.plugin.host import field
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import to_layer
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.parts.made import OURS, TEMPORARY
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.common.source_switch import shows_through
from napari_superres.plugin.widgets.upscale.result_layer import PLACE, REFRESH_S
from napari_superres.plugin.widgets.upscale.state import Request
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

_DELAY_MS = 150
_LOOKS_AFTER_MOVING = 20
"""Looks at what is visible after the view was moved: napari knows it only when it has drawn, which may take long."""

_FIXED = {"rgb", "multiscale"}
"""What is decided when a layer is made."""

_LOOKS = ("colormap", "contrast_limits", "gamma", "opacity", "blending")
_LARGEST = 384
"""Pixels along an edge that are computed, from the middle of the visible field."""
_LARGEST_3D = {"Z": 32, "Y": 128, "X": 128}
"""The same where volumes are displayed."""
_LABEL, _BUSY = "Live preview", "Live preview: computing…"


@dataclass(frozen=True, slots=True)
class _Field:
    """The field that a preview shows.

    Attributes
    ----------
    layer, request
        What is previewed.
    roi
        The field in pixels of the layer.
    centre
        Where the computation begins.
    """

    layer: "ImageLayer"
    request: Request
    roi: Mapping[str, field.Range]
    centre: Mapping[str, float]

    @property
    def first(self) -> dict[str, int]:
        """The frame and the first channel, as `to_layer` takes them."""
        return replace(self.request, options={**self.request.options, "roi": self.roi}).first


class Preview(QCheckBox):
    """A check box. While it is checked, a temporary layer shows the model's result for the visible field.

    A new request replaces the one that is being computed. Data that change, such as a camera's, are followed.

    Parameters
    ----------
    viewer
        napari viewer in which the layer is shown.
    session
        Session of the panel, for the jobs.
    choose
        Returns the chosen layer and its request, or None if nothing can be computed.
    data_changed
        Called when the layer's data have changed.
    added
        Called with the source and the layer of its preview once that is in the viewer.
    """

    def __init__(
        self,
        viewer: "Viewer",
        session: Session,
        choose: "Callable[[], tuple[ImageLayer, Request] | None]",
        data_changed: Callable[[], None],
        added: "Callable[[ImageLayer, ImageLayer], None]",
    ) -> None:
        super().__init__(_LABEL)
        self.note = forms.text()
        self.note.hide()
        self.setToolTip(
            "Show the model's result for the middle of the visible field, up to 384 pixels wide. It follows the view, "
            "the settings and the layer's data, such as a camera's."
        )
        self.viewer, self.session, self._choose, self._data_changed = viewer, session, choose, data_changed
        self._added = added
        self.layer: ImageLayer | None = None
        self._source: ImageLayer | None = None
        self._shown: ImageLayer | None = None  # the source whose pixels are in the layer
        self._job: Job | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._compute)
        self._looks_left = 0
        self._looking = QTimer(self)
        self._looking.setInterval(_DELAY_MS)
        self._looking.timeout.connect(self._look)
        self._is_busy = self._is_requested_again = self._is_changed = self._are_data_new = False
        self._place: tuple[Any, Any] = (None, None)
        self._last: tuple[Any, Any] = (None, None)  # a place and the pixels that were computed for it
        self._drawn, self._has_shown = 0.0, False
        self.toggled.connect(self._switch)

    def ask(self) -> None:
        """Compute the preview again, also while changes go on: of a slider that is dragged, or of a camera's frames."""
        self._is_changed = True
        if self.isChecked() and not self._timer.isActive():
            self._timer.start(0)  # after all changes of this moment; a running computation delays the next ones

    def _follow_looks(self, _: Any = None) -> None:
        self._is_changed = True
        self._follow_view()

    def _follow_view(self, _: Any = None) -> None:
        if self.isChecked():
            self._timer.start(_DELAY_MS)
            self._looks_left = _LOOKS_AFTER_MOVING
            self._looking.start()

    def _look(self) -> None:
        """Compute again if another field is visible than was thought when the view was moved."""
        self._looks_left -= 1
        if self._looks_left <= 0:
            self._looking.stop()
        with suppress(SuperResError):
            target = self._visible_field()
            if target is not None and not self._timer.isActive() and (target.layer, target.roi) != self._place:
                self._compute()

    def close_down(self) -> None:
        """Remove the layer and stop following the view and the data."""
        self._timer.stop()
        self._looking.stop()
        self.session.forget(self._job)
        # A job that is forgotten does not report its end.
        self._job, self._is_busy, self._is_requested_again, self._last = None, False, False, (None, None)
        self.setText(_LABEL)
        self._follow(None)
        self._remove_layer()
        forms.say(self.note, "")

    def _remove_layer(self) -> None:
        if self.layer is not None and self.layer in self.viewer.layers:
            self.viewer.layers.remove(self.layer)
        self.layer = self._shown = None

    def _view_events(self) -> list[Any]:
        camera, dims = field.camera(self.viewer).events, self.viewer.dims.events
        return [camera.zoom, camera.center, dims.current_step, dims.order, dims.ndisplay]

    def _switch(self, on: bool) -> None:
        for event in self._view_events():
            (event.connect if on else event.disconnect)(self._follow_view)
        if on:
            self._compute()
        else:
            self.close_down()

    def _follow(self, source: "ImageLayer | None") -> None:
        """Listen to the data, place and looks of one layer, and of no other."""
        if source is self._source:
            return
        for layer, act in ((self._source, "disconnect"), (source, "connect")):
            if layer is not None:
                getattr(layer.events.data, act)(self._follow_data)
                getattr(layer.events.set_data, act)(self._follow_data)
                for name in (*PLACE, *_LOOKS):
                    getattr(getattr(layer.events, name), act)(self._follow_looks)
        # The layer serves the next source, too: napari takes long to remove one and to add another.
        if self.layer is not None and self.layer in self.viewer.layers:
            self.layer.visible = False
        self._source = source

    def _follow_data(self, _: Any = None) -> None:
        self._are_data_new = True
        self._data_changed()
        self.ask()

    def _visible_field(self) -> _Field | None:
        """Return the field to compute, None if nothing can be computed.

        Raises
        ------
        SuperResError
            If the layer is not in view or cannot be computed.
        """
        choice = self._choose()
        if choice is None:
            return None
        layer, request = choice
        axes = request.image.axes
        visible, sliced = field.visible_box(self.viewer, layer, axes), field.slice_box(self.viewer, layer, axes)
        is_volume = self.viewer.dims.ndisplay == 3
        if is_volume and "Z" in axes and "Z" not in sliced:
            visible = {**visible, "Z": (0, request.image.size("Z"))}
        visible = {a: field.middle({a: r}, _LARGEST_3D[a] if is_volume else _LARGEST)[a] for a, r in visible.items()}
        roi = {**sliced, **visible}
        return _Field(layer, request, roi, {a: (start + stop) / 2 for a, (start, stop) in visible.items()})

    def _compute(self) -> None:
        if not self.isChecked():
            return
        if self._is_busy:
            self._is_requested_again = True
            self._stop_old_job()
            return
        try:
            target = self._visible_field()
        except SuperResError as error:
            forms.say(self.note, window_text(str(error)))
            return
        if target is None:
            self.close_down()
            return
        self._follow(target.layer)
        is_new = (target.layer, target.roi) != self._place or self.layer not in self.viewer.layers
        if is_new or self._is_changed:
            in_parts = is_new or not self._are_data_new
            self._is_changed, self._are_data_new, self._place = False, False, (target.layer, target.roi)
            self._start(target, in_parts=in_parts)

    def _stop_old_job(self) -> None:
        """Stop the running job if it is out of date. It shows a tile first, or dragging a slider would show none."""
        if self._is_requested_again and self._has_shown and self._job is not None:
            self._job.cancel()

    def _start(self, target: _Field, *, in_parts: bool) -> None:
        """Compute a field. Its old pixels stay until new ones replace them: tile by tile, or all of them in the end."""
        request, place, results = target.request, self._place, list[Image]()
        before = self._last[1] if self._last[0] == place else None

        def steps() -> Generator[int, None, None]:
            options = {**request.options, "roi": target.roi}
            computed = tasks.preview(
                request.image, request.model, options, target.centre, before, in_parts=in_parts, seen=request.seen
            )
            for step in computed:
                results[:] = [step.image]
                yield step.done

        def is_wanted() -> bool:
            return self.isChecked() and target.layer in self.viewer.layers

        def show_part(done: int) -> None:
            if in_parts and done and is_wanted() and time.monotonic() - self._drawn > REFRESH_S:
                self._show(results[0], target)
                self._drawn, self._has_shown = time.monotonic(), True
                self._stop_old_job()

        def finish(complete: bool) -> None:
            self._is_busy = False
            if results:
                self._last = place, results[0].data
            self._is_changed |= not complete  # The next request is computed even if nothing has changed.
            if complete and results and is_wanted():
                self._show(results[0], target)
            if complete:
                forms.say(self.note, "")
            self.setText(_LABEL)
            if self._is_requested_again:
                self._is_requested_again = False
                self._compute()

        def fail(message: str) -> None:
            forms.say(self.note, window_text(message))
            if self._shown is not target.layer:
                self._remove_layer()

        self._is_busy, self._has_shown = True, not in_parts
        self._drawn = 0.0
        self._job = Job(steps, stepped=show_part, failed=fail, ended=finish)
        self.setText(_BUSY)
        self.session.add(self._job)

    def _show(self, result: Image, target: _Field) -> None:
        from napari.layers import Layer

        source, name = target.layer, f"preview of {target.layer.name}"
        data, keywords, kind = to_layer(result, target.request.image, source, name=name, first=target.first)
        keywords["metadata"] = {OURS: TEMPORARY}
        if not shows_through(source) or self._is_lowest(source):  # The surroundings stay visible around it.
            keywords["blending"] = "translucent_no_depth"
        layer = self.layer if self.layer is not None and self.layer in self.viewer.layers else None
        if layer is None or (layer.ndim, layer.rgb, layer.dtype) != (source.ndim, keywords["rgb"], data.dtype):
            self._remove_layer()
            layer = self.layer = Layer.create(data, keywords, kind)
            self._place_above(source)
            return
        if self._shown is not source:
            layer.contrast_limits_range = keywords.get("contrast_limits", layer.contrast_limits_range)
        for attribute in (*PLACE, *_LOOKS) if self._shown is source else keywords.keys() - _FIXED:
            if attribute in keywords:
                setattr(layer, attribute, keywords[attribute])
        if layer.data is data:
            layer.refresh()
        else:
            layer.data = data
        if self._shown is not source:
            self._place_above(source)
            layer.visible = True

    def _place_above(self, source: "ImageLayer") -> None:
        """Put the layer right above its source, and leave the selection as it is."""
        layers, layer = self.viewer.layers, self.layer
        assert layer is not None
        selected, above = set(layers.selection), layers.index(source) + 1
        if layer not in layers:
            layers.insert(above, layer)
        elif layers.index(layer) != above:
            layers.move(layers.index(layer), above)
        layers.selection = selected
        self._shown = source
        self._added(source, layer)

    def _is_lowest(self, source: "ImageLayer") -> bool:
        """Whether no visible image lies below a layer, with which the preview would have to be added up."""
        from napari.layers import Image as ImageLayer

        below = self.viewer.layers[: self.viewer.layers.index(source)]
        return source.opacity == 1 and not any(isinstance(layer, ImageLayer) and layer.visible for layer in below)
