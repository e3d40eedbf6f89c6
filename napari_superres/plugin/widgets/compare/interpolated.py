"""The interpolation of an input, which stands beside its result in what is shown and plotted."""

from collections.abc import Callable, Generator
from typing import Any

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.plugin.host.layers import to_image, to_layer
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.compare.curtain import TEMPORARY
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job


class Interpolated:
    """Layers of interpolated inputs, in no viewer: computed when they are asked for, and only once.

    Parameters
    ----------
    session
        Runs the computation.
    chosen
        Returns the layers of result and input, where they are chosen.
    changed
        Is told what is being computed, and nothing when that has ended.
    """

    def __init__(self, session: Session, chosen: Callable[[], dict[str, Any]], changed: Callable[[str], None]) -> None:
        self._session, self._chosen, self._changed = session, chosen, changed
        self._job: Job | None = None
        self._made: tuple[Any, Any, bytes, Any] | None = None
        self._asked: list[Callable[[Any], None]] = []

    @property
    def is_running(self) -> bool:
        """Whether one is being computed."""
        return self._job is not None

    def give(self, then: Callable[[Any], None]) -> None:
        """Do something with the layer for what is chosen; with None where there is none."""
        chosen = self._chosen()
        if not {"result", "input"} <= chosen.keys():
            then(None)
            return
        lr = chosen["input"]
        try:
            result, low = to_image(chosen["result"]), to_image(lr)
        except SuperResError as error:
            forms.show_error(str(error))
            then(None)
            return
        place = low.affine.tobytes()
        if self._made is not None:
            pixels, fine, where, made = self._made
            if pixels is low.data and fine is result.data and where == place:
                then(made)
                return
        self._asked.append(then)
        if self._job is None:
            self._compute(result, low, lr)

    def _compute(self, result: Image, low: Image, lr: Any) -> None:
        found: list[Image] = []
        place = low.affine.tobytes()

        def steps() -> Generator[Image, None, None]:
            yield tasks.interpolated(result, low)

        def ended(complete: bool) -> None:
            self._job = None
            made = _temporary(found[-1], low, lr) if complete else None
            self._made = low.data, result.data, place, made
            self._changed("")
            asked, self._asked = self._asked, []
            for told in asked:
                self.give(told)

        self._job = Job(steps, stepped=found.append, failed=forms.show_error, ended=ended)
        self._changed("Interpolating…")
        self._session.add(self._job)


def _temporary(image: Image, source: Image, layer: Any) -> Any:
    """Return the layer of an image that was interpolated from another one."""
    from napari.layers import Layer

    data, keywords, kind = to_layer(image, source, layer, name=f"interpolation of {layer.name}")
    return Layer.create(data, {**keywords, "metadata": TEMPORARY}, kind)
