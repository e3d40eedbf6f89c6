"""Laws of classical restoration: what has no noise stays, means stay, scales and offsets follow."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_superres import upscale
from napari_superres.evaluation.classical import denoise, richardson_lucy, wiener

SCENE = gaussian_filter(np.random.default_rng(0).random((96, 80)), 3)
SCENE = (SCENE - SCENE.min()) / np.ptp(SCENE)


def error(values: np.ndarray, truth: np.ndarray) -> float:
    return float(np.square(values - truth).mean())


@pytest.mark.parametrize("photons", [2, 30, 300])
def test_photon_noise_is_reduced_and_the_mean_kept(photons):
    noisy = np.random.default_rng(1).poisson(SCENE * photons) / photons
    quiet = denoise(noisy, 1 / photons, 0.0)
    assert error(quiet, SCENE) < 0.3 * error(noisy, SCENE)
    assert quiet.mean() == pytest.approx(noisy.mean(), rel=0.02)


def test_read_noise_and_offset_are_part_of_the_noise():
    random = np.random.default_rng(2)
    noisy = 100 + 40 * random.poisson(SCENE * 50) / 2 + random.normal(0, 60, SCENE.shape)
    truth = 100 + 1000 * SCENE
    assert error(denoise(noisy, 20, 60, offset=100), truth) < 0.15 * error(noisy, truth)
    assert error(denoise(noisy, 0, 120), truth) < 0.25 * error(noisy, truth)


def test_without_noise_a_plane_comes_back():
    np.testing.assert_array_equal(denoise(SCENE, 0, 0), SCENE)
    np.testing.assert_allclose(denoise(SCENE, 1e-9, 0), SCENE, atol=1e-6)


def test_units_do_not_matter():
    noisy = np.random.default_rng(1).poisson(SCENE * 30) / 30
    np.testing.assert_allclose(denoise(1000 * noisy + 7, 1000 / 30, 0, offset=7), 1000 * denoise(noisy, 1 / 30, 0) + 7)


@pytest.mark.parametrize("restore", [richardson_lucy, lambda p, s: wiener(p, s, 0.001)])
def test_deconvolution_undoes_a_blur_and_leaves_a_flat_field(restore):
    blurred = gaussian_filter(SCENE, 2, mode="reflect")
    assert error(restore(blurred, 2.0), SCENE) < 0.3 * error(blurred, SCENE)
    np.testing.assert_allclose(restore(np.full((20, 30), 5.0), 2.0), 5.0)
    shifted = restore(blurred + 300, 2.0) - 300
    np.testing.assert_allclose(shifted, restore(blurred, 2.0), atol=1e-6)


def test_the_area_of_pixels_is_undone_too():
    sharp = gaussian_filter(np.random.default_rng(0).random((96, 80)), 1.2)
    coarse = sharp.reshape(48, 2, 40, 2).mean((1, 3)).astype(np.float32)
    smooth = upscale(coarse, "bicubic-x2", axes="YX").data
    assert error(richardson_lucy(smooth, 0.0, 10, pixel=2), sharp) < 0.8 * error(smooth, sharp)
    np.testing.assert_allclose(richardson_lucy(SCENE, 0.0, 3), SCENE, atol=1e-8)  # nothing to undo


def test_borders_gain_as_the_middle_does():
    blurred = gaussian_filter(SCENE, 1, mode="reflect")
    edges = np.ones(SCENE.shape, dtype=bool)
    edges[2:-2, 2:-2] = False
    assert error(richardson_lucy(blurred, 1.0, 30)[edges], SCENE[edges]) < 0.1 * error(blurred[edges], SCENE[edges])
