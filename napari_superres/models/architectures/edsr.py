"""EDSR: residual blocks without normalisation at low resolution, then sub-pixel upsampling.

Lim, Son, Kim, Nah, Lee: Enhanced Deep Residual Networks for Single Image Super-Resolution,
CVPR Workshops 2017, doi:10.1109/CVPRW.2017.151. Baseline size: 16 blocks of 64 features.
``skip`` adds the image interpolated with ``kernel``, unlike the paper. With ``frames``, neighbouring frames of a movie
are more input channels, and the middle one is returned: early fusion without estimating motion, as in
Tassano, Delon, Veit: FastDVDnet, CVPR 2020, doi:10.1109/CVPR42600.2020.00143. With ``conditions``, that many constant
planes follow the image; see `core.conditions`. The tail ``"direct"`` shuffles the result itself instead of features, as
in Shi et al. 2016, doi:10.1109/CVPR.2016.207: a quarter of the time of a network of this size goes into the other one.
With ``evidence``, a conditioned network draws nothing where the image shows nothing but noise; see `fixed.evidence`.
With ``parallax``, the two frames are views of one scene, and the first is returned; see `fixed.parallax`.
"""

from collections.abc import Sequence
from math import prod
from typing import Literal, get_args

from torch import Tensor, nn

from napari_superres.models.architectures.fixed.evidence import Evidence
from napari_superres.models.architectures.fixed.parallax import BlockMatch
from napari_superres.models.architectures.layers import PixelShuffle, before_shuffle, near_zero, same_conv
from napari_superres.models.interpolate import Interpolation

Tail = Literal["features", "direct"]


class Block(nn.Module):
    """Convolution, ReLU, convolution, added to the input."""

    def __init__(self, ndim: int, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            same_conv(ndim, features, features, 3), nn.ReLU(inplace=True), same_conv(ndim, features, features, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        out: Tensor = self.body(x)
        return out + x


class EDSR(nn.Module):
    """Residual network in two or three dimensions, with one factor per axis."""

    def __init__(
        self,
        *,
        scale: Sequence[int],
        ndim: int = 2,
        channels: int = 1,
        frames: int = 1,
        conditions: int = 0,
        blocks: int = 16,
        features: int = 64,
        skip: bool = True,
        kernel: str = "bicubic",
        tail: Tail = "features",
        evidence: bool = False,
        parallax: int = 0,
    ) -> None:
        super().__init__()
        if parallax and (ndim, frames, conditions) != (2, 2, 0):
            raise ValueError(
                f"parallax needs 2 frames, planes and no conditions, got {frames}, ndim={ndim} and {conditions}"
            )
        self.match = BlockMatch(parallax, channels) if parallax else None
        self.evidence = Evidence() if evidence and conditions else None
        self.interpolation = Interpolation(kernel, scale) if skip else None
        own = (frames - 1) // 2
        self.own = slice(own * channels, (own + 1) * channels)
        inputs = frames * channels + conditions if self.match is None else self.match.planes
        self.head = same_conv(ndim, inputs, features, 3)
        self.body = nn.Sequential(
            *(Block(ndim, features) for _ in range(blocks)), same_conv(ndim, features, features, 3)
        )
        if tail not in get_args(Tail):
            raise ValueError(f"tail must be one of {get_args(Tail)}, got {tail!r}")
        if tail == "direct":
            last = same_conv(ndim, features, channels * prod(scale), 3)
            self.tail = nn.Sequential(last, PixelShuffle(scale))
        else:
            self.tail = _feature_tail(ndim, features, channels, scale)
            last = self.tail[-1]
        if skip:
            near_zero(last)

    def forward(self, x: Tensor) -> Tensor:
        """Return the middle one of the frames, or the first of two views, as ``(B, C, ...)`` on the finer grid.

        `x` is ``(B, frames * C + conditions, ...)``.
        """
        features = self.head(x if self.match is None else self.match(x))  # (B, F, H, W)
        out: Tensor = self.tail(features + self.body(features))  # (B, C, sH, sW)
        out = out if self.interpolation is None else self.interpolation(x[:, self.own]) + out
        # The test learns nothing, and patches for training are hardly larger than what it looks at.
        return out if self.evidence is None or self.training else self.evidence(x, out)

    def deploy(self) -> nn.Module:
        """Return an equal network that needs less memory: its last convolution comes before the last shuffle."""
        if len(self.tail) > 2:  # features are shuffled, not the result
            *first, shuffle, last = self.tail
            assert isinstance(shuffle, PixelShuffle)
            self.tail = nn.Sequential(*first, before_shuffle(last, shuffle.scale))
        return self


def _feature_tail(ndim: int, features: int, channels: int, scale: Sequence[int]) -> nn.Sequential:
    """Return sub-pixel upsampling of the features, and a convolution on the finer grid."""
    # A factor of 4 is reached in two steps of 2, as in the paper.
    steps = [tuple(2 if s % 4 == 0 else s for s in scale), tuple(2 if s % 4 == 0 else 1 for s in scale)]
    tail: list[nn.Module] = []
    for step in steps:
        if prod(step) > 1:
            tail += [same_conv(ndim, features, features * prod(step), 3), PixelShuffle(step)]
    return nn.Sequential(*tail, same_conv(ndim, features, channels, 3))
