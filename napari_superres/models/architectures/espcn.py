"""ESPCN: all convolutions at low resolution, then a sub-pixel rearrangement.

Shi et al.: Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
Convolutional Neural Network, CVPR 2016, doi:10.1109/CVPR.2016.207. Kernels 5-3-3, 64 and 32
features, tanh. ``skip`` adds the interpolated image, which the paper does not have.
"""

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from napari_superres.models.architectures.layers import ACTIVATIONS, PixelShuffle, near_zero, same_conv
from napari_superres.models.interpolate import Interpolation


class ESPCN(nn.Module):
    """Three convolutions and a pixel shuffle, in two or three dimensions, with one factor per axis."""

    def __init__(
        self,
        *,
        scale: Sequence[int],
        ndim: int = 2,
        channels: int = 1,
        features: Sequence[int] = (64, 32),
        activation: str = "tanh",
        skip: bool = True,
    ) -> None:
        super().__init__()
        act = ACTIVATIONS[activation]
        self.interpolation = Interpolation("bicubic", scale) if skip else None
        self.body = nn.Sequential(
            same_conv(ndim, channels, features[0], 5),
            act(),
            same_conv(ndim, features[0], features[1], 3),
            act(),
            same_conv(ndim, features[1], channels * prod(scale), 3),
            PixelShuffle(scale),
        )
        if skip:
            near_zero(self.body[-2])

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        out: Tensor = self.body(x)  # (B, C, sH, sW)
        return out if self.interpolation is None else self.interpolation(x) + out
