"""The interpolation of an input, which is shown and plotted next to its result."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.plugin.host.fingerprint import fingerprint
from napari_superres.plugin.host.layers import to_image, to_layer
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.compare.blink import TEMPORARY
from napari_superres.plugin.widgets.compare.state import CompareState
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

Callback = Callable[["ImageLayer | None"], None]
"""Receives the layer of the interpolated input; None where there cannot be one."""
Request = Callable[[Callback], None]
"""Calls a callback with the layer of the interpolated input, which may have to be computed first."""


class Interpolation:
    """The layer of the interpolated input, in no viewer: computed when it is first requested, and only once.

    Parameters
    ----------
    session
        Runs the computation.
    state
        Returns what is chosen.
    status_changed
        Called with a status line when the computation begins, and with an empty one when it ends.
    """

    def __init__(
        self, session: Session, state: Callable[[], CompareState], status_changed: Callable[[str], None]
    ) -> None:
        self._session, self._state, self._status_changed = session, state, status_changed
        self._job: Job | None = None
        # Pixels of input and result, what else identifies the input, and the layer made of them.
        self._cached: tuple[Any, Any, tuple[bytes, int | None], ImageLayer | None] | None = None
        self._callbacks: list[Callback] = []

    @property
    def is_running(self) -> bool:
        """Whether an input is being interpolated."""
        return self._job is not None

    def request(self, callback: Callback) -> None:
        """Call a function with the layer for what is chosen; with None where there is none."""
        layers = self._state().layers
        if not {"result", "input"} <= layers.keys():
            callback(None)
            return
        source = layers["input"]
        try:
            result, lr = to_image(layers["result"]), to_image(source)
        except SuperResError as error:
            forms.show_error(str(error))
            callback(None)
            return
        if self._cached is not None:
            lr_pixels, result_pixels, key, layer = self._cached
            is_same = lr_pixels is lr.data and result_pixels is result.data and key == self._key(lr)
            if is_same:
                callback(layer)
                return
        self._callbacks.append(callback)
        if self._job is None:
            self._compute(result, lr, source)

    @staticmethod
    def _key(lr: Image) -> tuple[bytes, int | None]:
        """Return what changes with the place of an input, or with pixels that are edited in place."""
        return lr.affine.tobytes(), fingerprint(lr.data)

    def _compute(self, result: Image, lr: Image, source: "ImageLayer") -> None:
        images: list[Image] = []
        key = self._key(lr)

        def steps() -> Generator[Image, None, None]:
            yield tasks.interpolated(result, lr)

        def finish(complete: bool) -> None:
            self._job = None
            layer = _temporary_layer(images[-1], lr, source) if complete else None
            self._cached = lr.data, result.data, key, layer
            self._status_changed("")
            callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                self.request(callback)

        self._job = Job(steps, stepped=images.append, failed=forms.show_error, ended=finish)
        self._status_changed("Interpolating…")
        self._session.add(self._job)


def _temporary_layer(image: Image, lr: Image, source: "ImageLayer") -> "ImageLayer":
    """Return a layer, which no widget offers as input, for an image that was interpolated from another layer's."""
    from napari.layers import Layer

    data, keywords, kind = to_layer(image, lr, source, name=f"interpolation of {source.name}")
    layer: Any = Layer.create(data, {**keywords, "metadata": TEMPORARY}, kind)
    image_layer: ImageLayer = layer
    return image_layer
