"""Fields of the Train widget: a range of two numbers, and a path."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_superres.plugin.widgets.common import forms

_WIDEST_UNIT = "px "


@dataclass(frozen=True, slots=True)
class Labelled:
    """A Qt widget with a label and a tooltip, for `forms.form`."""

    label: str
    tooltip: str
    native: QWidget


class Range(QWidget):
    """Two numbers, the lowest and the highest.

    Parameters
    ----------
    name
        Name for screen readers.
    tooltip
        Tooltip of both numbers.
    unit
        Unit, shown behind the numbers.
    maximum
        Largest number that can be entered.
    decimals
        Number of decimals.
    """

    changed = Signal()

    def __init__(self, name: str, tooltip: str, *, unit: str, maximum: float, decimals: int) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.low = self._spin_box(f"{name}, lowest", tooltip, maximum, decimals)
        self.high = self._spin_box(f"{name}, highest", tooltip, maximum, decimals)
        self.low.valueChanged.connect(lambda value: self.high.setValue(max(value, self.high.value())))
        self.high.valueChanged.connect(lambda value: self.low.setValue(min(value, self.low.value())))
        layout.addWidget(self.low, 1)
        layout.addWidget(QLabel("to"))
        layout.addWidget(self.high, 1)
        unit_label = QLabel(unit)
        # One width for all units, so that the ranges of a form are aligned.
        unit_label.setMinimumWidth(unit_label.fontMetrics().horizontalAdvance(_WIDEST_UNIT))
        layout.addWidget(unit_label)

    def _spin_box(self, name: str, tooltip: str, maximum: float, decimals: int) -> QDoubleSpinBox:
        spin_box = QDoubleSpinBox()
        spin_box.setRange(0, maximum)
        spin_box.setDecimals(decimals)
        spin_box.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        # A narrow dock has no room for buttons; arrow keys and the mouse wheel work without them.
        spin_box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        spin_box.setStyleSheet("min-width: 40px")  # The style of napari is twice as wide.
        spin_box.setToolTip(f"{tooltip} Training draws values between the lowest and the highest.")
        spin_box.setAccessibleName(name)
        spin_box.valueChanged.connect(lambda _: self.changed.emit())
        return spin_box

    @property
    def value(self) -> tuple[float, float]:
        """The lowest and the highest number."""
        return self.low.value(), self.high.value()

    @value.setter
    def value(self, ends: tuple[float, float]) -> None:
        with QSignalBlocker(self.low), QSignalBlocker(self.high):
            self.low.setValue(ends[0])
            self.high.setValue(ends[1])
        self.changed.emit()


class PathLine(QWidget):
    """A path that is typed or chosen in a dialog.

    Parameters
    ----------
    name
        Name for screen readers and for the button.
    tooltip
        Tooltip of the line.
    ask
        Shows a dialog and returns the chosen path, or an empty text.
    """

    changed = Signal()

    def __init__(self, name: str, tooltip: str, ask: Callable[[QWidget], str]) -> None:
        super().__init__()
        self.line, self.button = QLineEdit(), QPushButton("…")
        self.line.setToolTip(tooltip)
        self.name = name
        self.line.setMinimumWidth(50)
        self.line.textChanged.connect(lambda _: self.changed.emit())
        forms.shrink(self.button)
        self.button.clicked.connect(lambda: self._set_path(ask(self)))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.line, 1)
        layout.addWidget(self.button)

    @property
    def name(self) -> str:
        """Name for screen readers and for the button."""
        return self.line.accessibleName()

    @name.setter
    def name(self, name: str) -> None:
        self.line.setAccessibleName(name)
        self.button.setToolTip(f"Choose: {name.lower()}.")
        self.button.setAccessibleName(f"Choose: {name.lower()}")

    @property
    def path(self) -> Path | None:
        """The path in the line; None if the line is empty."""
        text = self.line.text().strip()
        return Path(text).expanduser() if text else None

    def _set_path(self, path: str) -> None:
        if path:
            self.line.setText(path)


def ask_folder(parent: QWidget) -> str:
    """Show the dialog for a folder and return its path, or an empty text."""
    return str(QFileDialog.getExistingDirectory(parent, "Folder of images"))
