"""SRCNN: patch extraction, non-linear mapping, reconstruction, on the interpolated image.

Dong, Loy, He, Tang: Image Super-Resolution Using Deep Convolutional Networks,
IEEE TPAMI 38(2), 2016, doi:10.1109/TPAMI.2015.2439281. Kernels 9-1-5 (2014) and 9-5-5 (2016),
64 and 32 features. With ``skip`` the last convolution predicts the difference to the interpolated
image, unlike the paper; this trains in minutes instead of days.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from napari_superres.models.architectures.layers import near_zero, same_conv
from napari_superres.models.interpolate import Interpolation


class SRCNN(nn.Module):
    """Three convolutions after bicubic interpolation."""

    def __init__(
        self,
        *,
        scale: Sequence[int],
        ndim: int = 2,
        channels: int = 1,
        kernels: Sequence[int] = (9, 5, 5),
        features: Sequence[int] = (64, 32),
        skip: bool = True,
    ) -> None:
        super().__init__()
        self.interpolation = Interpolation("bicubic", scale)
        self.skip = skip
        self.extract = same_conv(ndim, channels, features[0], kernels[0])
        self.map = same_conv(ndim, features[0], features[1], kernels[1])
        self.reconstruct = same_conv(ndim, features[1], channels, kernels[2])
        if skip:
            near_zero(self.reconstruct)

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        base = self.interpolation(x)  # (B, C, sH, sW)
        x = F.relu(self.extract(base))
        x = F.relu(self.map(x))
        x = self.reconstruct(x)
        return base + x if self.skip else x
