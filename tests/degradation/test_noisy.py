"""Noisy images are split into parts of independent noise and the same mean."""

import numpy as np
import pytest
import torch

from napari_superres.degradation.instruments import make_instrument
from napari_superres.degradation.instruments.noisy import split
from napari_superres.errors import SettingsError


@pytest.mark.parametrize(("gain", "read_noise"), [(0.02, 0.0), (0.02, 0.05), (0.0, 0.05)])
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_parts_keep_the_mean_and_share_no_noise(gain, read_noise, share):
    rng = np.random.default_rng(0)
    truth = np.full((300, 300), 0.4)
    counts = rng.poisson(truth / gain) * gain if gain else truth
    noisy = counts + read_noise * rng.normal(size=truth.shape)
    first, second = split(noisy, gain, read_noise, share, rng)
    variance = gain * 0.4 + read_noise**2
    assert first.mean() == pytest.approx(0.4, abs=4 * np.sqrt(variance / share / truth.size))
    assert first.var() == pytest.approx(variance / share, rel=0.04)
    assert second.var() == pytest.approx(variance / (1 - share), rel=0.04)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 4 / 300
    assert share * first + (1 - share) * second == pytest.approx(noisy)


@pytest.mark.parametrize("photons", [0.5, 3.0])
def test_darkness_above_zero_is_no_light(photons):
    """A range that begins below darkness, as of images with read noise: the dark parts share no noise either."""
    rng = np.random.default_rng(0)
    noisy = 0.1 + 0.02 * rng.poisson(photons, (400, 400))
    first, second = split(noisy, 0.02, 0.0, 0.7, rng, dark=0.1)
    assert first.mean() == pytest.approx(0.1 + 0.02 * photons, abs=0.001)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 4 / 400
    unaware = split(noisy, 0.02, 0.0, 0.7, rng)
    assert np.corrcoef(unaware[0].ravel(), unaware[1].ravel())[0, 1] < -0.05


def test_with_a_known_blur_inputs_are_as_blurred_in_their_pixels_as_the_images_in_theirs():
    sigma = 2.0
    y, x = np.mgrid[:96, :96] - 47.5
    image, wider = (np.exp(-0.5 * (y**2 + x**2) / s**2) / s**2 for s in (sigma, 2 * sigma))
    splits = make_instrument({"kind": "splits", "psf_sigma": [sigma, sigma]})
    margin = splits.margin((2, 2))[0]
    given, none = torch.from_numpy(image.astype(np.float32))[None, None], torch.zeros(1, 3)
    low, high = splits.expose(given, None, (2, 2), np.random.default_rng(0), none)
    inner = slice(margin, -margin)
    expected = wider[inner, inner].reshape(48 - margin, 2, 48 - margin, 2).mean((1, 3))
    np.testing.assert_allclose(low[0, 0], expected, atol=0.01 * expected.max())
    np.testing.assert_allclose(high[0, 0], image[inner, inner], atol=1e-6)
    assert make_instrument({"kind": "splits"}).margin((2, 2)) == (0, 0)


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_inputs_have_the_noise_that_images_have(sigma):
    rng = np.random.default_rng(0)
    splits = make_instrument({"kind": "splits", "psf_sigma": [sigma, sigma]})
    noisy = torch.from_numpy((0.5 + 0.05 * rng.normal(size=(4, 1, 128, 128))).astype(np.float32))
    low, _ = splits.expose(noisy, None, (2, 2), rng, torch.tensor([[0.0, 0.05, 0.0]] * 4))
    assert float(low.std()) == pytest.approx(0.05, rel=0.03)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_network_is_told_the_noise_that_its_input_has(scale):
    rng = np.random.default_rng(0)
    told = {"psf_sigma": [0.0, 2.0], "gain": [0.0, 0.2], "read_noise": [0.0, 0.25]}
    splits = make_instrument({"kind": "splits", "share": [0.5, 0.5], "told": told})
    assert list(splits.conditions) == list(told)
    noisy = torch.from_numpy((0.02 * rng.poisson(25, (1, 1, 256, 256))).astype(np.float32))
    low, high = splits.expose(noisy, None, (scale, scale), rng, torch.tensor([[0.02, 0.0, 0.0]]))
    assert low.shape == (1, 4, 256 // scale, 256 // scale)
    assert high.shape == noisy.shape
    gain = (low[0, 2] / 3) ** 2  # see `core.conditions.encode`
    assert float(gain.std()) == 0
    assert float(low[0, 0].var()) == pytest.approx(float(gain[0, 0]) * 0.5, rel=0.03)
    assert float(low[0, 1].max()) == float(low[0, 3].max()) == 0


def test_without_noise_both_parts_are_the_image():
    image = np.random.default_rng(0).random((5, 5))
    for part in split(image, 0.0, 0.0, 0.5, np.random.default_rng(1)):
        assert part == pytest.approx(image)


def test_a_halved_input_has_the_noise_of_the_image():
    """The network will see images whose noise was not averaged by binning."""
    rng = np.random.default_rng(0)
    noisy = torch.from_numpy((rng.poisson(0.5 / 0.02, (1, 1, 400, 400)) * 0.02).astype(np.float32))
    low, high = make_instrument({"kind": "splits"}).expose(noisy, None, (2, 2), rng, torch.tensor([[0.02, 0.0, 0.0]]))
    assert low.shape == (1, 1, 200, 200)
    assert float(low.var()) == pytest.approx(float(noisy.var()), rel=0.05)
    assert high.shape == noisy.shape


def test_neighbours_are_other_pixels_of_the_same_cell():
    patch = torch.arange(64.0).reshape(1, 1, 8, 8)
    instrument = make_instrument({"kind": "neighbours"})
    low, high = instrument.expose(patch, None, (1, 1), np.random.default_rng(0))
    assert low.shape == high.shape == (1, 1, 4, 4)
    assert set((low - high).abs().unique().tolist()) <= {1.0, 8.0}
    cells = (low // 16) * 4 + (low % 8) // 2
    assert torch.equal(cells[0, 0], torch.arange(16.0).reshape(4, 4))


@pytest.mark.parametrize("share", [(0.0, 0.5), (0.5, 1.0), (0.9, 0.5), 0.5])
def test_a_share_lies_between_0_and_1(share):
    with pytest.raises(SettingsError, match="share must be a range"):
        make_instrument({"kind": "splits", "share": share})
