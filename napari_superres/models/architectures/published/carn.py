"""CARN and CARN-M: residual blocks whose results cascade into all later ones, for several factors at once.

Ahn, Kang, Sohn: Fast, Accurate, and Lightweight Super-Resolution with Cascading Residual Network, ECCV 2018,
arXiv:1803.08664, doi:10.1007/978-3-030-01249-6_16. CARN-M has convolutions in groups, and uses one block three times. A
file may hold the layers of several factors: see `scales`.
"""

import torch
from torch import Tensor, nn

from napari_superres.models.architectures.published.shapes import Shapes


class _Body(nn.Module):
    """Layers under the name ``body``."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


class Residual(_Body):
    """Convolutions added to the input, then ReLU."""

    def __init__(self, shapes: Shapes, features: int) -> None:
        layers: list[nn.Module] = []
        for name in ("body.0", "body.2", "body.4"):
            if name in shapes:
                layers += [shapes.conv(name, inputs=features), nn.ReLU()]
        super().__init__(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        return torch.relu(self.body(x) + x)


class Cascade(nn.Module):
    """Blocks and fusions; each fusion sees the results of all blocks before it.

    Parameters
    ----------
    shapes
        Of the blocks and the fusions.
    blocks
        The blocks, by name. One block is used three times if the others are missing.
    """

    def __init__(self, shapes: Shapes, blocks: dict[str, nn.Module]) -> None:
        super().__init__()
        for name, block in blocks.items():
            self.add_module(name, block)
        self.order = list(blocks) * (1 if len(blocks) > 1 else 3)
        for step in range(1, 4):
            self.add_module(f"c{step}", _Body(shapes.conv(f"c{step}.body.0"), nn.ReLU()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        seen, out = x, x
        for step, name in enumerate(self.order, 1):
            seen = torch.cat([seen, self.get_submodule(name)(out)], dim=1)
            out = self.get_submodule(f"c{step}")(seen)
        return out


class CARN(Cascade):
    """Cascading residual network."""

    holds_all_scales = True

    def __init__(self, shapes: Shapes, scale: int = 0) -> None:
        features, channels, *_ = shapes["entry.weight"]
        super().__init__(shapes, {name: _block(shapes.at(name), features) for name in ("b1", "b2", "b3")})
        self.channels = channels
        tails = shapes.at("upsample")
        self.scales = tuple(s for s in (2, 3, 4) if f"up{s}" in tails)
        if self.scales:
            self.scale = scale or self.scales[0]
            chosen = f"up{self.scale}"
        else:
            chosen = "up"
            self.scale = _factor(tails.at("up"), features)
            self.scales = (self.scale,)
        for name in ("sub_mean", "add_mean"):
            self.add_module(name, nn.Module())
            self.get_submodule(name).shifter = shapes.conv(f"{name}.shifter")
        self.entry, self.exit = shapes.conv("entry"), shapes.conv("exit")
        self.upsample = nn.Module()
        for name in (f"up{s}" for s in self.scales) if chosen != "up" else ("up",):
            self.upsample.add_module(name, _tail(tails.at(name), features))
        self.chosen = chosen

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        features = super().forward(self.entry(self.get_submodule("sub_mean.shifter")(x)))  # (B, F, H, W)
        fine = self.exit(self.upsample.get_submodule(self.chosen)(features))
        out: Tensor = self.get_submodule("add_mean.shifter")(fine)  # (B, C, sH, sW)
        return out


def _block(shapes: Shapes, features: int) -> Cascade:
    names = [f"b{n}" for n in shapes.numbered("b", 1)]
    return Cascade(shapes, {name: Residual(shapes.at(name), features) for name in names})


def _steps(shapes: Shapes, features: int) -> list[tuple[str, int]]:
    """Return the convolutions that enlarge, each with its factor."""
    names = [f"body.{n}" for n in (0, 3, 6) if f"body.{n}" in shapes]
    return [(name, shapes.scale(shapes[f"{name}.weight"][0], features)) for name in names]


def _factor(shapes: Shapes, features: int) -> int:
    factor = 1
    for _, step in _steps(shapes, features):
        factor *= step
    return factor


def _tail(shapes: Shapes, features: int) -> _Body:
    layers: list[nn.Module] = []
    for name, step in _steps(shapes, features):
        layers += [shapes.conv(name, inputs=features), nn.ReLU(), nn.PixelShuffle(step)]
    return _Body(*layers)
