"""All widgets can be used with the keyboard, a screen reader, large type and a narrow dock."""

import re

import numpy as np
import pytest

from napari_superres.plugin.widgets.batch.widget import BatchWidget
from napari_superres.plugin.widgets.compare.widget import CompareWidget
from napari_superres.plugin.widgets.models.widget import ModelsWidget
from napari_superres.plugin.widgets.train.widget import TrainWidget
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget

pytestmark = pytest.mark.gui

WIDGETS = [UpscaleWidget, CompareWidget, BatchWidget, TrainWidget, ModelsWidget]
NARROWEST = 250
RUN = {UpscaleWidget: "run", CompareWidget: "measure", BatchWidget: "run", TrainWidget: "run"}


@pytest.fixture(autouse=True)
def library(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path))


def controls(widget):
    """All parts of a widget that take input or show a value."""
    from qtpy.QtWidgets import (
        QAbstractButton,
        QAbstractItemView,
        QAbstractSlider,
        QAbstractSpinBox,
        QComboBox,
        QLineEdit,
        QProgressBar,
        QScrollBar,
        QWidget,
    )

    kinds = (QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QProgressBar)

    def is_inner(part):
        """Whether Qt made it as a part of another control: the field of a spin box, the list of a combo box."""
        while (part := part.parentWidget()) not in (None, widget):
            if isinstance(part, kinds):
                return True
        return False

    found = [p for p in widget.findChildren(QWidget) if isinstance(p, kinds) and not isinstance(p, QScrollBar)]
    return [part for part in found if not is_inner(part)]


@pytest.mark.parametrize("kind", WIDGETS)
def test_a_screen_reader_names_every_control(dock, kind):
    from qtpy.QtWidgets import QAbstractButton

    widget = dock(kind)
    assert len(controls(widget)) > 4
    nameless = []
    for part in controls(widget):
        # As Qt tells it to screen readers.
        name = part.accessibleName() or (part.text() if isinstance(part, QAbstractButton) else "")
        if sum(c.isalpha() for c in name) < 2:
            nameless.append((type(part).__name__, name, part.toolTip()[:60]))
    assert nameless == []


@pytest.mark.parametrize("kind", WIDGETS)
@pytest.mark.parametrize("points", [9, 16])
def test_nothing_is_cut_off_in_the_narrowest_dock(viewer, dock, qtbot, kind, points):
    """Also with large type: what does not fit in a row goes to the next."""
    from qtpy.QtWidgets import QAbstractButton, QScrollArea

    viewer.add_image(np.zeros((4, 20, 30), np.float32), axis_labels=("c", "y", "x"))
    viewer.window._qt_window.show()
    widget = dock(kind)
    widget.setStyleSheet(f"* {{ font-size: {points}pt; }}")
    widget.setFixedWidth(NARROWEST)
    area = widget.findChild(QScrollArea)
    if kind is ModelsWidget:
        # Tables of gains have columns that cannot wrap: for these cards, the panel scrolls sideways.
        widget.models.select("bicubic-x2")
    qtbot.waitUntil(lambda: area.viewport().width() <= NARROWEST)
    qtbot.waitUntil(lambda: area.widget().minimumSizeHint().width() <= area.viewport().width())
    assert widget.minimumSizeHint().width() <= NARROWEST

    def check_buttons():
        cut = [
            (b.text(), b.width(), b.minimumSizeHint().width())
            for b in widget.findChildren(QAbstractButton)
            if b.isVisible() and b.width() < b.minimumSizeHint().width()
        ]
        assert cut == []

    qtbot.waitUntil(check_buttons)


@pytest.mark.parametrize("kind", RUN)
def test_control_and_enter_run(viewer, dock, qtbot, kind):
    from qtpy.QtCore import Qt

    viewer.window._qt_window.show()
    widget = dock(kind)
    qtbot.waitExposed(viewer.window._qt_window)
    button = getattr(widget, RUN[kind])
    button.clicked.disconnect()
    pressed = []
    button.clicked.connect(lambda: pressed.append(kind))
    button.setEnabled(True)
    qtbot.waitUntil(controls(widget)[0].isVisible)
    viewer.window._qt_window.activateWindow()
    inside = next(p for p in controls(widget) if p.isVisible() and p.isEnabled())
    inside.setFocus()
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
        qtbot.keyClick(inside, key, Qt.KeyboardModifier.ControlModifier)
    assert pressed == [kind, kind]
    button.setEnabled(False)
    qtbot.keyClick(inside, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert len(pressed) == 2
    assert "Ctrl+Enter" in button.toolTip()


@pytest.mark.parametrize("kind", WIDGETS)
def test_no_words_of_the_command_line(dock, kind):
    from qtpy.QtWidgets import QLabel, QWidget

    widget = dock(kind)
    texts = [part.toolTip() for part in widget.findChildren(QWidget)]
    texts += [label.text() for label in widget.findChildren(QLabel)]
    texts += [part.text() for part in controls(widget) if hasattr(part, "text") and callable(part.text)]
    assert [text for text in texts if re.search(r"(^|\s)--[a-z]|superres [a-z]|`", text)] == []
