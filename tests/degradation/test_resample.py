"""Resampling to another pixel size: positions, values and invalid sizes."""

import numpy as np
import pytest

from napari_superres import Image, resample
from napari_superres.degradation.resample import resize_bicubic
from napari_superres.errors import GridError


def blob(shape=(60, 70), at=(20.3, 41.8), sigma=5.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * sigma**2))


def centroid(image):
    """Return the centroid in world coordinates."""
    data = np.asarray(image.data, dtype=float)
    index = [float((data * axis).sum() / data.sum()) for axis in np.indices(data.shape)]
    return (image.affine @ [*index, 1.0])[:-1]


@pytest.mark.parametrize("size", [0.5, 0.2, 0.33, 0.77, (1.1, 0.4)])
def test_nothing_moves(size):
    turned = np.array([[0.4, 0.3, 3.0], [-0.3, 0.4, -7.0], [0, 0, 1]])  # 0.5 per pixel, turned
    image = Image.from_array(blob(), "YX", affine=turned)
    found = resample(image, size)
    np.testing.assert_allclose(found.pixel_size, np.broadcast_to(size, 2), rtol=1e-12)
    np.testing.assert_allclose(centroid(found), centroid(image), atol=0.01)
    corner = [-0.5, -0.5, 1.0]
    np.testing.assert_allclose(found.affine @ corner, image.affine @ corner, atol=1e-12)
    ends = np.array(found.shape) * found.pixel_size - np.array(image.shape) * image.pixel_size
    assert (np.abs(ends) <= np.array(found.pixel_size) / 2 + 1e-9).all()


def test_whole_factors_are_the_reduction_of_the_literature():
    image = Image.from_array(np.random.default_rng(0).random((30, 36)), "YX", pixel_size=0.5)
    assert np.array_equal(resample(image, 1.5).data, resize_bicubic(image.data, 3))
    assert np.array_equal(resample(image, 0.5).data, image.data)


def test_smooth_images_are_interpolated_and_fine_patterns_become_their_mean():
    y, x = np.mgrid[:64, :64] * 1.0
    smooth = Image.from_array(np.sin(y / 9) * np.cos(x / 7), "YX", pixel_size=1.0)
    found = resample(smooth, 0.7)
    at = (np.indices(found.shape) + 0.5) * 0.7 - 0.5
    expected = np.sin(at[0] / 9) * np.cos(at[1] / 7)
    assert np.abs(found.data - expected)[4:-4, 4:-4].max() < 2e-3
    stripes = Image.from_array((x % 2) * 100.0, "YX", pixel_size=1.0)
    assert np.abs(resample(stripes, 3.3).data - 50)[:, 2:-2].max() < 6


def test_every_plane_and_colour_by_itself_and_types_stay():
    data = np.random.default_rng(1).integers(0, 256, (2, 3, 20, 24, 3)).astype(np.uint8)
    image = Image.from_array(data, "TZYXS", pixel_size=(3.0, 0.5, 0.5))
    found = resample(image, 0.8)
    assert found.shape == (2, 3, 12, 15, 3)
    assert found.dtype == np.uint8
    assert found.pixel_size == pytest.approx((3.0, 0.8, 0.8))
    one = resample(Image.from_array(data[1, 2, ..., 1], "YX", pixel_size=0.5), 0.8)
    assert np.array_equal(found.data[1, 2, ..., 1], one.data)
    full = Image.from_array(np.where(np.indices((40, 40))[1] < 20, 0, 65535).astype(np.uint16), "YX", pixel_size=1.0)
    edge = resample(full, 0.4).data
    assert (edge.min(), edge.max()) == (0, 65535)  # no wrap where the kernel overshoots
    assert resample(full.replace(data=full.data.astype(np.float32)), 0.4).dtype == np.float32


@pytest.mark.parametrize("order", ["XY", "XYC", "YXC", "XCY"])
def test_axes_in_any_order(order):
    data = np.random.default_rng(2).random((2, 20, 24))
    expected = resample(Image.from_array(data, "CYX", pixel_size=(0.5, 0.4)), (0.8, 1.0))
    if "C" not in order:
        data, expected = data[0], expected.replace(data=expected.data[0], axes="YX")
    sizes = {"Y": 0.5, "X": 0.4}
    turned = np.transpose(data, [("CYX" if "C" in order else "YX").index(a) for a in order])
    found = resample(Image.from_array(turned, order, pixel_size=[sizes[a] for a in order if a in sizes]), (0.8, 1.0))
    assert np.array_equal(np.transpose(found.data, [order.index(a) for a in expected.axes]), expected.data)
    assert dict(zip(found.spatial, found.pixel_size, strict=True)) == pytest.approx({"Y": 0.8, "X": 1.0})


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "finite and above zero"),
        (-1, "above zero"),
        (float("nan"), "finite"),
        ((1, 2, 3), "each along Y and X"),
        (0.01, "more than 8 times smaller .* Check the pixel size of the image"),
        (90, "larger than all of the image"),
    ],
)
def test_sizes_that_cannot_be(size, words):
    with pytest.raises(GridError, match=words):
        resample(Image.from_array(blob(), "YX", pixel_size=0.5), size)


def test_an_image_without_a_pixel_size():
    with pytest.raises(GridError, match="unknown"):
        resample(Image.from_array(blob(), "YX"), 1.0)
