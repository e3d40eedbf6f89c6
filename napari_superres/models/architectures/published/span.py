"""SPAN in its fused form, in which challenges publish it: each block's three paths are one convolution.

Wan, Yu, Wang, Chen, Zhang, Li: Swift Parameter-free Attention Network for Efficient Super-Resolution, CVPR Workshops
2024, arXiv:2311.12770. The form that is trained is in ``architectures.span``, and spandrel reads its files.
"""

import torch
from torch import Tensor, nn

from napari_superres.models.architectures.published.layers import DIV2K_MEAN
from napari_superres.models.architectures.published.shapes import Shapes


def _fused(shapes: Shapes, name: str) -> nn.Module:
    """Return a convolution under the name ``eval_conv``, or under none."""
    inner = f"{name}.eval_conv"
    if inner not in shapes:
        return shapes.conv(name)
    layer = nn.Sequential()
    layer.add_module("eval_conv", shapes.conv(inner))
    return layer


class Block(nn.Module):
    """Three convolutions, the last of which also weights the features."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.c1_r, self.c2_r, self.c3_r = (_fused(shapes, name) for name in ("c1_r", "c2_r", "c3_r"))
        self.activation = nn.SiLU()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the refined features, and those after the first convolution."""
        first = self.c1_r(x)
        # The authors' activation works in place, so what is fused later is the activated map.
        first = self.activation(first)
        refined = self.c3_r(self.activation(self.c2_r(first)))
        return (refined + x) * (torch.sigmoid(refined) - 0.5), first


class FusedSPAN(nn.Module):
    """Swift parameter-free attention network with fused convolutions.

    Parameters
    ----------
    shapes
        Of the checkpoint.
    gain
        Factor on the image after the mean was taken from it; training scripts differ.
    """

    mean: Tensor
    variants = ({"gain": 1.0}, {"gain": 255.0})

    def __init__(self, shapes: Shapes, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.conv_1, self.conv_2 = _fused(shapes, "conv_1"), _fused(shapes, "conv_2")
        self.blocks = [f"block_{n}" for n in shapes.numbered("block_", 1)]
        for name in self.blocks:
            self.add_module(name, Block(shapes.at(name)))
        self.conv_cat = shapes.conv("conv_cat")
        self.channels = 3
        self.scale = shapes.scale(shapes["upsampler.0.weight"][0], self.channels)
        self.upsampler = nn.Sequential(shapes.conv("upsampler.0"), nn.PixelShuffle(self.scale))
        self.register_buffer("mean", torch.tensor(DIV2K_MEAN).reshape(1, -1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        first = features = self.conv_1((x - self.mean) * self.gain)  # (B, F, H, W)
        early: Tensor | None = None
        inner = first
        for name in self.blocks:
            features, inner = self.get_submodule(name)(features)
            early = features if early is None else early
        assert early is not None
        fused = self.conv_cat(torch.cat([first, self.conv_2(features), early, inner], dim=1))
        out: Tensor = self.upsampler(fused)  # (B, C, sH, sW)
        return out
