"""What to do with a result: compare it, save it, and read how it was made."""

import re
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_superres.errors import SuperResError
from napari_superres.plugin.host.docks import open_widget
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

_FILTERS = (
    "OME-TIFF (*.ome.tif);;OME-Zarr (*.ome.zarr);;NIfTI (*.nii.gz);;NRRD (*.nrrd);;MetaImage (*.mha);;All files (*)"
)
_SUFFIX = ".ome.tif"


class NextSteps(QWidget):
    """Buttons for the newest result; hidden until there is one.

    Parameters
    ----------
    viewer
        napari viewer of the result.
    session
        Session of the panel, for the job that saves.
    """

    def __init__(self, viewer: "Viewer", session: Session) -> None:
        super().__init__()
        self.viewer, self._session = viewer, session
        self.layer: ImageLayer | None = None
        self.compare = self._button("Compare", "Look at the result next to its input, and measure how far to trust it.")
        self.save = self._button(
            "Save…", "Save the result with its pixel size, its place and the record of how it was made."
        )
        self.how_made = self._button(
            "How made", "Show how the result was made, as a paragraph for the methods of a paper."
        )
        self.compare.clicked.connect(self._compare)
        self.save.clicked.connect(self._ask_and_save)
        self.how_made.clicked.connect(self._show_how_made)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(forms.row(self.compare, self.save, self.how_made))
        self.hide()

    def _button(self, text: str, tooltip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tooltip)
        return button

    def offer(self, layer: "ImageLayer | None") -> None:
        """Offer the steps for a result, or none."""
        self.layer = layer
        self.refresh()

    def refresh(self) -> None:
        """Hide the buttons once the result is gone."""
        if self.layer is not None and self.layer not in self.viewer.layers:
            self.layer = None
        self.setVisible(self.layer is not None)

    def _compare(self) -> None:
        if self.layer is not None:
            self.viewer.layers.selection.active = self.layer  # Compare suggests the selected result.
            open_widget(self.viewer, "Compare")

    def _ask_and_save(self) -> None:
        if self.layer is None:
            return
        name = re.sub(r"[^\w.-]+", "_", self.layer.name).strip("_") + _SUFFIX
        path, _ = QFileDialog.getSaveFileName(self, "Save the result", str(Path.home() / name), _FILTERS)
        if path:
            self.save_as(path)

    def save_as(self, path: str) -> None:
        """Save the result in a thread, and say when it is done.

        Parameters
        ----------
        path
            File to write. The dialog has asked whether to replace it.
        """
        layer = self.layer
        if layer is None:
            return
        data, attributes, _ = layer.as_layer_data_tuple()
        target = path if Path(path).suffix else f"{path}{_SUFFIX}"

        def write() -> Generator[str, None, None]:
            from napari_superres.plugin.host.writer import write_layer

            yield from write_layer(target, data, attributes)

        def finish(complete: bool) -> None:
            self.save.setEnabled(True)
            self.save.setText("Saved" if complete else "Save…")
            self.save.setToolTip(f"Saved as {target}. Press to save it again." if complete else self.save.toolTip())

        self.save.setEnabled(False)
        self.save.setText("Saving…")
        self._session.add(
            Job(write, stepped=lambda _: None, failed=forms.show_error, ended=finish, doing=f"saving of {layer.name}")
        )

    def _show_how_made(self) -> None:
        if self.layer is None:
            return
        from napari_superres.evaluation import write_methods

        try:
            text = write_methods(self.layer.metadata.get("provenance", {})).to_text()
        except SuperResError as error:
            forms.show_error(str(error))
            return
        self.dialog = MethodsDialog(self, self.layer.name, text)
        self.dialog.open()


class MethodsDialog(QDialog):
    """How a result was made, to read and to copy.

    Parameters
    ----------
    parent
        Widget of the dialog.
    name
        Name of the result.
    text
        Its methods.
    """

    def __init__(self, parent: QWidget, name: str, text: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"How {name} was made")
        self.resize(560, 420)
        self.text = QPlainTextEdit(text)
        self.text.setReadOnly(True)
        self.text.setAccessibleName("How the result was made")
        self.text.setToolTip("A paragraph for the methods of a paper, what to cite, and a checklist.")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Copy all of it to the clipboard.")
        self.copy.clicked.connect(lambda: QApplication.clipboard().setText(self.text.toPlainText()))
        buttons.addButton(self.copy, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        self.finished.connect(self.deleteLater)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)
