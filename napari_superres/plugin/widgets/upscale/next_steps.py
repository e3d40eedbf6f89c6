"""What to do with a result: compare it, save it, and read how it was made."""

import re
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
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
from napari_superres.plugin.host import saving
from napari_superres.plugin.host.docks import open_widget
from napari_superres.plugin.host.layers import LayerData, channel_names_of, pixels_of
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer


class NextSteps(QWidget):
    """Buttons for the newest results; hidden until there is one.

    Parameters
    ----------
    viewer
        napari viewer of the result.
    session
        Session of the panel, for the job that saves.

    Attributes
    ----------
    layers
        The results: one, or one for each channel of a file.
    """

    def __init__(self, viewer: "Viewer", session: Session) -> None:
        super().__init__()
        self.viewer, self._session = viewer, session
        self.layers: list[ImageLayer] = []
        self._source: ImageLayer | None = None
        self.compare = forms.button("Compare", "Look at the result next to its input, and measure how far to trust it.")
        self.save = forms.button(
            "Save…", "Save the result with its pixel size, its place and the record of how it was made."
        )
        self.how_made = forms.button(
            "How made", "Show how the result was made, as a paragraph for the methods of a paper."
        )
        self.compare.clicked.connect(self._compare)
        self.save.clicked.connect(self._ask_and_save)
        self.how_made.clicked.connect(self._show_how_made)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(forms.row(self.compare, self.save, self.how_made))
        self.hide()

    @property
    def layer(self) -> "ImageLayer | None":
        """The newest result."""
        return self.layers[-1] if self.layers else None

    def offer(self, layers: "Sequence[ImageLayer]", source: "ImageLayer") -> None:
        """Offer the steps for the results of a run, or none.

        Parameters
        ----------
        layers
            Layers of the results.
        source
            A layer that was computed. Its file says where and in which format to save.
        """
        self.layers, self._source = list(layers), source
        self.save.setText("Save…")
        self.refresh()

    def refresh(self) -> None:
        """Hide the buttons once the results are gone."""
        self.layers = [layer for layer in self.layers if layer in self.viewer.layers]
        self.setVisible(bool(self.layers))

    def _compare(self) -> None:
        if self.layer is not None:
            self.viewer.layers.selection.active = self.layer  # Compare suggests the selected result.
            open_widget(self.viewer, "Compare")

    def _ask_and_save(self) -> None:
        if self.layer is None:
            return
        together, left_out = channels_of_one_file(self.layers)
        suffix = saving.suffix_for(self._source, is_one=len(together) == 1)
        name = together[0].name if len(together) == 1 else _common_name(together)
        name = re.sub(r"[^\w.-]+", "_", name).strip("_") + suffix
        title = "Save the result" if len(together) == 1 else f"Save {len(together)} channels"
        path, _ = QFileDialog.getSaveFileName(
            self, title, str(saving.folder_of(self._source) / name), saving.filters(suffix)
        )
        if path:
            self.save_as(path if Path(path).suffix else path + suffix)
            if left_out:
                names = ", ".join(layer.name for layer in left_out)
                forms.show_warning(f"{names} is on another pixel grid: save it with File > Save Selected Layers.")

    def save_as(self, path: str) -> None:
        """Save the result in a thread, all channels on one grid in one file, and say when it is done.

        Parameters
        ----------
        path
            File to write, with a suffix. The dialog has asked whether to replace it.
        """
        together, _ = channels_of_one_file(self.layers)
        if not together:
            return
        parts, name = [_as_channel(layer) for layer in together], Path(path).name

        def write() -> Generator[str, None, None]:
            from napari_superres.plugin.host.writer import write_layers

            yield from write_layers(path, parts)

        def finish(complete: bool) -> None:
            self.save.setEnabled(True)
            self.save.setText("Saved" if complete else "Save…")
            self.save.setToolTip(f"Saved as {path}. Press to save it again." if complete else self.save.toolTip())

        self.save.setEnabled(False)
        self.save.setText("Saving…")
        self._session.add(
            Job(write, stepped=lambda _: None, failed=forms.show_error, ended=finish, doing=f"saving of {name}")
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


def channels_of_one_file(layers: "Sequence[ImageLayer]") -> "tuple[list[ImageLayer], list[ImageLayer]]":
    """Return the results that can be channels of one file, in the order of their channels, and the others.

    Parameters
    ----------
    layers
        Results of a run. The first one decides the grid.
    """
    together = [layer for layer in layers if _grid(layer) == _grid(layers[0])]
    others = [layer for layer in layers if layer not in together]
    return sorted(together, key=lambda layer: layer.metadata.get("channel", 0)), others


def _grid(layer: "ImageLayer") -> tuple[object, ...]:
    # The samples of a colour layer are channels already.
    return pixels_of(layer).shape, str(pixels_of(layer).dtype), *np.round(layer.scale, 9), layer.rgb and id(layer)


def _as_channel(layer: "ImageLayer") -> LayerData:
    """Return the data of a layer with the name of its channel."""
    data, attributes, kind = layer.as_layer_data_tuple()
    return data, {**attributes, "name": next(iter(channel_names_of(layer)), layer.name)}, kind


def _common_name(layers: "Sequence[ImageLayer]") -> str:
    """Return the name of a file for channels such as ``DAPI - cells [fluo-x2]``: without that of the channel."""
    return layers[0].name.removeprefix(f"{layers[0].metadata.get('channel_name')} - ")


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
