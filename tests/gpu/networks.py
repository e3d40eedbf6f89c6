"""Every network and every shipped model against the CPU: networks alone in 64 bits, models through the engine."""

from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from helpers.checkpoints.published_networks import LAYOUTS, checkpoint
from torch import nn

from gpu.cases import ROUNDING, Case, Facts, Settings, image_for, levels_off, model_of, run, share_off
from napari_superres.errors import ModelFileError
from napari_superres.inference.machine.device import without_tf32
from napari_superres.models import list_models
from napari_superres.models.architectures import BUILT_IN, build
from napari_superres.models.architectures.published import load, recognised

_SMALLER: dict[str, dict[str, Any]] = {
    "rcan": {"groups": 2, "blocks": 2, "features": 16, "reduction": 4},
    "dfcan": {"groups": 2, "blocks": 2, "features": 16},
}
_SMALLEST: dict[str, dict[str, Any]] = {
    "srcnn": {"kernels": [5, 1, 3], "features": [8, 4]},
    "fsrcnn": {"features": 8, "shrunk": 4, "maps": 1},
    "espcn": {"features": [8, 4]},
    "vdsr": {"depth": 3, "features": 8},
    "edsr": {"blocks": 1, "features": 8},
    "rcan": {"groups": 1, "blocks": 1, "features": 8, "reduction": 4},
    "span": {"features": 8},
    "dfcan": {"groups": 1, "blocks": 1, "features": 8, "reduction": 4},
    "unet": {"features": 8},
    "orthogonal": {"blocks": 1, "features": 8},
    "deconv": {"features": [8, 4]},
    "rendering": {"features": [8, 4, 4]},
}
"""Sizes at which a network takes no time, where its structure is what counts."""

_FEW = ("fsrcnn-x2", "fluo-x2", "movie-x2")


def cases(settings: Settings) -> Iterator[Case]:
    """Yield a case per network of this package, per published network, and per shipped model and type of image."""
    small = settings.pick(_SMALLEST, _SMALLER)
    for name in BUILT_IN:
        for scale in ([2, 2], [2, 2, 2], [2, 1, 1]):
            try:
                torch.manual_seed(0)
                network = build(name, {"scale": scale, "ndim": len(scale), **small.get(name, {})})
            except ModelFileError:
                continue  # It has no such form.
            title = f"{name} {'x'.join(map(str, scale))}"
            yield Case(title, partial(_alone, settings, network, 1, len(scale)))
            if hasattr(network, "deploy"):
                yield Case(f"{title}, deployed", partial(_alone, settings, network.eval().deploy(), 1, len(scale)))
    for name in settings.pick(["rlfn", "span"], LAYOUTS):
        weights = checkpoint(name)
        variant: dict[str, Any] = {"scale": LAYOUTS[name][1]} if "carn" in name else {}
        yield Case(f"published {name}", partial(_published, settings, weights, variant))
    shipped = [card.name for card in list_models() if not card.is_interpolation]
    for name in settings.pick(_FEW, shipped):
        for dtype in settings.pick(["uint16"], ["uint16", "float32"]):
            yield Case(f"{name}, {dtype}", partial(_shipped, settings, name, dtype))


@torch.inference_mode()
def _alone(settings: Settings, network: nn.Module, channels: int, ndim: int) -> Facts:
    """Compare a network in 32 bits on the device with itself in 64 bits on the CPU."""
    network = network.eval()
    multiple = getattr(network, "multiple", 1)
    edge = settings.pick(16, 48) if ndim == 2 else settings.pick(8, 16)
    size = [-(-(edge + 4 * n) // multiple) * multiple for n in range(ndim)]
    x = torch.rand(2, channels, *size, generator=torch.Generator().manual_seed(1))
    expected = deepcopy(network).double()(x.double()).numpy()
    on_device, given = deepcopy(network).to(settings.device), x.to(settings.device)
    if ndim == 2:
        on_device = on_device.to(memory_format=torch.channels_last)
        given = given.contiguous(memory_format=torch.channels_last)
    with without_tf32(settings.device):
        found = on_device(given).cpu().numpy()
    error = share_off(found, expected)
    return {"error": error, "passed": error <= ROUNDING}


def _published(settings: Settings, weights: dict[str, Any], variant: dict[str, Any]) -> Facts:
    name = next(recognised(weights))
    return _alone(settings, load(name, weights, **variant), 3, 2)


def _shipped(settings: Settings, name: str, dtype: str) -> Facts:
    model = model_of(name)
    image = image_for(model, settings.pick(40, 160), dtype)
    found = run(image, model, settings.device).data
    expected = run(image, model, "cpu").data
    if dtype != "float32":
        return levels_off(found, expected)
    error = share_off(found, expected)
    return {"error": error, "passed": error <= ROUNDING}
