"""Train: from the layers of a window, or folders, to a model that is in the list at once."""

import re
import threading
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, FloatSpinBox
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QMessageBox, QProgressBar, QPushButton, QWidget

from napari_superres.errors import SettingsError, SuperResError
from napari_superres.models import ModelCard
from napari_superres.models.library.index import is_valid_name, library_entries
from napari_superres.models.model_file import SUFFIX
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.card_html import model_label
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.common.panel import Panel
from napari_superres.plugin.widgets.common.wording import duration
from napari_superres.plugin.widgets.train import work as train_work
from napari_superres.plugin.widgets.train.curves import Curves, Pictures
from napari_superres.plugin.widgets.train.degradation import DegradationForm
from napari_superres.plugin.widgets.train.fields import PAIRS, Labelled, PathLine, SourceForm
from napari_superres.plugin.widgets.train.simulation import section
from napari_superres.plugin.widgets.train.work import NETWORKS, Prepared, Task
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    import napari

    from napari_superres.training import TrainingStep

_SCALES = {
    "× 2": (2, 2),
    "× 3": (3, 3),
    "× 4": (4, 4),
    "Z × 2, volumes": (2, 1, 1),
    "Z × 3, volumes": (3, 1, 1),
    "Z × 4, volumes": (4, 1, 1),
}
_LICENSES = ("", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "BSD-3-Clause", "MIT")
_MINUTES = 10.0
_PER_MILLE = 1000


class TrainWidget(Panel):
    """The Train widget.

    Parameters
    ----------
    viewer
        napari viewer whose layers can be learnt from.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self._job: Job | None = None
        self._enough = threading.Event()
        self._last: TrainingStep | None = None
        self._made: ModelCard | None = None
        self._failed = self._ready = False
        self._there = Prepared(NETWORKS, {}, frozenset())
        self._suggested = ""
        self.source = SourceForm(viewer)
        self.degradation = DegradationForm(viewer, self.session)
        self._make_forms()
        self._make_run()
        self._order_focus()
        self.source.changed.connect(self._source_changed)
        self.start.changed.connect(self._start_chosen)
        self.scale.changed.connect(self._source_changed)
        library.follow(self, self._library_changed)
        self._source_changed()
        self.status.setText("Loading PyTorch: the window may stop for a moment…")
        # A moment for the window to show the line before torch's import holds everything.
        QTimer.singleShot(50, self._warm_up)

    def _make_forms(self) -> None:
        self.start = forms.narrow(
            ComboBox(
                choices=self._start_choices,
                label="Start from",
                tooltip="Begin with random weights, or refine a model that is there: its network is kept, and what it "
                "was trained with is filled in below.",
            )
        )
        self.network = forms.narrow(
            ComboBox(
                choices=self._network_choices,
                label="Network",
                tooltip="What is trained. The small EDSR is what two processor cores train well in minutes.",
            )
        )
        self.scale = ComboBox(
            choices=list(_SCALES.items()),
            label="Scale",
            tooltip="How many times more pixels the result has: along Y and X, or of volumes along Z.",
        )
        self.minutes = FloatSpinBox(
            value=_MINUTES,
            min=0.02,
            max=100_000,
            step=1,
            label="Minutes",
            tooltip="How long to train. It can be stopped earlier, with the best model so far.",
        )
        self.output = PathLine(
            "Model file to write",
            "File of the model. It is also added to the library, under the name of the file.",
            lambda parent: QFileDialog.getSaveFileName(
                parent,
                "Model file",
                str(self.output.path or ""),
                f"Model (*{SUFFIX})",
                options=QFileDialog.Option.DontConfirmOverwrite,  # asked when it is run
            )[0],
        )
        self.license = QComboBox()
        self.license.addItems(_LICENSES)
        self.license.setEditable(True)
        self.license.setAccessibleName("Licence")
        self.license.setToolTip(
            "Licence of the model, for its card: SPDX name, chosen or typed. Without one, others may not know whether "
            "they may use it."
        )
        self.license.setMinimumContentsLength(6)
        self._inputs = [
            self.source,
            forms.form([self.start, self.network, self.scale]),
            self.degradation,
            forms.form(
                [
                    self.minutes,
                    Labelled("Save as", self.output.line.toolTip(), self.output),
                    Labelled("Licence", self.license.toolTip(), self.license),
                ]
            ),
        ]
        for widget in self._inputs:
            self.body.addWidget(widget)

    def _make_run(self) -> None:
        self.run, self.keep = QPushButton("Run"), QPushButton("Stop and keep the best")
        self.run.clicked.connect(self._run_or_cancel)
        self.keep.clicked.connect(self._keep)
        self.keep.setToolTip("End training after the step it is at, and save the best model so far.")
        buttons = QHBoxLayout()
        buttons.addWidget(self.run)
        buttons.addWidget(self.keep)
        self.bar = QProgressBar()
        self.bar.setRange(0, _PER_MILLE)
        self.bar.setToolTip("How much of the time is spent.")
        self.status = forms.text()
        self.curves = Curves()
        self.examples = Pictures(
            ("Low", "Result", "High"),
            "One place of an image that is not trained on: what the network is given, what it makes of it, the truth.",
        )
        self.body.addLayout(buttons)
        for widget in (self.bar, self.status, self.curves, self.examples):
            self.body.addWidget(widget)
        self.body.addStretch(1)
        self.curves.hide()
        self.examples.hide()
        self._show_running()

    def _order_focus(self) -> None:
        order: list[QWidget] = [
            *self.source.controls,
            self.start.native,
            self.network.native,
            self.scale.native,
            *self.degradation.controls,
            self.minutes.native,
            self.output.line,
            self.output.button,
            self.license,
            self.run,
            self.keep,
        ]
        for first, second in pairwise(order):
            QWidget.setTabOrder(first, second)

    @property
    def is_running(self) -> bool:
        """Whether a model is being trained."""
        return self._job is not None

    @property
    def is_ready(self) -> bool:
        """Whether torch is loaded and the networks are known."""
        return self._ready

    # What is chosen

    def _warm_up(self) -> None:
        self.session.add(Job(train_work.prepare, stepped=self._prepared, ended=self._warmed_up))

    def _prepared(self, found: Prepared) -> None:
        self._there = found
        for box in (self.start, self.network):
            box.reset_choices()
        self._ready = True
        self._show_running()
        self._source_changed()
        self.degradation.start()

    def _warmed_up(self, complete: bool) -> None:
        if self._job is None:
            self.status.setText("" if complete else "PyTorch could not be loaded; see the notification.")

    def _network_choices(self, _: Any) -> list[tuple[str, str]]:
        return [(words, name) for name, words in self._there.networks.items()]

    def _start_choices(self, _: Any) -> list[tuple[str, str]]:
        return [("random weights", ""), *((model_label(card), name) for name, card in self._there.cards.items())]

    def _library_changed(self) -> None:
        if self._ready:
            self.session.add(Job(train_work.prepare, stepped=self._prepared))

    def layers_changed(self) -> None:
        """Follow the viewer's layers."""
        self.source.refresh()
        self.degradation.refresh()

    def _source_changed(self) -> None:
        """Show what the degradation does to what is chosen, and suggest a file."""
        self.degradation.setVisible(self.source.kind.value != PAIRS)
        self.degradation.look(lambda: self.source.sample, self.scale.value)
        if self.output.line.text() == self._suggested:
            self._suggested = self._suggest()
            self.output.line.setText(self._suggested)

    def _suggest(self) -> str:
        scale = self.scale.value
        factor = f"{'z' if len(scale) == 3 else 'x'}{scale[0]}"
        name = re.sub(r"[^\w-]+", "-", self.source.name).strip("-_")[:60] or "model"
        names = [f"{name}-{factor}", *(f"{name}-{factor}-{i}" for i in range(2, 100))]
        free = (Path.home() / f"{n}{SUFFIX}" for n in names if n not in self._there.names)
        return str(next((path for path in free if not path.exists()), ""))

    def _start_chosen(self, name: str) -> None:
        """Fill in what the model to refine was trained with."""
        self.network.enabled = not name
        if name and (card := self._there.cards[name]):
            if card.scale in _SCALES.values():
                self.scale.value = card.scale
            self.degradation.imitate(card.modality, train_work.degradation_of(name))

    # The run

    def _run_or_cancel(self) -> None:
        if self._job is None:
            self._start()
        else:
            self._job.cancel()
            self.run.setText("Cancelling…")
            self.run.setEnabled(False)
            self.keep.setEnabled(False)

    def _keep(self) -> None:
        self._enough.set()
        self.keep.setEnabled(False)
        self.status.setText("Finishing: the best model is scored…")

    def _start(self) -> None:
        try:
            task = self._task()
        except SuperResError as error:
            forms.show_error(str(error))
            return
        if task is None:
            return
        self._enough = enough = threading.Event()
        self._last = self._made = None
        self._failed = False
        self._job = Job(
            lambda: train_work.run(task, enough.is_set),
            stepped=self._stepped,
            failed=self._complain,
            ended=self._ended,
            doing=f"training of {task.output.stem}",
        )
        self.curves.clear()
        self.examples.show_pictures((None, None, None))
        self.status.setText("Preparing…")
        self._show_running()
        self.session.add(self._job)

    def _task(self) -> Task | None:
        """Return what is asked for, or None if a question was answered by no.

        Raises
        ------
        SuperResError
            If something is missing.
        """
        layers, high, low = self.source.chosen()
        if self.output.path is None:
            raise SettingsError("give a file for the model.")
        output = self.output.path.with_name(f"{self.output.path.name.removesuffix(SUFFIX)}{SUFFIX}")
        name, start = output.stem, self._there.cards.get(self.start.value)
        entries = library_entries()
        if not is_valid_name(name) or (name not in entries and name in self._there.names):
            raise SettingsError(
                f"the file names the model, and {name} cannot be its name: it begins with a letter or digit, has no "
                "spaces, and is not that of a model of the program. Save it under another name."
            )
        resume = False
        if train_work.unfinished(output).exists():
            resume = _ask(self, f"An unfinished training of {name} is there. Go on with it?")
        taken = [str(output)] if output.exists() else []
        taken += [f"the model {name} of the library"] if name in entries else []
        if taken and not _ask(self, f"Replace {' and '.join(taken)} when the new model is ready?"):
            return None
        kind = self.degradation.kind.value
        sizes = None if start is None else {k: v for k, v in start.arguments.items() if k not in ("scale", "ndim")}
        return Task(
            layers=layers,
            high=high,
            low=low,
            register=self.source.register.isChecked(),
            network=start.architecture if start else self.network.value,
            arguments=sizes,
            start=start.name if start else "",
            scale=self.scale.value,
            degradation=self.degradation.settings,
            card={"modality": kind.modality if low is None else "", "license": self.license.currentText().strip()},
            minutes=self.minutes.value,
            output=output,
            overwrite=not resume,
            resume=resume,
            replaced=name in entries,
        )

    def _show_running(self) -> None:
        """Let the controls be those of what is going on."""
        running = self._job is not None
        for widget in self._inputs:
            widget.setEnabled(not running)
        self.run.setEnabled(self._ready)
        self.run.setText("Cancel" if running else "Run")
        self.run.setToolTip(
            "End training and keep nothing." if running else "Train the network. The model is added to the library."
        )
        self.keep.setEnabled(running)
        self.keep.setVisible(running)
        self.bar.setVisible(running)
        self.bar.setRange(0, 0 if running else _PER_MILLE)  # busy until something is known

    def _stepped(self, value: "str | TrainingStep | ModelCard") -> None:
        if isinstance(value, ModelCard):
            self._made = value
        elif isinstance(value, str):
            self.status.setText(value)
        elif value is not self._last and value.step:
            self._show(value)

    def _show(self, step: "TrainingStep") -> None:
        is_first, before, self._last = self._last is None, self._last, step
        self.curves.add(step.seconds / 60, step.loss, step.scores, step.bicubic)
        self.bar.setValue(round(_PER_MILLE * step.share))
        example = step.example
        if example is not None and (before is None or example is not before.example):
            self.examples.show_pictures([section(a) for a in (example.lr, example.sr, example.hr)])
        if is_first:
            self.bar.setRange(0, _PER_MILLE)
            self.curves.show()
            self.examples.setVisible(example is not None)
            self.scroll_to(self.curves)
        if step.share >= 1.0 or self._enough.is_set():
            self.status.setText("Finishing: the best model is scored…")
        elif self._job is not None and not self._job.is_cancelled:
            self.status.setText(f"Step {step.step}, about {duration(step.remaining)} left")

    def _complain(self, message: str) -> None:
        self._failed = True
        forms.show_error(message)

    def _ended(self, complete: bool) -> None:
        self._job = None
        self._show_running()
        if complete and self._made is not None:
            self.status.setText(_result(self._made))
            library.changed.emit()
            self._source_changed()  # another file is free
        elif self._failed:
            self.status.setText("No model was made; see the notification.")
        else:
            self.status.setText("Cancelled: no model was made.")


def _result(card: ModelCard) -> str:
    """Return how a new model scored, and where it is."""
    scores = card.scores.get("validation", {})
    if "psnr" in scores:
        score = f"Validation: {scores['psnr']:.2f} dB, bicubic {scores['bicubic_psnr']:.2f} dB."
    else:
        score = "There was no image to hold out, so there is no score."
    return f"Done. {score} The model is in the library as {card.name}."


def _ask(parent: QWidget, question: str) -> bool:
    return bool(QMessageBox.question(parent, "Train", question) == QMessageBox.StandardButton.Yes)
