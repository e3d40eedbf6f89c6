"""Results that do not fit into memory, and the user's preferences."""

from pathlib import Path

import numpy as np
import pytest

import napari_superres
from napari_superres import Image
from napari_superres.plugin.host.preferences import Preferences, preferences
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.disk import FILE

pytestmark = pytest.mark.gui

LONG = 60_000


@pytest.fixture
def tight(monkeypatch, tmp_path):
    """Allow a kilobyte of memory for results."""
    wishes = Preferences(memory_gb=1e-6, folder=str(tmp_path / "large"))
    monkeypatch.setattr(tasks, "preferences", lambda: wishes)
    return tmp_path / "large"


def run(widget, qtbot):
    widget.run.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)


def test_large_result_is_shown_from_its_file(viewer, dock, qtbot, tight):
    widget = dock(UpscaleWidget)
    data = (np.random.default_rng(0).random((700, 900)) * 1000).astype(np.uint16)
    layer = viewer.add_image(data, scale=(0.5, 0.25), translate=(3, 4), units="micrometer", colormap="magma")
    widget.model.value = "bicubic-x2"
    run(widget, qtbot)
    result = viewer.layers[1]
    expected = napari_superres.upscale(Image.from_array(data, "YX"), "bicubic-x2").data
    finest = result.data[0] if result.multiscale else result.data
    np.testing.assert_array_equal(np.asarray(finest), expected)
    np.testing.assert_allclose(result.data_to_world((0.5, 0.5)), layer.data_to_world((0, 0)))
    assert result.colormap.name == "magma"
    assert result.metadata["provenance"]["model"]["name"] == "bicubic-x2"
    path = Path(result.metadata[FILE])
    assert path.parent.parent == tight
    assert sorted(p.name for p in path.parent.iterdir()) == ["result.ome.zarr", "result.ome.zarr.provenance.json"]


def test_channels_on_disk_stay_one_layer(viewer, dock, qtbot, tight):
    widget = dock(UpscaleWidget)
    data = (np.random.default_rng(0).random((2, 30, 40)) * 1000).astype(np.uint16)
    viewer.add_image(data)
    widget.axes.value = "CYX"
    widget.model.value = "nearest-x2"
    run(widget, qtbot)
    np.testing.assert_array_equal(np.asarray(viewer.layers[1].data), data.repeat(2, 1).repeat(2, 2))


def test_cancelled_large_result_leaves_nothing_on_disk(viewer, dock, qtbot, tight, pause):
    widget = dock(UpscaleWidget)
    viewer.add_image(np.zeros((300, 300), np.uint16))
    widget.model.value = "nearest-x2"
    widget.tile.value = "64"
    go_on = pause(after=3)
    widget.run.click()
    qtbot.waitUntil(lambda: tight.is_dir() and any(tight.iterdir()), timeout=LONG)
    widget.run.click()
    go_on.set()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert list(tight.iterdir()) == []
    assert len(viewer.layers) == 1


def test_a_folder_that_cannot_be_written_is_reported(viewer, dock, qtbot, monkeypatch, tmp_path, told):
    (tmp_path / "file").touch()
    monkeypatch.setattr(tasks, "preferences", lambda: Preferences(memory_gb=1e-6, folder=str(tmp_path / "file" / "x")))
    widget = dock(UpscaleWidget)
    viewer.add_image(np.zeros((30, 30), np.uint16))
    widget.model.value = "nearest-x2"
    run(widget, qtbot)
    assert "folder for large results" in told.pop()
    assert len(viewer.layers) == 1


def test_preferences_are_those_of_the_manifest(viewer, dock):
    pytest.importorskip("napari", minversion="0.9")
    from napari.settings import get_plugin_settings

    assert preferences() == Preferences()
    settings = get_plugin_settings("napari-superres-torch").computing
    before = settings.precision, settings.memory_gb
    try:
        settings.precision, settings.memory_gb = "fp32", 3.5
        assert preferences() == Preferences(precision="fp32", memory_gb=3.5)
        assert dock(UpscaleWidget).precision.value == "fp32"
    finally:
        settings.precision, settings.memory_gb = before
