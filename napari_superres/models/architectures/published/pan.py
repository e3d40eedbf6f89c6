"""PAN: self-calibrated blocks with pixel attention, also while the image is enlarged.

Zhao, Kong, He, Qiao, Dong: Efficient Image Super-Resolution Using Pixel Attention, ECCV Workshops 2020,
arXiv:2010.01073, doi:10.1007/978-3-030-67070-2_3. The enlarged image is added by bilinear interpolation. The weights
for factors 2 and 3 have the same shapes: see `scales`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_superres.models.architectures.published.layers import PixelAttention
from napari_superres.models.architectures.published.shapes import Shapes


class _Calibrated(nn.Module):
    """A convolution weighted pixel by pixel, then another."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.k2 = shapes.conv("k2")
        self.k3, self.k4 = (shapes.conv(name, biased=False) for name in ("k3", "k4"))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.k4(self.k3(x) * torch.sigmoid(self.k2(x)))
        return out


class Block(nn.Module):
    """Two half-width paths, one of them with pixel attention, added to the input."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.conv1_a, self.conv1_b, self.conv3 = (
            shapes.conv(name, biased=False) for name in ("conv1_a", "conv1_b", "conv3")
        )
        self.k1 = nn.Sequential(shapes.conv("k1.0", biased=False))
        self.PAConv = _Calibrated(shapes.at("PAConv"))
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        act = self.activation
        plain, weighted = act(self.k1(act(self.conv1_a(x)))), act(self.PAConv(act(self.conv1_b(x))))
        out: Tensor = self.conv3(torch.cat([plain, weighted], dim=1))
        return out + x


class PAN(nn.Module):
    """Pixel attention network."""

    def __init__(self, shapes: Shapes, scale: int = 0) -> None:
        super().__init__()
        self.scales = (4,) if "upconv2" in shapes else (2, 3)
        self.scale = scale or self.scales[0]
        self.channels = shapes["conv_first.weight"][1]
        self.conv_first, self.trunk_conv = shapes.conv("conv_first"), shapes.conv("trunk_conv")
        trunk = shapes.at("SCPA_trunk")
        self.SCPA_trunk = nn.Sequential(*(Block(trunk.at(n)) for n in trunk.numbered()))
        self.steps = (2, 2) if self.scale == 4 else (self.scale,)
        for step in range(1, len(self.steps) + 1):
            self.add_module(f"upconv{step}", shapes.conv(f"upconv{step}"))
            self.add_module(f"att{step}", PixelAttention(shapes.at(f"att{step}")))
            self.add_module(f"HRconv{step}", shapes.conv(f"HRconv{step}"))
        self.conv_last = shapes.conv("conv_last")
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        first = self.conv_first(x)
        features = first + self.trunk_conv(self.SCPA_trunk(first))  # (B, F, H, W)
        for step, factor in enumerate(self.steps, 1):
            wide = functional.interpolate(features, scale_factor=factor, mode="nearest")
            for name in ("upconv", "HRconv"):
                wide = self.get_submodule(f"{name}{step}")(wide)
                wide = self.activation(self.get_submodule(f"att{step}")(wide) if name == "upconv" else wide)
            features = wide
        base = functional.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        out: Tensor = self.conv_last(features) + base  # (B, C, sH, sW)
        return out
