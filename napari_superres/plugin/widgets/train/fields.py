"""Where the images of a training come from, and fields for a range and for a path."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.widgets.common import forms

LAYERS, FOLDER, PAIRS = "Open layers", "Folder", "Folders of pairs"
_ROWS = 4


@dataclass(frozen=True, slots=True)
class Labelled:
    """A Qt widget with what `forms.form` asks of one."""

    label: str
    tooltip: str
    native: QWidget


_WIDEST_UNIT = "px "


class Range(QWidget):
    """Two numbers, the lowest and the highest.

    Parameters
    ----------
    name
        What it is, for screen readers.
    tooltip
        Of both.
    unit
        Shown behind the numbers.
    most, decimals
        The greatest number, and how exactly it is shown.
    """

    changed = Signal()

    def __init__(self, name: str, tooltip: str, *, unit: str, most: float, decimals: int) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.low, self.high = (self._spin(f"{name}, {end}", tooltip, most, decimals) for end in ("lowest", "highest"))
        self.low.valueChanged.connect(lambda value: self.high.setValue(max(value, self.high.value())))
        self.high.valueChanged.connect(lambda value: self.low.setValue(min(value, self.low.value())))
        layout.addWidget(self.low, 1)
        layout.addWidget(QLabel("to"))
        layout.addWidget(self.high, 1)
        said = QLabel(unit)
        said.setFixedWidth(said.fontMetrics().horizontalAdvance(_WIDEST_UNIT))  # one column for all
        layout.addWidget(said)

    def _spin(self, name: str, tooltip: str, most: float, decimals: int) -> QDoubleSpinBox:
        spin = QDoubleSpinBox()
        spin.setRange(0, most)
        spin.setDecimals(decimals)
        spin.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        spin.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)  # there is no room; arrow keys and wheel work
        spin.setStyleSheet("min-width: 40px")  # napari's own is twice as wide
        spin.setToolTip(f"{tooltip} From the lowest to the highest; training draws from between.")
        spin.setAccessibleName(name)
        spin.valueChanged.connect(lambda _: self.changed.emit())
        return spin

    @property
    def value(self) -> tuple[float, float]:
        """Both numbers."""
        return self.low.value(), self.high.value()

    @value.setter
    def value(self, ends: tuple[float, float]) -> None:
        with QSignalBlocker(self.low), QSignalBlocker(self.high):
            self.low.setValue(ends[0])
            self.high.setValue(ends[1])
        self.changed.emit()


class PathLine(QWidget):
    """A path that is typed or chosen.

    Parameters
    ----------
    name
        What it is, for the screen reader and the dialog.
    tooltip
        Of the line.
    ask
        Shows the dialog and returns the path, empty if there is none.
    """

    changed = Signal()

    def __init__(self, name: str, tooltip: str, ask: Callable[[QWidget], str]) -> None:
        super().__init__()
        self.line, self.button = QLineEdit(), QPushButton("…")
        self.line.setToolTip(tooltip)
        self.line.setAccessibleName(name)
        self.line.setMinimumWidth(50)
        self.line.textChanged.connect(lambda _: self.changed.emit())
        self.button.setToolTip(f"Choose: {name.lower()}.")
        self.button.setAccessibleName(f"Choose: {name.lower()}")
        self.button.setFixedWidth(30)
        self.button.clicked.connect(lambda: self._choose(ask(self)))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.line, 1)
        layout.addWidget(self.button)

    @property
    def path(self) -> Path | None:
        """What is in the line, None if nothing is."""
        words = self.line.text().strip()
        return Path(words).expanduser() if words else None

    def _choose(self, path: str) -> None:
        if path:
            self.line.setText(path)


def ask_folder(parent: QWidget) -> str:
    """Show the dialog for a folder and return its path, or an empty text."""
    return str(QFileDialog.getExistingDirectory(parent, "Folder of images"))


class SourceForm(QWidget):
    """Which images are trained on.

    Parameters
    ----------
    viewer
        napari viewer whose image layers can be chosen.
    """

    changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._layers: list[Any] = []
        self.kind = ComboBox(
            choices=[LAYERS, FOLDER, PAIRS],
            label="Images",
            tooltip="Sharp images to learn from: layers of this window, a folder, or two folders of pairs that "
            "instruments recorded.",
        )
        self.list = QListWidget()
        self.list.setToolTip(
            "Check the high-resolution layers to learn from. Of a single one, a fifth is kept for validation."
        )
        self.list.setAccessibleName("High-resolution layers")
        self.list.setFixedHeight(_ROWS * (self.list.fontMetrics().height() + 2) + 6)
        self.high = PathLine("Folder of high-resolution images", "Folder of high-resolution images.", ask_folder)
        self.low = PathLine(
            "Folder of low-resolution images",
            "Folder of low-resolution images of the same fields, with the same names.",
            ask_folder,
        )
        self.register = QCheckBox("Register pairs")
        self.register.setToolTip(
            "Move the images of a pair onto each other; otherwise pairs that lie apart are refused."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.paths = [
            forms.form([Labelled(label, line.line.toolTip(), line)])
            for label, line in (("High", self.high), ("Low", self.low))
        ]
        for widget in (forms.form([self.kind]), self.list, *self.paths, self.register):
            layout.addWidget(widget)
        self.kind.changed.connect(self._kind_chosen)
        self.list.itemChanged.connect(lambda _: self.changed.emit())
        for line in (self.high, self.low):
            line.changed.connect(self.changed.emit)
        self.refresh()
        self._kind_chosen()

    @property
    def controls(self) -> list[QWidget]:
        """What can have the focus, in order."""
        return [
            self.kind.native,
            self.list,
            self.high.line,
            self.high.button,
            self.low.line,
            self.low.button,
            self.register,
        ]

    def _kind_chosen(self) -> None:
        kind = self.kind.value
        self.list.setVisible(kind == LAYERS)
        self.paths[0].setVisible(kind != LAYERS)
        self.paths[1].setVisible(kind == PAIRS)
        self.register.setVisible(kind == PAIRS)
        self.changed.emit()

    def refresh(self) -> None:
        """List the image layers, the newest first; what was checked stays so, and the only one there is is checked."""
        from napari.layers import Image as ImageLayer

        checked = self._checked()
        self._layers = [
            layer
            for layer in reversed(self._viewer.layers)
            if isinstance(layer, ImageLayer) and layer.metadata.get(forms.OURS) != forms.TEMPORARY
        ]
        with QSignalBlocker(self.list):
            self.list.clear()
            for layer in self._layers:
                item = QListWidgetItem(layer.name)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                is_checked = any(layer is other for other in checked) or len(self._layers) == 1
                item.setCheckState(Qt.CheckState.Checked if is_checked else Qt.CheckState.Unchecked)
                self.list.addItem(item)
        self.changed.emit()

    def check(self, layer: Any) -> None:
        """Check a layer on the list."""
        at = next(i for i, other in enumerate(self._layers) if other is layer)
        self.list.item(at).setCheckState(Qt.CheckState.Checked)

    def _checked(self) -> Sequence[Any]:
        states = [self.list.item(i).checkState() for i in range(self.list.count())]
        return [layer for layer, s in zip(self._layers, states, strict=True) if s == Qt.CheckState.Checked]

    @property
    def name(self) -> str:
        """What the first of the images, or their folder, is called; empty where there is none."""
        layers = self._checked()
        if self.kind.value == LAYERS:
            return str(layers[0].name) if layers else ""
        return self.high.path.name if self.high.path else ""

    @property
    def sample(self) -> Image | Path | None:
        """The first of the high-resolution layers, or the folder; None where there is none.

        Raises
        ------
        SuperResError
            If the layer cannot be an image.
        """
        if self.kind.value == LAYERS:
            layers = self._checked()
            return to_image(layers[0]) if layers else None
        return self.high.path if self.high.path and self.high.path.is_dir() else None

    def chosen(self) -> tuple[tuple[tuple[str, Image], ...], Path | None, Path | None]:
        """Return the layers, or the folder of high-resolution and that of low-resolution images.

        Raises
        ------
        SuperResError
            If nothing is chosen, a folder is not there, or a layer cannot be an image.
        """
        if self.kind.value == LAYERS:
            layers = self._checked()
            if not layers:
                raise SettingsError("check at least one high-resolution layer to learn from.")
            return tuple((layer.name, to_image(layer)) for layer in layers), None, None
        lines = [self.high, self.low] if self.kind.value == PAIRS else [self.high]
        for line in lines:
            if line.path is None or not line.path.is_dir():
                raise SettingsError(f"{line.line.accessibleName().lower()}: there is no {line.path or 'path given'}.")
        return (), self.high.path, self.low.path if self.kind.value == PAIRS else None
