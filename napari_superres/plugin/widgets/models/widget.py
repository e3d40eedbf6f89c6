"""Models: what there is, read its card, add, remove, check, export."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QGridLayout, QInputDialog, QMessageBox, QProgressBar, QPushButton

from napari_superres.models import ModelCard
from napari_superres.models.library.user_models import Verification, remove_model, verify_models
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.common.panel import Panel
from napari_superres.plugin.widgets.models import work as library_work
from napari_superres.plugin.widgets.models.facts import facts_html, findings_text, origin, whole_card_html
from napari_superres.plugin.widgets.models.listing import ModelList
from napari_superres.plugin.widgets.models.work import Added, Listed
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    import napari

_ADDABLE = "Models (*.safetensors *.pth *.pt *.ckpt *.zip);;All files (*)"
_EXPORTS = {"Model file (*.safetensors)": "safetensors", "bioimage.io package (*.zip)": "zip"}
_TRUST = (
    "{name} is a program. Once it runs, it can do anything that you can do on this computer: read, change, delete and "
    "send files. Add it only if you know and trust its author.\n\nsha256 {sha256}\n\nAdd it and let it run?"
)


class ModelsWidget(Panel):
    """The Models widget.

    Parameters
    ----------
    viewer
        napari viewer in whose dock it is.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self.setAcceptDrops(True)
        self._job: Job | None = None
        self._waiting: deque[tuple[Path, str]] = deque()
        self._added: list[str] = []
        self._wrong: list[str] = []
        self._measured: dict[tuple[str, str], str] = {}
        self._wanted = ""
        self._stale = self._ready = False
        self.models = ModelList()
        self.models.chosen_changed.connect(self._show_card)
        self.body.addWidget(self.models)
        self._make_buttons()
        self._make_answers()
        library.follow(self, self.refresh)
        self.refresh()

    def _make_buttons(self) -> None:
        grid = QGridLayout()

        def button(text: str, tooltip: str, clicked: Callable[[], None], *place: int) -> QPushButton:
            made = QPushButton(text)
            made.setToolTip(tooltip)
            made.clicked.connect(lambda: clicked())  # noqa: PLW0108 - without Qt's argument
            grid.addWidget(made, *place)
            return made

        self.add_files = button(
            "Add files…",
            "Copy model files into the library: our own, .pth, .ckpt and .safetensors of known architectures, and "
            "bioimage.io packages. Each is measured. Files can be dropped onto this panel too.",
            self._choose_files,
            0,
            0,
        )
        self.add_folder = button(
            "Add folder…", "Add a bioimage.io package that is unpacked in a folder.", self._choose_folder, 0, 1
        )
        self.remove = button("Remove…", "Delete the chosen model from the library.", self._remove, 1, 0)
        self.export = button(
            "Export…",
            "Save the chosen model as one file of this program, or as a bioimage.io package for others.",
            self._export,
            1,
            1,
        )
        self.check = button(
            "Check",
            "Compare every file in the library with what was added, then measure the chosen model on this computer: "
            "halo, exactness of tiles, half precision, speed. Takes seconds, for volumes minutes.",
            self._check,
            2,
            0,
            1,
            2,
        )
        self.body.addLayout(grid)

    def _make_answers(self) -> None:
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)
        self.bar.setTextVisible(False)
        self.bar.setToolTip("Something is being done with a model; this widget can be used meanwhile.")
        self.status, self.lines, self.findings, self.file = (forms.text() for _ in range(4))
        self.card, self.facts = forms.text(rich=True), forms.text(rich=True)
        self.card.setToolTip(
            "What the model is for, and its scores beside bicubic interpolation and the best baseline."
        )
        self.facts.setToolTip("Halo: how many pixels of the input around a pixel its result depends on.")
        for widget in (self.bar, self.status, self.lines, self.findings, self.card, self.facts, self.file):
            self.body.addWidget(widget)
            widget.hide()
        self.body.addStretch(1)

    @property
    def is_running(self) -> bool:
        """Whether something is being done."""
        return self._job is not None or bool(self._waiting)

    @property
    def is_ready(self) -> bool:
        """Whether the models are listed and nothing is being done."""
        return self._ready and not self.is_running

    @property
    def chosen(self) -> Listed | None:
        """The model whose card is shown."""
        return self.models.chosen

    # One thing after the other, in a thread

    def _start(self, doing: str, work: Callable[[], Any], done: Callable[[Any], None], *, about: str = "") -> None:
        found: list[Any] = []

        def steps() -> Generator[None, None, None]:
            found.append(work())
            yield

        def failed(message: str) -> None:
            self._wrong.append(_window_text(message if message.startswith(about) else f"{about}: {message}", about))

        def ended(complete: bool) -> None:
            self._job = None
            self.bar.hide()
            if complete:
                done(found[-1])
            elif doing:
                self._say_added()
            self._go_on()

        # Warnings of damaged models are no news while the list is made, which shows them.
        self._job = Job(steps, stepped=(lambda _: None) if doing else None, failed=failed, ended=ended)
        if doing:
            forms.say(self.status, doing)
            self.bar.show()
        self._enable()
        self.session.add(self._job)

    def _go_on(self) -> None:
        if self._job is None and self._stale:
            self._stale = False
            self._start("", library_work.listing, self._listed)
        elif self._job is None and self._waiting:
            self._add_next()
        forms.say(self.lines, "\n".join(self._wrong))
        self._enable()

    def _enable(self) -> None:
        idle, chosen = not self.is_running, self.chosen
        card = None if chosen is None else chosen.card
        self.remove.setEnabled(idle and chosen is not None and chosen.entry is not None)
        self.export.setEnabled(idle and card is not None and not card.is_interpolation)
        self.check.setEnabled(idle)

    def _begin(self) -> None:
        """Forget what was said of earlier work."""
        self._added, self._wrong = [], []
        forms.say(self.status, "")
        forms.say(self.lines, "")

    # The list

    def refresh(self) -> None:
        """List the models anew."""
        self._stale = True
        self._go_on()

    def _listed(self, found: tuple[list[Listed], str]) -> None:
        models, problem = found
        if problem and _window_text(problem) not in self._wrong:
            self._wrong.append(_window_text(problem))
        self._ready = True
        self.models.show_models(models)
        if self._wanted:
            self.models.choose(self._wanted)
            self._wanted = ""

    def _show_card(self) -> None:
        model = self.chosen
        forms.say(self.findings, "" if model is None else self._measured.get((model.name, model.sha256), ""))
        forms.say(self.card, "" if model is None else whole_card_html(model))
        forms.say(self.facts, "" if model is None or model.card is None else facts_html(model.card))
        forms.say(self.file, "" if model is None else origin(model))
        self.file.setToolTip(f"sha256 {model.sha256}" if model is not None and model.sha256 else "")
        self._enable()

    # Adding

    def dragEnterEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Take files and folders."""
        if _dropped(event):
            event.setDropAction(Qt.DropAction.CopyAction)  # a move would let the file manager delete them
            event.accept()

    def dropEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Add what was dropped."""
        if paths := _dropped(event):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self.add(paths)

    def add(self, paths: Iterable[str | Path]) -> None:
        """Add models to the library one after the other; what is wrong with one is shown and keeps no other out."""
        new = [(Path(path), "") for path in paths]
        if new and not self.is_running:
            self._begin()
        self._waiting.extend(new)
        self._go_on()

    def _choose_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Add models", "", _ADDABLE)
        self.add(paths)

    def _choose_folder(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Add an unpacked bioimage.io package"):
            self.add([path])

    def _add_next(self) -> None:
        path, allowed = self._waiting.popleft()
        more = f" {len(self._waiting)} more to add." if self._waiting else ""
        doing = f"Adding {path.name}: it is measured, which may take a minute…{more}"

        def done(found: Added) -> None:
            if found.card is not None:
                self._wanted = found.card.name if found.is_new else ""
                self._added += [found.card.name] if found.is_new else []
            elif _ask(self, "Add a program?", _TRUST.format(name=path.name, sha256=found.sha256)):
                self._waiting.appendleft((path, found.sha256))
            else:
                self._wrong.append(f"{path.name} is a program that was not trusted: it was not added.")
            self._say_added()
            if found.is_new:
                library.changed.emit()
            elif found.card is not None:
                self.models.choose(found.card.name)

        self._start(doing, partial(library_work.add, path, allowed=allowed), done, about=path.name)

    def _say_added(self) -> None:
        forms.say(self.status, f"Added: {', '.join(self._added)}." if self._added else "")

    # What is done with one that is there

    def _remove(self) -> None:
        model = self.chosen
        if model is None or model.entry is None:
            return
        question = f"Remove {model.name} from the library? The file that it was added from stays where it is."
        if not _ask(self, "Remove a model?", question):
            return
        self._begin()

        def done(_: Any) -> None:
            forms.say(self.status, f"Removed {model.name}.")
            library.changed.emit()

        self._start(f"Removing {model.name}…", partial(remove_model, model.name), done)

    def _check(self) -> None:
        self._begin()
        self._start("Reading the files of the library…", verify_models, self._verified)

    def _verified(self, found: list[Verification]) -> None:
        problems = [_window_text(model.problem, model.name) for model in found if model.problem]
        self._wrong += problems
        read = f"{len(found)} in the library, {len(problems) or 'none'} wrong."
        forms.say(self.status, read)
        model = self.chosen
        if model is None or model.card is None:
            return

        def done(measured: Mapping[str, Any]) -> None:
            forms.say(self.status, f"{read} {model.name} was measured.")
            self._measured[model.name, model.sha256] = findings_text(measured)
            self._show_card()

        slow = ": volumes take minutes" if model.card.ndim == 3 else ""
        self._start(f"Measuring {model.name}{slow}…", partial(library_work.measure, model.name), done)

    def _export(self) -> None:
        model = self.chosen
        if model is None or model.card is None or (target := self._ask_target(model.name)) is None:
            return
        options: dict[str, Any] = {}
        if target.suffix == ".zip" and not self._ask_credit(model.card, options):
            return
        self._begin()
        self._start(
            f"Exporting {model.name}…",
            partial(library_work.export, model.name, target, **options),
            lambda written: forms.say(self.status, f"{model.name} was saved as {written.name}."),
        )

    def _ask_target(self, name: str) -> Path | None:
        dialog = QFileDialog(self, f"Export {name}", "", ";;".join(_EXPORTS))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("safetensors")  # before the dialog asks whether to overwrite
        dialog.filterSelected.connect(lambda chosen: dialog.setDefaultSuffix(_EXPORTS[chosen]))
        dialog.selectFile(name)
        chosen = dialog.selectedFiles() if dialog.exec() else []
        dialog.deleteLater()
        return Path(chosen[0]) if chosen else None

    def _ask_credit(self, card: ModelCard, options: dict[str, Any]) -> bool:
        """Ask what a package needs and the card does not say; return whether it was answered."""
        author, given = QInputDialog.getText(self, "Author", "Author of the package: Name; Institute")
        options["author"] = [author.strip()] if author.strip() else []
        if given and "doi:" not in card.citation and "://" not in card.citation:
            words = "Work to cite: Authors: Title. Journal, year. doi:10.1234/5678"
            cite, given = QInputDialog.getText(self, "Citation", words, text=card.citation)
            options["cite"] = [cite.strip()]
        return bool(given)


def _window_text(message: str, name: str = "") -> str:
    """Return a message as it reads in a window; a name at its beginning stays as it is written."""
    said = window_text(message)
    return name + said[len(name) :] if message.startswith(name) else said


def _dropped(event: Any) -> list[Path]:
    if not event.possibleActions() & Qt.DropAction.CopyAction:
        return []
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]


def _ask(parent: Panel, title: str, question: str) -> bool:
    """Ask what is answered by yes or no; no is the default."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)  # names of files cannot dress up as ours
    box.setText(question)
    box.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No)
    box.setDefaultButton(QMessageBox.StandardButton.No)
    answer = box.exec()
    box.deleteLater()
    return answer == QMessageBox.StandardButton.Yes
