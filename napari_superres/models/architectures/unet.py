"""U-Net for content-aware restoration, on the same grid or on a finer one.

Weigert, Schmidt, Boothe, ...: Content-aware image restoration (CARE), Nature Methods 15, 2018,
doi:10.1038/s41592-018-0216-7, after Ronneberger, Fischer, Brox 2015, doi:10.1007/978-3-319-24574-4_28. The
paper's size: depth 2, 32 features in the plane; 3 convolutions wide. For a finer grid the paper interpolates
before the network. Here a sub-pixel convolution follows it, which takes a quarter of the time at x2, and the
interpolated image is added.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_superres.models.architectures.layers import MAX_POOL, PixelShuffle, near_zero, same_conv
from napari_superres.models.interpolate import Interpolation


class UNet(nn.Module):
    """U-Net in two or three dimensions, with one factor per axis; factors of 1 keep the grid.

    Sizes of the input must be multiples of ``multiple``.
    """

    def __init__(
        self, *, scale: Sequence[int], ndim: int = 2, channels: int = 1, depth: int = 2, features: int = 32
    ) -> None:
        super().__init__()
        self.multiple = 2**depth
        self.interpolation = Interpolation("bicubic", scale) if prod(scale) > 1 else nn.Identity()
        widths = [features * 2**level for level in range(depth + 1)]
        inputs = [channels, *widths[:-1]]
        self.down = nn.ModuleList(_convs(ndim, a, b) for a, b in zip(inputs, widths, strict=True))
        self.up = nn.ModuleList(_convs(ndim, a + b, a) for a, b in pairwise(widths))
        self.pool = MAX_POOL[ndim](2)
        self.tail = near_zero(same_conv(ndim, features, channels * prod(scale), 3))
        self.shuffle = PixelShuffle(scale)

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        levels = [self.down[0](x)]
        for convs in list(self.down)[1:]:
            levels.append(convs(self.pool(levels[-1])))
        features = levels.pop()
        for convs, skipped in zip(reversed(list(self.up)), reversed(levels), strict=True):
            features = convs(torch.cat([F.interpolate(features, scale_factor=2.0), skipped], dim=1))
        out: Tensor = self.shuffle(self.tail(features))  # (B, C, sH, sW)
        skip: Tensor = self.interpolation(x)
        return skip + out


def _convs(ndim: int, inputs: int, outputs: int) -> nn.Module:
    first, second = same_conv(ndim, inputs, outputs, 3), same_conv(ndim, outputs, outputs, 3)
    return nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True))
