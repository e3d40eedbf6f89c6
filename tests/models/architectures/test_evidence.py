"""Where an image shows nothing but noise, a conditioned network draws nothing; structure stays as it is."""

import numpy as np
import pytest
import torch

from napari_superres import upscale
from napari_superres.core.conditions import encode
from napari_superres.models import load_model
from napari_superres.models.architectures import build
from napari_superres.models.architectures.fixed.evidence import Evidence
from napari_superres.models.library.shipped import shipped_cards
from napari_superres.models.probes.halo import measure_reach, tiling_error

EDGE = 96


def told(pixels: np.ndarray, gain: float, read_noise: float = 0.0) -> torch.Tensor:
    """Return an image with the planes that tell its noise, ``(1, 4, H, W)``."""
    image = torch.from_numpy(pixels.astype("float32"))[None, None]
    values = (0.0, encode("gain", gain), encode("read_noise", read_noise))
    return torch.cat([image, *(torch.full_like(image, value) for value in values)], dim=1)


def share_kept(x: torch.Tensor, scale: int = 1) -> torch.Tensor:
    """Return how much of a network's result is kept, ``(sH, sW)``: the rest is the local mean."""
    mean = Evidence()(x, torch.zeros(1, 1, *(scale * n for n in x.shape[2:])))
    return (Evidence()(x, torch.ones_like(mean)) - mean)[0, 0]


@pytest.mark.parametrize("photons", [3, 10, 100, 1000])
@pytest.mark.parametrize("model", ["fluo-x2", "em-x2", "ct-x2", "photo-x2"])
def test_flat_fields_stay_flat(photons: int, model: str) -> None:
    network = load_model(model).for_any_image()
    for seed in range(2):
        flat = np.random.default_rng(seed).poisson(photons, (192, 192)).astype(np.uint16)
        span = np.ptp(np.percentile(flat, (0.1, 99.9)))
        result = np.asarray(upscale(flat, network, axes="YX").data, dtype=float)
        # Half a grey level is rounding: the result has the type of the image.
        assert np.abs(result - photons).max() <= 0.05 * span + 0.5


@pytest.mark.parametrize("seed", [1, 8])
@pytest.mark.parametrize("model", ["fluo-x1", "em-x1", "ct-x1", "photo-x1"])
def test_dark_pixels_by_chance_are_not_put_back(model: str, seed: int) -> None:
    flat = np.random.default_rng(seed).poisson(10, (256, 256)).astype(np.float32)
    result = np.asarray(upscale(flat, load_model(model).for_any_image(), axes="YX").data, dtype=float)
    assert np.abs(result - 10).max() <= 0.05 * np.ptp(np.percentile(flat, (0.1, 99.9)))


def test_a_line_of_noise_that_is_too_steep_makes_no_structure_of_dark_pixels() -> None:
    """Told noise that vanishes at two of ten photons, where the darkest pixels are."""
    photons = np.random.default_rng(8).poisson(10, (256, 256))
    assert share_kept(told((photons - 2) / 19, 10 / 8 / 19)).max() < 0.01


@pytest.mark.parametrize(("gain", "read_noise"), [(0.1, 0.0), (0.0, 0.1), (0.02, 0.05), (1e-4, 1e-3)])
def test_noise_alone_is_chance(gain: float, read_noise: float) -> None:
    random = np.random.default_rng(0)
    photons = random.poisson(0.5 / gain, (256, 256)) * gain if gain else np.full((256, 256), 0.5)
    x = told(photons + random.normal(0, read_noise, photons.shape), gain, read_noise)
    assert share_kept(x).max() < 0.5
    assert share_kept(x).mean() < 1e-3


def test_structure_above_the_noise_is_kept() -> None:
    random = np.random.default_rng(0)
    y, x = np.mgrid[:EDGE, :EDGE] - EDGE // 2
    for scene in (
        (y**2 + x**2 < 4) * 0.4,  # a spot
        (np.abs(y - x) < 1) * 0.3,  # a fibre that no single pixel shows
        (x > 0) * 0.15,  # a faint edge
        (y**2 + x**2 < 49) * 0.07,  # a nucleus that is fainter than the noise
    ):
        noisy = 0.3 + scene + random.normal(0, 0.1, scene.shape)
        kept = share_kept(told(noisy, 0.0, 0.1), scale=2)
        assert kept[EDGE - 8 : EDGE + 8, EDGE - 8 : EDGE + 8].min() == 1


def test_images_told_no_noise_stay_as_they_are() -> None:
    faint = 0.5 + 1e-5 * np.random.default_rng(0).random((40, 50))
    torch.testing.assert_close(share_kept(told(faint, 0.0)), torch.ones(40, 50))


def test_each_detail_of_noise_has_one_standard_deviation() -> None:
    evidence = Evidence()
    noise = torch.randn(1, 1, 512, 512, generator=torch.Generator().manual_seed(0))
    wide = torch.nn.functional.avg_pool2d(noise, 31, 1, 15)
    found = torch.nn.functional.conv2d(noise - wide, evidence.details)[..., 20:-20, 20:-20]
    torch.testing.assert_close(found.std(dim=(0, 2, 3)), torch.ones(len(evidence.details)), atol=0.05, rtol=0)


@pytest.mark.parametrize("scale", [1, 2])
def test_its_halo_is_measured_and_tiles_are_exact(scale: int) -> None:
    arguments = {"scale": [scale] * 2, "conditions": 3, "blocks": 1, "features": 4, "evidence": True}
    network = build("edsr", arguments).eval()
    halo = measure_reach(network, [scale] * 2, channels=4).halo
    assert min(halo) >= 15 + 6 + 12 + 2
    error = tiling_error(network, [scale] * 2, halo, channels=4, constant=3, multiple=[1, 1], core=24)
    assert error < 1e-10


@pytest.mark.parametrize("name", [card.name for card in shipped_cards() if card.conditions])
def test_cards_state_the_halo_with_the_test_of_evidence(name: str) -> None:
    """A card that was written before the test looked further makes tiles inexact."""
    model = load_model(name)
    assert model.module is not None
    reach = measure_reach(model.module, model.card.scale, channels=1 + len(model.card.conditions))
    assert model.card.halo == reach.halo


@pytest.mark.parametrize("size", [(1, 1), (5, 30), (64, 3)])
def test_small_images(size: tuple[int, int]) -> None:
    x = told(np.random.default_rng(0).random(size), 0.01)
    assert Evidence()(x, torch.zeros(1, 1, *(2 * n for n in size))).isfinite().all()


def test_a_network_that_is_told_nothing_tests_nothing() -> None:
    network = build("edsr", {"scale": [2, 2], "blocks": 1, "features": 4, "evidence": True}).eval()
    assert network(torch.zeros(1, 1, 8, 9)).shape == (1, 1, 16, 18)
