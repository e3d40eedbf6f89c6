"""SAFMN: features weighted by maps of several coarser grids.

Sun, Dong, Tang, Pan: Spatially-Adaptive Feature Modulation for Efficient Image Super-Resolution, ICCV 2023,
arXiv:2302.13800, doi:10.1109/ICCV51070.2023.01213. spandrel reads the paper's network; these are the authors' entries
to challenges: `NtireSAFMN` (NTIRE 2023) and `SAFMNpp` (NTIRE and AIS 2024). The coarser grids divide the image into
parts whose sizes depend on the size of the image.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_superres.models.architectures.published.shapes import Shapes


class _Modulation(nn.Module):
    """Weight features by maps of grids coarser by 4, 8 and 16."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        levels = shapes.at("mfr")
        self.mfr = nn.ModuleList(levels.depthwise(str(n), biased=False) for n in levels.numbered())
        self.aggr = shapes.conv("aggr", biased=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        made = []
        for level, part in enumerate(x.chunk(len(self.mfr), dim=1)):
            if level:
                size = [height // 2 ** (level + 1), width // 2 ** (level + 1)]
                coarse = self.mfr[level](functional.adaptive_max_pool2d(part, size))
                made.append(functional.interpolate(coarse, (height, width), mode="nearest"))
            else:
                made.append(self.mfr[level](part))
        return functional.gelu(self.aggr(torch.cat(made, dim=1))) * x


class _Mixer(nn.Module):
    """A convolution to more features, GELU, and one pixel back."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.ccm = nn.Sequential(shapes.conv("ccm.0", biased=False), nn.GELU(), shapes.conv("ccm.2", biased=False))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.ccm(x)
        return out


class Block(nn.Module):
    """Modulation and mixing, each added to its input."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.safm, self.ccm = _Modulation(shapes.at("safm")), _Mixer(shapes.at("ccm"))

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        x = self.safm(x) + x
        out: Tensor = self.ccm(x) + x
        return out


class _Response(nn.Module):
    """Weight channels by their share of the energy of the whole image. Woo et al. 2023, arXiv:2301.00808."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(shapes["gamma"]))
        self.beta = nn.Parameter(torch.zeros(shapes["beta"]))

    def forward(self, x: Tensor) -> Tensor:
        energy = x.square().sum((2, 3), keepdim=True).sqrt()
        return self.gamma * (x * (energy / (energy.mean(dim=1, keepdim=True) + 1e-6))) + self.beta + x


class NtireSAFMN(nn.Module):
    """Spatially-adaptive feature modulation network of the authors' entry to NTIRE 2023."""

    smallest = 16

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.channels = shapes["to_feat.weight"][1]
        self.scale = shapes.scale(shapes["to_img.0.weight"][0], self.channels)
        self.norm, self.to_feat = _Response(shapes.at("norm")), shapes.conv("to_feat")
        blocks = shapes.at("feats")
        self.feats = nn.Sequential(*(Block(blocks.at(n)) for n in blocks.numbered()))
        self.to_img = nn.Sequential(shapes.conv("to_img.0"), nn.PixelShuffle(self.scale))

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        base = functional.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        out: Tensor = self.to_img(self.feats(self.norm(self.to_feat(x))))
        return out + base


class _SimpleModulation(nn.Module):
    """Weight some of the features by a map of a grid coarser by 8."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.proj, self.out = shapes.conv("proj", biased=False), shapes.conv("out", biased=False)
        self.dwconv = shapes.depthwise("dwconv", biased=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        first, second = self.proj(x).tensor_split([self.dwconv.in_channels], dim=1)
        coarse = self.dwconv(functional.adaptive_max_pool2d(first, [height // 8, width // 8]))
        coarse = functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
        weighted = functional.gelu(coarse) * first
        out: Tensor = self.out(functional.gelu(torch.cat([second, weighted], dim=1)))
        return out


class _SimpleBlock(nn.Module):
    """Modulation, then mixing."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.conv1, self.conv2 = _SimpleModulation(shapes.at("conv1")), nn.Module()
        mixer = shapes.at("conv2")
        self.is_light = "conv" in mixer
        if self.is_light:
            self.conv2.conv = nn.Sequential(
                mixer.conv("conv.0", biased=False), nn.GELU(), mixer.conv("conv.2", biased=False)
            )
        else:
            self.conv2.conv1, self.conv2.conv2 = mixer.conv("conv1", biased=False), mixer.conv("conv2", biased=False)

    def forward(self, x: Tensor) -> Tensor:
        out, layer = self.conv1(x), self.conv2.get_submodule
        if self.is_light:
            light: Tensor = layer("conv")(out)
            return light
        mixed: Tensor = layer("conv2")(functional.gelu(layer("conv1")(out)))
        return mixed + x


class SAFMNpp(nn.Module):
    """SAFMN++: the entry to NTIRE 2024 adds the enlarged image, the light one to AIS 2024 the first features."""

    smallest = 8

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.channels = shapes["to_feat.weight"][1]
        self.scale = shapes.scale(shapes["to_img.0.weight"][0], self.channels)
        blocks = shapes.at("feats")
        self.to_feat = shapes.conv("to_feat", biased=False)
        self.feats = nn.Sequential(*(_SimpleBlock(blocks.at(n)) for n in blocks.numbered()))
        self.is_light = "conv" in blocks.at(0).at("conv2")
        self.to_img = nn.Sequential(shapes.conv("to_img.0", biased=False), nn.PixelShuffle(self.scale))

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        first = self.to_feat(x)
        if self.is_light:
            light: Tensor = self.to_img(self.feats(first) + first)
            return light
        base = functional.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        out: Tensor = self.to_img(self.feats(first))
        return out + base
