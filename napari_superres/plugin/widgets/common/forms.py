"""Parts of a panel: rows with labels, choices of layers, lines of text, error notifications."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QWidget,
)
from superqt.utils import QFlowLayout

from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.widgets.common.parts.made import OURS, TEMPORARY

if TYPE_CHECKING:
    from napari.viewer import Viewer

_LABEL_WIDTH = 92  # so that the fields of all forms in a panel are aligned


def form(widgets: Iterable[Any]) -> QWidget:
    """Return magicgui widgets as rows with labels."""
    native = QWidget()
    layout = QFormLayout(native)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    for widget in widgets:
        label = QLabel(widget.label)
        label.setMinimumWidth(_LABEL_WIDTH)
        label.setToolTip(widget.tooltip)
        label.setBuddy(widget.native)
        widget.native.setAccessibleName(widget.label)
        layout.addRow(label, widget.native)
    return native


def row(*widgets: QWidget) -> QWidget:
    """Return widgets next to each other, as far as they fit; the others follow in the next line."""
    line = QWidget()
    layout = QFlowLayout(line)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for widget in widgets:
        layout.addWidget(widget)
    return line


def beside(main: QWidget, *others: QWidget, first: QWidget | None = None) -> QWidget:
    """Return a button, as wide as there is room for it, next to others that are as narrow as their texts.

    Parameters
    ----------
    main
        The button that is pressed most.
    *others
        Those after it.
    first
        One before it.
    """
    line = QWidget()
    layout = QHBoxLayout(line)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for widget in (first, main, *others):
        if widget is not None:
            layout.addWidget(widget, 1 if widget is main else 0)
    return line


def button(text: str, tooltip: str = "", clicked: Callable[[], Any] | None = None) -> QPushButton:
    """Return a button that calls a function, if there is one, when it is clicked."""
    push_button = QPushButton(text)
    push_button.setToolTip(tooltip)
    if clicked is not None:
        push_button.clicked.connect(lambda: clicked())  # noqa: PLW0108 - drops Qt's argument
    return push_button


def shrink(button: QAbstractButton) -> None:
    """Make a button as narrow as its few characters, in any size of type."""
    button.setStyleSheet("min-width: 1.2em; padding: 0.2em;")
    button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)


def narrow(box: ComboBox) -> ComboBox:
    """Let a list be narrower than its longest entry. The open list shows the entries in full."""
    native: QComboBox = box.native
    native.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    native.setMinimumContentsLength(6)
    return box


def image_layers(viewer: "Viewer") -> list[tuple[str, Any]]:
    """Return name and layer of each image layer that can be chosen, newest first as in napari's layer list."""
    from napari.layers import Image

    return [
        (layer.name, layer)
        for layer in reversed(viewer.layers)
        if isinstance(layer, Image) and layer.metadata.get(OURS) != TEMPORARY
    ]


def layer_box(viewer: "Viewer", *, label: str, tooltip: str, optional: bool = False) -> ComboBox:
    """Return a choice among the viewer's image layers."""
    return narrow(ComboBox(choices=lambda _: image_layers(viewer), label=label, tooltip=tooltip, nullable=optional))


def refresh(box: ComboBox) -> bool:
    """Update a list of layers and keep the chosen one. Return whether the choice had to change."""
    before = box.value
    with box.changed.blocked():
        box.reset_choices()
        if before is not None and any(before is choice for choice in box.choices):
            box.value = before
    return box.value is not before


def prefer_visible(box: ComboBox, hidden: Sequence[Any] = ()) -> bool:
    """Choose the newest visible layer instead of a hidden one, and return whether the choice changed.

    Parameters
    ----------
    box
        Choice of a layer.
    hidden
        Layers that are hidden for a while and count as visible.
    """
    visible = next((layer for layer in box.choices if layer is not None and layer.visible), None)
    if box.value is None or box.value.visible or visible is None or box.value in hidden:
        return False
    with box.changed.blocked():
        box.value = visible
    return True


def text(content: str = "", *, rich: bool = False) -> QLabel:
    """Return a label whose text wraps and can be copied."""
    label = QLabel(content)
    label.setWordWrap(True)
    label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    label.setTextFormat(Qt.TextFormat.RichText if rich else Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
    label.setOpenExternalLinks(True)
    label.setMinimumWidth(50)
    return label


def say(label: QLabel, content: str) -> None:
    """Show a text, or hide the label if the text is empty."""
    if label.text() != content:  # A text that is set again loses its selection.
        label.setText(content)
    label.setVisible(bool(content))


def show_error(message: str, **labels: str) -> None:
    """Show an error that the user can mend as a notification; `labels` are those that only this window has."""
    from napari.utils import notifications

    notifications.show_error(window_text(message, **labels))


def show_warning(message: str, **labels: str) -> None:
    """Show what the user should know as a notification; `labels` are those that only this window has."""
    from napari.utils import notifications

    notifications.show_warning(window_text(message, **labels))
