"""Networks that look at the whole image, with weights of the size of trained ones."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from napari_superres.models import Model, ModelCard
from napari_superres.models.architectures import build
from napari_superres.models.probes.halo import measure_reach

CONV: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
NORM: dict[str, dict[int, Callable[[int], nn.Module]]] = {
    "instance": {2: lambda c: nn.InstanceNorm2d(c, affine=True), 3: lambda c: nn.InstanceNorm3d(c, affine=True)},
    "group": dict.fromkeys((2, 3), lambda c: nn.GroupNorm(2, c)),
}


class UNet(nn.Module):
    """Two levels down and up, every convolution normalised over the whole map; x2 by repetition."""

    multiple = 4

    def __init__(self, ndim: int, norm: str, scale: Sequence[int], channels: int = 1) -> None:
        super().__init__()
        conv, norms = CONV[ndim], NORM[norm][ndim]
        sizes = [(channels, 4), (4, 4), (4, 8), (12, 4), (8, 4)]
        self.blocks = nn.ModuleList(
            nn.Sequential(conv(a, b, 3, padding=1), norms(b), nn.LeakyReLU(0.1)) for a, b in sizes
        )
        self.pool = F.max_pool2d if ndim == 2 else F.max_pool3d
        self.last, self.scale = conv(4, channels, 3, padding=1), tuple(scale)

    def forward(self, x: torch.Tensor) -> Any:
        first = self.blocks[0](x)
        second = self.blocks[1](self.pool(first, 2))
        deep = F.interpolate(self.blocks[2](self.pool(second, 2)), scale_factor=2.0)
        deep = F.interpolate(self.blocks[3](torch.cat([deep, second], 1)), scale_factor=2.0)
        deep = self.blocks[4](torch.cat([deep, first], 1))
        return self.last(F.interpolate(deep, scale_factor=tuple(map(float, self.scale))))


class Squeeze(nn.Module):
    """Weight channels by means, deviations, maxima and norms, computed by functions instead of modules."""

    multiple = 1

    def __init__(self, ndim: int, scale: Sequence[int], channels: int = 1) -> None:
        super().__init__()
        self.dims, self.scale = tuple(range(-ndim, 0)), tuple(scale)
        self.convs = nn.ModuleList(CONV[ndim](a, 6, 3, padding=1) for a in (channels, 6, 6, 6, 6))
        self.last = CONV[ndim](6, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> Any:
        def back(value: torch.Tensor) -> torch.Tensor:
            return value.reshape(*value.shape[:2], *[1] * len(self.dims))

        x = self.convs[0](x)
        x = self.convs[1](x * back(torch.sigmoid(x.mean(self.dims))))
        by_row = x
        for dim in self.dims[::-1]:
            by_row = by_row.sum(dim, keepdim=True)
        x = self.convs[2](x * torch.tanh(by_row / x[0, 0].numel()))
        x = self.convs[3](x / (0.5 + back(x.flatten(2).std(-1))))
        x = self.convs[4](x - 0.3 * x.amax(self.dims, keepdim=True))
        last = x.movedim(1, -1)
        norm = torch.linalg.vector_norm(last, dim=tuple(range(1, last.ndim - 1)), keepdim=True).movedim(-1, 1)
        x = x * norm / (norm.mean(1, keepdim=True) + 1e-6)
        return self.last(F.interpolate(x, scale_factor=tuple(map(float, self.scale))))


class Windows(nn.Module):
    """Attention within windows of 4 x 4 pixels, then within windows shifted by half of that."""

    multiple = 4

    def __init__(self, _ndim: int, scale: Sequence[int], channels: int = 1) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(channels, 6, 3, padding=1), nn.Conv2d(6, channels, 3, padding=1)
        self.mix = nn.ModuleList(nn.Linear(6, 18) for _ in range(2))
        self.scale = tuple(map(float, scale))

    @staticmethod
    def attend(x: torch.Tensor, mix: nn.Module) -> torch.Tensor:
        b, c, h, w = x.shape
        tokens = x.reshape(b, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
        tokens = tokens + F.scaled_dot_product_attention(*mix(tokens).chunk(3, dim=-1))
        return tokens.reshape(b, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.attend(self.first(x), self.mix[0])
        inner = self.attend(x[:, :, 2:-2, 2:-2], self.mix[1])
        border = F.pad(torch.ones_like(inner), (2, 2, 2, 2))
        x = F.pad(inner, (2, 2, 2, 2)) + x * (1 - border)
        return self.last(F.interpolate(x, scale_factor=self.scale))


class Fourier(nn.Module):
    """Damp strong frequencies: every pixel depends on every pixel, and not through a statistic."""

    multiple = 1

    def __init__(self, ndim: int, scale: Sequence[int], channels: int = 1) -> None:
        super().__init__()
        self.last, self.scale = CONV[ndim](channels, channels, 1), tuple(map(float, scale))

    def forward(self, x: torch.Tensor) -> Any:
        dims = tuple(range(2, x.ndim))
        waves = torch.fft.fftn(x, dim=dims)
        found = torch.fft.ifftn(waves / (1 + waves.abs()), dim=dims).real
        return self.last(F.interpolate(found, scale_factor=self.scale))


MAKERS: dict[str, Callable[[int, Sequence[int], int], nn.Module]] = {
    "rcan": lambda ndim, scale, channels: build(
        "rcan",
        {
            "scale": list(scale),
            "ndim": ndim,
            "channels": channels,
            "groups": 2,
            "blocks": 2,
            "features": 8,
            "reduction": 2,
            "skip": True,
        },
    ),
    "instance": lambda ndim, scale, channels: UNet(ndim, "instance", scale, channels),
    "group": lambda ndim, scale, channels: UNet(ndim, "group", scale, channels),
    "squeeze": Squeeze,
    "windows": Windows,
    "fourier": Fourier,
}


@lru_cache
def make(name: str, scale: tuple[int, ...] = (2, 2), *, channels: int = 1, seed: int = 0, **card: Any) -> Model:
    """Return a model whose far pixels matter; its halo is measured on planes and is the same along any axis."""
    torch.manual_seed(seed)
    network = MAKERS[name](len(scale), scale, channels).eval()
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                weight.normal_(std=1.6 / weight[0].numel() ** 0.5)
            else:
                weight.uniform_(0.3, 1.2)
    multiple = (getattr(network, "multiple", 1),) * len(scale)
    flat = MAKERS[name](2, (2, 2), channels).eval()
    reach = measure_reach(flat, (2, 2), channels=channels, multiple=multiple[:2])
    deploy: Callable[[], nn.Module] | None = getattr(network, "deploy", None)
    network = network if deploy is None else deploy()
    facts = {"intensity": "none", "color": "per-channel", **card}
    return Model(
        ModelCard(
            name=name,
            architecture=name,
            scale=scale,
            channels=channels,
            multiple=multiple,
            halo=reach.halo[:1] * len(scale),
            global_statistics=reach.is_global,
            bounded=reach.is_bounded,
            **facts,
        ),
        network,
    )


def whole(model: Model, data: NDArray[Any]) -> NDArray[Any]:
    """Return the network's result for the whole image ``(C, (Z)YX)``, computed without the engine."""
    size = data.shape[1:]
    padding = [(0, 0), *((0, -n % m) for n, m in zip(size, model.card.multiple, strict=True))]
    padded = np.pad(data, padding, mode="reflect")
    assert model.module is not None
    with torch.inference_mode():
        out: NDArray[Any] = model.module.double()(torch.from_numpy(padded)[None])[0].numpy()
    model.module.float()
    return out[(slice(None), *(slice(n * s) for n, s in zip(size, model.card.scale, strict=True)))]


def least_tile(model: Model) -> list[int]:
    """Return a tile size slightly above the smallest."""
    return [2 * (-(-h // m) * m) + m + 5 for h, m in zip(model.card.halo, model.card.multiple, strict=True)]
