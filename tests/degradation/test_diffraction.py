"""Diffraction: compared with closed forms, and used by `degrade`."""

import numpy as np
import pytest
from scipy.special import j1

from napari_superres import Image, degrade
from napari_superres.degradation.diffraction import diffract, transfer
from napari_superres.errors import SettingsError


def airy(radius, cutoff):
    v = np.pi * cutoff * radius
    return np.where(v == 0, 1.0, (2 * j1(v) / np.where(v == 0, 1.0, v)) ** 2)


@pytest.mark.parametrize("confocal", [False, True])
def test_a_point_becomes_the_airy_pattern(confocal):
    point = np.zeros((257, 257))
    point[128, 128] = 1
    cutoff = 0.2
    found = diffract(point, cutoff, confocal=confocal)
    expected = airy(np.hypot(*np.mgrid[-128:129, -128:129]), cutoff) ** (2 if confocal else 1)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    inside = (slice(98, 159),) * 2
    np.testing.assert_allclose((found / found.max())[inside], expected[inside], atol=5e-4)


def test_waves_beyond_the_limit_vanish():
    assert transfer(0.0, 0.3) == 1
    assert transfer(np.array([0.3, 0.5]), 0.3).tolist() == [0, 0]
    assert transfer(0.15, 0.3) == pytest.approx(0.391, abs=1e-3)
    assert transfer(0.5, 0.3, confocal=True) > 0
    assert transfer(0.61, 0.3, confocal=True) == 0


def test_pixels_need_not_be_square():
    """Equal distances in world coordinates are blurred alike."""
    x = np.arange(64)
    wave = np.cos(np.pi * (x + 0.5) * 8 / 64)
    along = diffract(np.tile(wave, (32, 1)), 0.5, spacing=(0.2, 0.1))
    across = diffract(np.tile(wave[:, None], (1, 32)), 0.5, spacing=(0.1, 0.2))
    np.testing.assert_allclose(along, across.T, atol=1e-12)


def test_degrade_by_aperture_and_wavelength():
    scene = np.zeros((3, 64, 64), np.float32)
    scene[:, 32, 32] = 1000
    image = Image.from_array(scene, "ZYX", pixel_size=(300, 50, 50), unit="nanometer")
    low = degrade(image, 2, kernel="widefield", na=1.4, wavelength=0.52)
    assert low.shape == (3, 32, 32)
    np.testing.assert_allclose(low.data.sum((1, 2)) * 4, 1000, rtol=1e-5)
    assert low.metadata["degradation"]["na"] == 1.4
    same = diffract(scene[0], 2 * 1.4 / 0.52, spacing=(0.05, 0.05)).reshape(32, 2, 32, 2).mean((1, 3))
    np.testing.assert_allclose(low.data[1], same, atol=1e-4)
    sharper = degrade(image, 2, kernel="confocal", na=1.4, wavelength=0.52)
    assert sharper.data[0].max() > 1.5 * low.data[0].max()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kernel": "widefield"}, "need na and wavelength"),
        ({"kernel": "confocal", "na": 1.4}, "need na and wavelength"),
        ({"kernel": "widefield", "na": 0, "wavelength": 0.5}, "above 0"),
        ({"kernel": "widefield", "na": 1.2, "wavelength": 520}, "in micrometres, got 520. Did you mean 0.52"),
        ({"kernel": "gaussian", "na": 1.4, "wavelength": 0.5}, "belong to kernel"),
        ({"kernel": "widefield", "na": 1.4, "wavelength": 0.5, "psf_sigma": 1.0}, "has a width of its own"),
    ],
    ids=str,
)
def test_settings_that_cannot_be(options, said):
    with pytest.raises(SettingsError, match=said):
        degrade(Image.from_array(np.ones((9, 9)), "YX", pixel_size=0.1), 2, **options)


def test_a_lens_needs_a_pixel_size():
    with pytest.raises(SettingsError, match=r"pixel size.*`pixel_size`"):
        degrade(Image.from_array(np.ones((9, 9)), "YX"), 2, kernel="widefield", na=1.4, wavelength=0.5)
