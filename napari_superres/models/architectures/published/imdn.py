"""IMDN: blocks that split off a quarter of their features at each of three steps and refine the rest.

Hui, Gao, Yang, Wang: Lightweight Image Super-Resolution with Information Multi-distillation Network, ACM Multimedia
2019, arXiv:1909.11856, doi:10.1145/3343031.3351084. `ShortIMDN` is the form that won AIM 2019's challenge on
constrained super-resolution, doi:10.1109/ICCVW.2019.00443: without channel attention, and without the fusion of all
blocks.
"""

import torch
from torch import Tensor, nn

from napari_superres.models.architectures.published.layers import ContrastAttention
from napari_superres.models.architectures.published.shapes import Shapes


class Block(nn.Module):
    """Information multi-distillation.

    Parameters
    ----------
    shapes
        Of the block.
    names
        Names of its four convolutions and of the fusion.
    """

    def __init__(self, shapes: Shapes, names: tuple[str, ...] = ("c1", "c2", "c3", "c4", "c5")) -> None:
        super().__init__()
        *self.steps, self.last, self.fusion = names
        for name in names:
            outer, _, inner = name.partition(".")
            self.add_module(outer, nn.Sequential(shapes.conv(name)) if inner else shapes.conv(name))
        self.kept = shapes[f"{self.last}.weight"][0]
        self.cca = ContrastAttention(shapes.at("cca")) if "cca" in shapes else nn.Identity()
        self.activation = nn.LeakyReLU(0.05)

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        rest, kept = x, []
        for name in self.steps:
            made = self.activation(self.get_submodule(name)(rest))
            kept.append(made[:, : self.kept])
            rest = made[:, self.kept :]
        kept.append(self.get_submodule(self.last)(rest))
        out: Tensor = self.get_submodule(self.fusion)(self.cca(torch.cat(kept, dim=1))) + x
        return out


class IMDN(nn.Module):
    """Information multi-distillation network."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.fea_conv, self.LR_conv = shapes.conv("fea_conv"), shapes.conv("LR_conv")
        self.blocks = [f"IMDB{n}" for n in shapes.numbered("IMDB", 1)]
        for name in self.blocks:
            self.add_module(name, Block(shapes.at(name)))
        self.c = nn.Sequential(shapes.conv("c.0"), nn.LeakyReLU(0.05))
        self.channels = shapes["fea_conv.weight"][1]
        self.scale = shapes.scale(shapes["upsampler.0.weight"][0], self.channels)
        self.upsampler = nn.Sequential(shapes.conv("upsampler.0"), nn.PixelShuffle(self.scale))

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        first = features = self.fea_conv(x)  # (B, F, H, W)
        made = []
        for name in self.blocks:
            features = self.get_submodule(name)(features)
            made.append(features)
        out: Tensor = self.upsampler(self.LR_conv(self.c(torch.cat(made, dim=1))) + first)  # (B, C, sH, sW)
        return out


class _Residual(nn.Module):
    """A sequence under the name ``sub``, added to its input."""

    def __init__(self, sub: nn.Sequential) -> None:
        super().__init__()
        self.sub = sub

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.sub(x)
        return out


class ShortIMDN(nn.Module):
    """Information multi-distillation network without attention, as one sequence."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        inner = shapes.at("model").at(1).at("sub")
        *blocks, last = inner.numbered()
        long = ("conv1.0", "conv2.0", "conv3.0", "conv4", "conv1x1")
        names = long if f"{blocks[0]}.conv1x1" in inner else ("c1", "c2", "c3", "c4", "c5")
        body = nn.Sequential(*(Block(inner.at(n), names) for n in blocks), inner.conv(str(last)))
        self.channels = shapes["model.0.weight"][1]
        self.scale = shapes.scale(shapes["model.2.weight"][0], self.channels)
        self.model = nn.Sequential(
            shapes.conv("model.0"), _Residual(body), shapes.conv("model.2"), nn.PixelShuffle(self.scale)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        out: Tensor = self.model(x)
        return out
