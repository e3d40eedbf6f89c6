"""Widgets, samples, reader and writer of the manifest, used through napari."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_superres.errors import OutputError
from napari_superres.plugin.host.docks import dock_of, open_widget
from napari_superres.plugin.widgets.batch.widget import BatchWidget
from napari_superres.plugin.widgets.compare.widget import CompareWidget
from napari_superres.plugin.widgets.models.widget import ModelsWidget
from napari_superres.plugin.widgets.train.widget import TrainWidget
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget

pytestmark = pytest.mark.gui

NAME = "napari-superres-torch"
ROOT = Path(__file__).parent.parent.parent


def test_widgets_open_from_the_menu(viewer, qtbot):
    _, upscale = viewer.window.add_plugin_dock_widget(NAME, "Super-resolve")
    _, compare = viewer.window.add_plugin_dock_widget(NAME, "Compare")
    _, batch = viewer.window.add_plugin_dock_widget(NAME, "Batch")
    _, models = viewer.window.add_plugin_dock_widget(NAME, "Models")
    _, train = viewer.window.add_plugin_dock_widget(NAME, "Train")
    assert isinstance(upscale, UpscaleWidget)
    assert isinstance(compare, CompareWidget)
    assert isinstance(batch, BatchWidget)
    assert isinstance(models, ModelsWidget)
    assert isinstance(train, TrainWidget)
    qtbot.waitUntil(lambda: all(w.is_ready for w in (upscale, batch, models, train)), timeout=60_000)
    for widget in (upscale, compare, batch, models, train):
        viewer.window.remove_dock_widget(widget)
        widget.deleteLater()


def test_a_widget_opened_by_a_script_follows_the_selection(viewer, qtbot):
    """napari gives it a proxy of the viewer, whose layers are never the same object twice."""
    first, second = (viewer.add_image(np.zeros((8, 9), np.float32)) for _ in range(2))
    _, widget = viewer.window.add_plugin_dock_widget(NAME, "Super-resolve")
    for layer in (first, second):
        viewer.layers.selection.active = layer
        assert widget.layer.value is layer
    qtbot.waitUntil(lambda: widget.is_ready)
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()


@pytest.mark.parametrize("opened_by", ["the menu", "a script", "a widget"])
def test_a_widget_is_opened_once(viewer, qtbot, opened_by):
    from napari._app_model import get_app_model

    if opened_by == "the menu":
        get_app_model().commands.execute_command(f"{NAME}.models").result()
    elif opened_by == "a script":
        viewer.window.add_plugin_dock_widget(NAME, "Models")
    else:
        open_widget(viewer, "Models")
    (first,) = viewer.window.dock_widgets.values()
    dock_of(first).hide()
    assert open_widget(viewer, "Models") is first
    assert not dock_of(first).isHidden()
    if opened_by != "a script":  # The menu finds it, too.
        get_app_model().commands.execute_command(f"{NAME}.models").result()
    assert len(viewer.window.dock_widgets) == 1
    qtbot.waitUntil(lambda: first.is_ready)
    viewer.window.remove_dock_widget(first)
    first.deleteLater()


def test_tabs_say_whole_words(viewer, qtbot):
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QTabBar

    names = ("Super-resolve", "Compare", "Batch", "Models", "Train")
    window = viewer.window._qt_window
    window.show()
    qtbot.waitExposed(window)
    widgets = []
    for name in names:  # as users open them
        widgets.append(open_widget(viewer, name))
        qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(dock_of(widgets[0]))) == len(widgets) - 1)

    def tabs():
        bars = [bar for bar in window.findChildren(QTabBar) if bar.count() >= len(names)]
        return {bar.tabText(i): (bar, bar.tabRect(i).width()) for bar in bars for i in range(bar.count())}

    qtbot.waitUntil(lambda: set(names) <= tabs().keys())
    window.resizeDocks([dock_of(widgets[0])], [300], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: all(w >= b.fontMetrics().horizontalAdvance(n) for n, (b, w) in tabs().items()))
    assert dock_of(widgets[1]).toggleViewAction().text() == "Compare (Super-Resolution)"
    qtbot.waitUntil(lambda: all(getattr(widget, "is_ready", True) for widget in widgets))
    for widget in widgets:
        viewer.window.remove_dock_widget(widget)
        widget.deleteLater()


def test_samples_open_and_saved_files_open_unchanged(viewer, tmp_path):
    viewer.open_sample(NAME, "nuclei")
    reference, low = viewer.layers
    assert reference.data.shape == tuple(2 * n for n in low.data.shape)
    path = tmp_path / "nuclei.ome.tif"
    low.translate = (3.0, 4.0)
    with pytest.raises(OutputError, match="one shape"):
        viewer.layers.save(str(path), plugin=NAME)
    assert not path.exists()
    assert low.save(str(path), plugin=NAME) == [str(path)]
    (again,) = viewer.open(path, plugin=NAME)
    np.testing.assert_allclose(again.data_to_world((5, 6)), low.data_to_world((5, 6)))
    assert again.units == low.units


@pytest.mark.parametrize("name", ["nuclei", "chelsea"])
def test_a_sample_opens_with_the_widget_and_a_preview(viewer, qtbot, name):
    viewer.open_sample(NAME, name)
    qtbot.waitUntil(lambda: bool(viewer.window.dock_widgets))
    (widget,) = viewer.window.dock_widgets.values()
    assert widget.preview.isChecked()
    qtbot.waitUntil(lambda: widget.preview.layer is not None)
    assert widget.layer.value.name == f"{name} LR"
    # The next sample takes its place.
    other = {"nuclei": "chelsea", "chelsea": "nuclei"}[name]
    viewer.open_sample(NAME, other)
    qtbot.waitUntil(lambda: widget.preview.layer is not None and other in widget.preview.layer.name)
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()


def test_a_sample_of_a_viewer_without_window_opens_nothing(viewer, qtbot):
    from napari.components import ViewerModel

    ViewerModel().open_sample(NAME, "nuclei")
    qtbot.wait(50)
    assert not viewer.window.dock_widgets


def test_napari_shows_the_error_of_a_damaged_file(viewer, tmp_path):
    path = tmp_path / "broken.nrrd"
    path.write_text("nothing")
    with pytest.raises(Exception, match=r"nrrd-[0-9a-f]{12} must be a complete NRRD file"):
        viewer.open(path, plugin=NAME)


@pytest.mark.slow
def test_pictures_of_the_documentation_can_be_taken(tmp_path):
    from skimage.io import imread

    command = [sys.executable, ROOT / "docs" / "screenshots.py", "--to", tmp_path]
    subprocess.run(command, check=True)
    # The README's picture is not a screenshot: docs/pictures.py draws it, and tests/project/test_readme.py tests that.
    kept = sorted({p.name for p in (ROOT / "docs" / "images").glob("*.png")} - {"before-after.png"})
    assert sorted(p.name for p in tmp_path.glob("*.png")) == kept
    for name in kept:
        assert imread(tmp_path / name).shape[:2] == (720, 1280), name
