"""An averaged network denoises on the grid of its image, and puts back structure that it missed."""

import numpy as np
import pytest
import skimage.data
import torch

from napari_superres import upscale
from napari_superres.core.conditions import encode
from napari_superres.errors import ModelFileError
from napari_superres.models import load_model
from napari_superres.models.architectures import build

ARGUMENTS = {"scale": [1, 1], "blocks": 1, "features": 4, "tail": "direct"}


def psnr(result: object, truth: np.ndarray) -> float:
    error = np.mean((np.asarray(result, dtype=float) - truth) ** 2)
    return float(10 * np.log10(np.ptp(truth) ** 2 / error))


@pytest.mark.parametrize(("model", "name"), [("fluo-x1", "coins"), ("em-x1", "cell"), ("photo-x1", "camera")])
def test_shipped_ones_remove_noise(model: str, name: str) -> None:
    truth = 100.0 * getattr(skimage.data, name)()[:192, :192] / 255
    noisy = np.random.default_rng(0).poisson(truth).astype(np.uint16)
    result = upscale(noisy, model, axes="YX").data
    assert result.shape == noisy.shape
    assert psnr(result, truth) > psnr(noisy, truth) + 3


def test_a_told_blur_is_undone() -> None:
    truth = skimage.data.camera()[100:292, 150:342].astype(np.float32)
    spread = np.exp(-0.5 * (np.fft.fftfreq(192)[:, None] ** 2 + np.fft.fftfreq(192) ** 2) * (2 * np.pi * 0.8) ** 2)
    blurred = np.fft.ifft2(np.fft.fft2(truth) * spread).real.astype(np.float32)
    inner = np.s_[16:-16, 16:-16]
    sharp = np.asarray(upscale(blurred, "photo-x1", axes="YX", psf_sigma=0.8, noise=0).data)
    assert psnr(sharp[inner], truth[inner]) > psnr(blurred[inner], truth[inner]) + 2


def test_structure_that_the_network_missed_is_put_back() -> None:
    """A network without weights returns the mean image: what noise does not explain comes back."""
    network = build("averaged", ARGUMENTS).eval().requires_grad_(False)
    for weight in network.parameters():
        torch.nn.init.zeros_(weight)
    network.network.interpolation = None
    torch.nn.init.constant_(network.network.tail[0].bias, 0.5)
    texture = 0.5 + 0.2 * (-1.0) ** torch.arange(40.0).repeat(40, 1)
    noise = 0.02
    x = torch.stack([texture, *(torch.full_like(texture, v) for v in (0.0, 0.0, encode("read_noise", noise)))])[None]
    kept = (network(x)[0, 0] - 0.5) / (texture - 0.5)
    assert 0.97 < float(kept.min()) <= float(kept.max()) < 1
    x[:, 1] = encode("psf_sigma", 0.5)  # what differs may be what was sharpened
    assert float((network(x)[0, 0] - 0.5).abs().max()) < 1e-6


def test_another_grid_is_refused() -> None:
    with pytest.raises(ModelFileError, match="keeps the grid"):
        build("averaged", {**ARGUMENTS, "scale": [2, 2]})


@pytest.mark.parametrize("kind", ["fluo", "em", "ct", "photo"])
def test_the_weights_are_those_of_the_finer_grid(kind: str) -> None:
    averaged, fine = (load_model(f"{kind}-x{scale}").module for scale in (1, 2))
    assert averaged is not None
    assert fine is not None
    weights = {name.removeprefix("network."): value for name, value in averaged.state_dict().items()}
    assert weights.keys() == fine.state_dict().keys()
    for name, value in fine.state_dict().items():
        assert torch.equal(weights[name], value)
