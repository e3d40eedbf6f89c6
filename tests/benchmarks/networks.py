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
from napari_superres.models.probes.halo import measure_reach

_RESIDUAL = 0.05


def _build(architecture: str, **arguments: Any) -> nn.Module:
    return build(architecture, arguments)


# What makes a network, its last convolution, its scale.
_FRESH: dict[str, tuple[Callable[[], nn.Module], str, tuple[int, ...]]] = {
    "span-x2": (partial(_build, "span", scale=[2, 2]), "tail", (2, 2)),
    "edsr-baseline-x2": (partial(_build, "edsr", scale=[2, 2]), "tail.2", (2, 2)),
    "edsr-3d-x2": (partial(_build, "edsr", scale=[2, 2, 2], ndim=3, blocks=4, features=32), "tail.2", (2, 2, 2)),
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
