"""RCAN: residual groups of blocks that weight their channels by the channels' means over the whole image.

Zhang, Li, Li, Wang, Zhong, Fu: Image Super-Resolution Using Very Deep Residual Channel Attention
Networks, ECCV 2018, arXiv:1807.02758, doi:10.1007/978-3-030-01234-2_18. The paper's size: 10 groups
of 20 blocks, 64 features. Head, long skip and tail are EDSR's; ``skip`` adds the interpolated image,
unlike the paper.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from napari_superres.models.architectures.edsr import EDSR
from napari_superres.models.architectures.layers import CONV, same_conv

MEAN: dict[int, type[nn.Module]] = {2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}


class ChannelAttention(nn.Module):
    """Weight channels by a small network of their means."""

    def __init__(self, ndim: int, features: int, reduction: int) -> None:
        super().__init__()
        self.weights = nn.Sequential(
            MEAN[ndim](1),
            CONV[ndim](features, features // reduction, 1),
            nn.ReLU(inplace=True),
            CONV[ndim](features // reduction, features, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted features."""
        weights: Tensor = self.weights(x)  # (B, F, 1, 1)
        return x * weights


class Block(nn.Module):
    """Convolution, ReLU, convolution, channel attention, added to the input."""

    def __init__(self, ndim: int, features: int, reduction: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            same_conv(ndim, features, features, 3),
            nn.ReLU(inplace=True),
            same_conv(ndim, features, features, 3),
            ChannelAttention(ndim, features, reduction),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        out: Tensor = self.body(x)
        return out + x


class Group(nn.Module):
    """Blocks and a convolution, added to the input."""

    def __init__(self, ndim: int, blocks: int, features: int, reduction: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(Block(ndim, features, reduction) for _ in range(blocks)), same_conv(ndim, features, features, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        out: Tensor = self.body(x)
        return out + x


class RCAN(EDSR):
    """Residual channel attention network in two or three dimensions, with one factor per axis."""

    def __init__(
        self,
        *,
        scale: Sequence[int],
        ndim: int = 2,
        channels: int = 1,
        groups: int = 10,
        blocks: int = 20,
        features: int = 64,
        reduction: int = 16,
        skip: bool = True,
    ) -> None:
        super().__init__(scale=scale, ndim=ndim, channels=channels, blocks=0, features=features, skip=skip)
        self.body = nn.Sequential(*(Group(ndim, blocks, features, reduction) for _ in range(groups)), *self.body)
