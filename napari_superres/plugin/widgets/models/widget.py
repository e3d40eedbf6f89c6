"""The Models widget: binds the controls to `ModelsState`, asks questions, and does one thing after the other."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox

from napari_superres.errors import SuperResError
from napari_superres.models import ModelCard
from napari_superres.models.library.user_models import Verification, remove_model, verify_models
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import channel_names_of, to_image
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.common.panel import Panel
from napari_superres.plugin.widgets.common.parts.docks import use_model
from napari_superres.plugin.widgets.models import state as states
from napari_superres.plugin.widgets.models import work
from napari_superres.plugin.widgets.models.controls import ModelsControls
from napari_superres.plugin.widgets.models.state import ModelsState
from napari_superres.plugin.widgets.models.work import Addition, ListedModel, StoppedError
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    import napari

_ADDABLE = "Models (*.safetensors *.pth *.pt *.ckpt *.zip);;All files (*)"
_EXPORTS = {"Model file (*.safetensors)": "safetensors", "bioimage.io package (*.zip)": "zip"}


class ModelsWidget(ModelsControls):
    """The Models widget.

    Parameters
    ----------
    viewer
        napari viewer whose dock holds the widget.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:  # napari looks for this very annotation
        super().__init__(viewer)
        self.state = ModelsState()
        self._job: Job | None = None
        self._waiting: deque[tuple[Path, str]] = deque()
        self._name_to_select = ""
        self._is_outdated = False
        self._layer: Any = None
        self._fit_job: Job | None = None
        self._connect()
        library.follow(self, self.refresh)
        self.refresh()
        self.active_changed()

    def _connect(self) -> None:
        self.models.selection_changed.connect(self._show_selected)
        self.use.clicked.connect(self._use)
        self.cancel.clicked.connect(self._cancel)
        for action, act in (
            (self.add_files, self._choose_files),
            (self.add_folder, self._choose_folder),
            (self.export, self._export),
            (self.check, self._check),
            (self.remove, self._remove),
        ):
            action.triggered.connect(lambda _=False, act=act: act())

    @property
    def is_running(self) -> bool:
        """Whether a model is being processed, or waits for it."""
        return self._job is not None or bool(self._waiting)

    @property
    def is_ready(self) -> bool:
        """Whether the models are listed and nothing is being done."""
        return self.state.is_listed and not self.is_running

    @property
    def selected(self) -> ListedModel | None:
        """The model whose card is shown."""
        return self.models.selected

    def _change(self, **changes: Any) -> None:
        """Replace fields of the state, and show it."""
        self._show(replace(self.state, **changes))

    def _show(self, state: ModelsState) -> None:
        """Enable the buttons and fill the texts as a state says."""
        self.state = state = replace(state, is_busy=self.is_running)
        self.remove.setEnabled(state.can_remove)
        self.export.setEnabled(state.can_export)
        self.check.setEnabled(state.can_check)
        self.use.setEnabled(state.can_use)
        self.thumbnail.show_model("" if state.selected is None else state.selected.name)
        forms.say(self.status, state.status)
        forms.say(self.problems, state.problem_text)
        forms.say(self.measurement, state.measurement)
        forms.say(self.card, state.card_html)
        forms.say(self.properties, state.properties_html)
        forms.say(self.origin, state.origin)
        self.origin.setToolTip(state.origin_tooltip)

    def _show_selected(self) -> None:
        self._change(selected=self.selected)

    def _use(self) -> None:
        """Open Super-resolve, and choose the selected model there."""
        if self.selected is not None:
            use_model(self.viewer, self.selected.name)

    # The layer

    def layers_changed(self) -> None:
        """Follow the viewer's layers."""
        self.active_changed()

    def active_changed(self) -> None:
        """Show how well the models fit the layer that is selected in napari's list."""
        layer = self.viewer.layers.selection.active
        if layer is self._layer:
            return
        self.session.forget(self._fit_job)
        self._layer = layer
        image = None
        if layer is not None and layer.as_layer_data_tuple()[2] == "image":
            with suppress(SuperResError):  # It is no image for any model.
                image = to_image(layer)
        if layer is None or image is None:
            self.models.show_fit(None, "")
            return
        self._fit_job = Job(
            lambda: work.fit(image, channel_names_of(layer)),
            stepped=lambda choice: self.models.show_fit(choice, layer.name),
        )
        self.session.add(self._fit_job)

    # One job after the other

    def _start(self, status: str, function: Callable[[], Any], done: Callable[[Any], None], *, about: str = "") -> None:
        """Run a function in a thread.

        Parameters
        ----------
        status
            Line to show meanwhile; empty for work that is not announced.
        function
            Runs in the thread.
        done
            Called with its result.
        about
            Name with which its errors begin.
        """
        results: list[Any] = []

        def steps() -> Generator[None, None, None]:
            with suppress(StoppedError):
                results.append(function())
                yield

        def fail(message: str) -> None:
            named = message if message.startswith(about) else f"{about}: {message}"
            self._show(self.state.with_problem(_named_text(named, about)))

        def finish(complete: bool) -> None:
            is_cancelled = job.is_cancelled
            self._job = None
            self.bar.hide()
            self.cancel.hide()
            if complete:
                done(results[-1])
            elif status:
                self._change(status="Cancelled." if is_cancelled else self.state.added_text)
            self._start_next()

        # Making the list warns of damaged models, which the list shows anyway: without `stepped`, warnings are dropped.
        job = self._job = Job(steps, stepped=(lambda _: None) if status else None, failed=fail, ended=finish)
        if status:
            self.bar.show()
            self.cancel.setEnabled(True)
            self.cancel.show()
        self._change(status=status or self.state.status)
        self.session.add(self._job)

    def _cancel(self) -> None:
        if self._job is not None:
            self._waiting.clear()
            self._job.cancel()
            self.cancel.setEnabled(False)
            self._change(status="Cancelling…")

    def _start_next(self) -> None:
        if self._job is None and self._is_outdated:
            self._is_outdated = False
            self._start("", work.list_library, self._show_list)
        elif self._job is None and self._waiting:
            self._add_next()
        self._show(self.state)

    # The list

    def refresh(self) -> None:
        """List the models again."""
        self._is_outdated = True
        self._start_next()

    def _show_list(self, listing: tuple[list[ListedModel], str]) -> None:
        models, problem = listing
        state = self.state.with_problem(_named_text(problem)) if problem else self.state
        self._show(replace(state, is_listed=True))
        self.models.show_models(models)
        if self._name_to_select:
            self.models.select(self._name_to_select)
            self._name_to_select = ""

    # Adding

    def dragEnterEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Accept files and folders."""
        if _dropped_paths(event):
            event.setDropAction(Qt.DropAction.CopyAction)  # After a move, the file manager would delete the files.
            event.accept()

    def dropEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Add the dropped files and folders."""
        if paths := _dropped_paths(event):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self.add(paths)

    def add(self, paths: Iterable[str | Path]) -> None:
        """Add models to the library one after the other; a file that fails does not stop the others."""
        new = [(Path(path), "") for path in paths]
        if new and not self.is_running:
            self._show(self.state.cleared())
        self._waiting.extend(new)
        self._start_next()

    def _choose_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Add models", "", _ADDABLE)
        self.add(paths)

    def _choose_folder(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Add an unpacked bioimage.io package"):
            self.add([path])

    def _add_next(self) -> None:
        path, allowed = self._waiting.popleft()
        status = states.adding_text(path.name, len(self._waiting))
        self._start(
            status, partial(work.add, path, allowed=allowed), partial(self._show_addition, path), about=path.name
        )

    def _show_addition(self, path: Path, addition: Addition) -> None:
        card = addition.card
        if card is not None:
            self._name_to_select = card.name if addition.is_new else ""
            self._change(added=(*self.state.added, *([card.name] if addition.is_new else [])))
        elif _ask(self, "Add a program?", states.TRUST_QUESTION.format(name=path.name, sha256=addition.sha256)):
            self._waiting.appendleft((path, addition.sha256))
        else:
            self._show(self.state.with_problem(f"{path.name} is a program that was not trusted: it was not added."))
        self._change(status=self.state.added_text)
        if addition.is_new:
            library.changed.emit()
        elif card is not None:
            self.models.select(card.name)

    # Removing, checking and exporting

    def _remove(self) -> None:
        model = self.selected
        if model is None or model.entry is None:
            return
        if not _ask(self, "Remove a model?", states.REMOVE_QUESTION.format(name=model.name)):
            return
        self._show(self.state.cleared())

        def done(_: Any) -> None:
            self._change(status=f"Removed {model.name}.")
            library.changed.emit()

        self._start(f"Removing {model.name}…", partial(remove_model, model.name), done)

    def _check(self) -> None:
        self._show(self.state.cleared())
        self._start("Reading the files of the library…", verify_models, self._show_verified)

    def _show_verified(self, models: list[Verification]) -> None:
        problems = [_named_text(model.problem, model.name) for model in models if model.problem]
        status = states.checked_text([model.name for model in models], problems)
        self._change(problems=(*self.state.problems, *problems), status=status)
        model = self.selected
        if model is None or model.card is None:
            return

        def done(measured: Mapping[str, Any]) -> None:
            state = self.state.with_measurement(model, measured)
            self._show(replace(state, status=f"{status} {model.name} was measured."))

        self._start(
            states.measuring_text(model.name, model.card.ndim),
            partial(work.measure, model.name, self._is_cancelled),
            done,
        )

    def _is_cancelled(self) -> bool:
        return self._job is not None and self._job.is_cancelled

    def _export(self) -> None:
        model = self.selected
        if model is None or model.card is None or (target := self._ask_target(model.name)) is None:
            return
        credit: dict[str, Any] = {}
        if target.suffix == ".zip" and not self._ask_credit(model.card, credit):
            return
        self._show(self.state.cleared())
        self._start(
            f"Exporting {model.name}…",
            partial(work.export, model.name, target, **credit),
            lambda written: self._change(status=f"{model.name} was saved as {written.name}."),
        )

    def _ask_target(self, name: str) -> Path | None:
        dialog = QFileDialog(self, f"Export {name}", "", ";;".join(_EXPORTS))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("safetensors")  # Set now, before the dialog asks whether to overwrite.
        dialog.filterSelected.connect(lambda filter_: dialog.setDefaultSuffix(_EXPORTS[filter_]))
        dialog.selectFile(name)
        paths = dialog.selectedFiles() if dialog.exec() else []
        dialog.deleteLater()
        return Path(paths[0]) if paths else None

    def _ask_credit(self, card: ModelCard, credit: dict[str, Any]) -> bool:
        """Ask for what a package needs and the card lacks; return whether the user answered."""
        author, accepted = QInputDialog.getText(self, "Author", "Author of the package: Name; Institute")
        credit["author"] = [author.strip()] if author.strip() else []
        if accepted and "doi:" not in card.citation and "://" not in card.citation:
            prompt = "Work to cite: Authors: Title. Journal, year. doi:10.1234/5678"
            cite, accepted = QInputDialog.getText(self, "Citation", prompt, text=card.citation)
            credit["cite"] = [cite.strip()]
        return bool(accepted)


def _named_text(message: str, name: str = "") -> str:
    """Return a message for the window, in which a name at the beginning keeps its spelling."""
    text = window_text(message)
    return name + text[len(name) :] if message.startswith(name) else text


def _dropped_paths(event: Any) -> list[Path]:
    if not event.possibleActions() & Qt.DropAction.CopyAction:
        return []
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]


def _ask(parent: Panel, title: str, question: str) -> bool:
    """Ask a question that is answered by yes or no, which is the default."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)  # Qt would render HTML in a file name.
    box.setText(question)
    box.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No)
    box.setDefaultButton(QMessageBox.StandardButton.No)
    answer = box.exec()
    box.deleteLater()
    return answer == QMessageBox.StandardButton.Yes
