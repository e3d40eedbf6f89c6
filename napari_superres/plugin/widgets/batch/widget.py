"""Batch: files to files, as ``superres upscale FILES -o FOLDER`` does it."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import LineEdit
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QCheckBox, QFileDialog, QProgressBar, QWidget

from napari_superres import io
from napari_superres.errors import SuperResError
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.reader import get_reader, read
from napari_superres.plugin.widgets.batch.settings import BatchSettings, button, column, line
from napari_superres.plugin.widgets.batch.table import FileTable, as_text, to_clipboard
from napari_superres.plugin.widgets.batch.work import Batch, Chosen, Listing, Row, find
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.activity import Activity
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.common.panel import Panel
from napari_superres.plugin.widgets.common.wording import byte_count
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    import napari

_PLUGIN = "napari-superres-torch"
_FOLDER = "super-resolved"
_READABLE = f"Images ({' '.join(f'*{suffix}' for suffix in io.READ_SUFFIXES)});;All files (*)"
_RUN_TOOLTIP = "Super-resolve every file of the table into the output folder. One that fails stops no other."
_LOOK = 100  # milliseconds between two looks at what the thread has done
_SCAN_DELAY = 300  # milliseconds without a change before files are looked for anew


class BatchWidget(Panel):
    """The Batch widget.

    Parameters
    ----------
    viewer
        napari viewer in which results can be opened.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self.setAcceptDrops(True)
        self._places: tuple[Path, ...] = ()
        self._sources: list[str] = []
        self._suggested = ""
        self._job: Job | None = None
        self._scan_job: Job | None = None
        self._batch: Batch | None = None
        self._seen = 0
        self._ready = False
        self._activity = Activity("Super-resolving files")
        self.input = QWidget()
        self.settings = BatchSettings()
        self._make_input()
        self.body.addWidget(self.settings)
        self._make_run()
        self._scan_timer, self._look_timer = QTimer(self), QTimer(self)
        self._scan_timer.setSingleShot(True)
        self._scan_timer.setInterval(_SCAN_DELAY)
        self._scan_timer.timeout.connect(self._scan)
        self._look_timer.setInterval(_LOOK)
        self._look_timer.timeout.connect(self._look)
        activity = self._activity
        self.destroyed.connect(lambda: activity.close())  # noqa: PLW0108 - a bound method would not keep it alive
        self.settings.folder_changed.connect(self._choice_changed)
        library.follow(self, self.settings.refresh_models)
        self._enable()
        self.status.setText("Loading PyTorch: the window may stop for a moment…")
        # A moment for the window to show the line before torch's import holds everything.
        QTimer.singleShot(50, self._warm_up)

    def _make_input(self) -> None:
        self.choose_folder = button(
            "Folder…", "Super-resolve the images in a folder. Folders can be dropped here too.", self._choose_folder
        )
        self.choose_files = button(
            "Files…", "Super-resolve some files. Files can be dropped here too.", self._choose_files
        )
        self.chosen = forms.text("Choose or drop a folder or files.")
        self.pattern = LineEdit(
            label="Names",
            tooltip="Only files of a folder with such names: * stands for anything, ? for one character. "
            "Empty: all images that can be read.",
        )
        self.pattern.native.setPlaceholderText("all, or such as *_dapi.tif")
        self.deep = QCheckBox("Sub-folders, too")
        self.deep.setToolTip("Look into the folders in a folder, however deep. All results go into one folder.")
        self.pattern.native.setAcceptDrops(False)  # files dropped on the panel are input
        self.table = FileTable()
        self.pattern.changed.connect(self._choice_changed)
        self.deep.toggled.connect(self._choice_changed)
        self.table.opened.connect(self._open)
        self.told = forms.text()
        self.told.hide()
        self.table.told.connect(lambda words: forms.say(self.told, words))
        layout = column(self.input)
        layout.addLayout(line(self.choose_folder, self.choose_files))
        layout.addWidget(self.chosen)
        layout.addWidget(forms.form([self.pattern]))
        layout.addWidget(self.deep)
        self.body.addWidget(self.input)
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self.told)

    def _make_run(self) -> None:
        self.run = button("Run", _RUN_TOOLTIP, self._run_or_cancel)
        self.bar = QProgressBar()
        self.bar.setToolTip("How much of the batch is done.")
        self.bar.hide()
        self.status = forms.text()
        self.copy_command = button(
            "Copy as command line",
            "Put the command that does the same in a terminal, over a night or on another machine, on the clipboard.",
            self._copy_command,
        )
        self.copy_table = button(
            "Copy table",
            "Put the table on the clipboard, for a spreadsheet.",
            lambda: to_clipboard(as_text(self.table.files.rows)),
        )
        for widget in (self.run, self.bar, self.status):
            self.body.addWidget(widget)
        self.body.addLayout(line(self.copy_command, self.copy_table))

    @property
    def is_running(self) -> bool:
        """Whether a batch is being computed."""
        return self._job is not None

    @property
    def is_ready(self) -> bool:
        """Whether torch is loaded, the devices are known and no files are being looked for."""
        return self._ready and self._scan_job is None and not self._scan_timer.isActive()

    def event(self, event: Any) -> bool:
        """Put the bar in the activity dock away with the panel."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._look_timer.stop()
            self._activity.close()
        return super().event(event)

    def _warm_up(self) -> None:
        self.session.add(Job(tasks.devices, stepped=self._devices_found, ended=self._warmed_up))

    def _devices_found(self, devices: list[str]) -> None:
        self.settings.device.choices = ["auto", *devices]
        self._ready = True

    def _warmed_up(self, complete: bool) -> None:
        self.status.setText("" if complete else "PyTorch could not be loaded; see the notification.")
        self._enable()

    # What is chosen

    def dragEnterEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Take files and folders."""
        if _dropped(event) and not self.is_running:
            event.setDropAction(Qt.DropAction.CopyAction)  # a move would let the file manager delete them
            event.accept()

    def dropEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Choose what was dropped."""
        if (paths := _dropped(event)) and not self.is_running:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self.choose(paths)

    def choose(self, paths: Iterable[str | Path]) -> None:
        """List these files, and those in these folders, instead of what was chosen."""
        self._places = tuple(Path(path).absolute() for path in paths)
        if not self._places:
            return
        first = self._places[0]
        if self.settings.output.text() == self._suggested:
            inside = first.is_dir() and io.suffix(first) not in io.ZARR_SUFFIXES
            self._suggested = str((first if inside else first.parent) / _FOLDER)
            self.settings.output.setText(self._suggested)
        self.chosen.setToolTip("\n".join(map(str, self._places[:20])))
        self._scan()

    def _choose_folder(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Images to super-resolve"):
            self.choose([path])

    def _choose_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Images to super-resolve", "", _READABLE)
        self.choose(paths)

    def _choice_changed(self, _: Any = None) -> None:
        self._enable()
        if self._places:
            self._scan_timer.start()

    def _choice(self) -> Chosen:
        folder = self.settings.folder or Path()  # without one, Run is off
        return Chosen(self._places, self.pattern.value.strip(), self.deep.isChecked(), folder)

    def _scan(self) -> None:
        """Look for the files in a thread; an older search is dropped."""
        self._scan_timer.stop()
        self.session.forget(self._scan_job)
        choice = self._choice()
        self.chosen.setText("Looking for images…")
        self._sources = []
        self._enable()

        def ended(_: bool) -> None:
            self._scan_job = None
            self._enable()

        self._scan_job = Job(lambda: find(choice), stepped=self._listed, failed=forms.show_error, ended=ended)
        self.session.add(self._scan_job)

    def _listed(self, listing: Listing) -> None:
        self.table.files.show_rows(listing.rows)
        self._sources = listing.sources
        count, size = len(listing.rows), sum(row.size or 0 for row in listing.rows)
        names = self._places[0].name if len(self._places) == 1 else f"{len(self._places)} chosen"
        if count:
            self.chosen.setText(f"{names}: {count} {'image' if count == 1 else 'images'}, {byte_count(size)}")
        else:
            self.chosen.setText(window_text(listing.problem) or f"{names}: no image that is not a result itself.")

    def _enable(self) -> None:
        idle = self._job is None
        given = bool(self._sources and self.table.files.rows and self.settings.folder and self.settings.model.value)
        for part in (self.input, self.settings):
            part.setEnabled(idle)
        self.run.setEnabled(given if idle else not self.is_cancelling)
        self.copy_command.setEnabled(given)
        self.copy_table.setEnabled(bool(self.table.files.rows))

    def command(self) -> list[str]:
        """Return the command line that does what Run does."""
        return ["superres", "upscale", *self._sources, *self.settings.arguments()]

    def _copy_command(self) -> None:
        to_clipboard(shlex.join(self.command()))

    # The run

    @property
    def is_cancelling(self) -> bool:
        """Whether the batch was asked to stop and has not stopped yet."""
        return self._job is not None and self._job.is_cancelled

    def _run_or_cancel(self) -> None:
        if self._job is None:
            self._start()
        else:
            self._cancel()

    def _start(self) -> None:
        batch = self._batch = Batch(self._choice(), self.settings.options())
        self._seen = 0
        self._scan_timer.stop()  # the run looks for the files itself
        self._job = job = Job(batch.steps, failed=self._failed, ended=self._ended, doing="super-resolution of files")
        batch.is_stopped = lambda: job.is_cancelled
        self.run.setText("Cancel")
        self.run.setToolTip("Stop after the tile that is being computed. What is done stays.")
        self.status.setText("Preparing…")
        self.bar.setRange(0, 0)
        self.bar.show()
        self._enable()
        self._look_timer.start()
        self.session.add(job)

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self.run.setText("Cancelling…")
            self._enable()

    def _look(self) -> None:
        """Show what the thread has done since the last look."""
        batch, files = self._batch, self.table.files
        if batch is None:
            return
        if self._activity.is_cancelled and not self.is_cancelling:
            self._cancel()
        if len(batch.rows) != files.rowCount() or batch.rows is not files.rows:
            self._listed(batch.listing)
        if batch.is_begun:
            self._show_progress(batch)

    def _show_progress(self, batch: Batch) -> None:
        before, at, count = self._seen, batch.at, len(batch.rows)
        self._seen = at
        self.table.files.rows_changed(before, at)
        if at != before:
            self.table.follow(before, min(at, count - 1))
        if at == count:
            return
        done = round(100 * (at + batch.rows[at].share))
        self.bar.setRange(0, 100 * count)
        self.bar.setValue(done)
        if not self.is_cancelling:
            self.status.setText(batch.progress_text(at))
        # Last: napari's bar lets new events in while it is drawn, the end of the run among them.
        self._activity.show(done, 100 * count)
        if self._batch is None:
            self._activity.close()

    def _failed(self, message: str) -> None:
        forms.show_error(message)

    def _ended(self, complete: bool) -> None:
        batch, cancelled = self._batch, self.is_cancelling
        self._look_timer.stop()
        self._look()
        self._activity.close()
        self._job = self._batch = None
        self.bar.hide()
        self.run.setText("Run")
        self.run.setToolTip(_RUN_TOOLTIP)
        self._enable()
        assert batch is not None
        if complete:
            self.status.setText(f"{batch.summary}.")
        elif cancelled:
            self.status.setText(f"Cancelled: {batch.summary}. With Resume, Run goes on.")
        else:
            self.status.setText("Stopped; see the notification.")
        if failed := batch.counts["failed"]:
            answer = f"{failed} of {len(batch.rows)} files failed. The table of Batch says why."
            forms.show_error(answer)

    def _open(self, row: Row) -> None:
        """Open the result of a file in the viewer."""
        from napari.layers import Layer

        if row.target is None:
            return
        if get_reader(row.target) is not None:
            self.viewer.open(row.target, plugin=_PLUGIN)
            return
        try:  # plain TIFF and PNG are left to napari, which reads them without pixel size
            for layer in read(row.target):
                self.viewer.add_layer(Layer.create(*layer))
        except SuperResError as error:
            forms.show_error(str(error))


def _dropped(event: Any) -> list[Path]:
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
