"""Contrast limits of data that are read on demand come from a sample, wherever the data lie."""

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Layer

from napari_superres import Image, write_image
from napari_superres.plugin.host.reader import read

STACK = np.zeros((9, 60, 70), np.uint16)
STACK[3:] = np.random.default_rng(0).integers(200, 3000, (6, 60, 70))


def opened(path):
    viewer = ViewerModel()
    return [viewer.add_layer(Layer.create(*made)) for made in read(path)]


@pytest.mark.parametrize("origin", [(0, 0, 0), (1234.5, -20, 3)])
@pytest.mark.parametrize("ending", [".ome.tif", ".ome.zarr"])
def test_a_stack_that_begins_empty_or_lies_elsewhere_is_seen(origin, ending, tmp_path):
    image = Image.from_array(STACK, "ZYX", pixel_size=[0.5, 0.1, 0.1], origin=origin)
    (layer,) = opened(write_image(image, tmp_path / f"a{ending}"))
    low, high = layer.contrast_limits
    assert (low, high) == pytest.approx((0, 3000), abs=30)
    assert not isinstance(layer.data, np.ndarray)


def test_each_channel_has_its_own(tmp_path):
    data = np.stack([STACK, STACK * 10])
    first, second = opened(write_image(Image.from_array(data, "CZYX", pixel_size=1), tmp_path / "a.ome.zarr"))
    assert second.contrast_limits[1] == pytest.approx(10 * first.contrast_limits[1], rel=0.01)


def test_an_empty_sample_and_missing_numbers_do_not_show_white(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 50, 60), np.uint16), photometric="minisblack")
    assert opened(tmp_path / "a.tif")[0].contrast_limits == [0, 65535]
    numbers = np.full((4, 50, 60), np.nan, np.float32)
    numbers[:, 20:] = np.linspace(-5, 7, 30)[:, None]
    tifffile.imwrite(tmp_path / "b.tif", numbers, photometric="minisblack")
    assert opened(tmp_path / "b.tif")[0].contrast_limits == pytest.approx([-5, 7])
