"""What to do with the results of a batch: compare one with its input, write a report, open the folder."""

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_superres import io
from napari_superres.plugin.host.docks import open_widget
from napari_superres.plugin.widgets.batch.search import Row
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

_ENDED = ("done", "skipped", "failed")


class BatchNextSteps(QWidget):
    """Buttons for the results of the newest batch; hidden until there are some.

    Parameters
    ----------
    viewer
        napari viewer in which results are opened.
    session
        Session of the panel, for the job that writes the report.
    open_file
        Opens a file in the viewer and returns its layers; none if it cannot be read.
    """

    def __init__(self, viewer: "Viewer", session: Session, open_file: "Callable[[Path], Sequence[ImageLayer]]") -> None:
        super().__init__()
        self.viewer, self._session, self._open_file = viewer, session, open_file
        self._rows: tuple[Row, ...] = ()
        self._written: Path | None = None
        self.compare = forms.button(
            "Compare", "Open the first result and its input, and measure how far to trust it.", self._compare
        )
        self.report = forms.button(
            "Report…", "Write a web page on all files, with pictures, notes and failures.", self._open_or_ask
        )
        self.open_folder = forms.button("Open folder", "Show the results in the file manager.", self._open_folder)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(forms.row(self.compare, self.report, self.open_folder))
        self.hide()

    def offer(self, rows: Sequence[Row]) -> None:
        """Offer the steps for the files of a batch, if one of them has a result."""
        self._rows, self._written = tuple(rows), None
        self.report.setText("Report…")
        self.setVisible(self._first is not None)

    @property
    def _first(self) -> Row | None:
        return next((row for row in self._rows if row.target is not None), None)

    def _compare(self) -> None:
        row = self._first
        if row is None or row.target is None:
            return
        inputs, results = self._open_file(row.path), self._open_file(row.target)
        if inputs and results:
            comparing = open_widget(self.viewer, "Compare")
            comparing.result.value, comparing.lr.value = results[0], inputs[0]

    def _open_folder(self) -> None:
        if self._first is not None and self._first.target is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._first.target.parent)))

    def _open_or_ask(self) -> None:
        """Open the report in the browser, or ask where to save it."""
        row = self._first
        if row is None or row.target is None:
            return
        if self._written is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._written)))
            return
        name = str(row.target.parent / "report.html")
        path, _ = QFileDialog.getSaveFileName(self, "Save the report", name, "Web page (*.html)")
        if path:
            self.save_report(Path(path if Path(path).suffix else f"{path}.html"))

    def save_report(self, path: Path) -> None:
        """Write the report in a thread, and say when it is done.

        Parameters
        ----------
        path
            File to write. The dialog has asked whether to replace it.
        """
        rows = [row for row in self._rows if row.status in _ENDED]

        def write() -> Generator[str, None, None]:
            from napari_superres.evaluation import BatchFile, report_files

            files = [
                BatchFile(row.label, row.target, io.InputPath(row.path), row.status, row.reason, row.notes)
                for row in rows
            ]
            report_files(files).to_html(path)
            yield str(path)

        def finish(complete: bool) -> None:
            self.report.setEnabled(True)
            self.report.setText("Open report" if complete else "Report…")
            self._written = path if complete else None

        self.report.setEnabled(False)
        self.report.setText("Saving…")
        self._session.add(
            Job(write, stepped=lambda _: None, failed=forms.show_error, ended=finish, doing="report on files")
        )
