"""A preview of the visible field, which follows the view, the settings and the layer's data."""

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.plugin.host import field
from napari_superres.plugin.host.layers import to_layer
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.upscale.growing import REFRESH_S
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

_DELAY_MS = 150
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")
_LOOKS = ("colormap", "contrast_limits", "gamma", "opacity", "blending")
_MOST = 384
"""Pixels along an edge that are computed: the middle of what is visible."""


class Preview(QCheckBox):
    """A switch; while it is on, a layer shows what the model makes of the field in view.

    A newer question drops an older one. Data that change, as a camera's do, are followed.

    Parameters
    ----------
    viewer, session
        Where it is shown, and where its jobs run.
    chosen
        Returns the layer, its image, the model and the options of a run; None where nothing is chosen.
    """

    def __init__(
        self, viewer: "Viewer", session: Session, chosen: Callable[[], tuple[Any, Image, Any, dict[str, Any]] | None]
    ) -> None:
        super().__init__("Preview what is visible")
        self.setToolTip(
            "Compute the visible field, at most 384 pixels of its middle, and again when the view, the settings or the "
            "layer's data change. A camera's layer is followed live."
        )
        self.viewer, self.session, self._chosen = viewer, session, chosen
        self.layer: ImageLayer | None = None
        self._source: ImageLayer | None = None
        self._job: Job | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.timeout.connect(self._compute)
        self._busy = self._again = self._changed = False
        self._place: tuple[Any, Any] = (None, None)
        self._drawn = 0.0
        self.toggled.connect(self._switched)

    def ask(self, _: Any = None) -> None:
        """Compute anew, a moment after the last change."""
        self._changed = True
        self._moved()

    def _moved(self, _: Any = None) -> None:
        if self.isChecked():
            self._timer.start()

    def close_down(self) -> None:
        """Take the layer away and follow nothing any more."""
        self._timer.stop()
        self.session.forget(self._job)
        self._job, self._again = None, False
        self._follow(None)
        self._take_away()

    def _take_away(self) -> None:
        if self.layer is not None and self.layer in self.viewer.layers:
            self.viewer.layers.remove(self.layer)
        self.layer = None

    def _view_events(self) -> list[Any]:
        camera, dims = field.camera(self.viewer).events, self.viewer.dims.events
        return [camera.zoom, camera.center, dims.current_step, dims.order, dims.ndisplay]

    def _switched(self, on: bool) -> None:
        for event in self._view_events():
            (event.connect if on else event.disconnect)(self._moved)
        if on:
            self._compute()
        else:
            self.close_down()

    def _follow(self, source: "ImageLayer | None") -> None:
        """Listen to the data of the layer that is shown, and of no other."""
        if source is self._source:
            return
        for layer, act in ((self._source, "disconnect"), (source, "connect")):
            if layer is not None:
                getattr(layer.events.data, act)(self._data_changed)
                getattr(layer.events.set_data, act)(self._data_changed)
                for name in (*_PLACE, *_LOOKS):
                    getattr(getattr(layer.events, name), act)(self.ask)
        if self._source is not None:
            self._take_away()
        self._source = source

    def _data_changed(self, _: Any = None) -> None:
        self._changed = True
        # Of a stream, each picture cannot wait for a pause that never comes: the next one is begun when this is done.
        if self.isChecked() and not self._timer.isActive():
            self._timer.start()

    def _compute(self) -> None:
        if not self.isChecked():
            return
        if self._busy:  # the job that runs is stale; it stops after its present window
            self._again = True
            if self._job is not None:
                self._job.cancel()
            return
        try:
            found = self._chosen()
            if found is None:
                self.close_down()
                return
            layer, image, model, options = found
            axes = image.axes
            seen = field.middle(field.visible_box(self.viewer, layer, axes), _MOST)
            roi = {**field.slice_box(self.viewer, layer, axes), **seen}
        except SuperResError:
            return  # nothing in view: nothing to show
        self._follow(layer)
        is_new = (layer, roi) != self._place or self.layer not in self.viewer.layers
        if not (is_new or self._changed):
            return
        self._changed, self._place = False, (layer, roi)
        first = {a: roi[a][0] for a in roi if a == "T"}
        made: list[Image] = []

        centre = {a: (start + stop) / 2 for a, (start, stop) in seen.items()}

        def steps() -> Generator[Any, None, None]:
            for step in tasks.preview(image, model, {**options, "roi": roi}, centre, in_parts=is_new):
                made[:] = [step.image]
                yield step.done

        def stepped(done: int) -> None:
            # At the same place what was there stays until all is done.
            if is_new and done and self.isChecked() and layer in self.viewer.layers:
                self._show_part(made[0], image, layer, first)

        def ended(complete: bool) -> None:
            self._busy = False
            if not complete:
                self._place = (None, None)  # not done: whatever asks next is answered
            if complete and made and self.isChecked() and layer in self.viewer.layers:
                self._show(made[0], image, layer, first)
            if self._again:
                self._again = False
                self._timer.start()

        self._busy = True
        self._drawn = 0.0
        self._job = Job(steps, stepped=stepped, failed=lambda _: None, ended=ended)
        self.session.add(self._job)

    def _show_part(self, result: Image, image: Image, source: "ImageLayer", first: dict[str, int]) -> None:
        """Show what is done, a few times a second."""
        if time.monotonic() - self._drawn > REFRESH_S:
            self._show(result, image, source, first)
            self._drawn = time.monotonic()

    def _show(self, result: Image, image: Image, source: "ImageLayer", first: dict[str, int]) -> None:
        from napari.layers import Layer

        data, keywords, kind = to_layer(result, image, source, name=f"preview of {source.name}", first=first)
        keywords["metadata"] = {"napari_superres": "temporary"}
        shown = self.layer if self.layer is not None and self.layer in self.viewer.layers else None
        if shown is not None and (shown.ndim, shown.rgb) == (source.ndim, keywords["rgb"]):
            for name in (*_PLACE, *_LOOKS):
                if name in keywords:
                    setattr(shown, name, keywords[name])
            if shown.data is data:
                shown.refresh()
            else:
                shown.data = data
            return
        self._take_away()
        chosen = set(self.viewer.layers.selection)
        self.layer = Layer.create(data, keywords, kind)
        self.viewer.layers.insert(self.viewer.layers.index(source) + 1, self.layer)
        self.viewer.layers.selection = chosen
