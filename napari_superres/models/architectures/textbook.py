"""The four networks that courses on super-resolution build first.

``CNN``            convolution, pooling, convolution, pooling, dense map to the finer pixels
``FeedForward``    convolutional features without pooling, dense map to the finer pixels
``Deconvolution``  convolutions, then a transposed convolution
``Rendering``      convolutions, a transposed convolution, and an output convolution

Tutorials end the first two with one dense layer over the whole image. It fixes the image's size, and its number of
weights grows with the square of that. Here the dense map is the same at every position: 1x1 convolutions from the
features of a position to its finer pixels. ``activation`` chooses ReLU, tanh or sigmoid for the hidden layers.
``output="sigmoid"`` also ends the network in a sigmoid, as training with binary cross-entropy needs. Without it the
networks predict the difference to the interpolated image (``skip``).
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from napari_superres.models.architectures.layers import (
    ACTIVATIONS,
    MAX_POOL,
    PixelShuffle,
    as_subpixel,
    near_zero,
    same_conv,
    transposed_conv,
)
from napari_superres.models.interpolate import Interpolation


class _Textbook(nn.Module):
    """A sequence of layers, with the interpolated image added or a sigmoid at the end."""

    body: nn.Sequential

    def __init__(self, scale: Sequence[int], output: str, skip: bool) -> None:
        super().__init__()
        if output not in ("linear", "sigmoid"):
            raise ValueError(f"output must be 'linear' or 'sigmoid', got {output!r}")
        self.sigmoid = output == "sigmoid"
        self.interpolation = Interpolation("bicubic", scale) if skip and not self.sigmoid else None

    def _set_body(self, layers: Sequence[nn.Module]) -> None:
        self.body = nn.Sequential(*layers)
        if self.interpolation is not None:
            near_zero([layer for layer in self.body if hasattr(layer, "weight")][-1])

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        out: Tensor = self.body(x)  # (B, C, sH, sW)
        if self.sigmoid:
            return torch.sigmoid(out)
        return out if self.interpolation is None else self.interpolation(x) + out

    def deploy(self) -> nn.Module:
        """Return the network with sub-pixel convolutions instead of transposed ones."""
        for i, layer in enumerate(self.body):
            if isinstance(layer, nn.ConvTranspose2d | nn.ConvTranspose3d):
                self.body[i] = as_subpixel(layer)
        return self


def _dense_map(
    ndim: int, features: int, hidden: int, channels: int, scale: Sequence[int], act: type
) -> list[nn.Module]:
    """Return layers that map the features of each position to its ``prod(scale)`` finer pixels."""
    return [
        same_conv(ndim, features, hidden, 1),
        act(),
        same_conv(ndim, hidden, channels * prod(scale), 1),
        PixelShuffle(scale),
    ]


class CNN(_Textbook):
    """Two convolutions with pooling, then a dense map from each position to ``4 * scale`` pixels per axis.

    The image's size must be a multiple of 4; the engine pads it.
    """

    multiple = 4

    def __init__(
        self,
        *,
        scale: Sequence[int],
        ndim: int = 2,
        channels: int = 1,
        features: Sequence[int] = (32, 64),
        hidden: int = 256,
        activation: str = "relu",
        output: str = "linear",
        skip: bool = True,
    ) -> None:
        super().__init__(scale, output, skip)
        act, pool = ACTIVATIONS[activation], MAX_POOL[ndim]
        self._set_body(
            [
                same_conv(ndim, channels, features[0], 3),
                act(),
                pool(2),
                same_conv(ndim, features[0], features[1], 3),
                act(),
                pool(2),
                *_dense_map(ndim, features[1], hidden, channels, [4 * s for s in scale], act),
            ]
        )


class FeedForward(_Textbook):
    """Convolutional features, then a dense feed-forward map to the finer pixels."""

    def __init__(
        self,
        *,
        scale: Sequence[int],
        ndim: int = 2,
        channels: int = 1,
        features: Sequence[int] = (32, 64),
        hidden: int = 128,
        activation: str = "relu",
        output: str = "linear",
        skip: bool = True,
    ) -> None:
        super().__init__(scale, output, skip)
        act = ACTIVATIONS[activation]
        self._set_body(
            [
                same_conv(ndim, channels, features[0], 5),
                act(),
                same_conv(ndim, features[0], features[1], 3),
                act(),
                *_dense_map(ndim, features[1], hidden, channels, scale, act),
            ]
        )


class Deconvolution(_Textbook):
    """Convolutions, then a transposed convolution to the finer grid."""

    def __init__(
        self,
        *,
        scale: Sequence[int],
        ndim: int = 2,
        channels: int = 1,
        features: Sequence[int] = (64, 32),
        activation: str = "relu",
        output: str = "linear",
        skip: bool = True,
    ) -> None:
        super().__init__(scale, output, skip)
        act = ACTIVATIONS[activation]
        self._set_body(
            [
                same_conv(ndim, channels, features[0], 5),
                act(),
                same_conv(ndim, features[0], features[1], 3),
                act(),
                transposed_conv(ndim, features[1], channels, 9, scale),
            ]
        )


class Rendering(_Textbook):
    """Convolutions, a transposed convolution, and a convolution that makes the output."""

    def __init__(
        self,
        *,
        scale: Sequence[int],
        ndim: int = 2,
        channels: int = 1,
        features: Sequence[int] = (64, 32, 16),
        activation: str = "relu",
        output: str = "linear",
        skip: bool = True,
    ) -> None:
        super().__init__(scale, output, skip)
        act = ACTIVATIONS[activation]
        self._set_body(
            [
                same_conv(ndim, channels, features[0], 5),
                act(),
                same_conv(ndim, features[0], features[1], 3),
                act(),
                transposed_conv(ndim, features[1], features[2], 9, scale),
                act(),
                same_conv(ndim, features[2], channels, 5),
            ]
        )
