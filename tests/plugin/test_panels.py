"""Rules for all widgets."""

import gc
import re
import weakref

import pytest

from napari_superres.plugin.widgets.batch.widget import BatchWidget
from napari_superres.plugin.widgets.compare.widget import CompareWidget
from napari_superres.plugin.widgets.models.widget import ModelsWidget
from napari_superres.plugin.widgets.train.widget import TrainWidget
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget

pytestmark = pytest.mark.gui

SENTENCE_END = re.compile(r"[.!?](?= [A-Z]|$)")


WIDGETS = [UpscaleWidget, CompareWidget, BatchWidget, TrainWidget, ModelsWidget]


@pytest.mark.parametrize("kind", WIDGETS)
def test_closed_widgets_are_forgotten(viewer, qtbot, kind, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path))
    made = []
    for _ in range(3):
        widget = kind(viewer)
        viewer.window.add_dock_widget(widget)
        qtbot.waitUntil(lambda w=widget: getattr(w, "is_ready", True), timeout=60_000)
        viewer.window.remove_dock_widget(widget)
        made.append(weakref.ref(widget))
        widget.deleteLater()
        del widget

    def are_forgotten():
        gc.collect()
        assert [r() for r in made if r() is not None] == []

    qtbot.waitUntil(are_forgotten, timeout=60_000)


@pytest.mark.parametrize("kind", WIDGETS)
def test_labels_and_tooltips_are_short(viewer, qtbot, kind, monkeypatch, tmp_path):
    from qtpy.QtWidgets import QAbstractButton, QFormLayout, QWidget

    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path))
    widget = kind(viewer)
    viewer.window.add_dock_widget(widget)
    qtbot.waitUntil(lambda: getattr(widget, "is_ready", True), timeout=60_000)
    labels = [button.text() for button in widget.findChildren(QAbstractButton)]
    for form in widget.findChildren(QFormLayout):
        rows = (form.itemAt(row, QFormLayout.ItemRole.LabelRole) for row in range(form.rowCount()))
        labels += [row.widget().text() for row in rows if row is not None]
    assert [text for text in labels if len(text.split()) > 3] == []
    tooltips = {part.toolTip() for part in widget.findChildren(QWidget)}
    assert [text for text in tooltips if len(SENTENCE_END.findall(text)) > 2] == []
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()
