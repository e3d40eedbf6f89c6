"""The networks of the benchmark, the same in every process.

Speed does not depend on weights, but errors of tiling do: where there are no trained weights, random ones
are rescaled layer by layer to unit variance (Mishkin, Matas 2015, arXiv:1511.06422), so that far pixels
matter as they do in trained networks.
"""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn

from napari_superres.models import Model, ModelCard, load_model
from napari_superres.models.architectures import build
from napari_superres.models.architectures.layers import PixelShuffle, near_zero, same_conv
from napari_superres.models.halo import measure_reach
from napari_superres.models.interpolate import Interpolation

_RESIDUAL = 0.05


class SpanBlock(nn.Module):
    """Three convolutions whose last one also is the attention, without parameters of its own."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first, self.second, self.third = (same_conv(2, features, features, 3) for _ in range(3))
        self.activation = nn.SiLU()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        inner = self.activation(self.first(x))
        found = self.third(self.activation(self.second(inner)))
        return (found + x) * (torch.sigmoid(found) - 0.5), inner


class Span(nn.Module):
    """SPAN in deploy form (Wan et al. 2023, arXiv:2311.12770), with the interpolated image added."""

    def __init__(self, features: int = 48, blocks: int = 6) -> None:
        super().__init__()
        self.interpolation = Interpolation("bicubic", (2, 2))
        self.head = same_conv(2, 1, features, 3)
        self.blocks = nn.ModuleList(SpanBlock(features) for _ in range(blocks))
        self.end = same_conv(2, features, features, 3)
        self.fuse = nn.Conv2d(4 * features, features, 1)
        self.tail = near_zero(same_conv(2, features, 4, 3))
        self.shuffle = PixelShuffle((2, 2))

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(x)  # (B, F, H, W)
        first, _ = self.blocks[0](features)
        found = first
        for block in self.blocks[1:]:
            found, inner = block(found)
        fused = self.fuse(torch.cat([features, self.end(found), first, inner], dim=1))
        out: Tensor = self.shuffle(self.tail(fused))  # (B, 1, 2H, 2W)
        return self.interpolation(x) + out


def _edsr(**arguments: Any) -> nn.Module:
    return build("edsr", arguments)


# What makes a network, its last convolution, its scale.
_FRESH: dict[str, tuple[Callable[[], nn.Module], str, tuple[int, ...]]] = {
    "span-x2": (Span, "tail", (2, 2)),
    "edsr-baseline-x2": (partial(_edsr, scale=[2, 2]), "tail.2", (2, 2)),
    "edsr-3d-x2": (partial(_edsr, scale=[2, 2, 2], ndim=3, blocks=4, features=32), "tail.2", (2, 2, 2)),
}
PLANAR = ("fsrcnn-x2", "span-x2", "edsr-baseline-x2")
NETWORKS = (*PLANAR, "edsr-3d-x2")


def make_model(name: str) -> Model:
    """Return a network of the benchmark in its deploy form; other names are those of models."""
    if name not in _FRESH:
        return load_model(name)
    make, last, scale = _FRESH[name]
    torch.manual_seed(0)
    network = make().eval().requires_grad_(False)
    _enliven(network, network.get_submodule(last), len(scale))
    halo = measure_reach(network, scale).halo
    deploy = getattr(network, "deploy", None)
    network = network if deploy is None else deploy()
    if len(scale) == 2:
        network = network.to(memory_format=torch.channels_last)
    card = ModelCard(name=name, architecture=name.partition("-")[0], scale=scale, halo=halo)
    return Model(card, network, sha256(name.encode()).hexdigest())


@torch.inference_mode()
def _enliven(network: nn.Module, last: nn.Module, ndim: int) -> None:
    """Rescale weights so that every convolution has unit variance, and the last one that of small detail."""

    def rescale(layer: Any, _: Any, found: Tensor) -> Tensor:
        factor = (_RESIDUAL if layer is last else 1.0) / found.std()
        layer.weight.mul_(factor)
        return found * factor

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]
    for layer in layers:
        nn.init.zeros_(layer.bias)
    hooks = [layer.register_forward_hook(rescale) for layer in layers]
    size = (96, 96) if ndim == 2 else (24, 24, 24)
    network(torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0)))
    for hook in hooks:
        hook.remove()
