"""The Train widget: binds the controls to `TrainState`; runs, stops and cancels a training."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from napari_superres.errors import SuperResError
from napari_superres.models import ModelCard
from napari_superres.models.library.index import library_entries
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.common.parts.remembered import remember
from napari_superres.plugin.widgets.train import state as states
from napari_superres.plugin.widgets.train import work
from napari_superres.plugin.widgets.train.controls import BAR_STEPS, TrainControls, ask
from napari_superres.plugin.widgets.train.simulation import section
from napari_superres.plugin.widgets.train.source_form import REGISTER
from napari_superres.plugin.widgets.train.state import BEADS, GOALS, SCALES, Phase, TrainState
from napari_superres.plugin.widgets.train.work import Available, Images, Task, Trained
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    import napari

    from napari_superres.training import TrainingStep


class TrainWidget(TrainControls):
    """The Train widget.

    Parameters
    ----------
    viewer
        napari viewer whose layers can be learnt from.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:  # napari looks for this very annotation
        super().__init__(viewer)
        self._job: Job | None = None
        self._enough = threading.Event()
        self._last_step: TrainingStep | None = None
        self._card: ModelCard | None = None
        self._has_failed = self._is_loaded = False
        self._suggested_file = ""
        self._output: Path | None = None
        self._connect()
        self._show_phase()
        remember("train", goal=self.goal, network=self.network)
        self._follow_minutes(self.minutes.value)
        library.follow(self, self._follow_library)
        self._follow_source()
        self.status.setText("Loading PyTorch: the window may freeze for a moment…")
        # The delay lets the window show this line before the import of torch blocks it.
        QTimer.singleShot(50, self._load_torch)

    def _connect(self) -> None:
        self.source.changed.connect(self._follow_source)
        self.start.changed.connect(self._follow_start)
        self.scale.changed.connect(self._follow_source)
        self.goal.changed.connect(self._follow_goal)
        self.minutes.changed.connect(self._follow_minutes)
        self.run.clicked.connect(self._run_or_cancel)
        self.keep.clicked.connect(self._stop_and_keep)

    def _follow_goal(self, minutes: float) -> None:
        if minutes:
            self.minutes.value = minutes

    def _follow_minutes(self, minutes: float) -> None:
        self.goal.value = minutes if minutes in GOALS.values() else 0.0

    @property
    def state(self) -> TrainState:
        """What is chosen now."""
        return TrainState(
            available=self._available,
            source=self.source.kind.value,
            source_name=self.source.name,
            register=self.source.register.isChecked(),
            start=self.start.value or "",
            network=self.network.value or "",
            scale=self.scale.value,
            degradation=self.degradation.settings,
            modality=self.degradation.kind.value.modality,
            minutes=self.minutes.value,
            output=self.output.path,
            license=self.license.currentText().strip(),
            phase=self._phase,
        )

    @property
    def _phase(self) -> Phase:
        if self._job is None:
            return "idle" if self._is_loaded else "loading"
        if self._job.is_cancelled:
            return "cancelling"
        return "finishing" if self._enough.is_set() else "training"

    @property
    def is_running(self) -> bool:
        """Whether a model is being trained."""
        return self._job is not None

    @property
    def is_ready(self) -> bool:
        """Whether torch is loaded and the networks are listed."""
        return self._is_loaded

    # What is chosen

    def _load_torch(self) -> None:
        self.session.add(Job(work.prepare, stepped=self._show_available, ended=self._finish_loading))

    def _show_available(self, available: Available) -> None:
        self._available = available
        for box in (self.start, self.network):
            box.reset_choices()
        self._is_loaded = True
        self._show_phase()
        self._follow_source()
        self.degradation.begin_pictures()

    def _finish_loading(self, complete: bool) -> None:
        if self._job is None:
            self.status.setText("" if complete else "PyTorch could not be loaded; see the notification.")

    def _follow_library(self) -> None:
        if self._is_loaded:
            self.session.add(Job(work.prepare, stepped=self._show_available))

    def layers_changed(self) -> None:
        """Follow the viewer's layers."""
        self.source.refresh()
        self.beads.refresh()
        self.degradation.refresh()

    def _follow_source(self) -> None:
        """Show what is for the chosen images and what the instrument does to them, and suggest a model file."""
        state = self.state
        for widget in (*self._inputs[2:], self.run, self.status):
            widget.setVisible(state.is_trained)
        self.beads.setVisible(state.source == BEADS)
        for widget in (self.instrument_heading, self.degradation):
            widget.setVisible(state.shows_degradation)
        self.degradation.show_sample(lambda: self.source.sample, state.scale)
        if self.output.line.text() == self._suggested_file:
            self._suggested_file = state.suggested_file(Path.home())
            self.output.line.setText(self._suggested_file)

    def _follow_start(self, name: str) -> None:
        """Fill in the settings that the model to refine was trained with."""
        self.network.enabled = self.state.can_choose_network
        if name and (card := self._available.cards[name]):
            if card.scale in SCALES.values():
                self.scale.value = card.scale
            self.degradation.imitate(card.modality, work.recipe_degradation(name))

    # Training

    def _run_or_cancel(self) -> None:
        if self._job is None:
            self._start()
        else:
            self._job.cancel()
            self._show_buttons()

    def _stop_and_keep(self) -> None:
        self._enough.set()
        self._show_buttons()
        self.status.setText(states.FINISHING)

    def _start(self) -> None:
        try:
            task = self._ask_for_task()
        except SuperResError as error:
            forms.show_error(str(error))
            return
        if task is None:
            return
        self._enough = enough = threading.Event()
        self._last_step = self._card = None
        self._has_failed = False
        self.finished.offer("", None)
        self._output = task.output
        self._job = Job(
            lambda: work.run(task, enough.is_set),
            stepped=self._show_progress,
            failed=self._fail,
            ended=self._finish,
            doing=f"training of {task.output.stem}",
        )
        self.curves.clear()
        self.examples.show_pictures((None, None, None))
        self.status.setText("Preparing…")
        self._show_phase()
        self.session.add(self._job)

    def _ask_for_task(self) -> Task | None:
        """Return the chosen training, or None if the user declined to replace a model.

        Raises
        ------
        SuperResError
            If something is missing.
        """
        images, state = Images(*self.source.chosen()), self.state
        entries = library_entries()
        output = state.model_file(entries.keys())
        resume = work.unfinished_path(output).exists() and ask(self, states.resume_question(output))
        is_replaced = output.stem in entries
        question = states.replace_question(output, is_file=output.exists(), in_library=is_replaced)
        if question and not ask(self, question):
            return None
        return state.task(images, output, resume=resume, replaced=is_replaced)

    def _show_buttons(self) -> None:
        """Enable and label the buttons as the state says."""
        state = self.state
        self.run.setEnabled(state.can_press_run)
        self.run.setText(state.run_label)
        self.run.setToolTip(state.run_tooltip)
        self.keep.setEnabled(state.can_keep)

    def _show_phase(self) -> None:
        """Show the controls of a training, or those for choosing one."""
        state = self.state
        for widget in self._inputs:
            widget.setEnabled(state.can_edit)
        self._show_buttons()
        self.keep.setVisible(state.is_running)
        self.bar.setVisible(state.is_running)
        self.bar.setRange(0, 0 if state.is_running else BAR_STEPS)  # The bar is busy until the first step.

    def _show_progress(self, value: "str | TrainingStep | Trained") -> None:
        if isinstance(value, Trained):
            self._card = value.card
            for note in value.notes:
                forms.show_warning(note, register=REGISTER)
        elif isinstance(value, str):
            self.status.setText(value)
        elif value is not self._last_step and value.step:
            self._show_step(value)

    def _show_step(self, step: "TrainingStep") -> None:
        before, self._last_step = self._last_step, step
        self.curves.add(step.seconds / 60, step.loss, step.scores, step.bicubic, step.shipped)
        self.bar.setValue(round(BAR_STEPS * step.share))
        example = step.example
        if example is not None and (before is None or example is not before.example):
            self.examples.show_pictures([section(a) for a in (example.lr, example.sr, example.hr)])
        if before is None:
            self.bar.setRange(0, BAR_STEPS)
            self.curves.show()
            self.examples.setVisible(example is not None)
            self.scroll_to(self.curves)
        phase = self._phase
        if step.share >= 1.0 or phase == "finishing":
            self.status.setText(states.FINISHING)
        elif phase == "training":
            self.status.setText(states.step_text(step))

    def _fail(self, message: str) -> None:
        self._has_failed = True
        forms.show_error(message, register=REGISTER)

    def _finish(self, complete: bool) -> None:
        self._job = None
        self._show_phase()
        card = self._card if complete else None
        shipped = None if self._last_step is None else self._last_step.shipped
        self.status.setText(states.end_text(card, failed=self._has_failed, shipped=shipped))
        if card is not None:
            self.finished.offer(card.name, self._output)
            library.changed.emit()
            self._follow_source()  # The suggested file exists now, so another one is suggested.
