"""The Batch widget, and images to list in it."""

import pytest
from helpers.widgets.batch_files import choose, write

from napari_superres.plugin.widgets.batch.widget import BatchWidget


@pytest.fixture(name="widget")
def batch_widget(dock):
    return dock(BatchWidget)


@pytest.fixture(name="folder")
def three_images(tmp_path):
    """Three images, one of them damaged, and a text."""
    folder = tmp_path / "in"
    write(folder / "a.ome.tif", seed=1)
    write(folder / "c.tif", seed=2)
    (folder / "b.tif").write_bytes(b"II*\0 this is no image")
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture(name="listed")
def listed_images(widget, folder, qtbot):
    choose(widget, qtbot, folder)
    widget.settings.model.value = "bicubic-x2"
    return widget
