"""Parts of the Train widget without a viewer: cutting images, ranges, pictures and curves."""

import numpy as np
import pytest
from qtpy.QtWidgets import QWidget

from napari_superres import Image
from napari_superres.plugin.widgets.common.pictures import Pictures
from napari_superres.plugin.widgets.train import simulation
from napari_superres.plugin.widgets.train.curves import Curves
from napari_superres.plugin.widgets.train.work import cut


def test_one_image_is_cut_into_parts_that_are_large_enough():
    image = Image.from_array(np.arange(40 * 500).reshape(40, 500), "YX")
    parts = cut(image, 60)
    assert [p.shape for p in parts] == [(40, 100)] * 5
    np.testing.assert_array_equal(np.concatenate([p.data for p in parts], axis=1), image.data)
    assert [p.shape for p in cut(image, 200)] == [(40, 250)] * 2
    assert len(cut(image, 501)) == 1


def test_the_middle_of_ranges():
    given = {"kind": "optics", "psf": "gaussian", "psf_sigma": [1.0, 2.0], "photons": [10.0, 1000.0]}
    assert simulation._middle(given) == {
        "kind": "optics",
        "psf": "gaussian",
        "psf_sigma": [1.5, 1.5],
        "photons": [100.0, 100.0],
    }


@pytest.mark.parametrize("tall", [0.5, 1.0])
def test_pictures_and_curves_are_painted(qtbot, tall):
    pictures = Pictures(("a", "b"), "tip")
    qtbot.addWidget(pictures)
    pictures.resize(204, 50)
    pictures.show()
    pictures.show_pictures((np.ones((int(40 * tall), 40)), None))
    grabbed = pictures.grab().toImage()
    assert 100 * tall < pictures.height() < 100 * tall + 40
    assert grabbed.pixelColor(50, 40).lightness() == 255
    assert (grabbed.pixelColor(50, 70).lightness() == 255) is (tall == 1.0)
    plot = Curves()
    qtbot.addWidget(plot)
    for i in range(2000):
        plot.add(i / 60, 1 / (i + 1), [20.0] * (i // 100), 19.0)
    plot.add(40.0, float("nan"), [], 19.0)
    assert len(plot.loss.x) <= 600
    assert plot.loss.x[-1] == 1999 / 60
    assert isinstance(plot, QWidget)
    assert not plot.grab().isNull()
