"""Layers that several networks share, for two and three spatial axes, and faster equivalents of some."""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from napari_superres.models.interpolate import pixel_shuffle

CONV: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
CONV_TRANSPOSED: dict[int, Any] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MAX_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def same_conv(ndim: int, inputs: int, outputs: int, size: int) -> nn.Module:
    """Return a convolution of odd kernel `size` that keeps the image's size, with zeros beyond the border."""
    layer: nn.Module = CONV[ndim](inputs, outputs, size, padding=size // 2)
    return layer


class PixelShuffle(nn.Module):
    """Sub-pixel rearrangement with one factor per axis."""

    def __init__(self, scale: Sequence[int]) -> None:
        super().__init__()
        self.scale = tuple(scale)

    def forward(self, x: Tensor) -> Tensor:
        """Rearrange ``(B, C * prod(scale), *size)`` to ``(B, C, *(size * scale))``."""
        return pixel_shuffle(x, self.scale)


def near_zero(layer: nn.Module) -> nn.Module:
    """Set the weights of `layer` near zero and return it: a network with a skip then starts as interpolation."""
    nn.init.normal_(layer.weight, std=1e-3)  # type: ignore[arg-type]
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def transposed_conv(ndim: int, inputs: int, outputs: int, size: int, scale: Sequence[int]) -> nn.Module:
    """Return a transposed convolution of odd kernel `size` that makes ``n * scale`` pixels of n.

    Its kernel is centred as `core.grid` places pixels.

    Raises
    ------
    ValueError
        If the kernel is smaller than the scale: some output pixels would have no input.
    """
    if size < max(scale):
        raise ValueError(f"a transposed convolution needs kernel >= scale, got {size} and {tuple(scale)}")
    # Input pixel i is centred on output pixel i * s + (s - 1) / 2, rounded down for even s.
    padding = [size // 2 - (s - 1) // 2 for s in scale]
    extra = [s - size + 2 * p for s, p in zip(scale, padding, strict=True)]
    layer: nn.Module = CONV_TRANSPOSED[ndim](
        inputs, outputs, size, stride=tuple(scale), padding=tuple(padding), output_padding=tuple(extra)
    )
    return layer


def as_subpixel(layer: Any) -> nn.Module:
    """Return a convolution and a pixel shuffle that equal a transposed convolution and run faster.

    Phase p of the output along an axis is an ordinary convolution with every s-th tap of the kernel. A 9-tap kernel
    becomes 5 taps at x2 and x3, and 3 taps at x4 (Shi et al. 2016, arXiv:1609.07009).
    """
    weight = layer.weight.detach()  # (in, out, *k)
    assert isinstance(weight, Tensor)
    inputs, outputs, *kernel = weight.shape
    ndim, scale, padding = len(kernel), tuple(layer.stride), tuple(layer.padding)
    # Output pixel q * s + p sees input pixel q + d through tap p + padding - d * s.
    taps = [
        [(p, d, p + pad - d * s) for p in range(s) for d in range(-k, k + 1) if 0 <= p + pad - d * s < k]
        for k, s, pad in zip(kernel, scale, padding, strict=True)
    ]
    reach = [max(abs(d) for _, d, _ in axis) for axis in taps]
    table = weight.new_zeros(outputs, *scale, inputs, *(2 * r + 1 for r in reach))
    for combination in product(*taps):
        phases, offsets, sources = zip(*combination, strict=True)
        target = tuple(d + r for d, r in zip(offsets, reach, strict=True))
        table[(slice(None), *phases, slice(None), *target)] = weight[(slice(None), slice(None), *sources)].T
    sub = CONV[ndim](
        inputs, outputs * prod(scale), tuple(2 * r + 1 for r in reach), padding=tuple(reach), dtype=weight.dtype
    )
    bias = layer.bias
    with torch.no_grad():
        sub.weight.copy_(table.reshape(sub.weight.shape))
        sub.bias.copy_(bias.repeat_interleave(prod(scale)) if isinstance(bias, Tensor) else torch.zeros(()))
    return nn.Sequential(sub, PixelShuffle(scale))


def before_shuffle(layer: Any, scale: Sequence[int]) -> nn.Module:
    """Return a convolution and a shuffle that equal a shuffle to `scale` followed by `layer`, in less memory.

    The shuffled features are never stored: `layer` finds the neighbours of a finer pixel among the phases of
    low-resolution pixels.
    """
    weight = layer.weight.detach()  # (out, in, *k)
    outputs, inputs, *kernel = weight.shape
    ndim, phases = len(kernel), prod(scale)
    # Output phase p sees, through tap j, finer pixel q * s + p + j - k // 2: phase r of input pixel q + d.
    taps = [
        [(p, (p + j - k // 2) % s, (p + j - k // 2) // s, j) for p in range(s) for j in range(k)]
        for k, s in zip(kernel, scale, strict=True)
    ]
    reach = [max(abs(d) for _, _, d, _ in axis) for axis in taps]
    table = weight.new_zeros(outputs, *scale, inputs, *scale, *(2 * r + 1 for r in reach))
    for combination in product(*taps):
        outputs_at, inputs_at, offsets, sources = zip(*combination, strict=True)
        target = tuple(d + r for d, r in zip(offsets, reach, strict=True))
        table[(slice(None), *outputs_at, slice(None), *inputs_at, *target)] = weight[
            (slice(None), slice(None), *sources)
        ]
    folded = CONV[ndim](
        inputs * phases, outputs * phases, tuple(2 * r + 1 for r in reach), padding=tuple(reach), dtype=weight.dtype
    )
    with torch.no_grad():
        folded.weight.copy_(table.reshape(folded.weight.shape))
        folded.bias.copy_(layer.bias.repeat_interleave(phases))
    return nn.Sequential(folded, PixelShuffle(scale))
