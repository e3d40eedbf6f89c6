"""DFCAN: blocks that weight their channels by the channels' power spectra.

Qiao, Li, Guo, Liu, Jiang, Dai, Li: Evaluation and development of deep neural networks for image
super-resolution in optical microscopy, Nature Methods 18, 2021, doi:10.1038/s41592-020-01048-5. The
paper's size: 4 groups of 4 blocks, 64 features. Its last sigmoid is omitted, because results may exceed the
brightest input; ``skip`` adds the interpolated image, unlike the paper.

A spectrum depends on every pixel, and tiles cannot add it up as they add up a mean: images are computed in one tile.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from napari_superres.models.architectures.layers import CONV, PixelShuffle, near_zero, same_conv
from napari_superres.models.interpolate import Interpolation

_GAMMA = 0.8
_MIN_POWER = 1e-8


class FourierAttention(nn.Module):
    """Weight channels by a small network of their power spectra."""

    def __init__(self, ndim: int, features: int, reduction: int) -> None:
        super().__init__()
        self.spectrum = nn.Sequential(same_conv(ndim, features, features, 3), nn.ReLU(inplace=True))
        self.weights = nn.Sequential(
            CONV[ndim](features, features // reduction, 1),
            nn.ReLU(inplace=True),
            CONV[ndim](features // reduction, features, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted features."""
        dims = tuple(range(2, x.ndim))
        # Spectra exceed the range of 16 bits.
        with torch.autocast(x.device.type, enabled=False):
            wide = x if x.dtype == torch.float64 else x.float()
            power = torch.fft.fftn(wide, dim=dims, norm="ortho").abs().square() + _MIN_POWER
            spectrum = torch.fft.fftshift(power, dim=dims) ** (_GAMMA / 2)
        weights: Tensor = self.weights(self.spectrum(spectrum.to(x.dtype)).mean(dims, keepdim=True))
        return x * weights


class Block(nn.Module):
    """Two convolutions and Fourier attention, added to the input."""

    def __init__(self, ndim: int, features: int, reduction: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            same_conv(ndim, features, features, 3),
            nn.GELU(),
            same_conv(ndim, features, features, 3),
            nn.GELU(),
            FourierAttention(ndim, features, reduction),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        out: Tensor = self.body(x)
        return out + x


class Group(nn.Module):
    """Blocks, added to the input."""

    def __init__(self, ndim: int, blocks: int, features: int, reduction: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(Block(ndim, features, reduction) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        out: Tensor = self.body(x)
        return out + x


class DFCAN(nn.Module):
    """Deep Fourier channel attention network in two or three dimensions, with one factor per axis."""

    def __init__(
        self,
        *,
        scale: Sequence[int],
        ndim: int = 2,
        channels: int = 1,
        groups: int = 4,
        blocks: int = 4,
        features: int = 64,
        reduction: int = 16,
        skip: bool = True,
    ) -> None:
        super().__init__()
        self.interpolation = Interpolation("bicubic", scale) if skip else None
        self.head = nn.Sequential(same_conv(ndim, channels, features, 3), nn.GELU())
        self.body = nn.Sequential(*(Group(ndim, blocks, features, reduction) for _ in range(groups)))
        self.tail = nn.Sequential(
            same_conv(ndim, features, features * prod(scale), 3),
            nn.GELU(),
            PixelShuffle(scale),
            same_conv(ndim, features, channels, 3),
        )
        if skip:
            near_zero(self.tail[-1])

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        out: Tensor = self.tail(self.body(self.head(x)))  # (B, C, sH, sW)
        return out if self.interpolation is None else self.interpolation(x) + out
