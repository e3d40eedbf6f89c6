"""RFDN: blocks that keep half of their features at each of three steps and refine the rest.

Liu, Tang, Wu: Residual Feature Distillation Network for Lightweight Image Super-Resolution, ECCV Workshops 2020,
arXiv:2009.11551, doi:10.1007/978-3-030-67070-2_2.
"""

import torch
from torch import Tensor, nn

from napari_superres.models.architectures.published.layers import ESA_SMALLEST, SpatialAttention
from napari_superres.models.architectures.published.shapes import Shapes

_DILATIONS = 1, 2, 5
"""Of the three steps, in an entry to NTIRE 2022 (Li et al., arXiv:2205.05675)."""


class Block(nn.Module):
    """Residual feature distillation with spatial attention.

    Parameters
    ----------
    shapes
        Of the block.
    residual
        Whether each step is added to its input.
    dilated
        Whether the steps' kernels are spread, by `_DILATIONS`.
    """

    c4: nn.Module
    c5: nn.Module

    def __init__(self, shapes: Shapes, residual: bool, dilated: bool) -> None:
        super().__init__()
        self.residual = residual
        for name in ("c1_d", "c1_r", "c2_d", "c2_r", "c3_d", "c3_r", "c4", "c5"):
            self.add_module(name, shapes.conv(name))
        for step, dilation in enumerate(_DILATIONS if dilated else (), start=1):
            spread: nn.Conv2d = getattr(self, f"c{step}_r")
            spread.dilation, spread.padding = (dilation, dilation), (dilation, dilation)
        self.esa = SpatialAttention(shapes.at("esa"))
        self.activation = nn.LeakyReLU(0.05)

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        kept = []
        for step in (1, 2, 3):
            kept.append(self.activation(self.get_submodule(f"c{step}_d")(x)))
            refined = self.get_submodule(f"c{step}_r")(x)
            x = self.activation(refined + x if self.residual else refined)
        kept.append(self.activation(self.c4(x)))
        out: Tensor = self.esa(self.c5(torch.cat(kept, dim=1)))
        return out


class RFDN(nn.Module):
    """Residual feature distillation network.

    Parameters
    ----------
    shapes
        Of the checkpoint.
    residual
        Whether the steps of each block are added to their inputs: not in pruned networks.
    dilated
        Whether kernels are spread, as in an entry to a challenge.
    """

    smallest = ESA_SMALLEST
    variants = ({"residual": True}, {"residual": False}, {"residual": True, "dilated": True})

    def __init__(self, shapes: Shapes, residual: bool = True, dilated: bool = False) -> None:
        super().__init__()
        self.fea_conv, self.LR_conv = shapes.conv("fea_conv"), shapes.conv("LR_conv")
        self.blocks = [f"B{n}" for n in shapes.numbered("B", 1)]
        for name in self.blocks:
            self.add_module(name, Block(shapes.at(name), residual, dilated))
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
