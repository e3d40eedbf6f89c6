"""The computation of one layer: its job in a thread and its result layer; and the runs that the controls start."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_superres.core.image import Image
from napari_superres.core.units import precision_text
from napari_superres.errors import SuperResError
from napari_superres.plugin.host import field
from napari_superres.plugin.host.fingerprint import fingerprint
from napari_superres.plugin.host.layers import pixels_of
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.activity import Activity
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.common.source_switch import SourceSwitch
from napari_superres.plugin.widgets.upscale.choosing.fitness_form import FitnessForm
from napari_superres.plugin.widgets.upscale.controls import UpscaleControls
from napari_superres.plugin.widgets.upscale.crop import Crop
from napari_superres.plugin.widgets.upscale.learning.adapting import AdaptForm
from napari_superres.plugin.widgets.upscale.learning.isotropic import IsotropicForm
from napari_superres.plugin.widgets.upscale.preview import Preview
from napari_superres.plugin.widgets.upscale.result_layer import ResultLayer
from napari_superres.plugin.widgets.upscale.state import Request, UpscaleState, complete_message
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

    from napari_superres.inference import Progress
    from napari_superres.training import TrainingStep
    from napari_superres.training.isotropic import LearningStep


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
    added
        Called with the source and the layer of its result once that is in the viewer.

    Attributes
    ----------
    job
        To be added to the panel's session.
    notes_shown
        Notes that need no notification, because they are on display.
    model_names
        Names of the models.
    warnings
        Notes on what happened during the run.
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
        added: "Callable[[ImageLayer, ImageLayer], None]",
    ) -> None:
        self.viewer, self.source, self.image = viewer, source, request.image
        name = f"{source.name} [{'-'.join(map(tasks.model_name, request.model_names))}]"
        result = self._layer = ResultLayer(viewer, source, request.image, name, request.first, added)
        focus = field.focus(viewer, source, request.image.axes)
        self._result: Image | None = None
        self._seconds = 0.0
        self.notes_shown: set[str] = set()
        self._is_kept = self._is_edited = False
        self._change = ""
        self.model_names = request.model_names
        self._expected: set[str] | None = None
        self.warnings: tuple[str, ...] = ()

        def steps() -> "Generator[Progress, None, None]":
            before = fingerprint(request.image.data)
            parts = result.finished_parts
            yield from tasks.upscale(request.image, request.model, request.options, focus=focus, finished_parts=parts)
            self._is_edited = fingerprint(request.image.data) != before

        self.job = Job(steps, stepped=stepped, failed=failed, ended=ended, doing=f"super-resolution of {source.name}")

    @property
    def removed_layer(self) -> str:
        """Which of its layers the user removed: "source", "result" or none."""
        if self._layer.is_removed:
            return "result"
        return "" if self.source in self.viewer.layers else "source"

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
        self._expected = set(step.notes) if self._expected is None else self._expected
        self.warnings = tuple(note for note in step.notes if note not in self._expected)
        record = step.image.metadata.get("provenance", {})
        if record.get("complete", bool(record)) and step.done == step.total:
            self._result, self._seconds = step.image, step.seconds

    def finish(self, complete: bool, earlier: "Sequence[LayerRun]" = ()) -> str:
        """Finish, keep or remove the result layer, and return a line that says so.

        Parameters
        ----------
        complete
            Whether all was computed.
        earlier
            Complete runs of other channels that were started together with this one.
        """
        before = [run.result_layer.name for run in earlier if run.result_layer is not None]
        if complete and self._result is not None and self.source in self.viewer.layers:
            layer = self._layer.finish(self._result)
            self._change = "edited" * self._is_edited
            self._change = self._change if pixels_of(self.source) is self.image.data else "replaced"
            return complete_message(
                seconds=sum(run._seconds for run in (*earlier, self)),
                layers=[*before, layer.name],
                source_change=next((run._change for run in (*earlier, self) if run._change), ""),
                precision=self._precision(),
                warnings=tuple(dict.fromkeys(note for run in (*earlier, self) for note in run.warnings)),
            )
        if self.job.is_cancelled and self._is_kept and self._layer.layer is not None:
            self._layer.keep()
            return f"Stopped. The finished part is in {self._layer.layer.name}."
        self._layer.discard()
        added = f"Added before: {', '.join(before)}" if before else "Nothing was added"
        return f"Cancelled. {added}." if self.job.is_cancelled else f"{added}; see the notification."

    def _precision(self) -> str:
        """Return the 16-bit format of the result and its measured error; empty for 32 bits."""
        record = {} if self._result is None else self._result.metadata.get("provenance", {})
        decibels = record.get("precision_db")
        return "" if decibels is None else precision_text(record["precision"], decibels)

    @property
    def result_layer(self) -> "ImageLayer | None":
        """The layer of the result; None while or where there is none."""
        return self._layer.layer

    def discard(self) -> None:
        """Remove the result layer."""
        self._layer.discard()


class RunningControls(UpscaleControls):
    """The controls, with the runs that they start: of the chosen layer, or of the ticked channels of its file.

    Attributes
    ----------
    state
        What is chosen and shown. It is replaced at every event.
    """

    crop: Crop
    fitness: FitnessForm
    isotropic: IsotropicForm
    adapting: AdaptForm
    preview: Preview
    source_switch: SourceSwitch

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__(viewer)
        self.state = UpscaleState(message="Loading PyTorch. The window may not respond for a moment…")
        self._run: LayerRun | None = None
        self._waiting: list[ImageLayer] = []
        self._complete: list[LayerRun] = []
        self._last_result: ImageLayer | None = None
        self._known_notes: tuple[str, ...] = ()
        self._activity = activity = Activity("Super-resolving")
        self.destroyed.connect(lambda: activity.close())  # noqa: PLW0108 - a bound method would not keep it alive

    @property
    def is_running(self) -> bool:
        """Whether a result is being computed, or a model learnt for it."""
        return self._run is not None or self.isotropic.is_running or self.adapting.is_running

    def _set_state(self, state: UpscaleState) -> None:
        self.state = state
        self.show_state(state)

    def _request(self, layer: "ImageLayer") -> Request:
        raise NotImplementedError

    def _layers_to_run(self) -> "list[ImageLayer]":
        raise NotImplementedError

    def _forget_plan(self) -> None:
        raise NotImplementedError

    def _plan_soon(self) -> None:
        raise NotImplementedError

    def _forget_removed_result(self) -> None:
        """Say no longer that a result was added once the user has removed it."""
        if self._last_result is not None and self._last_result not in self.viewer.layers:
            self._last_result = None
            if not self.is_running:
                self.state = replace(self.state, message="")

    def _start_or_cancel(self) -> None:
        if self.is_running:
            self._cancel()
            return
        try:
            first, *self._waiting = self._layers_to_run()
        except SuperResError as error:
            forms.show_error(str(error))
            return
        self._complete = []
        self._start(first)

    def _start(self, layer: "ImageLayer") -> None:
        try:
            request = self._request(layer)
        except SuperResError as error:
            self._set_state(replace(self.state, message=""))
            forms.show_error(str(error))
            return
        self._forget_plan()
        self.crop.stop()
        self.preview.close_down()
        self._run = LayerRun(
            self.viewer,
            layer,
            request,
            stepped=self._advance,
            failed=forms.show_error,
            ended=self._finish,
            added=self.source_switch.cover,
        )
        self._run.notes_shown.update(self._known_notes)
        self._set_state(self.state.start())
        self.session.add(self._run.job)

    def _cancel(self, message: str = "", *, keep: bool = False) -> None:
        self.isotropic.cancel()
        self.adapting.cancel()
        if self._run is not None:
            self._run.cancel(keep=keep)
            self._waiting.clear()
        self._set_state(self.state.cancel(message))

    def _learn(self, step: "LearningStep | None") -> None:
        state = self.state
        self._set_state(state.start() if step is None else state.learn(step.done / step.total, step.remaining))

    def _adapt(self, step: "TrainingStep | None") -> None:
        self._set_state(self.state.start() if step is None else self.state.learn(step.share, step.remaining))

    def _run_learnt(self, layer: "ImageLayer", model: str) -> None:
        """Compute a layer with the model that was learnt from it."""
        self._set_state(self.state.finish("" if model else "Nothing was learnt."))
        if model:
            library.changed.emit()
            self.model.value = model
        if model and layer in self.viewer.layers:
            self.layer.value = layer
            self._start_or_cancel()

    def _offer_adapted(self, layer: "ImageLayer", model: str) -> None:
        """Choose the model that was refined on a layer for it."""
        self._set_state(self.state.finish("" if model else "The model was kept as it is."))
        if model:
            library.changed.emit()
        if model and layer in self.viewer.layers:
            self.layer.value = layer
            self.model.value = model

    def _advance(self, step: "Progress") -> None:
        if self._run is not None:
            if self._activity.is_cancelled and not self._run.job.is_cancelled:
                self._cancel()
            self._run.show(step)
            self._set_state(self.state.advance(step))
            self._activity.show(step.done, step.total)

    def _finish(self, complete: bool) -> None:
        run, self._run = self._run, None
        assert run is not None
        self._activity.close()
        message = run.finish(complete, self._complete)  # Removing a layer changes the state.
        self._last_result = run.result_layer
        self._complete += [run] if complete else []
        if complete:
            self.fitness.keep_warnings(run.source, run.model_names, run.warnings)
        self.next_steps.offer([one.result_layer for one in self._complete if one.result_layer is not None], run.source)
        self._set_state(self.state.finish(message))
        waiting = [layer for layer in self._waiting if layer in self.viewer.layers]
        if complete and waiting:
            layer, *self._waiting = waiting
            self._start(layer)
            return
        self._plan_soon()
        self.preview.ask()
