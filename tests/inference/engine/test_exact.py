"""The tiled result equals the whole-image result, for every network, size, scale, tile and batch."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_superres import upscale
from napari_superres.models import Model, ModelCard, list_models, load_model
from napari_superres.models.architectures import UNTRAINED, build, list_architectures
from napari_superres.models.probes.halo import measure_reach

# Few features, as far a look: the geometry is that of the full networks.
SMALL = {
    "vdsr": {"depth": 6, "features": 4},
    "edsr": {"blocks": 2, "features": 6},
    "srcnn": {"features": [6, 4]},
    "fsrcnn": {"features": 10, "shrunk": 5},
    "espcn": {"features": [8, 6]},
    "cnn": {"features": [6, 8], "hidden": 24},
    "feedforward": {"features": [6, 8], "hidden": 16},
    "deconv": {"features": [6, 8]},
    "rendering": {"features": [6, 6, 4]},
    "rcan": {"groups": 1, "blocks": 1, "features": 6, "reduction": 2},
    "span": {"blocks": 2, "features": 6, "expansion": 2},
    "unet": {"depth": 2, "features": 4},
}
TILED = [name for name in list_architectures() if name not in ("dfcan", *UNTRAINED)]  # dfcan: no halo bounds it


def trained_like(architecture: str, scale: tuple[int, ...], seed: int = 0) -> Model:
    """A network whose far pixels matter as much as near ones: ordinary random weights hide halo faults."""
    torch.manual_seed(seed)
    arguments = {**SMALL.get(architecture, {}), "scale": list(scale), "ndim": len(scale)}
    network = build(architecture, arguments).eval()
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                fan_in = weight[0].numel()
                weight.normal_(std=1.6 / fan_in**0.5)
            else:
                weight.uniform_(-0.2, 0.4)
    multiple = (getattr(network, "multiple", 1),) * len(scale)
    reach = measure_reach(network, scale, multiple=multiple)
    network = network.deploy() if hasattr(network, "deploy") else network
    card = ModelCard(
        name=architecture,
        architecture=architecture,
        arguments=arguments,
        scale=scale,
        multiple=multiple,
        halo=reach.halo,
        global_statistics=reach.is_global,
        intensity="none",
    )
    return Model(card, network)


def whole(model: Model, data: np.ndarray) -> np.ndarray:
    """What the network gives for the whole image, computed without the engine."""
    padding = [(0, -n % m) for n, m in zip(data.shape, model.card.multiple, strict=True)]
    padded = np.pad(data, padding, mode="reflect") if any(p[1] for p in padding) else data
    module = load_like(model).double()
    with torch.inference_mode():
        out = module(torch.from_numpy(padded)[None, None])[0, 0].numpy()
    return out[tuple(slice(n * s) for n, s in zip(data.shape, model.card.scale, strict=True))]


def load_like(model: Model) -> torch.nn.Module:
    import copy

    return copy.deepcopy(model.runner)


@pytest.mark.parametrize("architecture", TILED)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    scale=st.sampled_from([(2, 2), (3, 3), (4, 4), (1, 3)]),
    height=st.integers(1, 61),
    width=st.integers(1, 61),
    extra=st.tuples(st.integers(0, 23), st.integers(0, 23)),
    batch=st.integers(1, 3),
    seed=st.integers(0, 5),
)
def test_tiles_never_show(architecture, scale, height, width, extra, batch, seed):
    model = trained_like(architecture, scale, seed)
    data = np.random.default_rng(seed).random((height, width)) - 1.0
    tile = tuple(
        2 * (-(-h // m) * m) + m + e for h, m, e in zip(model.card.halo, model.card.multiple, extra, strict=True)
    )
    if any(m > 1 and n <= m for n, m in zip(data.shape, model.card.multiple, strict=True)):
        data = np.pad(data, 8, mode="edge")  # numpy's reflection needs more pixels than it mirrors
    found = upscale(data, model, axes="YX", tile=tile, batch=batch, precision="fp64").data
    expected = whole(model, data)
    worst = np.unravel_index(np.abs(found - expected).argmax(), found.shape)
    limit = 1e-10 * max(np.ptp(expected), 1.0)
    assert np.abs(found - expected).max() <= limit, f"{architecture} differs at {worst} of {found.shape}"


@pytest.mark.parametrize("architecture", ["espcn", "edsr", "fsrcnn", "rendering"])
@pytest.mark.parametrize("scale", [(2, 1, 1), (2, 2, 2), (1, 3, 3)])
def test_tiles_never_show_in_volumes(architecture, scale):
    model = trained_like(architecture, scale)
    data = np.random.default_rng(1).random((7, 30, 27)) - 1.0
    tile = tuple(min(n, 2 * h + 4) for n, h in zip(data.shape, model.card.halo, strict=True))
    found = upscale(data, model, axes="ZYX", tile=tile, precision="fp64").data
    assert np.abs(found - whole(model, data)).max() <= 1e-10 * np.ptp(found)


# VDSR, the slowest, has one network for its three scales.
@pytest.mark.parametrize("name", [card.name for card in list_models() if card.name not in ("vdsr-x3", "vdsr-x4")])
def test_shipped_models_in_single_precision(name):
    model = load_model(name).for_any_image()
    card = model.card
    axes, shape, tile = ("YX", (150, 131), 80) if card.ndim == 2 else ("ZYX", (9, 70, 61), (9, 56, 56))
    if card.frames > 1:
        axes, shape = card.context + axes, (3, *shape)
    data = (np.random.default_rng(2).random(shape) - 1.0).astype(np.float32)
    options = {"axes": axes, "intensity_range": [(0, 1)]} | ({"noise": 0} if card.conditions else {})
    one = upscale(data, model, tile=shape[-card.ndim :] if card.ndim == 3 else 150, **options).data
    many = upscale(data, model, tile=tile, **options).data
    assert np.abs(one - many).max() <= 1e-5


def test_a_halo_too_small_is_seen():
    """The test above can fail: one pixel less of halo shows."""
    from dataclasses import replace

    model = trained_like("fsrcnn", (2, 2))
    card = replace(model.card, halo=tuple(h - 1 for h in model.card.halo))
    data = np.random.default_rng(0).random((60, 60)) - 1.0
    found = upscale(data, Model(card, model.module), axes="YX", tile=30, precision="fp64").data
    assert np.abs(found - whole(model, data)).max() > 1e-6


def test_part_of_the_image_equals_part_of_the_result():
    model = trained_like("espcn", (2, 2))
    data = np.random.default_rng(0).random((3, 50, 40)) - 1.0
    all_of_it = upscale(data, model, axes="ZYX", precision="fp64")
    part = upscale(data, model, axes="ZYX", precision="fp64", roi={"Z": (1, 2), "Y": (7, 33), "X": (11, 40)}, tile=16)
    assert np.abs(part.data - all_of_it.data[1:2, 14:66, 22:80]).max() <= 1e-12
    corner = part.affine @ [0, 0, 0, 1]
    assert np.allclose(corner, all_of_it.affine @ [1, 14, 22, 1])
