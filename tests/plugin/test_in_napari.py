"""Widgets, samples, reader and writer of the manifest, used through napari."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_superres.errors import OutputError
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
