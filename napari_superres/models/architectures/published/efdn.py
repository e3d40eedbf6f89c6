"""EFDN, the baseline of NTIRE 2025, and FMEN, both with each block's parallel paths fused to one convolution.

Wang: Edge-enhanced Feature Distillation Network for Efficient Super-Resolution, CVPR Workshops 2022, arXiv:2204.08759,
doi:10.1109/CVPRW56347.2022.00093. Du, Liu, Tang, Wu, Liu, Li: Fast and Memory-Efficient Network Towards Efficient Image
Super-Resolution, CVPR Workshops 2022, arXiv:2204.08397, doi:10.1109/CVPRW56347.2022.00101.
"""

import torch
from torch import Tensor, nn

from napari_superres.models.architectures.published.layers import ESA_SMALLEST, SpatialAttention
from napari_superres.models.architectures.published.shapes import Shapes


class _Activated(nn.Module):
    """A convolution under a name of its own, then PReLU."""

    def __init__(self, shapes: Shapes, name: str) -> None:
        super().__init__()
        self.name = name
        self.add_module(name, shapes.conv(name))
        self.act = nn.PReLU(shapes["act.weight"][0])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.get_submodule(self.name)(x))
        return out


class Cell(nn.Module):
    """Three convolutions, of which each stage keeps half its features, with spatial attention."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.conv1 = _Activated(shapes.at("conv1"), "conv1x1")
        self.conv2, self.conv3 = (_Activated(shapes.at(name), "rep_conv") for name in ("conv2", "conv3"))
        branch = shapes.at("branch")
        self.branch = nn.ModuleList(branch.conv(str(n)) for n in branch.numbered())
        self.fuse, self.att = shapes.conv("fuse"), SpatialAttention(shapes.at("att"))

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        stages = [x]
        for layer in (self.conv1, self.conv2, self.conv3):
            stages.append(layer(stages[-1]))
        kept = [keep(stage) for keep, stage in zip(self.branch, stages, strict=True)]
        out: Tensor = self.att(self.fuse(torch.cat(kept, dim=1))) + x
        return out


class EFDN(nn.Module):
    """Edge-enhanced feature distillation network. The authors clip its result to 0 to 1; here it is not clipped."""

    smallest = ESA_SMALLEST

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.head = shapes.conv("head")
        cells, fuse = shapes.at("cells"), shapes.at("local_fuse")
        self.cells = nn.ModuleList(Cell(cells.at(n)) for n in cells.numbered())
        self.local_fuse = nn.ModuleList(fuse.conv(str(n)) for n in fuse.numbered())
        if (len(self.cells), len(self.local_fuse)) != (4, 3):
            raise ValueError("EFDN has four cells and three fusions")
        self.channels = shapes["head.weight"][1]
        self.scale = shapes.scale(shapes["tail.0.weight"][0], self.channels)
        self.tail = nn.Sequential(shapes.conv("tail.0"), nn.PixelShuffle(self.scale))

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        first = self.head(x)  # (B, F, H, W)
        one = self.cells[0](first)
        two = self.cells[1](one)
        three = self.cells[2](self.local_fuse[0](torch.cat([one, two], dim=1)))
        four = self.cells[3](self.local_fuse[1](torch.cat([two, three], dim=1)))
        out: Tensor = self.tail(self.local_fuse[2](torch.cat([two, four], dim=1)) + first)  # (B, C, sH, sW)
        return out


class _Pair(nn.Module):
    """Two fused convolutions with an activation between them."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        for name in ("conv1", "conv2"):
            layer = nn.Sequential()
            layer.add_module("rep_conv", shapes.conv(f"{name}.rep_conv"))
            self.add_module(name, layer)
        self.activation = nn.LeakyReLU(0.1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.get_submodule("conv2")(self.activation(self.get_submodule("conv1")(x)))
        return out


class _HighFrequency(nn.Module):
    """Weight features by what convolutions of a few of them say."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        convs = shapes.at("convs")
        self.squeeze, self.excitate = shapes.conv("squeeze"), shapes.conv("excitate")
        self.convs = nn.Sequential(*(_Pair(convs.at(n)) for n in convs.numbered()))
        self.activation = nn.LeakyReLU(0.1)

    def forward(self, x: Tensor) -> Tensor:
        few = self.activation(self.convs(self.activation(self.squeeze(x))))
        return x * torch.sigmoid(self.excitate(few))


class FMEN(nn.Module):
    """Fast and memory-efficient network."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.head, self.lr_conv = shapes.conv("head"), shapes.conv("lr_conv")
        self.warmup = nn.Sequential(shapes.conv("warmup.0"), _HighFrequency(shapes.at("warmup").at(1)))
        blocks, weights = shapes.at("basic_blocks"), shapes.at("hfabs")
        self.basic_blocks = nn.ModuleList(_Pair(blocks.at(n)) for n in blocks.numbered())
        self.hfabs = nn.ModuleList(_HighFrequency(weights.at(n)) for n in weights.numbered())
        self.channels = shapes["head.weight"][1]
        self.scale = shapes.scale(shapes["tail.0.weight"][0], self.channels)
        self.tail = nn.Sequential(shapes.conv("tail.0"), nn.PixelShuffle(self.scale))

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        first = self.head(x)  # (B, F, H, W)
        features = self.warmup(first)
        for block, weight in zip(self.basic_blocks, self.hfabs, strict=True):
            features = weight(block(features))
        out: Tensor = self.tail(self.lr_conv(features) + first)  # (B, C, sH, sW)
        return out
