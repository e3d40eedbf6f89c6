"""RLFN: three convolutions per block, whose result is added and weighted in space.

Kong, Li, Liu, Liu, He, Bai, Chen, Fu: Residual Local Feature Network for Efficient Super-Resolution, CVPR Workshops
2022, arXiv:2205.07514, doi:10.1109/CVPRW56347.2022.00092.
"""

from torch import Tensor, nn
from torch.nn import functional

from napari_superres.models.architectures.published.layers import ESA_SMALLEST, SpatialAttention
from napari_superres.models.architectures.published.shapes import Shapes

_BEFORE = (("fea_conv.", "conv_1."), ("LR_conv.", "conv_2."))
"""Names of the layers in the first version of the network, and in the later ones."""


class Block(nn.Module):
    """Residual local features with spatial attention."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        for name in ("c1_r", "c2_r", "c3_r", "c5"):
            self.add_module(name, shapes.conv(name))
        self.esa = SpatialAttention(shapes.at("esa"))
        self.activation = nn.LeakyReLU(0.05)

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        out = x
        for name in ("c1_r", "c2_r", "c3_r"):
            out = self.activation(self.get_submodule(name)(out))
        out = self.esa(self.c5(out + x))
        return out


class RLFN(nn.Module):
    """Residual local feature network.

    Parameters
    ----------
    shapes
        Of the checkpoint.
    base
        Whether the image, enlarged by bilinear interpolation, is added: in an entry to NTIRE 2024.
    """

    smallest = ESA_SMALLEST
    variants = ({"base": False}, {"base": True})

    def __init__(self, shapes: Shapes, base: bool = False) -> None:
        super().__init__()
        self.base = base
        self.conv_1, self.conv_2 = shapes.conv("conv_1"), shapes.conv("conv_2")
        self.blocks = [f"block_{n}" for n in shapes.numbered("block_", 1)]
        for name in self.blocks:
            self.add_module(name, Block(shapes.at(name)))
        self.channels = shapes["conv_1.weight"][1]
        self.scale = shapes.scale(shapes["upsampler.0.weight"][0], self.channels)
        self.upsampler = nn.Sequential(shapes.conv("upsampler.0"), nn.PixelShuffle(self.scale))

    @staticmethod
    def renamed(name: str) -> str:
        """Return a tensor's name here; the entry of the NTIRE challenge of 2022 has other ones."""
        for old, new in _BEFORE:
            if name.startswith(old):
                return new + name.removeprefix(old)
        return f"block_{name[1:]}" if name[0] == "B" else name

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        first = features = self.conv_1(x)  # (B, F, H, W)
        for name in self.blocks:
            features = self.get_submodule(name)(features)
        out: Tensor = self.upsampler(self.conv_2(features) + first)  # (B, C, sH, sW)
        if self.base:
            out = out + functional.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        return out
