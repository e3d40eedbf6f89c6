"""BSRN: RFDN with convolutions split in two, two kinds of attention, and GELU.

Li, Liu, Chen, Cai, Gu, Qiao, Dong: Blueprint Separable Residual Network for Efficient Image Super-Resolution, CVPR
Workshops 2022, arXiv:2205.05996, doi:10.1109/CVPRW56347.2022.00099. The image is given to the network four times.
"""

import torch
from torch import Tensor, nn

from napari_superres.models.architectures.published.layers import (
    ESA_SMALLEST,
    Blueprint,
    ContrastAttention,
    SpatialAttention,
    plain_or_split,
)
from napari_superres.models.architectures.published.shapes import Shapes

_COPIES = 4


class Block(nn.Module):
    """Distillation with split convolutions and attention in space and over channels.

    The smaller network of the challenge, BSRN-S, weights channels by learned constants instead of ``cca``.
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        for step in ("1", "2", "3"):
            self.add_module(f"c{step}_d", shapes.point(f"c{step}_d"))
            self.add_module(f"c{step}_r", plain_or_split(shapes, f"c{step}_r"))
        self.c4, self.c5 = plain_or_split(shapes, "c4"), shapes.point("c5")
        self.esa = SpatialAttention(shapes.at("esa"), activation=nn.GELU())
        self.activation = nn.GELU()
        self.cca = ContrastAttention(shapes.at("cca")) if "cca" in shapes else None
        if self.cca is None:
            self.cw = nn.Parameter(torch.ones(shapes["cw"]))
            self.conv_out = shapes.point("conv_out")

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        features, kept = x, []
        for step in ("1", "2", "3"):
            kept.append(self.activation(self.get_submodule(f"c{step}_d")(features)))
            features = self.activation(self.get_submodule(f"c{step}_r")(features) + features)
        kept.append(self.activation(self.c4(features)))
        out = self.esa(self.c5(torch.cat(kept, dim=1)))
        out = self.conv_out(out * self.cw.reshape(1, -1, 1, 1)) if self.cca is None else self.cca(out)
        return out + x


class BSRN(nn.Module):
    """Blueprint separable residual network."""

    smallest = ESA_SMALLEST

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.fea_conv, self.c2 = Blueprint(shapes.at("fea_conv")), Blueprint(shapes.at("c2"))
        self.blocks = [f"B{n}" for n in shapes.numbered("B", 1)]
        for name in self.blocks:
            self.add_module(name, Block(shapes.at(name)))
        self.c1 = shapes.point("c1")
        self.activation = nn.GELU()
        self.channels = shapes["fea_conv.pw.weight"][1] // _COPIES
        last = "upsampler.upsampleOneStep.0"
        self.scale = shapes.scale(shapes[f"{last}.weight"][0], self.channels)
        self.upsampler = nn.Module()
        self.upsampler.upsampleOneStep = nn.Sequential(shapes.conv(last), nn.PixelShuffle(self.scale))

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        first = features = self.fea_conv(x.repeat(1, _COPIES, 1, 1))  # (B, F, H, W)
        made = []
        for name in self.blocks:
            features = self.get_submodule(name)(features)
            made.append(features)
        fused = self.c2(self.activation(self.c1(torch.cat(made, dim=1)))) + first
        out: Tensor = self.upsampler.get_submodule("upsampleOneStep")(fused)  # (B, C, sH, sW)
        return out
