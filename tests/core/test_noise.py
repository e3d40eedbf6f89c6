"""Noise that was added to images is measured, and structure is not taken for noise."""

import numpy as np
import pytest
from skimage import data

from napari_superres.core.noise import Noise, measure_noise
from napari_superres.degradation.optics import bin_mean, blur
from napari_superres.errors import SettingsError

IMAGES = ["camera", "coins", "moon", "brick", "grass", "gravel", "cell"]


def clean(name, sigma=1.0):
    """Return an image of 0 to 1 without noise: blurred and shrunken."""
    plane = bin_mean(blur(getattr(data, name)(), (sigma, sigma)), (2, 2))
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
        assert found.sigma(at) == pytest.approx(np.sqrt(gain * at + read_noise**2), rel=0.2)


@pytest.mark.parametrize("name", IMAGES)
def test_structure_is_not_noise(name):
    plane = clean(name, sigma=1.5)
    assert measure_noise([plane]).sigma(np.median(plane)) < 0.005


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


def test_strength_multiplies_the_standard_deviation():
    found = Noise(gain=2.0, read_noise=10.0, offset=100.0)
    for intensity in (0, 100, 5000):
        assert found.scaled(1.5).sigma(intensity) == pytest.approx(1.5 * found.sigma(intensity))


def test_constant_images_have_no_noise():
    assert measure_noise([np.full((40, 40), 7, np.uint8)]) == Noise(0.0, 0.0, 7.0)


@pytest.mark.parametrize("planes", [[], [np.zeros((0, 9))], [np.full((64, 64), np.nan)], [np.eye(15)]])
def test_what_cannot_be_measured_is_told(planes):
    with pytest.raises(SettingsError, match=r"at least 4 blocks of 8 x 8 pixels .* this image has [01]"):
        measure_noise(planes)
