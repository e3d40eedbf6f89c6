"""Instruments: the strength of noise, the position of pixels, and invalid settings."""

import numpy as np
import pytest
import torch

from napari_superres.degradation import kspace
from napari_superres.degradation.instruments import make_instrument
from napari_superres.errors import SettingsError


def seen(settings, high, scale=(2, 2)):
    instrument = make_instrument(settings)
    reduced = instrument.reduce(high.numpy()[0, 0], scale)
    low = None if reduced is None else torch.from_numpy(reduced)[None, None]
    return instrument.expose(high, low, scale, np.random.default_rng(0))


def test_photon_noise_has_the_right_strength():
    settings = {"kind": "optics", "psf_sigma": [1.0, 1.0], "photons": [100, 100], "read_noise": [3.0, 3.0]}
    low, high = seen(settings, torch.full((1, 1, 264, 264), 0.5))
    assert low.shape[-1] * 2 == high.shape[-1] == 256
    assert low.mean().item() == pytest.approx(0.5, abs=0.005)
    assert low.std().item() == pytest.approx((50 + 9) ** 0.5 / 100, rel=0.03)


def test_detector_noise_has_the_right_strength():
    low, _ = seen(
        {"kind": "optics", "psf_sigma": [1.0, 1.0], "read_noise": [0.1, 0.1]}, torch.full((1, 1, 264, 264), 0.5)
    )
    assert low.std().item() == pytest.approx(0.1, rel=0.03)


def test_rician_noise_is_that_of_a_magnitude():
    """Noise is Rayleigh without signal, and nearly Gaussian where the signal is strong."""
    settings = {"kind": "kspace", "noise": [0.05, 0.05]}
    dark, _ = seen(settings, torch.zeros(1, 1, 512, 512))
    assert dark.mean().item() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.01)
    bright, _ = seen(settings, torch.full((1, 1, 512, 512), 0.8))
    assert bright.std().item() == pytest.approx(0.05, rel=0.02)


def test_a_camera_is_full_and_has_grey_levels():
    ramp = torch.linspace(0, 1, 120).repeat(120, 1)[None, None]
    settings = {"kind": "optics", "psf_sigma": [0.5, 0.5]}
    free, _ = seen(settings, ramp)
    full, high = seen({**settings, "saturation": [0.6, 0.6], "levels": [10, 10]}, ramp)
    assert torch.equal(full, (free.clamp(max=0.6) * 10).round() / 10)
    assert float(high.max()) > 0.9  # the truth is not clipped
    few, _ = seen({**settings, "levels": [0.1, 0.2]}, ramp)
    assert torch.equal(few, free.round())
    said = make_instrument({**settings, "saturation": [0.6, 0.9], "levels": [10, 255]}).describe()
    assert said.endswith("full at 0.6-0.9 of the brightest; 10-255 grey levels")


def test_patches_that_are_nearly_clean_are_not_rare():
    """A fifth of the patches has less than 1/25 of the highest noise; of uniform draws, only 1/25 would have."""
    flat = torch.full((1000, 1, 16, 16), 0.8)
    instrument = make_instrument({"kind": "kspace", "noise": [0.0, 0.05]})
    low, _ = instrument.expose(flat, flat, (2, 2), np.random.default_rng(0))
    spread = low.std(dim=(1, 2, 3))
    assert float((spread < 0.002).float().mean()) == pytest.approx(0.2, abs=0.05)
    assert 0.045 < float(spread.max()) < 0.06


@pytest.mark.parametrize(("n", "factor"), [(24, 2), (26, 2), (27, 3), (30, 3), (40, 4), (25, 5)])
def test_truncation_samples_slow_waves_where_the_new_pixels_lie(n, factor):
    def wave(at):
        return 1.5 + np.cos(2 * np.pi * (2 * at / n + 0.1)) + 0.3 * np.sin(2 * np.pi * at / n)

    centres = factor * np.arange(n // factor) + (factor - 1) / 2
    low = kspace.truncate(np.outer(wave(np.arange(n)), np.ones(4)), (factor, 1))
    np.testing.assert_allclose(low[:, 0], wave(centres), atol=1e-12)
    np.testing.assert_allclose(kspace.fill_zeros(low, (factor, 1))[:, 1], wave(np.arange(n)), atol=1e-12)


def test_truncation_keeps_the_mean_and_drops_the_rest():
    values = np.random.default_rng(0).random((33, 20, 12))
    low = kspace.truncate(values, (1, 2, 3))
    assert low.shape == (33, 10, 4)
    np.testing.assert_allclose(low.mean((1, 2)), values.mean((1, 2)), rtol=1e-12)
    again = kspace.truncate(kspace.fill_zeros(low, (1, 2, 3)), (1, 2, 3))
    assert np.abs(again - low).max() < 0.2


@pytest.mark.parametrize("psf", ["gaussian", "widefield", "confocal"])
def test_a_point_is_as_wide_as_asked(psf):
    """Measure the width of the core by the curvature of its peak."""
    instrument = make_instrument({"kind": "optics", "psf_sigma": [3.0, 3.0], "psf": psf})
    margin = instrument.margin((1, 1))
    point = torch.zeros(1, 1, 41 + 2 * margin[0], 41 + 2 * margin[1])
    point[0, 0, margin[0] + 20, margin[1] + 20] = 1.0
    low, high = instrument.expose(point, None, (1, 1), np.random.default_rng(0))
    assert high[0, 0, 20, 20] == 1
    row = low[0, 0, 20, 20:].numpy()
    sigma = 1 / np.sqrt(-2 * np.log(row[1] / row[0]))
    assert sigma == pytest.approx(3.0 / (2**0.5 if psf == "confocal" else 1), rel=0.08)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "one of bicubic, optics, movie, views, slices, kspace, recorded, conditioned, splits, .* got None"),
        ({"kind": "magic"}, "got 'magic'"),
        ({"kind": "bicubic", "photons": [1, 2]}, "bicubic has no setting photons. Valid settings: eight_bit"),
        ({"kind": "optics"}, r"optics needs psf_sigma, a range \[lowest, highest\]"),
        ({"kind": "optics", "psf_sigma": 2.0}, "psf_sigma must be a range"),
        ({"kind": "optics", "psf_sigma": [2.0, 1.0]}, "psf_sigma must be a range"),
        ({"kind": "optics", "psf_sigma": [1.0, 1.0], "photons": [0, 5]}, "photons must be a range"),
        ({"kind": "optics", "psf_sigma": [1.0, 1.0], "psf": "box"}, "psf must be one of gaussian, widefield, confocal"),
        ({"kind": "kspace", "noise": [-1, 5]}, "noise must be a range"),
        ({"kind": "optics", "psf_sigma": ["a", "b"]}, "psf_sigma must be a range"),
        ({"kind": "optics", "psf_sigma": [1, 1], "levels": [0, 5]}, "levels must be .* above 0"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, said):
    with pytest.raises(SettingsError, match=said):
        make_instrument(settings)


def test_cards_say_what_was_done():
    said = make_instrument({"kind": "optics", "psf_sigma": [0.8, 2.2], "photons": [15, 400]}).describe()
    assert (
        said
        == "Gaussian PSF, sigma 0.8-2.2 fine pixels; binning; 15-400 photons at the brightest; read noise 0 electrons"
    )
