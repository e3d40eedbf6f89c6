"""FSRCNN: features at low resolution, shrink, map, expand, and a deconvolution at the end.

Dong, Loy, Tang: Accelerating the Super-Resolution Convolutional Neural Network, ECCV 2016,
doi:10.1007/978-3-319-46475-6_25. The default size is the paper's FSRCNN(56, 12, 4).
``skip`` adds the interpolated image to the output, unlike the paper.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from napari_superres.models.architectures.layers import as_subpixel, near_zero, same_conv, transposed_conv
from napari_superres.models.interpolate import Interpolation


class FSRCNN(nn.Module):
    """Hourglass of small convolutions ended by a transposed convolution."""

    def __init__(
        self,
        *,
        scale: Sequence[int],
        ndim: int = 2,
        channels: int = 1,
        features: int = 56,
        shrunk: int = 12,
        maps: int = 4,
        skip: bool = True,
    ) -> None:
        super().__init__()
        self.interpolation = Interpolation("bicubic", scale) if skip else None
        layers: list[nn.Module] = [same_conv(ndim, channels, features, 5), nn.PReLU(features)]
        layers += [same_conv(ndim, features, shrunk, 1), nn.PReLU(shrunk)]
        for _ in range(maps):
            layers += [same_conv(ndim, shrunk, shrunk, 3), nn.PReLU(shrunk)]
        layers += [same_conv(ndim, shrunk, features, 1), nn.PReLU(features)]
        self.body = nn.Sequential(*layers)
        self.deconvolution: nn.Module = transposed_conv(ndim, features, channels, 9, scale)
        if skip:
            near_zero(self.deconvolution)

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        out: Tensor = self.deconvolution(self.body(x))  # (B, C, sH, sW)
        return out if self.interpolation is None else self.interpolation(x) + out

    def deploy(self) -> nn.Module:
        """Return the network with its deconvolution as a sub-pixel convolution: equal, twice as fast."""
        self.deconvolution = as_subpixel(self.deconvolution)
        return self
