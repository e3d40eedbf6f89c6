import numpy as np
import pytest

from napari_superres.core.grid import crop_affine
from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation import difference_map, ssim_map
from napari_superres.evaluation.metrics import full_reference


def images(axes="YX", shape=(30, 40), dtype=np.uint8):
    rng = np.random.default_rng(1)
    affine = np.array([[0.1, 0.02, 5], [-0.02, 0.1, 6], [0, 0, 1]])
    a, b = (rng.integers(0, 255, shape).astype(dtype) for _ in range(2))
    return tuple(Image.from_array(v, axes, affine=affine) for v in (a, b))


def test_the_difference_is_signed_and_lies_on_the_result():
    result, reference = images()
    found = difference_map(result, reference)
    assert found.dtype == np.float32
    assert np.array_equal(found.data, np.asarray(result.data, float) - np.asarray(reference.data, float))
    assert np.array_equal(found.affine, result.affine)
    assert found.units == result.units


def test_maps_of_a_cropped_reference_lie_on_the_common_part():
    result, reference = images()
    part = reference.replace(data=np.asarray(reference.data)[4:, 7:], affine=crop_affine(reference.affine, (4, 7)))
    found = difference_map(result, part)
    whole = np.asarray(difference_map(result, reference).data)
    assert np.array_equal(found.data, whole[4:, 7:])
    assert np.allclose(found.affine, part.affine)


def test_ssim_per_plane_and_channel_with_each_channels_range():
    result, reference = images("CTYX", (2, 3, 20, 25), np.float64)
    scaled = np.array([1.0, 100.0])[:, None, None, None]
    result, reference = (i.replace(data=np.asarray(i.data) * scaled) for i in (result, reference))
    found = np.asarray(ssim_map(result, reference).data)
    for c in range(2):
        reach = np.ptp(np.asarray(reference.data)[c])
        for t in range(3):
            expected = full_reference.ssim_map(
                np.asarray(reference.data)[c, t], np.asarray(result.data)[c, t], data_range=float(reach)
            )
            assert np.allclose(found[c, t], expected, atol=1e-6)


@pytest.mark.parametrize("samples", [3, 4])
def test_colour_gives_one_map(samples):
    result, reference = images("YXS", (20, 25, samples))
    for found in (difference_map(result, reference), ssim_map(result, reference, data_range="dtype")):
        assert found.axes == "YX"
        assert found.shape == (20, 25)
    a, b = (np.asarray(i.data, float)[..., :3] for i in (result, reference))
    assert np.allclose(difference_map(result, reference).data, (a - b).mean(-1), atol=1e-4)


def test_a_number_is_a_range_too():
    result, reference = images()
    assert np.array_equal(
        ssim_map(result, reference, data_range=99.5).data, ssim_map(result, reference, data_range="fixed:99.5").data
    )


def test_invalid_pixels_are_holes():
    result, reference = images(dtype=np.float32)
    data = np.array(result.data)
    data[3, 4] = np.inf
    other = np.array(reference.data)
    other[3, 4] = np.inf
    found = np.asarray(difference_map(result.replace(data=data), reference.replace(data=other)).data)
    assert np.argwhere(np.isnan(found)).tolist() == [[3, 4]]


def test_images_that_do_not_fit_are_refused():
    result, reference = images()
    with pytest.raises(EvaluationError):
        difference_map(result, reference.with_pixel_size(3.0))
    with pytest.raises(EvaluationError, match="at least 11"):
        ssim_map(*images(shape=(8, 30)))
