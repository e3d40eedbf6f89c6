"""The computation of one layer: its job in a thread and its result layer."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_superres.core.decibels import precision_text
from napari_superres.core.image import Image
from napari_superres.plugin.host import field
from napari_superres.plugin.host.layers import pixels_of
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.upscale.result_layer import ResultLayer
from napari_superres.plugin.widgets.upscale.state import Request, complete_message
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

    from napari_superres.inference import Progress


class LayerRun:
    """One run of the model on one layer.

    Parameters
    ----------
    viewer
        napari viewer of the layer.
    source
        Layer that is computed.
    request
        Image, model and options.
    stepped
        Called with each step. It passes the step on to `show`.
    failed
        Called with the message of an error.
    ended
        Called when the thread has ended: True if all was computed.

    Attributes
    ----------
    job
        To be added to the panel's session.
    notes_shown
        Notes that need no notification, because they are on display.
    """

    def __init__(
        self,
        viewer: "Viewer",
        source: "ImageLayer",
        request: Request,
        *,
        stepped: "Callable[[Progress], None]",
        failed: Callable[[str], None],
        ended: Callable[[bool], None],
    ) -> None:
        self.viewer, self.source, self.image = viewer, source, request.image
        name = f"{source.name} [{'-'.join(map(tasks.model_name, request.model_names))}]"
        result = self._layer = ResultLayer(viewer, source, request.image, name, request.first_frame)
        focus = field.focus(viewer, source, request.image.axes)
        self._result: Image | None = None
        self._seconds = 0.0
        self.notes_shown: set[str] = set()
        self._is_kept = False
        self.job = Job(
            lambda: tasks.upscale(
                request.image, request.model, request.options, focus=focus, finished_parts=result.finished_parts
            ),
            stepped=stepped,
            failed=failed,
            ended=ended,
            doing=f"super-resolution of {source.name}",
        )

    @property
    def removed_layer(self) -> str:
        """Which of its layers the user removed: "source", "result" or none."""
        if self._layer.is_removed:
            return "result"
        return "" if self.source in self.viewer.layers else "source"

    @property
    def result_layer(self) -> "ImageLayer | None":
        """Layer of the complete result; None before the run has finished, and if it did not."""
        return None if self._result is None else self._layer.layer

    def cancel(self, *, keep: bool = False) -> None:
        """Stop after the current tile.

        Parameters
        ----------
        keep
            Whether the finished part of the result is kept.
        """
        self._is_kept = keep
        self.job.cancel()

    def show(self, step: "Progress") -> None:
        """Show a step of the run in the result layer, and its new notes as notifications."""
        if not self.job.is_cancelled and step.region is not None and self.source in self.viewer.layers:
            self._layer.show(step.image)
        for note in step.notes:
            if note not in self.notes_shown:  # Each step repeats the notes so far.
                forms.show_warning(note)
            self.notes_shown.add(note)
        record = step.image.metadata.get("provenance", {})
        if record.get("complete", bool(record)) and step.done == step.total:
            self._result, self._seconds = step.image, step.seconds

    def finish(self, complete: bool) -> str:
        """Finish, keep or remove the result layer, and return a line that says so.

        Parameters
        ----------
        complete
            Whether all was computed.
        """
        if complete and self._result is not None and self.source in self.viewer.layers:
            layer = self._layer.finish(self._result)
            is_changed = pixels_of(self.source) is not self.image.data
            return complete_message(
                seconds=self._seconds, layer=layer.name, is_source_changed=is_changed, precision=self._precision()
            )
        if self.job.is_cancelled and self._is_kept and self._layer.layer is not None:
            self._layer.keep()
            return f"Stopped. The finished part is in {self._layer.layer.name}."
        self._layer.discard()
        return "Cancelled. Nothing was added." if self.job.is_cancelled else "Nothing was added; see the notification."

    def _precision(self) -> str:
        """Return the 16-bit format of the result and its measured error; empty for 32 bits."""
        record = {} if self._result is None else self._result.metadata.get("provenance", {})
        decibels = record.get("precision_db")
        return "" if decibels is None else precision_text(record["precision"], decibels)

    def discard(self) -> None:
        """Remove the result layer."""
        self._layer.discard()
