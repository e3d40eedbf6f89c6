"""VDSR: twenty convolutions on the interpolated image, which predict the difference to it.

Kim, Lee, Lee: Accurate Image Super-Resolution Using Very Deep Convolutional Networks,
CVPR 2016, doi:10.1109/CVPR.2016.182.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from napari_superres.models.architectures.layers import near_zero, same_conv
from napari_superres.models.interpolate import Interpolation


class VDSR(nn.Module):
    """A deep residual network on the finer grid."""

    def __init__(
        self, *, scale: Sequence[int], ndim: int = 2, channels: int = 1, depth: int = 20, features: int = 64
    ) -> None:
        super().__init__()
        self.interpolation = Interpolation("bicubic", scale)
        layers: list[nn.Module] = [same_conv(ndim, channels, features, 3), nn.ReLU(inplace=True)]
        for _ in range(depth - 2):
            layers += [same_conv(ndim, features, features, 3), nn.ReLU(inplace=True)]
        layers += [same_conv(ndim, features, channels, 3)]
        self.body = nn.Sequential(*layers)
        for layer in self.body:
            if not isinstance(layer, nn.ReLU):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # type: ignore[arg-type]
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        near_zero(self.body[-1])

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        base: Tensor = self.interpolation(x)  # (B, C, sH, sW)
        return base + self.body(base)
