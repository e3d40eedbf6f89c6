"""Train shows small pictures of the images that it learns from."""

import numpy as np
import pytest
from helpers.widgets.train_runs import picture

from napari_superres import Image, write_image
from napari_superres.plugin.widgets.train.state import FOLDER, LAYERS, PAIRS

pytest.importorskip("lightning", reason="training needs Lightning")
pytestmark = pytest.mark.gui


def brightest(icon):
    """The brightest grey level of an icon."""
    image = icon.pixmap(24, 24).toImage()
    return max(image.pixelColor(x, y).lightness() for x in range(image.width()) for y in range(image.height()))


def shown(widget):
    pictures = widget.source.thumbnails
    return [(pictures.item(i).text(), pictures.item(i).icon().isNull()) for i in range(pictures.count())]


def test_layers_are_listed_with_their_pictures(viewer, widget):
    viewer.add_image(np.full((40, 40), 7, np.float32), contrast_limits=(0, 1), name="bright")
    viewer.add_image(np.zeros((40, 40), np.float32), contrast_limits=(0, 1), name="dark")
    viewer.add_image(np.full((3, 40, 40), 7, np.float32), contrast_limits=(0, 1), name="hidden", visible=False)
    icons = [brightest(widget.source.list.item(i).icon()) for i in range(3)]
    assert icons[0] > 200
    assert icons[1] < 30
    assert icons[2] > 200


def test_the_first_images_of_folders_are_shown(viewer, widget, qtbot, tmp_path):
    for folder in ("high", "low"):
        (tmp_path / folder).mkdir()
        for number in range(10):
            write_image(Image.from_array(picture(), "YX"), tmp_path / folder / f"{folder}{number}.tif")
    (tmp_path / "high" / "high0.tif").write_bytes(b"nothing")
    source = widget.source
    assert source.thumbnails.isHidden()
    source.kind.value = FOLDER
    source.high.line.setText(str(tmp_path / "high"))
    qtbot.waitUntil(lambda: len(shown(widget)) == 8)
    assert shown(widget)[:2] == [("high0.tif", True), ("high1.tif", False)]
    assert brightest(source.thumbnails.item(1).icon()) > 100
    source.kind.value = PAIRS
    source.low.line.setText(str(tmp_path / "low"))
    qtbot.waitUntil(lambda: len(shown(widget)) == 16)
    assert [name for name, _ in shown(widget)[:4]] == ["high0.tif", "low0.tif", "high1.tif", "low1.tif"]
    source.kind.value = LAYERS
    assert source.thumbnails.isHidden()
    assert shown(widget) == []
