"""The form of the images to learn from."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.train.fields import Labelled, PathLine, ask_folder
from napari_superres.plugin.widgets.train.state import FOLDER, LAYERS, PAIRS

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

REGISTER = "Register pairs"
"""Label of the control of `register` in this window."""

_LIST_ROWS = 4


class SourceForm(QWidget):
    """Choose the images to learn from: layers, a folder, or two folders of recorded pairs.

    Parameters
    ----------
    viewer
        napari viewer whose image layers can be chosen.
    """

    changed = Signal()

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__()
        self._viewer = viewer
        self._layers: list[ImageLayer] = []
        self.kind = ComboBox(
            choices=[LAYERS, FOLDER, PAIRS],
            label="Images",
            tooltip="Sharp images to learn from: open layers, or a folder. Folders of pairs hold recordings of the "
            "same fields by two instruments.",
        )
        self.list = QListWidget()
        self.list.setToolTip("Check the high-resolution layers to learn from. Of a single layer, a fifth is held out.")
        self.list.setAccessibleName("High-resolution layers")
        self.list.setFixedHeight(_LIST_ROWS * (self.list.fontMetrics().height() + 2) + 6)
        self.high = PathLine("Folder of high-resolution images", "Folder of high-resolution images.", ask_folder)
        self.low = PathLine(
            "Folder of low-resolution images",
            "Folder of low-resolution images of the same fields, with the same names.",
            ask_folder,
        )
        self.register = QCheckBox(REGISTER)
        self.register.setToolTip("Align the images of each pair. Otherwise, pairs that are shifted are an error.")
        self._arrange()
        self.kind.changed.connect(self._show_kind)
        self.list.itemChanged.connect(lambda _: self.changed.emit())
        for line in (self.high, self.low):
            line.changed.connect(self.changed.emit)
        self.refresh()
        self._show_kind()

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._path_rows = [
            forms.form([Labelled(label, line.line.toolTip(), line)])
            for label, line in (("High-res", self.high), ("Low-res", self.low))
        ]
        for widget in (forms.form([self.kind]), self.list, *self._path_rows, self.register):
            layout.addWidget(widget)

    @property
    def controls(self) -> list[QWidget]:
        """The controls that can have the focus, in order."""
        return [
            self.kind.native,
            self.list,
            self.high.line,
            self.high.button,
            self.low.line,
            self.low.button,
            self.register,
        ]

    def _show_kind(self) -> None:
        kind = self.kind.value
        self.list.setVisible(kind == LAYERS)
        self._path_rows[0].setVisible(kind != LAYERS)
        self._path_rows[1].setVisible(kind == PAIRS)
        self.register.setVisible(kind == PAIRS)
        self.changed.emit()

    def refresh(self) -> None:
        """List the image layers, the newest first. Checked layers stay checked, and a single layer is checked."""
        checked = self._checked_layers()
        self._layers = [layer for _, layer in forms.image_layers(self._viewer)]
        with QSignalBlocker(self.list):
            self.list.clear()
            for layer in self._layers:
                item = QListWidgetItem(layer.name)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                is_checked = any(layer is other for other in checked) or len(self._layers) == 1
                item.setCheckState(Qt.CheckState.Checked if is_checked else Qt.CheckState.Unchecked)
                self.list.addItem(item)
        self.changed.emit()

    def check(self, layer: "ImageLayer") -> None:
        """Check a layer in the list."""
        index = next(i for i, other in enumerate(self._layers) if other is layer)
        self.list.item(index).setCheckState(Qt.CheckState.Checked)

    def _checked_layers(self) -> "Sequence[ImageLayer]":
        states = [self.list.item(i).checkState() for i in range(self.list.count())]
        return [layer for layer, s in zip(self._layers, states, strict=True) if s == Qt.CheckState.Checked]

    @property
    def name(self) -> str:
        """Name of the first checked layer, or of the folder; empty where nothing is chosen."""
        layers = self._checked_layers()
        if self.kind.value == LAYERS:
            return str(layers[0].name) if layers else ""
        return self.high.path.name if self.high.path else ""

    @property
    def sample(self) -> Image | Path | None:
        """The first checked layer as an image, or the folder; None where nothing is chosen.

        Raises
        ------
        SuperResError
            If the layer is not an image that can be super-resolved.
        """
        if self.kind.value == LAYERS:
            layers = self._checked_layers()
            return to_image(layers[0]) if layers else None
        return self.high.path if self.high.path and self.high.path.is_dir() else None

    def chosen(self) -> tuple[tuple[tuple[str, Image], ...], Path | None, Path | None]:
        """Return the checked layers by name, or the folders of high- and low-resolution images.

        Raises
        ------
        SuperResError
            If nothing is chosen, a folder does not exist, or a layer is not an image that can be super-resolved.
        """
        if self.kind.value == LAYERS:
            layers = self._checked_layers()
            if not layers:
                raise SettingsError("check at least one high-resolution layer to learn from.")
            return tuple((layer.name, to_image(layer)) for layer in layers), None, None
        lines = [self.high, self.low] if self.kind.value == PAIRS else [self.high]
        for line in lines:
            name = line.line.accessibleName().lower()
            if line.path is None:
                raise SettingsError(f"choose a {name}.")
            if not line.path.is_dir():
                raise SettingsError(f"the {name} does not exist: {line.path}.", remedy="Choose another folder.")
        return (), self.high.path, self.low.path if self.kind.value == PAIRS else None
