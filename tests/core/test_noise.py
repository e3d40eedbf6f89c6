"""Noise that was added to images is measured, and structure is not taken for noise."""

import numpy as np
import pytest
from skimage import data

from napari_superres.core.binning import bin_mean
from napari_superres.core.noise import Noise, measure_noise
from napari_superres.degradation.optics import blur
from napari_superres.errors import SettingsError
from napari_superres.models.choice.suitability import noise_level

IMAGES = ["camera", "coins", "moon", "brick", "grass", "gravel", "cell"]


def clean(name, psf_sigma=1.0):
    """Return an image of 0 to 1 whose own noise is lost in a blur and a mean over 2 x 2 pixels."""
    plane = bin_mean(blur(getattr(data, name)(), (psf_sigma, psf_sigma)), (2, 2))
    return (plane - plane.min()) / np.ptp(plane)


def recorded(plane, gain, read_noise, seed=0):
    rng = np.random.default_rng(seed)
    light = rng.poisson(plane / gain) * gain if gain else plane
    return light + rng.normal(0, read_noise, plane.shape)


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize(("gain", "read_noise"), [(1 / 300, 0), (1 / 30, 0), (0, 0.02), (0, 0.05), (1 / 100, 0.03)])
def test_noise_of_known_strength(name, gain, read_noise):
    plane = clean(name)
    found = measure_noise([recorded(plane, gain, read_noise)])
    for at in np.quantile(plane, [0.25, 0.5, 0.9]):
        # A tenth of the contrast of grass is as fine as the pixels.
        tolerance = 0.2 if name == "grass" else 0.1
        assert found.sigma(at) == pytest.approx(np.sqrt(gain * at + read_noise**2), rel=tolerance)


@pytest.mark.parametrize(("edge", "tolerance"), [(16, 0.55), (32, 0.35), (64, 0.2)])
@pytest.mark.parametrize("name", ["camera", "brick", "cell"])
@pytest.mark.parametrize(("gain", "read_noise"), [(1 / 30, 0), (0, 0.05)])
def test_few_pixels_suffice(name, edge, tolerance, gain, read_noise):
    plane = clean(name)[100 : 100 + edge, 60 : 60 + edge]
    for seed in range(5):
        found = measure_noise([recorded(plane, gain, read_noise, seed)])
        at = np.median(plane)
        assert found.sigma(at) == pytest.approx(np.sqrt(gain * at + read_noise**2), rel=tolerance)


@pytest.mark.parametrize("name", IMAGES)
def test_structure_is_not_noise(name):
    plane = clean(name, psf_sigma=1.5)
    assert measure_noise([plane]).sigma(np.median(plane)) < 0.004
    for psf_sigma in (1.0, 1.5):
        plane = clean(name, psf_sigma)
        assert measure_noise([plane]).sigma(np.median(plane)) < 0.75 * noise_level(plane)


def test_texture_that_fills_the_image_counts_less():
    """Blades as fine as the pixels are everywhere, and the fit over blocks alone finds 1.8 times the noise."""
    plane = bin_mean(data.grass().astype(float), (4, 4))
    plane = (plane - plane.min()) / np.ptp(plane)
    at = np.median(plane)
    for seed in range(4):
        found = measure_noise([recorded(plane, 1 / 300, 0, seed)])
        assert np.sqrt(at / 300) < found.sigma(at) < 1.55 * np.sqrt(at / 300)


@pytest.mark.parametrize("edge", [64, 128, 256])
def test_noise_alone_is_not_taken_for_texture(edge):
    for seed in range(5):
        seen = 100 + np.random.default_rng(seed).normal(0, 5, (edge, edge))
        assert measure_noise([seen]).sigma(100) == pytest.approx(5, rel=0.1)


def test_planes_are_measured_together():
    plane = clean("camera")
    parts = [
        recorded(plane[i : i + 32, j : j + 32], 0.02, 0.02, i + j) for i in range(0, 224, 32) for j in (0, 96, 160)
    ]
    found = measure_noise(parts)
    assert found.sigma(0.5) == pytest.approx(np.sqrt(0.02 * 0.5 + 0.02**2), rel=0.05)


def test_scale_and_offset_go_through():
    plane = recorded(clean("camera"), 0.01, 0.01)
    found, moved = measure_noise([plane]), measure_noise([5000 * plane + 1e6])
    assert moved.gain == pytest.approx(5000 * found.gain, rel=1e-3)
    assert moved.read_noise == pytest.approx(5000 * found.read_noise, rel=1e-3)
    assert moved.offset == pytest.approx(5000 * found.offset + 1e6)


def test_the_line_stays_the_same_on_another_scale():
    found = Noise(gain=2.0, read_noise=10.0, offset=100.0)
    gain, read_noise = found.on_scale(90.0, 1090.0)
    for intensity in (100, 500, 1090):
        assert np.sqrt(gain * (intensity - 90) / 1000 + read_noise**2) * 1000 == pytest.approx(found.sigma(intensity))
    assert found.on_scale(0.0, 1000.0) == (0.002, 0.0)
    # 0 lies below darkness: the line reaches 0 at 50, a twentieth of the range.
    assert (found.darkness(0.0, 1000.0), found.darkness(90.0, 1090.0)) == (0.05, 0.0)


def test_strength_multiplies_the_standard_deviation():
    found = Noise(gain=2.0, read_noise=10.0, offset=100.0)
    for intensity in (0, 100, 5000):
        assert found.scaled(1.5).sigma(intensity) == pytest.approx(1.5 * found.sigma(intensity))


def test_a_camera_of_whole_numbers():
    plane = clean("camera")
    for noise in (0.5, 3.0):
        seen = np.rint(200 * plane + 20 + np.random.default_rng(0).normal(0, noise, plane.shape)).astype(np.uint8)
        assert measure_noise([seen]).sigma(100) == pytest.approx(np.sqrt(noise**2 + 1 / 12), rel=0.1)
    rounded = np.rint(20 * clean("camera", 1.5)).astype(np.uint8)
    assert measure_noise([rounded]).sigma(10) == pytest.approx(np.sqrt(1 / 12))
    assert measure_noise([rounded.astype(np.float32)]).sigma(10) < 0.01, "only whole numbers are known to be rounded"


@pytest.mark.parametrize("step", [3, 17])
def test_the_error_of_few_grey_levels_is_that_of_their_steps(step: int) -> None:
    levels = (step * np.rint(240 / step * clean("camera", 1.5))).astype(np.uint8)
    assert measure_noise([levels]).sigma(100) == pytest.approx(step / np.sqrt(12), rel=0.3)


@pytest.mark.parametrize("photons", [0.3, 2.0])
def test_single_photons_in_the_dark(photons):
    light = photons * clean("camera") ** 3
    found = measure_noise([np.random.default_rng(0).poisson(light).astype(np.uint16)])
    for at in np.quantile(light, [0.5, 0.9]):
        assert found.sigma(at) == pytest.approx(np.sqrt(at), rel=0.2)


def test_pixels_that_are_missing_saturated_or_far_too_bright():
    plane = clean("camera")
    noise = 0.05
    seen = recorded(plane, 0, noise)
    holes = seen.copy()
    holes[:90], holes[120, ::9] = np.nan, np.inf
    padded = np.pad(seen, 100)
    saturated = np.minimum(seen, 0.7)
    hot = np.where(np.random.default_rng(1).random(seen.shape) < 0.005, 5.0, seen)
    for image in (holes, padded, saturated, hot):
        assert measure_noise([image]).sigma(0.5) == pytest.approx(noise, rel=0.15)


def test_a_flat_field_shows_no_growth_with_brightness():
    for edge in (32, 64, 256):
        flat = 100 + 5 * np.random.default_rng(edge).normal(size=(edge, edge))
        assert measure_noise([flat]).sigma(np.array([90, 100, 110])) == pytest.approx(5, rel=0.4)


def test_constant_images_have_no_noise():
    assert measure_noise([np.full((40, 40), 7, np.uint8)]) == Noise(0.0, 0.0, 7.0)


@pytest.mark.parametrize(
    "planes", [[], [np.zeros((0, 9))], [np.full((64, 64), np.nan)], [np.eye(11)], [np.kron(np.eye(8), np.ones((8, 8)))]]
)
def test_what_cannot_be_measured_is_told(planes):
    with pytest.raises(SettingsError, match=r"at least 4 blocks of 8 x 8 pixels .* found [01]"):
        measure_noise(planes)
