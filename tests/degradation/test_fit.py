"""Fits recover the camera and the blur that made some images."""

import numpy as np
import pytest
from scipy import ndimage

from napari_superres.core.binning import bin_mean
from napari_superres.degradation.fit import fit_camera, fit_psf
from napari_superres.degradation.optics import blur
from napari_superres.errors import SettingsError


def scene(seed, size=512):
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).random((size, size)), 12.0)
    spots = ndimage.gaussian_filter((np.random.default_rng(seed + 9).random((size, size)) > 0.999) * 1.0, 3.0)
    return (smooth - smooth.min()) / np.ptp(smooth) + 2 * spots / spots.max()


def recorded(electrons, gain, offset, read_noise, seed=0):
    rng = np.random.default_rng(seed)
    seen = gain * rng.poisson(electrons) + offset + rng.normal(0, read_noise, electrons.shape)
    return np.rint(seen).clip(0, 65535).astype(np.uint16)


@pytest.mark.parametrize(
    ("light", "gain", "offset", "read_noise"), [(200, 2.0, 100, 3.0), (50, 8.0, 400, 12.0), (2000, 1.0, 100, 2.0)]
)
def test_a_camera_is_found_again(light, gain, offset, read_noise):
    found = fit_camera([recorded(scene(i) * light, gain, offset, read_noise, i) for i in range(3)])
    assert found.gain == pytest.approx(gain, rel=0.15)
    assert found.high == pytest.approx(offset + gain * light * np.percentile(scene(0), 99.9), rel=0.2)
    # Little is dark in the scene: what was darkest stands for it, and its noise for that of reading.
    assert found.offset >= offset
    for grey in (found.offset, found.high):
        true = gain * (grey - offset) + read_noise**2
        assert found.gain * (grey - found.offset) + found.read_noise**2 == pytest.approx(true, rel=0.25)


def test_noise_that_does_not_grow_with_light():
    planes = [scene(i) * 1000 + np.random.default_rng(i).normal(0, 25, (512, 512)) for i in range(2)]
    found = fit_camera(planes)
    assert found.gain == 0
    assert found.photons is None
    assert found.read_noise == pytest.approx(25, rel=0.1)
    low, high = found.optics((1.0, 2.0))["read_noise"]
    assert low < 25 / (found.high - found.offset) < high


@pytest.mark.parametrize("sigma", [0.7, 1.5, 3.0])
def test_a_blur_is_found_again(sigma):
    high = np.random.default_rng(0).random((160, 160))
    low = 3 * bin_mean(blur(high, (sigma, sigma)), (2, 2)) - 7
    assert fit_psf(low, high, 2) == pytest.approx(sigma, abs=0.02)
    noisy = low + np.random.default_rng(1).normal(0, 0.1 * low.std(), low.shape)
    assert fit_psf(noisy, high, 2) == pytest.approx(sigma, abs=0.1)


def test_what_cannot_be_fitted_is_told():
    with pytest.raises(SettingsError, match=r"at least 4 blocks of 8 x 8 pixels .* found 1"):
        fit_camera([np.random.default_rng(0).random((11, 11))])
    with pytest.raises(SettingsError, match="no noise"):
        fit_camera([np.add.outer(np.arange(300.0), np.arange(300.0))])
