"""Losses: known answers, gradients, descriptions."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from napari_superres.errors import TrainingError
from napari_superres.training.losses import Loss, make_loss, spectral_distance, ssim


@pytest.fixture
def pair():
    random = torch.Generator().manual_seed(0)
    true = torch.rand(2, 1, 24, 26, generator=random, dtype=torch.float64)
    return (true + 0.1 * torch.randn(true.shape, generator=random, dtype=torch.float64)), true


def test_pixels_against_their_formulas(pair):
    found, true = pair
    off = found - true
    expected = {"l1": off.abs().mean(), "mse": (off**2).mean(), "charbonnier": (off**2 + 1e-6).sqrt().mean()}
    for kind, value in expected.items():
        assert torch.allclose(make_loss({"kind": kind, "finish": kind})(found, true, 0.0), value)
    # Of each patch by itself: 20 dB, and one without error, which stops at 60.
    off_by = torch.tensor([0.1, 0.0], dtype=torch.float64)[:, None, None, None]
    decibels = make_loss({"kind": "psnr"})(true + off_by, true, 0.9)
    assert float(decibels) == pytest.approx(1 - (20 + 60) / 2 / 100, abs=1e-5)
    inside = found.clamp(0.01, 0.99)
    entropy = -(true * inside.log() + (1 - true) * (1 - inside).log()).mean()
    assert torch.allclose(make_loss({"kind": "bce"})(inside, true, 0.9), entropy)


def test_ssim_is_that_of_the_literature(pair):
    """Compare with scikit-image, whose mean also leaves out the border where windows do not fit."""
    found, true = pair
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    expected = np.mean(
        [structural_similarity(t[0].numpy(), f[0].numpy(), **options) for f, t in zip(*pair, strict=True)]
    )
    assert float(ssim(found, true)) == pytest.approx(expected, abs=1e-6)
    assert float(ssim(true, true)) == pytest.approx(1.0)
    volume = found.reshape(1, 1, 2, 24, 26), true.reshape(1, 1, 2, 24, 26)
    assert torch.allclose(ssim(*volume), ssim(*pair)), "of volumes it is that of their planes"


def test_the_distance_of_spectra_sees_one_wave():
    """A wave of amplitude a has modulus a/2 * sqrt(HW) at one frequency of the real transform."""
    x = torch.cos(2 * torch.pi * 3 * torch.arange(16.0) / 16).repeat(8, 1)[None, None]
    assert float(spectral_distance(0.4 * x, 0 * x)) == pytest.approx(0.2 * (8 * 16) ** 0.5 / (8 * 9), rel=1e-5)


def test_terms_add_up_and_the_last_fifth_is_squared(pair):
    found, true = pair
    loss = make_loss({"ssim": 0.2, "fourier": 0.5})
    extra = 0.2 * (1 - ssim(found, true)) + 0.5 * spectral_distance(found, true)
    assert torch.allclose(loss(found, true, 0.5), (found - true).abs().mean() + extra)
    assert torch.allclose(loss(found, true, 0.81), ((found - true) ** 2).mean() + extra)


@pytest.mark.parametrize("settings", [{}, {"kind": "charbonnier", "ssim": 0.3}, {"kind": "mse", "fourier": 0.1}])
def test_descent_lowers_it(settings, pair):
    loss, true = make_loss(settings), pair[1]
    found = pair[0].clone().requires_grad_()
    optimizer = torch.optim.Adam([found], lr=0.01)
    before = loss(found, true, 0.0).item()
    for _ in range(20):
        optimizer.zero_grad()
        loss(found, true, 0.0).backward()
        optimizer.step()
    assert loss(found, true, 0.0).item() < 0.6 * before


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "l2"}, "loss kind must be one of l1, charbonnier, mse, psnr, bce, got 'l2'"),
        ({"finish": "nothing"}, "loss finish must be one of"),
        ({"ssim": -1}, "loss ssim must be a weight of at least 0, got -1"),
        ({"fourier": "much"}, "loss fourier must be a weight"),
        ({"tv": 1}, "loss has no setting tv. Valid settings: kind, finish, ssim, fourier"),
    ],
)
def test_losses_that_cannot_be(settings, said):
    with pytest.raises(TrainingError, match=said):
        make_loss(settings)


def test_cross_entropy_needs_a_sigmoid(pair):
    with pytest.raises(TrainingError, match="ends in a sigmoid"):
        make_loss({"kind": "bce"})(pair[0] + 1, pair[1], 0.0)


def test_cards_say_what_was_lowered():
    assert Loss().describe() == "L1, then MSE"
    assert make_loss({"kind": "bce"}).describe() == "binary cross-entropy"
    assert make_loss({"kind": "psnr"}).describe() == "PSNR"
    assert make_loss({"kind": "mse", "ssim": 0.2}).describe() == "MSE + 0.2 (1 - SSIM)"
