"""EDSR, RCAN and SRResNet as their authors and BasicSR publish them.

Lim, Son, Kim, Nah, Lee: Enhanced Deep Residual Networks for Single Image Super-Resolution, CVPR Workshops 2017,
doi:10.1109/CVPRW.2017.151. Zhang, Li, Li, Wang, Zhong, Fu: Image Super-Resolution Using Very Deep Residual Channel
Attention Networks, ECCV 2018, doi:10.1007/978-3-030-01234-2_18. Ledig et al.: Photo-Realistic Single Image
Super-Resolution Using a Generative Adversarial Network, CVPR 2017, doi:10.1109/CVPR.2017.19, without its batch norms as
in Wang et al.: ESRGAN, ECCV Workshops 2018, doi:10.1007/978-3-030-11021-5_5.
"""

import re

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_superres.models.architectures.published.layers import DIV2K_MEAN
from napari_superres.models.architectures.published.shapes import Shapes

_EDSR_NAMES = (
    (r"^head\.0\.", "conv_first."),
    (r"^body\.(\d+)\.body\.0\.", r"body.\1.conv1."),
    (r"^body\.(\d+)\.body\.2\.", r"body.\1.conv2."),
    (r"^body\.\d+\.(weight|bias)$", r"conv_after_body.\1"),
    (r"^tail\.0\.", "upsample."),
    (r"^tail\.1\.", "conv_last."),
)
"""Names of the authors of EDSR, and of BasicSR."""

_SRRESNET_NAMES = ((r"^recon_trunk\.", "body."), (r"^HRconv\.", "conv_hr."))


def _rename(name: str, table: tuple[tuple[str, str], ...]) -> str:
    for old, new in table:
        changed, count = re.subn(old, new, name)
        if count:
            return changed
    return name


class Block(nn.Module):
    """Convolution, ReLU, convolution, scaled and added to the input."""

    def __init__(self, shapes: Shapes, residual: float = 1.0) -> None:
        super().__init__()
        self.conv1, self.conv2, self.residual = shapes.conv("conv1"), shapes.conv("conv2"), residual

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        return x + self.residual * self.conv2(torch.relu(self.conv1(x)))


class AttentionBlock(nn.Module):
    """Two convolutions whose channels are weighted by their means, added to the input."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        inner = shapes.at("rcab")
        weights = inner.at(3).at("attention")
        attention = nn.Module()
        attention.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), weights.conv("1"), nn.ReLU(), weights.conv("3"), nn.Sigmoid()
        )
        self.rcab = nn.ModuleList([inner.conv("0"), nn.ReLU(), inner.conv("2"), attention])

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        out = self.rcab[2](self.rcab[1](self.rcab[0](x)))
        out = out * self.rcab[3].get_submodule("attention")(out)
        return out + x


class AttentionGroup(nn.Module):
    """Blocks and a convolution, added to the input."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        inner = shapes.at("residual_group")
        self.residual_group = nn.Sequential(*(AttentionBlock(inner.at(n)) for n in inner.numbered()))
        self.conv = shapes.conv("conv")

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features."""
        out: Tensor = self.conv(self.residual_group(x))
        return out + x


class EDSR(nn.Module):
    """Residual network with sub-pixel upsampling of the features.

    Parameters
    ----------
    shapes
        Of the checkpoint.
    residual
        Factor on what each block adds: the large networks have 0.1.
    mean
        Mean colour that is taken from the image and given back: 0 for none, 1 for that of DIV2K on a range of 0 to 1,
        255 for the same on a range of 0 to 255. Files of the authors hold it themselves.
    """

    shift: Tensor
    variants: tuple[dict[str, float], ...] = tuple(
        {"residual": residual, "mean": mean} for residual in (1.0, 0.1) for mean in (255.0, 0.0, 1.0)
    )

    def __init__(self, shapes: Shapes, residual: float = 1.0, mean: float = 0.0) -> None:
        super().__init__()
        self.channels = shapes["conv_first.weight"][1]
        self.conv_first, self.conv_after_body = shapes.conv("conv_first"), shapes.conv("conv_after_body")
        body = shapes.at("body")
        self.body = nn.Sequential(*(self.block(body.at(n), residual) for n in body.numbered()))
        self.upsample, self.scale = _upsampling(shapes.at("upsample"))
        self.conv_last = shapes.conv("conv_last")
        self.stores_mean = "sub_mean" in shapes
        if self.stores_mean:
            self.sub_mean, self.add_mean = _shift(shapes, "sub_mean"), _shift(shapes, "add_mean")
        shift = torch.tensor(DIV2K_MEAN if self.channels == 3 else (0.0,) * self.channels)
        self.register_buffer("shift", mean * shift.reshape(1, -1, 1, 1), persistent=False)

    @staticmethod
    def block(shapes: Shapes, residual: float) -> nn.Module:
        """Return a part of the body."""
        return Block(shapes, residual)

    @staticmethod
    def renamed(name: str) -> str:
        """Return the name that BasicSR gives a tensor, for one that the authors of EDSR give."""
        return _rename(name, _EDSR_NAMES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        first = self.conv_first(self.sub_mean(x) if self.stores_mean else x - self.shift)  # (B, F, H, W)
        out: Tensor = self.conv_last(self.upsample(first + self.conv_after_body(self.body(first))))  # (B, C, sH, sW)
        return self.add_mean(out) if self.stores_mean else out + self.shift


class RCAN(EDSR):
    """Residual channel attention network in BasicSR's form. spandrel reads the authors' files."""

    variants = ({"mean": 255.0}, {"mean": 0.0}, {"mean": 1.0})

    @staticmethod
    def block(shapes: Shapes, residual: float) -> nn.Module:
        """Return a part of the body."""
        del residual
        return AttentionGroup(shapes)

    @staticmethod
    def renamed(name: str) -> str:
        """Return the tensor's name."""
        return name


class SRResNet(nn.Module):
    """SRResNet without batch norms, also the generator of SRGAN; the image is added by bilinear interpolation."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.channels = shapes["conv_first.weight"][1]
        self.conv_first, self.conv_hr, self.conv_last = (
            shapes.conv(name) for name in ("conv_first", "conv_hr", "conv_last")
        )
        body = shapes.at("body")
        self.body = nn.Sequential(*(Block(body.at(n)) for n in body.numbered()))
        features, self.scale, self.steps = shapes["conv_first.weight"][0], 1, []
        for name in ("upconv1", "upconv2"):
            if name in shapes:
                self.add_module(name, shapes.conv(name))
                self.steps.append((name, shapes.scale(shapes[f"{name}.weight"][0], features)))
                self.scale *= self.steps[-1][1]
        self.activation = nn.LeakyReLU(0.1)

    @staticmethod
    def renamed(name: str) -> str:
        """Return the name that BasicSR gives a tensor, for one of KAIR or of older versions."""
        return _rename(name, _SRRESNET_NAMES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        features = self.body(self.activation(self.conv_first(x)))
        for name, factor in self.steps:
            features = self.activation(functional.pixel_shuffle(self.get_submodule(name)(features), factor))
        base = functional.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        out: Tensor = self.conv_last(self.activation(self.conv_hr(features)))
        return out + base


def _shift(shapes: Shapes, name: str) -> nn.Module:
    """Return a convolution of one pixel that shifts colours; its weights lie under ``shifter`` in some files."""
    if f"{name}.shifter" not in shapes:
        return shapes.conv(name)
    layer = nn.Sequential()
    layer.add_module("shifter", shapes.conv(f"{name}.shifter"))
    return layer


def _upsampling(shapes: Shapes) -> tuple[nn.Sequential, int]:
    """Return convolutions with sub-pixel rearrangements at even positions, and their factor."""
    layers: list[nn.Module] = []
    factor = 1
    while f"{len(layers)}.weight" in shapes:
        outputs, inputs, *_ = shapes[f"{len(layers)}.weight"]
        step = shapes.scale(outputs, inputs)
        layers += [shapes.conv(str(len(layers))), nn.PixelShuffle(step)]
        factor *= step
    return nn.Sequential(*layers), factor
