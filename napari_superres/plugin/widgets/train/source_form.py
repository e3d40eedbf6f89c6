"""The form of what the user has: images to learn from, or what another tool is for."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox
from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.train.fields import Labelled, PathLine, ask_folder
from napari_superres.plugin.widgets.train.state import (
    FOLDER,
    LAYERS,
    NOISY,
    NOISY_LAYERS,
    PAIRS,
    REPEATS,
    SOURCES,
    STACK,
)
from napari_superres.plugin.widgets.train.thumbnails import Thumbnails, layer_icon

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

REGISTER = "Register pairs"
"""Label of the control of `register` in this window."""

_LIST_ROWS, _ICON = 4, 24
"""Layers that are shown without scrolling, and pixels of their pictures."""

_STACK = (
    "No training is needed here: a stack of thick slices learns from its own planes. Open <b>Super-resolve</b>, choose "
    "the stack, and press <b>Make isotropic</b>. The button is shown if Z is coarser than Y and X."
)
_NOISY = "As they were recorded: neither denoised, nor resampled, nor saved as JPEG."
_NOISY_LAYERS = (
    f"{_NOISY} To refine a model on one layer, there is a shorter way: press <b>Adapt to image</b> in "
    "<b>Super-resolve</b>."
)
_HINTS = {STACK: _STACK, NOISY_LAYERS: _NOISY_LAYERS, NOISY: _NOISY, REPEATS: _NOISY}

_FOLDERS = {
    FOLDER: (("High-res", "Folder of high-resolution images"),),
    PAIRS: (("High-res", "Folder of high-resolution images"), ("Low-res", "Folder of low-resolution images")),
    NOISY: (("Noisy", "Folder of noisy images"),),
    REPEATS: (("First", "Folder of noisy images"), ("Second", "Folder of second recordings")),
}
"""Labels and names of the folders that are asked for; none where layers are learnt from."""


class SourceForm(QWidget):
    """Choose what to learn from: layers, a folder, or two folders of recorded pairs; sharp or noisy.

    Parameters
    ----------
    viewer
        napari viewer whose image layers can be chosen.
    session
        Session of the panel, for the job that reads pictures of folders.
    """

    changed = Signal()

    def __init__(self, viewer: "Viewer", session: Session) -> None:
        super().__init__()
        self._viewer = viewer
        self._layers: list[ImageLayer] = []
        self.kind = forms.narrow(
            ComboBox(
                choices=list(SOURCES),
                label="You have",
                tooltip="What you have decides how a network learns. Pairs are recordings of the same fields by two "
                "instruments; noisy images need no clean ones.",
            )
        )
        self.list = QListWidget()
        self.list.setToolTip("Check the layers to learn from. Of a single layer, a fifth is held out.")
        self.list.setIconSize(QSize(_ICON, _ICON))
        self.list.setFixedHeight(_LIST_ROWS * (max(_ICON, self.list.fontMetrics().height()) + 2) + 6)
        self.thumbnails = Thumbnails(session)
        self.high = PathLine("Folder of high-resolution images", "Folder of images to learn from.", ask_folder)
        self.low = PathLine(
            "Folder of low-resolution images",
            "Folder of other recordings of the same fields, with the same names.",
            ask_folder,
        )
        self.register = QCheckBox(REGISTER)
        self.register.setToolTip("Align the images of each pair. Otherwise, pairs that are shifted are an error.")
        self.hint = forms.text(rich=True)
        self._arrange()
        self.kind.changed.connect(self._show_kind)
        self.list.itemChanged.connect(lambda _: self.changed.emit())
        for line in (self.high, self.low):
            line.changed.connect(self._show_thumbnails)
            line.changed.connect(self.changed.emit)
        self.refresh()
        self._show_kind()

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._path_rows = [forms.form([Labelled("", line.line.toolTip(), line)]) for line in (self.high, self.low)]
        for widget in (forms.form([self.kind]), self.list, *self._path_rows, self.thumbnails, self.register, self.hint):
            layout.addWidget(widget)

    @property
    def uses_layers(self) -> bool:
        """Whether layers are learnt from."""
        return self.kind.value in (LAYERS, NOISY_LAYERS)

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
        asked = _FOLDERS.get(kind, ())
        for index, (row, line) in enumerate(zip(self._path_rows, (self.high, self.low), strict=True)):
            row.setVisible(index < len(asked))
            if index < len(asked):
                label, name = asked[index]
                row.findChildren(QLabel)[0].setText(label)
                line.name = name
        self.list.setVisible(self.uses_layers)
        self.list.setAccessibleName("High-resolution layers" if kind == LAYERS else "Noisy layers")
        self.register.setVisible(kind == PAIRS)
        forms.say(self.hint, _HINTS.get(kind, ""))
        self._show_thumbnails()
        self.changed.emit()

    def _show_thumbnails(self) -> None:
        asked = len(_FOLDERS.get(self.kind.value, ()))
        paths = [line.path for line in (self.high, self.low)[:asked]]
        self.thumbnails.show_folders([path for path in paths if path is not None and path.is_dir()])

    def refresh(self) -> None:
        """List the image layers, the newest first. Checked layers stay checked, and a single layer is checked."""
        checked = self._checked_layers()
        self._layers = [layer for _, layer in forms.image_layers(self._viewer)]
        with QSignalBlocker(self.list):
            self.list.clear()
            for layer in self._layers:
                item = QListWidgetItem(layer_icon(layer), layer.name)
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
        if self.uses_layers:
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
        if self.uses_layers:
            layers = self._checked_layers()
            return to_image(layers[0]) if layers else None
        return self.high.path if self.high.path and self.high.path.is_dir() else None

    def chosen(self) -> tuple[tuple[tuple[str, Image], ...], Path | None, Path | None]:
        """Return the checked layers by name, or the folders: of high- and low-resolution images, or of noisy ones.

        Raises
        ------
        SuperResError
            If nothing is chosen, a folder does not exist, or a layer is not an image that can be super-resolved.
        """
        if self.uses_layers:
            layers = self._checked_layers()
            if not layers:
                kind = "high-resolution" if self.kind.value == LAYERS else "noisy"
                raise SettingsError(f"check at least one {kind} layer to learn from.")
            return tuple((layer.name, to_image(layer)) for layer in layers), None, None
        lines = (self.high, self.low)[: len(_FOLDERS[self.kind.value])]
        for line in lines:
            name = line.line.accessibleName().lower()
            if line.path is None:
                raise SettingsError(f"choose a {name}.")
            if not line.path.is_dir():
                raise SettingsError(f"the {name} does not exist: {line.path}.", remedy="Choose another folder.")
        return (), self.high.path, self.low.path if len(lines) > 1 else None
