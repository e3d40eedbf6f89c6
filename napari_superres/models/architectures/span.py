"""SPAN: a small, fast network whose blocks weight their own features without extra parameters.

Wan, Yu, Wang, Chen, Zhang, Li: Swift Parameter-free Attention Network for Efficient Super-Resolution,
CVPR Workshops 2024, arXiv:2311.12770. The paper's size: 6 blocks of 48 features. ``expansion`` trains
each convolution as three, as the paper does, and `SPAN.deploy` fuses them. ``skip`` adds the interpolated image,
unlike the paper.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from napari_superres.models.architectures.layers import CONV, PixelShuffle, near_zero, same_conv
from napari_superres.models.interpolate import Interpolation


class Expanded(nn.Module):
    """A convolution of 3 pixels, trained as convolutions of 1, 3, 1 pixels over more features plus one of 1 pixel."""

    def __init__(self, ndim: int, inputs: int, outputs: int, expansion: int) -> None:
        super().__init__()
        conv, wide = CONV[ndim], outputs * expansion
        self.widen, self.skip = conv(inputs, inputs * expansion, 1, padding=1), conv(inputs, outputs, 1)
        self.inner, self.narrow = conv(inputs * expansion, wide, 3), conv(wide, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of both paths."""
        # The first convolution pads the border, so that its bias reaches the border too.
        out: Tensor = self.narrow(self.inner(self.widen(x))) + self.skip(x)
        return out

    @torch.no_grad()
    def fused(self) -> nn.Module:
        """Return the single convolution that equals this layer, inside and at the border."""
        outputs, inputs, *kernel = self.skip.weight.shape
        ndim = len(kernel)
        conv = same_conv(ndim, inputs, outputs, 3).to(self.skip.weight)
        widen, narrow = (layer.weight.flatten(1) for layer in (self.widen, self.narrow))
        weight = torch.einsum("om,mk...,ki->oi...", narrow, self.inner.weight, widen)
        middle: Any = (..., *[1] * ndim)
        weight[middle] += self.skip.weight.flatten(1)
        spread = self.inner.weight.flatten(2).sum(2) @ self.widen.bias + self.inner.bias
        conv.weight.copy_(weight)  # type: ignore[operator]
        conv.bias.copy_(narrow @ spread + self.narrow.bias + self.skip.bias)  # type: ignore[operator]
        return conv


class Block(nn.Module):
    """Three convolutions, the last of which also weights the features."""

    def __init__(self, ndim: int, features: int, expansion: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(convolution(ndim, features, features, expansion) for _ in range(3))
        self.activation = nn.SiLU()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the refined features, and those after the first convolution."""
        first, second, third = self.convs
        inner = self.activation(first(x))
        refined = third(self.activation(second(inner)))
        return (refined + x) * (torch.sigmoid(refined) - 0.5), inner


class SPAN(nn.Module):
    """Swift parameter-free attention network in two or three dimensions, with one factor per axis."""

    def __init__(
        self,
        *,
        scale: Sequence[int],
        ndim: int = 2,
        channels: int = 1,
        blocks: int = 6,
        features: int = 48,
        expansion: int = 0,
        skip: bool = True,
    ) -> None:
        super().__init__()
        self.interpolation = Interpolation("bicubic", scale) if skip else None
        self.head = convolution(ndim, channels, features, expansion)
        self.blocks = nn.ModuleList(Block(ndim, features, expansion) for _ in range(blocks))
        self.end = convolution(ndim, features, features, expansion)
        self.fuse = CONV[ndim](4 * features, features, 1)
        self.tail = same_conv(ndim, features, channels * prod(scale), 3)
        self.shuffle = PixelShuffle(scale)
        if skip:
            near_zero(self.tail)

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        features = self.head(x)  # (B, F, H, W)
        refined, inner = self.blocks[0](features)
        first = refined
        for block in list(self.blocks)[1:]:
            refined, inner = block(refined)
        fused = self.fuse(torch.cat([features, self.end(refined), first, inner], dim=1))
        out: Tensor = self.shuffle(self.tail(fused))  # (B, C, sH, sW)
        return out if self.interpolation is None else self.interpolation(x) + out

    def deploy(self) -> nn.Module:
        """Return the network with each expanded convolution fused into one."""
        for name, layer in list(self.named_modules()):
            if isinstance(layer, Expanded):
                above, _, own = name.rpartition(".")
                setattr(self.get_submodule(above), own, layer.fused())
        return self


def convolution(ndim: int, inputs: int, outputs: int, expansion: int) -> nn.Module:
    """Return a convolution of 3 pixels; while it is trained, it is `expansion` times wider inside (0 = ordinary)."""
    return Expanded(ndim, inputs, outputs, expansion) if expansion else same_conv(ndim, inputs, outputs, 3)
