"""What holds for every widget."""

import gc
import weakref

import pytest

from napari_superres.plugin.widgets.batch.widget import BatchWidget
from napari_superres.plugin.widgets.compare.widget import CompareWidget
from napari_superres.plugin.widgets.models.widget import ModelsWidget
from napari_superres.plugin.widgets.train.widget import TrainWidget
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget

pytestmark = pytest.mark.gui


@pytest.mark.parametrize("kind", [UpscaleWidget, CompareWidget, BatchWidget, TrainWidget, ModelsWidget])
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
        qtbot.wait(20)
    gc.collect()
    assert [r() for r in made if r() is not None] == []
