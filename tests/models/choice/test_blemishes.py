"""What spoils an intensity range or leaves nothing to do is found, and ordinary images have nothing of it."""

import numpy as np
import pytest
from scipy import ndimage

from napari_superres import Image
from napari_superres.models.choice.blemishes import Blemishes, find_blemishes


def cells(shape=(96, 96), seed=0):
    """Bright blobs on a dark ground with noise, from 100 to about 4000."""
    rng = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter((rng.random(shape) < 0.01).astype(float), [0] * (len(shape) - 2) + [3, 3])
    return 100 + 3000 * blobs / blobs.max() + rng.normal(0, 20, shape)


def found(array, axes="YX", **facts):
    return find_blemishes(Image.from_array(array, axes, **facts))


def test_an_ordinary_image_has_none():
    seen = found(cells())
    assert (seen.hot_range, seen.padding, seen.dim_planes, seen.is_smooth) == (None, None, 0.0, False)
    assert seen.saturated < 1e-3


def test_hot_pixels_that_widen_the_range_are_left_out_of_it():
    image = cells()
    image[np.random.default_rng(1).random(image.shape) < 0.004] = 60_000
    seen = found(image)
    assert seen.hot_range is not None
    assert seen.measured_range[1] == pytest.approx(np.percentile(cells(), 99.9), rel=0.05)


def test_bright_objects_are_not_hot():
    image = cells()
    image[40:44, 40:44] = 60_000  # several pixels wide
    assert found(image).hot_range is None


@pytest.mark.parametrize(("value", "low", "is_padding"), [(-3000, -1000, True), (-1024, -1000, False), (0, 20, False)])
def test_padding_lies_far_below_all_other_values(value, low, is_padding):
    image = low + cells() * 0.5
    image[:20] = value
    assert (found(image.round()).padding == value) is is_padding


def test_pixels_that_the_file_calls_padding_are_none():
    image = np.round(cells()).astype(np.int16)
    image[:20] = -3000
    stated = Image.from_array(image, "YX").replace(no_data=(-3000, -3000))
    assert found(image).padding == -3000
    assert find_blemishes(stated).padding is None


def test_dim_planes_count_only_if_they_show_something():
    stack = cells((8, 96, 96))
    dim, empty = stack.copy(), stack.copy()
    dim[6:] = 100 + 0.05 * (dim[6:] - 100)
    empty[6:] = 100 + np.random.default_rng(2).normal(0, 20, empty[6:].shape)
    assert found(dim, "ZYX").dim_planes == pytest.approx(2 / 8)
    assert found(empty, "ZYX").dim_planes == 0
    assert found(stack, "TYX").dim_planes == 0


def test_interpolated_images_are_smooth():
    image = cells()
    assert found(ndimage.zoom(image, 4, order=3)).is_smooth
    assert not found(image).is_smooth


def test_saturated_pixels_are_counted():
    image = np.minimum(cells(), 500)
    assert found(image).saturated == pytest.approx((cells() >= 500).mean())


@pytest.mark.parametrize("array", [np.zeros((9, 9)), np.full((9, 9), np.nan), np.ones((2, 2))])
def test_images_without_contrast_have_none(array):
    assert found(array) == Blemishes()
