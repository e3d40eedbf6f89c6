"""Every network: known halo, deploy form equal to the paper's, trainable, on the right grid."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_superres.errors import ModelFileError
from napari_superres.models.architectures import UNTRAINED, build, list_architectures
from napari_superres.models.probes.halo import measure_reach

SMALL = {
    "vdsr": {"depth": 4, "features": 4},
    "edsr": {"blocks": 1, "features": 4},
    "cnn": {"features": [4, 4], "hidden": 8},
    "feedforward": {"features": [4, 4], "hidden": 8},
    "srcnn": {"features": [4, 4]},
    "espcn": {"features": [4, 4]},
    "fsrcnn": {"features": 6, "shrunk": 3, "maps": 1},
    "deconv": {"features": [4, 4]},
    "rendering": {"features": [4, 4, 3]},
    "rcan": {"groups": 1, "blocks": 1, "features": 8, "reduction": 2},
    "span": {"blocks": 2, "features": 4, "expansion": 2},
    "unet": {"depth": 2, "features": 4},
    "dfcan": {"groups": 1, "blocks": 1, "features": 8, "reduction": 2},
}
ANY_SCALE = [name for name in list_architectures() if name not in UNTRAINED]
TEXTBOOK = ("cnn", "feedforward", "deconv", "rendering")
DEPLOYED = ("fsrcnn", "edsr", "rcan", "span", "deconv", "rendering")


def make(name: str, scale, **more) -> nn.Module:
    torch.manual_seed(0)
    return build(name, {"scale": list(scale), "ndim": len(scale), **SMALL[name], **more})


def trained_like(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=1.4 / max(weight[0].numel(), 1) ** 0.5) if weight.ndim > 1 else weight.uniform_(
                -0.2, 0.4
            )
    return network.eval()


@pytest.mark.parametrize(
    ("name", "arguments", "scale", "halo"),
    [
        ("fsrcnn", {}, 2, 8),
        ("fsrcnn", {}, 3, 7),
        ("fsrcnn", {}, 4, 7),
        ("espcn", {"skip": False}, 3, 4),
        ("espcn", {}, 2, 4),
        ("edsr", {"blocks": 16, "features": 4}, 2, 36),
        ("vdsr", {"features": 2}, 2, 12),
        ("span", {"features": 4}, 2, 21),
        ("srcnn", {"kernels": [9, 5, 5]}, 3, 5),
        ("srcnn", {"kernels": [9, 1, 5]}, 3, 4),
    ],
)
def test_known_halos(name, arguments, scale, halo):
    """VDSR and SRCNN look 20 and 8 pixels far (9-1-5: 6) on the finer grid, after bicubic's 2 on the coarse one."""
    network = build(name, {"scale": [scale, scale], **arguments}).eval()
    assert measure_reach(network, (scale, scale)).halo == (halo, halo)


def test_halo_on_the_networks_own_grid():
    srcnn = build("srcnn", {"scale": [1, 1], "kernels": [9, 5, 5]}).eval()
    assert measure_reach(srcnn, (1, 1)).halo == (8, 8)
    vdsr = build("vdsr", {"scale": [1, 1], "features": 2}).eval()
    assert measure_reach(vdsr, (1, 1)).halo == (20, 20)


def test_halo_per_axis_and_per_side():
    class Lopsided(nn.Module):
        def forward(self, x):
            return x + x.roll(3, -1) * (torch.arange(x.shape[-1]) >= 3) + torch.roll(x, -1, -2)

    assert measure_reach(Lopsided(), (1, 1)).halo == (1, 3)


def test_halo_is_seen_behind_dead_units_and_zero_weights():
    network = nn.Sequential(nn.Conv2d(1, 2, 7, padding=3), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1))
    for weight in network.parameters():
        nn.init.zeros_(weight)
    assert measure_reach(network, (1, 1)).halo == (4, 4)


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)])
def test_a_global_layer_is_recognised(pool):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.pool = nn.Conv2d(1, 1, 3, padding=1), pool

        def forward(self, x):
            x = self.conv(x)
            return x * torch.sigmoid(self.pool(x))

    assert measure_reach(Attention().eval(), (1, 1)).is_global
    assert measure_reach(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4)), (1, 1)).is_global


@pytest.mark.parametrize("name", ANY_SCALE)
@pytest.mark.parametrize("scale", [(2, 2), (3, 3), (4, 4), (1, 2), (2, 1, 1), (2, 2, 2), (1, 3, 3)])
def test_output_lies_on_the_finer_grid(name, scale):
    network = make(name, scale).eval()
    size = (4, 8, 12)[-len(scale) :]
    with torch.inference_mode():
        out = network(torch.rand(2, 1, *size))
    assert out.shape == (2, 1, *(n * s for n, s in zip(size, scale, strict=True)))


@pytest.mark.parametrize("name", DEPLOYED)
@pytest.mark.parametrize("scale", [(2, 2), (3, 3), (4, 4), (1, 3), (2, 4), (2, 2, 2), (1, 3, 2)])
def test_deploy_form_equals_the_papers_form(name, scale):
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 8e-6)):
        paper = trained_like(make(name, scale)).to(dtype)
        x = torch.rand(1, 1, *(7, 11, 10)[-len(scale) :], dtype=dtype)
        with torch.inference_mode():
            expected = paper(x)
            found = paper.deploy()(x)
        span = max(1.0, float(expected.max() - expected.min()))
        assert float((found - expected).abs().max()) <= tolerance * span


@pytest.mark.parametrize("scale", [(2, 2), (3, 3), (4, 4)])
def test_deploy_form_of_the_full_network(scale):
    torch.manual_seed(1)
    paper = build("fsrcnn", {"scale": list(scale)}).eval()
    nn.init.normal_(paper.deconvolution.weight, std=0.03)
    x = torch.rand(1, 1, 20, 21)
    with torch.inference_mode():
        assert float((paper(x) - paper.deploy()(x)).abs().max()) <= 8e-6


def test_every_network_with_a_deploy_form_is_tested():
    assert {n for n in ANY_SCALE if hasattr(make(n, (2, 2)), "deploy")} <= {*DEPLOYED, *TEXTBOOK}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ANY_SCALE)
def test_training_lowers_the_loss(name, channels):
    network = make(name, (2, 2), channels=channels).train()
    low, high = torch.rand(2, channels, 8, 8), torch.rand(2, channels, 16, 16)
    before = [p.detach().clone() for p in network.parameters()]
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = nn.functional.mse_loss(network(low), high)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    moved = [not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True)]
    assert all(moved), "some weights never receive a gradient"


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_networks_with_sigmoid_output_and_cross_entropy(name, activation):
    network = make(name, (2, 2), activation=activation, output="sigmoid")
    out = network(torch.rand(1, 1, 8, 8))
    assert 0 <= out.min().item() <= out.max().item() <= 1
    nn.functional.binary_cross_entropy(out, torch.rand_like(out)).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize("name", [n for n in ANY_SCALE if n != "vdsr"])
def test_an_untrained_network_is_nearly_the_interpolation(name):
    """With its skip, an untrained network equals bicubic interpolation on the same grid."""
    from napari_superres.models.interpolate import Interpolation

    y, x = np.mgrid[:16, :16] / 16.0
    smooth = torch.from_numpy(np.sin(3 * y) * np.cos(2 * x)).float()[None, None]
    with torch.inference_mode():
        difference = make(name, (2, 2)).eval()(smooth) - Interpolation("bicubic", (2, 2))(smooth)
    assert float(difference.abs().max()) < 0.05


def test_the_skip_may_have_another_kernel():
    from napari_superres.models.interpolate import Interpolation

    noise = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    network = build("edsr", {"scale": [2, 2], "blocks": 1, "features": 4, "kernel": "sinc"}).eval()
    with torch.inference_mode():
        found = network(noise)
        assert float((found - Interpolation("sinc", (2, 2))(noise)).abs().max()) < 0.05
        assert float((found - Interpolation("bicubic", (2, 2))(noise)).abs().max()) > 0.1


def test_wrong_names_and_arguments():
    with pytest.raises(ModelFileError, match="cannot be built"):
        build("edsr", {"scale": [2, 2], "kernel": "spline"})
    with pytest.raises(ModelFileError, match=r"unknown architecture 'x'.*fsrcnn"):
        build("x", {})
    for arguments in ({"scale": [2, 2], "output": "softmax"}, {"scale": [12, 12]}, {"scale": [2, 2], "ndim": 7}, {}):
        with pytest.raises(ModelFileError, match="cannot be built"):
            build("deconv", arguments)
