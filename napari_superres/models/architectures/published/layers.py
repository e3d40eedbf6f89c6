"""Layers that several published networks share."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_superres.models.architectures.published.shapes import Shapes

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean colour of the images of DIV2K, on a range of 0 to 1."""

ESA_SMALLEST = 15
"""Edge of the smallest image that `SpatialAttention` can pool, in pixels."""


class SpatialAttention(nn.Module):
    """Weight each pixel by what a coarse map of a wide neighbourhood says about it.

    Liu, Zhang, Tang, Wu: Residual Feature Aggregation Network, CVPR 2020, doi:10.1109/CVPR42600.2020.00243, section 3.4
    ("ESA"). The coarse map is resized to the image, so its grid depends on the size of the image.

    Parameters
    ----------
    shapes
        Of the layer.
    activation
        Activation on the coarse map. The short form of RLFN, which has only one convolution there, has none.
    """

    def __init__(self, shapes: Shapes, *, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1, self.conv4 = shapes.point("conv1"), shapes.point("conv4")
        self.conv_f = shapes.point("conv_f") if "conv_f" in shapes else None
        self.activation = activation or nn.ReLU()
        names = ("conv_max", "conv3", "conv3_") if "conv_max" in shapes else ("conv3",)
        self.conv2 = plain_or_split(shapes, "conv2", stride=2, padding=0)
        for name in names:
            self.add_module(name, plain_or_split(shapes, name))
        self._coarse = names

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted features."""
        few = self.conv1(x)
        coarse = functional.max_pool2d(self.conv2(few), 7, 3)
        for name in self._coarse:
            coarse = self.get_submodule(name)(coarse)
            if name != self._coarse[-1]:
                coarse = self.activation(coarse)
        fine = functional.interpolate(coarse, x.shape[2:], mode="bilinear", align_corners=False)
        fine = fine + (few if self.conv_f is None else self.conv_f(few))
        return x * torch.sigmoid(self.conv4(fine))


class ContrastAttention(nn.Module):
    """Weight channels by their mean and standard deviation over the image.

    Hui, Gao, Yang, Wang: IMDN, ACM Multimedia 2019, doi:10.1145/3343031.3351084, section 3.2 ("CCA").
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        inner = shapes.at("conv_du")
        self.conv_du = nn.Sequential(inner.conv("0"), nn.ReLU(), inner.conv("2"), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted features."""
        mean = x.mean((2, 3), keepdim=True)
        spread = (x - mean).square().mean((2, 3), keepdim=True).sqrt()
        return x * self.conv_du(spread + mean)


class Blueprint(nn.Module):
    """A convolution of one pixel, then one per channel.

    Haase, Amthor: Rethinking Depthwise Separable Convolutions, CVPR 2020, doi:10.1109/CVPR42600.2020.01461.
    """

    def __init__(self, shapes: Shapes, *, stride: int = 1, padding: int | None = None) -> None:
        super().__init__()
        self.pw = shapes.point("pw", biased=False)
        self.dw = shapes.conv("dw", inputs=0, stride=stride, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features."""
        return self.dw(self.pw(x))


def plain_or_split(shapes: Shapes, name: str, *, stride: int = 1, padding: int | None = None) -> nn.Module:
    """Return a convolution, split as in `Blueprint` if its tensors are."""
    if f"{name}.pw" in shapes:
        return Blueprint(shapes.at(name), stride=stride, padding=padding)
    return shapes.conv(name, stride=stride, padding=padding)


class PixelAttention(nn.Module):
    """Weight every pixel of every channel. Zhao et al. 2020, arXiv:2010.01073, section 3.2."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.conv = shapes.conv("conv")

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted features."""
        return x * torch.sigmoid(self.conv(x))
