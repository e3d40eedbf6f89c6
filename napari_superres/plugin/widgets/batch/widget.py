"""The Batch widget: binds the controls to `BatchState`, and runs the search and the batch in threads."""

import shlex
from collections.abc import Collection, Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QFileDialog

from napari_superres import io
from napari_superres.errors import SuperResError
from napari_superres.models.library.folders import remember_kind
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.reader import get_reader, read
from napari_superres.plugin.widgets.batch import state as states
from napari_superres.plugin.widgets.batch.controls import BatchControls
from napari_superres.plugin.widgets.batch.facts import read_facts
from napari_superres.plugin.widgets.batch.next_steps import BatchNextSteps
from napari_superres.plugin.widgets.batch.search import Listing, Row, Search, filter_again, find_files
from napari_superres.plugin.widgets.batch.state import BatchState
from napari_superres.plugin.widgets.batch.table import as_text, to_clipboard
from napari_superres.plugin.widgets.batch.work import Batch
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.activity import Activity
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.common.parts.docks import open_panels
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    import napari

_PLUGIN = "napari-superres-torch"
_READABLE = f"Images ({' '.join(f'*{suffix}' for suffix in io.READ_SUFFIXES)});;All files (*)"
_POLL_INTERVAL = 100
"""Milliseconds between two readings of what the thread has done."""
_SEARCH_DELAY = 300
"""Milliseconds without a change after which the files are searched again."""


class BatchWidget(BatchControls):
    """The Batch widget.

    Parameters
    ----------
    viewer
        napari viewer in which results can be opened.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:  # napari looks for this very annotation
        super().__init__(viewer)
        self._places: tuple[Path, ...] = ()
        self._sources: tuple[str, ...] = ()
        self._suggested_folder = ""
        self._job: Job | None = None
        self._search_job: Job | None = None
        self._searched: Search | None = None
        self._listing = Listing()
        self._batch: Batch | None = None
        self._position = 0
        self._is_loaded = False
        self._activity = Activity("Super-resolving files")
        self._facts_job: Job | None = None
        self._is_trial = False
        self.next_steps = BatchNextSteps(self.viewer, self.session, self._open_file)
        self.foot.addWidget(self.next_steps)
        self._connect()
        self._search_timer, self._poll_timer = QTimer(self), QTimer(self)
        self._search_timer.setSingleShot(True)
        self._search_timer.setInterval(_SEARCH_DELAY)
        self._search_timer.timeout.connect(self._search)
        self._poll_timer.setInterval(_POLL_INTERVAL)
        self._poll_timer.timeout.connect(self._poll)
        activity = self._activity
        self.destroyed.connect(lambda: activity.close())  # noqa: PLW0108 - a bound method would not keep it alive
        self.settings.folder_changed.connect(self._search_soon)
        library.follow(self, self.settings.refresh_models)
        self._show_state()
        self.status.setText("Loading PyTorch: the window may freeze for a moment…")
        # The delay lets the window show this line before the import of torch blocks it.
        QTimer.singleShot(50, self._load_torch)

    def _connect(self) -> None:
        self.choose_folder.clicked.connect(self._choose_folder)
        self.choose_files.clicked.connect(self._choose_files)
        self.run.clicked.connect(self._run_or_cancel)
        self.try_first.clicked.connect(self._try_first)
        self.retry.clicked.connect(self._retry_failed)
        self.take_settings.clicked.connect(self._take_settings)
        self.copy_command.clicked.connect(self._copy_command)
        self.copy_table.clicked.connect(lambda: to_clipboard(as_text(self.table.files.rows, self.table.files.model)))
        self.pattern.changed.connect(self._search_soon)
        self.recursive.toggled.connect(self._search_soon)
        self.table.opened.connect(self._open)
        for control in (self.settings.model, self.settings.unknown):
            control.changed.connect(lambda _: self._show_state())

    @property
    def state(self) -> BatchState:
        """What is chosen now."""
        return BatchState(
            options=self.settings.options(),
            folder=self.settings.folder,
            sources=self._sources,
            recursive=self.recursive.isChecked(),
            file_count=len(self.table.files.rows),
            failed=tuple(row.path for row in self.table.files.rows if row.status == "failed"),
            is_running=self.is_running,
            is_cancelling=self.is_cancelling,
        )

    def _copy_command(self) -> None:
        try:
            to_clipboard(shlex.join(self.state.command))
        except SuperResError as error:
            forms.show_error(str(error))

    def _show_state(self) -> None:
        """Enable and label the controls as the state says."""
        state = self.state
        for part in (self.input, self.settings):
            part.setEnabled(state.can_edit)
        self.run.setEnabled(state.can_press_run)
        self.run.setText(state.run_label)
        self.run.setToolTip(state.run_tooltip)
        self.copy_command.setEnabled(state.can_copy_command)
        self.copy_table.setEnabled(state.can_copy_table)
        self.try_first.setEnabled(state.can_try)
        self.retry.setVisible(state.can_retry)
        self.table.files.show_model(state.options.model)

    @property
    def is_running(self) -> bool:
        """Whether a batch is running."""
        return self._job is not None

    @property
    def is_cancelling(self) -> bool:
        """Whether the running batch was asked to stop and has not stopped yet."""
        return self._job is not None and self._job.is_cancelled

    @property
    def is_ready(self) -> bool:
        """Whether torch is loaded, the devices are known and no search for files is under way."""
        return self._is_loaded and self._search_job is None and not self._search_timer.isActive()

    def event(self, event: Any) -> bool:
        """Close the bar in the activity dock when the panel's dock is closed."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._poll_timer.stop()
            self._activity.close()
        return super().event(event)

    def _load_torch(self) -> None:
        self.session.add(Job(tasks.devices, stepped=self._set_devices, ended=self._finish_loading))

    def _set_devices(self, devices: list[str]) -> None:
        self.settings.device.choices = ["auto", *devices]
        self._is_loaded = True

    def _finish_loading(self, complete: bool) -> None:
        self.status.setText("" if complete else "PyTorch could not be loaded; see the notification.")
        self._show_state()

    # Choosing files

    def dragEnterEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Accept files and folders."""
        if _dropped_paths(event) and not self.is_running:
            event.setDropAction(Qt.DropAction.CopyAction)  # After a move, the file manager would delete the files.
            event.accept()

    def dropEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Choose the dropped files and folders."""
        if (paths := _dropped_paths(event)) and not self.is_running:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self.choose(paths)

    def choose(self, paths: Iterable[str | Path]) -> None:
        """List files, and the images in folders, in place of those chosen before."""
        self._places = tuple(Path(path).absolute() for path in paths)
        if not self._places:
            return
        if self.settings.output.text() == self._suggested_folder:
            self._suggested_folder = str(states.suggest_folder(self._places[0]))
            self.settings.output.setText(self._suggested_folder)
        self.settings.recall(states.folder_of(self._places[0]))
        self.chosen.setToolTip("\n".join(map(str, self._places[:20])))
        self._search()

    def _choose_folder(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Images to super-resolve"):
            self.choose([path])

    def _choose_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Images to super-resolve", "", _READABLE)
        self.choose(paths)

    def _search_soon(self, _: Any = None) -> None:
        self._show_state()
        if self._places:
            self._search_timer.start()

    def _current_search(self) -> Search:
        folder = self.settings.folder or Path()  # Run is disabled without a folder.
        return Search(self._places, self.pattern.value.strip(), self.recursive.isChecked(), folder)

    def _search(self) -> None:
        """Search the files in a thread, and stop an earlier search. Another output folder only leaves out others."""
        self._search_timer.stop()
        for job in (self._search_job, self._facts_job):  # The search does not wait until all files are read.
            self.session.forget(job)
        search, before, rows = self._current_search(), self._listing, self.table.files.rows
        is_known = self._searched is not None and replace(self._searched, output=search.output) == search
        if not is_known:
            self._searched, self._sources = None, ()
            self.chosen.setText("Searching for images…")
        self._show_state()

        def steps() -> Generator[Listing, None, None]:
            yield from filter_again(before, search) if is_known else find_files(search, rows)

        def finish(complete: bool) -> None:
            self._search_job, self._searched = None, search if complete else None
            self._show_state()
            self._read_facts()

        self._search_job = Job(steps, stepped=self._show_listing, failed=forms.show_error, ended=finish)
        self.session.add(self._search_job)

    def _show_listing(self, listing: Listing) -> None:
        self._listing = listing
        self.table.files.show_rows(listing.rows)
        self._sources = tuple(listing.sources)
        byte_total = sum(row.size or 0 for row in listing.rows)
        problem = window_text(listing.problem)
        self.chosen.setText(states.search_text(self._places, len(listing.rows), byte_total, problem))

    def _read_facts(self) -> None:
        """Read in a thread what the files hold; a run comes first."""
        self.session.forget(self._facts_job)
        rows = self.table.files.rows
        if all(row.facts is not None for row in rows):
            self._show_unknown()
            return

        shown = 0

        def show(index: int) -> None:  # Only some of the steps in quick succession arrive.
            nonlocal shown
            self.table.files.rows_changed(shown, index)
            self._show_unknown()
            shown = index

        self._facts_job = Job(lambda: read_facts(rows), stepped=show, ended=lambda _: self._show_unknown())
        self.session.add(self._facts_job)

    def _show_unknown(self) -> None:
        rows = self.table.files.rows
        self.settings.show_unknown(any(row.facts is not None and row.facts.is_unknown for row in rows))

    def _take_settings(self) -> None:
        panels = [one for one in open_panels(self.viewer) if isinstance(one, UpscaleWidget)]
        if not panels:
            self.status.setText("Open Super-resolve first, and try its settings on one image.")
            return
        self.status.setText(self.settings.take(panels[-1].state))

    # Running

    def _run_or_cancel(self) -> None:
        if self._job is None:
            self._start()
        else:
            self._cancel()

    def _try_first(self) -> None:
        self._start(only=[self.table.files.rows[0].path], is_trial=True)

    def _retry_failed(self) -> None:
        self._start(only=self.state.failed)

    def _start(self, *, only: Collection[Path] = (), is_trial: bool = False) -> None:
        self._is_trial = is_trial
        for earlier in (self._search_job, self._facts_job):
            self.session.forget(earlier)
        self._search_job = self._searched = None  # A run adds files.
        if self._places and (kind := self.settings.unknown.value):
            remember_kind(states.folder_of(self._places[0]), kind)
        batch = self._batch = Batch(self._current_search(), self.settings.options(), self.table.files.rows, only)
        self._position = 0
        self.next_steps.offer(())
        self._search_timer.stop()  # The run searches the files itself.
        self._job = job = Job(
            batch.steps, failed=forms.show_error, ended=self._finish, doing="super-resolution of files"
        )
        batch.is_stopped = lambda: job.is_cancelled
        self.status.setText("Preparing…")
        self.bar.setRange(0, 0)
        self.bar.show()
        self._show_state()
        self._poll_timer.start()
        self.session.add(job)

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._show_state()

    def _poll(self) -> None:
        """Show what the thread has done since the last call."""
        batch, files = self._batch, self.table.files
        if batch is None:
            return
        if self._activity.is_cancelled and not self.is_cancelling:
            self._cancel()
        if len(batch.rows) != files.rowCount() or batch.rows is not files.rows:
            self._show_listing(batch.listing)
        if batch.has_begun:
            self._show_progress(batch)

    def _show_progress(self, batch: Batch) -> None:
        before, now, count = self._position, batch.position, len(batch.queue)
        if before == count:  # The last file was shown: the timer came before the end of the job.
            return
        self._position = now
        first, last = batch.queue[before], batch.queue[min(now, count - 1)]
        self.table.files.rows_changed(first, last)
        if now != before:
            self.table.follow(first, last)
        if now == count:
            return
        percent = round(100 * (now + batch.rows[last].share))
        self.bar.setRange(0, 100 * count)
        self.bar.setValue(percent)
        if not self.is_cancelling:
            self.status.setText(batch.progress_text(now))
        # Last, because napari's bar processes events while it is drawn: the run may end meanwhile.
        self._activity.show(percent, 100 * count)
        if self._batch is None:
            self._activity.close()

    def _finish(self, complete: bool) -> None:
        batch, cancelled = self._batch, self.is_cancelling
        assert batch is not None
        self._poll_timer.stop()
        self._poll()
        self._activity.close()
        self._job = self._batch = None
        self.bar.hide()
        self._show_state()
        self.status.setText(states.end_text(batch.summary, complete=complete, cancelled=cancelled))
        self.next_steps.offer(batch.rows)
        if failed := batch.counts["failed"]:
            forms.show_error(states.failure_text(failed, len(batch.queue)))
        if self._is_trial and complete:
            self._open(batch.rows[batch.queue[0]])
        self._read_facts()

    def _open(self, row: Row) -> None:
        """Open the result of a file in the viewer."""
        if row.target is not None:
            self._open_file(row.target)

    def _open_file(self, path: Path) -> "list[Any]":
        """Open a file in the viewer, and return its layers; none if it cannot be read."""
        from napari.layers import Layer

        try:
            if get_reader(path) is not None:
                return list(self.viewer.open(path, plugin=_PLUGIN))
            # get_reader leaves plain TIFF and PNG to napari, which would lose the pixel size.
            return [self.viewer.add_layer(Layer.create(*layer)) for layer in read(path)]
        except SuperResError as error:
            forms.show_error(str(error))
            return []


def _dropped_paths(event: Any) -> list[Path]:
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
