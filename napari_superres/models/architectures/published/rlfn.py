"""RLFN: three convolutions per block, whose result is added and weighted in space.

Kong, Li, Liu, Liu, He, Bai, Chen, Fu: Residual Local Feature Network for Efficient Super-Resolution, CVPR Workshops
2022, arXiv:2205.07514, doi:10.1109/CVPRW56347.2022.00092. Entries to challenges differ in names, and leave out layers.
"""

import re

from torch import Tensor, nn
from torch.nn import functional

from napari_superres.models.architectures.published.layers import ESA_SMALLEST, SpatialAttention
from napari_superres.models.architectures.published.shapes import Shapes

_NAMES = (
    (r"^fea_conv\.", "conv_1."),
    (r"^LR_conv\.", "conv_2."),
    (r"^B(\d+)\.", r"block_\1."),
    (r"\.(eval_conv|rbr_reparam)\.", "."),
    (r"^upsampler\.upsample_conv\.", "upsampler.0."),
)
"""Names of entries to challenges, and the names of the authors."""


_SLOPES = {"leaky": 0.05, "leaky twice": 0.05**2}


class Block(nn.Module):
    """Residual local features with spatial attention, and an activation as in `RLFN`."""

    c5: nn.Module

    def __init__(self, shapes: Shapes, activation: str) -> None:
        super().__init__()
        self.steps = [name for name in ("c1_r", "c2_r", "c3_r") if name in shapes]
        for name in (*self.steps, "c5"):
            self.add_module(name, shapes.conv(name))
        self.esa = SpatialAttention(shapes.at("esa"))
        self.activation = nn.SiLU() if activation == "silu" else nn.LeakyReLU(_SLOPES[activation])

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        out = x
        for name in self.steps:
            out = self.activation(self.get_submodule(name)(out))
        weighted: Tensor = self.esa(self.c5(out + x))
        return weighted


class RLFN(nn.Module):
    """Residual local feature network.

    Parameters
    ----------
    shapes
        Of the checkpoint.
    base
        Whether the image, enlarged by bilinear interpolation, is added: in an entry to NTIRE 2024.
    activation
        ``"leaky"`` as in the paper; ``"silu"`` or ``"leaky twice"`` in entries to NTIRE 2025.
    """

    smallest = ESA_SMALLEST
    variants = (
        {"base": False, "activation": "leaky"},
        {"base": True, "activation": "leaky"},
        {"base": False, "activation": "silu"},
        {"base": False, "activation": "leaky twice"},
    )

    def __init__(self, shapes: Shapes, base: bool = False, activation: str = "leaky") -> None:
        super().__init__()
        self.base = base
        self.conv_1, self.conv_2 = shapes.conv("conv_1"), shapes.conv("conv_2")
        self.blocks = [f"block_{n}" for n in shapes.numbered("block_", 1)]
        for name in self.blocks:
            self.add_module(name, Block(shapes.at(name), activation))
        self.channels = shapes["conv_1.weight"][1]
        self.scale = shapes.scale(shapes["upsampler.0.weight"][0], self.channels)
        self.upsampler = nn.Sequential(shapes.conv("upsampler.0"), nn.PixelShuffle(self.scale))

    @staticmethod
    def renamed(name: str) -> str:
        """Return the name that the authors give a tensor, for one of an entry to a challenge."""
        for old, new in _NAMES:
            name = re.sub(old, new, name)
        if match := re.match(r"block_list\.(\d+)\.", name):
            name = f"block_{int(match.group(1)) + 1}.{name[match.end() :]}"
        return name

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        first = features = self.conv_1(x)  # (B, F, H, W)
        for name in self.blocks:
            features = self.get_submodule(name)(features)
        out: Tensor = self.upsampler(self.conv_2(features) + first)  # (B, C, sH, sW)
        if self.base:
            out = out + functional.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        return out
