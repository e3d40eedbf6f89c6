"""The instrument that tells the network how it blurred and how noisy it is."""

import numpy as np
import pytest
import skimage.data
import torch
from helpers.prepared import SAMPLES
from numpy.typing import NDArray

from napari_superres import read_image
from napari_superres.core.binning import bin_mean
from napari_superres.core.conditions import CONDITIONS, encode
from napari_superres.core.noise import measure_noise
from napari_superres.degradation.instruments import Conditioned, Strengths, make_instrument
from napari_superres.degradation.kspace import rician, truncate
from napari_superres.degradation.optics import blur
from napari_superres.degradation.resample import resize_bicubic
from napari_superres.errors import SettingsError


def patches(count: int, size: int) -> torch.Tensor:
    """Return the same part of a photograph, `count` times."""
    scene = skimage.data.camera()[100 : 100 + size, 100 : 100 + size].astype(np.float32) / 255
    return torch.from_numpy(np.repeat(scene[None, None], count, axis=0))


def expose(scale: int, count: int = 200, seed: int = 3) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    instrument = Conditioned()
    margin = instrument.margin((scale, scale))
    hr = patches(count, 32 * scale + 2 * margin[0])
    low, high = instrument.expose(hr, None, (scale, scale), np.random.default_rng(seed))
    return low.numpy(), high.numpy(), margin[0]


@pytest.mark.parametrize("scale", [1, 2])
def test_patches_carry_one_constant_plane_per_condition(scale: int) -> None:
    low, high, _ = expose(scale)
    assert low.shape == (200, 1 + len(CONDITIONS), 32, 32)
    assert high.shape == (200, 1, 32 * scale, 32 * scale)
    assert np.ptp(low[:, 1:], axis=(2, 3)).max() == 0
    told = low[:, 1:, 0, 0]
    assert (told >= 0).all()
    assert 0.05 < (told[:, 0] == 0).mean() < 0.3
    assert 0.05 < (told[:, 1:] == 0).all(1).mean() < 0.3


def test_noise_has_the_variance_that_is_told_or_less() -> None:
    low, high, _ = expose(2, count=400)
    sigma, gain, read_noise = low[:, 1:, 0, 0].T
    variances, expected = [], []
    for each, clean, s, a, b in zip(low[:, 0], high[:, 0], sigma, gain, read_noise, strict=True):
        if s == 0:  # blurred by nothing: the noise-free patch is the mean over pixels
            mean = bin_mean(clean, (2, 2))
            variances.append(np.var(each - mean))
            expected.append((a / 3) ** 2 * mean.mean() + (b / 5) ** 2)
    ratio = np.array(variances) / np.maximum(expected, 1e-9)
    noisy = np.array(expected) > 1e-6
    assert np.quantile(ratio[noisy], 0.9) < 1.9  # some are told too little, by the error of measuring
    assert 0.8 < np.median(ratio[noisy]) < 1.1
    assert np.array(variances)[~noisy].max() < 1e-9


def test_blur_is_the_one_that_is_told_or_a_little_wider() -> None:
    """A known width is told too narrow, so the network learns that it is."""
    low, _, margin = expose(2, count=300)
    clean = (low[:, 2] == 0).all((1, 2)) & (low[:, 3] == 0).all((1, 2))
    assert clean.sum() > 10
    scene, found = patches(1, 64 + 2 * margin)[0, 0].numpy(), []
    for each in low[clean]:
        if each[0].std() < 1e-3:  # contrast and offset are drawn
            continue
        widths = 2 * each[1, 0, 0] + np.arange(0, 0.26, 0.025)
        blurred = (blur(scene, (s, s))[margin:-margin, margin:-margin] for s in widths)
        alike = [np.corrcoef(bin_mean(b, (2, 2)).ravel(), each[0].ravel())[0, 1] for b in blurred]
        assert max(alike) > 0.99999
        found.append(float(widths[int(np.argmax(alike))]) - 2 * each[1, 0, 0])
    assert 0.08 < np.mean(found) < 0.17


def test_some_patches_are_flat_and_all_stay_within_the_range() -> None:
    low, high, _ = expose(2, count=400)
    assert 0.005 < (np.ptp(high, axis=(1, 2, 3)) == 0).mean() < 0.12
    assert high.min() >= 0
    assert high.max() <= 1
    assert np.isfinite(low).all()


def test_draws_depend_on_the_generator_alone() -> None:
    first, again, other = expose(2, 8, seed=1)[0], expose(2, 8, seed=1)[0], expose(2, 8, seed=2)[0]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_its_ranges_are_those_of_the_card() -> None:
    instrument = make_instrument({"kind": "conditioned", "psf_sigma": [0, 1], "gain": [0.001, 0.01]})
    assert instrument.conditions == {"psf_sigma": (0, 1), "gain": (0, 0.01), "read_noise": (0, 0.25)}
    assert "told" in instrument.describe()
    with pytest.raises(SettingsError, match="read_noise must be a range"):
        make_instrument({"kind": "conditioned", "read_noise": [0, 0.1]})


def test_planes_are_encoded_to_about_one() -> None:
    assert encode("psf_sigma", 2.0) == 1.0
    assert encode("gain", 0.04) == pytest.approx(0.6)
    assert encode("read_noise", 0.15) == pytest.approx(0.75)


def test_noise_of_the_original_is_told_of_most_patches_as_far_as_the_blur_leaves_it() -> None:
    instrument = Conditioned()
    margin = instrument.margin((2, 2))
    hr = patches(600, 32 + 2 * margin[0])

    def told(own: tuple[float, float]) -> NDArray[np.float64]:
        noise = torch.tensor([own] * len(hr))
        low = instrument.expose(hr, None, (2, 2), np.random.default_rng(3), noise)[0][:, 1:, 0, 0].double().numpy()
        return np.stack([2 * low[:, 0], (low[:, 1] / 3) ** 2, low[:, 2] / 5], axis=1)

    none, some = told((0.0, 0.0)), told((0.0, 0.05))
    added = np.sqrt(np.maximum(some[:, 2] ** 2 - none[:, 2] ** 2, 0))
    assert np.array_equal(none[:, :2], some[:, :2])
    sharp, wide = none[:, 0] == 0, none[:, 0] > 1.5
    assert 0.5 < (added[sharp] > 1e-3).mean() < 0.9
    assert 0.0499 < added[sharp].max() < 0.0501  # some of them have no blur at all
    assert added[wide].max() < 0.002


@pytest.mark.parametrize("reduction", ["binning", "bicubic", "kspace"])
def test_given_strengths_are_recorded_and_told(reduction: str) -> None:
    """One blur per patch, then the reduction of the whole plane, then noise of the variance gain x + read noise^2."""
    instrument = Conditioned(reduction=reduction)
    margin = instrument.margin((2, 2))[0]
    scene = patches(2, 128 + 2 * margin)
    clean = Strengths(torch.tensor([0.0, 1.3]), torch.zeros(2), torch.zeros(2))
    low, high = (part.numpy() for part in instrument.record(scene, clean, (2, 2)))
    assert np.array_equal(high, scene[..., margin:-margin, margin:-margin].numpy())
    for sigma, each in zip((0.0, 1.3), low, strict=True):
        wide = blur(scene[0, 0].numpy().astype(np.float64), (sigma, sigma))
        reduced = resize_bicubic(wide, 2) if reduction == "bicubic" else bin_mean(wide, (2, 2))
        inside = slice(margin // 2, -(margin // 2))
        assert np.abs(each[0] - reduced[inside, inside]).max() < 2e-3  # the kernels end at different distances
        assert each[1:, 0, 0] == pytest.approx([sigma / 2, 0, 0])
    noisy = Strengths(clean.psf_sigma, torch.tensor([0.01, 0.0]), torch.tensor([0.0, 0.05]))
    recorded = instrument.record(scene, noisy, (2, 2), generator=torch.Generator().manual_seed(0))[0].numpy()
    difference = recorded[:, 0] - low[:, 0]
    assert difference[0].var() == pytest.approx(0.01 * low[0, 0].mean(), rel=0.06)
    assert difference[1].std() == pytest.approx(0.05, rel=0.03)
    assert recorded[:, 2:, 0, 0] == pytest.approx(np.array([[0.3, 0], [0, 0.25]]))


def truncated(
    count: int, *, read_noise: tuple[float, float] = (2e-3, 0.25)
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the patches of truncated k-space of a batch, with what is told of them, and the originals."""
    instrument = Conditioned(reduction="kspace", read_noise=read_noise)
    margin = instrument.margin((2, 2))[0]
    scene = skimage.data.camera()[:256, :256].astype(np.float32) / 255
    reduced = instrument.reduce(scene, (2, 2))
    assert reduced is not None
    hr = torch.from_numpy(np.repeat(scene[None, None], count, axis=0))
    lr = torch.from_numpy(np.repeat(reduced[None, None], count, axis=0))
    low, high = instrument.expose(hr, lr, (2, 2), np.random.default_rng(5), torch.zeros(count, 2))
    assert high.shape[2:] == (256 - 2 * margin, 256 - 2 * margin)
    return low[: 2 * count // 3].numpy(), high[: 2 * count // 3].numpy()


def test_scanners_truncate_k_space_of_two_thirds_of_the_patches() -> None:
    """Some scenes are smooth: then both the original and the recording are blurred, by one sigma."""
    margin = Conditioned(reduction="kspace").margin((2, 2))[0]
    inside, inside_low = (slice(m, -m) for m in (margin, margin // 2))
    scene = skimage.data.camera()[:256, :256] / 255.0
    sigmas = [0.0, *np.arange(0.3, 1.51, 0.1)]
    originals = [blur(scene, (sigma, sigma)) for sigma in sigmas]
    found = []
    for low, high in zip(*truncated(150), strict=True):
        if not low[2:].any() and np.ptp(low[0]):  # clean; contrast and offset are drawn
            alike = [np.corrcoef(high.ravel(), each[inside, inside].ravel())[0, 1] for each in originals]
            best = int(np.argmax(alike))
            expected = truncate(originals[best], (2, 2))[inside_low, inside_low]
            least = 0.9995 if best else 0.999999  # the sigmas that are tried lie up to 0.05 pixels apart
            assert min(alike[best], np.corrcoef(low[0].ravel(), expected.ravel())[0, 1]) > least
            found.append(sigmas[best])
    assert 0.4 < np.mean(np.array(found) == 0) < 0.8
    assert max(found) > 1.2


def test_noise_is_told_of_some_recordings_without_any() -> None:
    """Texture is measured as noise, and a network that believed it would lose it."""
    low, _ = truncated(300, read_noise=(0.2, 0.25))
    gain, read_noise = (low[:, 2, 0, 0] / 3) ** 2, low[:, 3, 0, 0] / 5
    quiet = gain + read_noise < 0.05
    assert 0.3 < quiet.mean() < 0.5
    assert 0.45 < (gain + read_noise > 0)[quiet].mean() < 0.7


def test_noise_of_magnitudes_is_told_as_it_is_measured() -> None:
    """Twice the variance in the light as in the dark is a gain; an image without darkness shows none."""
    low, _ = truncated(300, read_noise=(0.05, 0.05))
    told = low[:, 1:, 0, 0]
    assert (told[:, 0] == 0).all()
    gain, read_noise = (told[:, 1] / 3) ** 2, told[:, 2] / 5
    has_line = gain > 0
    assert 0.5 < has_line[read_noise > 0].mean() < 0.9
    assert np.median(read_noise[has_line]) == pytest.approx(0.655 * 0.05, rel=0.1)
    assert np.median(np.sqrt(gain * 0.6 + read_noise**2)[has_line]) == pytest.approx(0.05, rel=0.2)
    assert np.median(read_noise[~has_line & (read_noise > 0)]) == pytest.approx(0.05, rel=0.1)
    brain = np.asarray(read_image(SAMPLES / "brain_hr.nii.gz").data).astype(np.float64)
    planes = [truncate(plane / brain.max(), (2, 2)) for plane in brain[::8]]
    random = np.random.default_rng(0)
    found = measure_noise([rician(plane, 0.05, random) for plane in planes])
    assert found.read_noise == pytest.approx(0.655 * 0.05, rel=0.15)
    assert found.gain == pytest.approx(np.median(gain[has_line]), rel=0.6)


def test_magnitudes_of_darkness_are_to_become_dark() -> None:
    """The noise of a magnitude has a mean above 0, which the network learns to remove."""
    instrument = Conditioned(reduction="kspace", read_noise=(0.05, 0.05))
    edge = 32 + instrument.margin((2, 2))[0]
    dark = torch.zeros(90, 1, 2 * edge, 2 * edge)
    low, high = instrument.expose(dark, dark[..., :edge, :edge], (2, 2), np.random.default_rng(0))
    noisy = low[:60][(low[:60, 0].amax((1, 2)) > 0) & (high[:60].amax((1, 2, 3)) == 0)]
    assert len(noisy) > 10
    assert noisy[:, 0].mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.02)
