"""Maps lie on the result, channel by channel, and hold what the functions that they are made of return."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from napari_superres.core.grid import crop_affine
from napari_superres.core.image import Image
from napari_superres.degradation import degrade
from napari_superres.errors import EvaluationError
from napari_superres.evaluation import (
    agreement_map,
    average_samples,
    check_consistency,
    difference_map,
    local_agreement,
    register,
    residual_map,
    ssim_map,
)
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


def textured(shape=(96, 128), axes="YX", seed=0, **grid):
    """Blobs of many sizes, which blocks of 64 pixels have in common."""
    random = np.random.default_rng(seed)
    sigma = [1.2 if a in "YX" else 0 for a in axes]
    values = sum(gaussian_filter(random.normal(size=shape), [k * s for s in sigma]) * k for k in (1, 3))
    return Image.from_array((500 + 300 * values).astype(np.float32), axes, **{"pixel_size": 0.1, **grid})


def noisy(image, seed=1):
    values = np.asarray(image.data)
    return image.replace(data=values + np.random.default_rng(seed).normal(0, 20, values.shape).astype(np.float32))


def test_agreement_is_that_of_each_channel_on_the_result():
    result = textured((2, 96, 128), "CYX", channel_names=("DNA", "actin"))
    reference = noisy(result)
    found = agreement_map(result, reference)
    assert (found.axes, found.shape, found.dtype) == ("CYX", result.shape, np.float32)
    np.testing.assert_array_equal(found.affine, result.affine)
    for c in range(2):
        np.testing.assert_array_equal(found.data[c], local_agreement(result, reference, channel=c).data)


def test_channels_keep_their_place_among_the_axes():
    result = textured((96, 128, 2), "YXC")
    found = agreement_map(result, noisy(result))
    assert (found.axes, found.shape) == ("YXC", (96, 128, 2))
    swapped = agreement_map(*(i.replace(data=np.moveaxis(i.data, 2, 0), axes="CYX") for i in (result, noisy(result))))
    np.testing.assert_array_equal(np.moveaxis(found.data, 2, 0), swapped.data)


def test_agreement_has_holes_where_a_pixel_is_not_finite():
    result = textured()
    data = np.array(result.data)
    data[:20, 30] = np.nan
    found = np.asarray(agreement_map(result.replace(data=data), noisy(result)).data)
    assert np.isnan(found[:20, 30]).all()
    assert np.isfinite(found).mean() > 0.5


def test_an_agreement_about_nothing_is_refused():
    one, other = textured(), textured(seed=7)
    with pytest.raises(EvaluationError, match="would be empty") as caught:
        agreement_map(one, other.replace(data=np.random.default_rng(5).random(other.shape).astype(np.float32)))
    assert "`register`" in caught.value.remedy


@pytest.mark.parametrize("make", [difference_map, ssim_map, agreement_map])
def test_maps_are_of_the_registered_reference_when_asked(make):
    result = textured((160, 176))
    reference = result.replace(data=shift(result.data, (2.4, -1.7), order=3, mode="mirror"))
    moved = register(result, reference)
    found = make(result, reference, register=True)
    np.testing.assert_array_equal(found.data, make(moved.result, moved.reference).data)
    np.testing.assert_array_equal(found.affine, moved.result.affine)
    assert found.shape != result.shape, "only what both show after the shift"
    with pytest.raises(EvaluationError):
        make(result, result.replace(data=np.zeros_like(result.data)), register="rigid")


def test_the_residual_lies_on_the_input_and_is_that_of_each_channel():
    reference = textured((2, 96, 128), "CYX")
    lr = degrade(reference, 2, kernel="gaussian", psf_sigma=1.2, photons=400, read_noise=2, seed=0)
    found = residual_map(reference, lr)
    assert (found.axes, found.shape, found.dtype) == ("CYX", lr.shape, np.float32)
    np.testing.assert_array_equal(found.affine, lr.affine)
    for c in range(2):
        np.testing.assert_array_equal(found.data[c], check_consistency(reference, lr, channel=c).residual.data)


def test_a_residual_without_noise_to_measure_it_by_is_refused():
    reference = textured((64, 64))
    smooth = reference.replace(data=gaussian_filter(np.asarray(reference.data), 8))
    with pytest.raises(EvaluationError, match="noise, which cannot be measured"):
        residual_map(smooth, degrade(smooth, 2))


def test_average_samples():
    random = np.random.default_rng(0)
    data = random.integers(0, 255, (5, 6, 4)).astype(np.uint8)
    found = average_samples(Image.from_array(data, "YXS", pixel_size=0.1))
    assert found.axes == "YX"
    np.testing.assert_allclose(found.data, data[..., :3].mean(axis=-1))
    plain = Image.from_array(data[..., 0], "YX")
    np.testing.assert_array_equal(average_samples(plain).data, plain.data)
