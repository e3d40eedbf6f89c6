"""What noise may have made is not drawn: where no structure rises above the noise, the result is the local mean.

A network that was trained on images with spots sees a spot in the brightest of many pixels of noise. Whether structure
is there can be tested: the image is brought to noise of variance 1 (Anscombe 1948, doi:10.1093/biomet/35.3-4.246), and
means over squares and lines of several directions are compared with the mean of a wider square, in standard deviations
of their noise. Where none within 12 pixels stands out, nor all of them together, the result is replaced by the local
mean; elsewhere it stays as it is.
"""

from collections.abc import Callable
from math import cos, pi, sin

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SIDE, _LARGE, _WIDE = 7, 13, 31
"""Edge of small details, of the largest, and of the square with whose mean they are compared, in pixels."""

_LEVEL = 5
"""Edge of the square whose mean is the brightness below which noise is not believed to be weaker, in pixels."""

_SQUARES, _DIRECTIONS = (1, 3, 5, 7), 4
_REACH, _FADE = 25, 5
"""Edge of the square in which detail keeps the result as it is, and of that over which this fades, in pixels."""

_DEVIATION = 5.7, 6.7
"""Deviation in standard deviations of the noise up to which detail is chance, and from which it is certain.

The largest of an image of 256 x 256 pixels of noise alone was 4.5 to 5.6, in 190 images of 1 to 1000 photons.
"""

_ENERGY = 2.0, 2.6
"""The same for the mean square of deviations. Of noise alone it is 1, and was at most 1.8 in these images."""

_SOFT = 11
"""Edge of the smaller of two squares whose means, one after the other, are the local mean, in pixels."""

_LEAST_VARIANCE = 1e-12


class Evidence(nn.Module):
    """Flattens what a conditioned network draws where its image shows nothing but noise."""

    def __init__(self) -> None:
        super().__init__()
        self.details: Tensor
        self.register_buffer("details", _details(), persistent=False)
        self.large = float(_normal(torch.full((1, 1, _LARGE, _LARGE), _LARGE**-2, dtype=torch.float64)).mean())

    def forward(self, x: Tensor, result: Tensor) -> Tensor:
        """Return the result ``(B, 1, sH, sW)``, flattened where the image shows no structure.

        `x` is ``(B, 1 + 3, H, W)``, with what is told of the noise as the last two planes; see `core.conditions`.
        """
        image, (gain, read_noise) = x[:, :1], told_noise(x)
        base = (0.375 * gain.square() + read_noise.square()).clamp(min=_LEAST_VARIANCE)
        even = _evened(image, local_mean(image, _LEVEL), gain, base)
        own = even - local_mean(even, _WIDE)
        small = F.conv2d(own, self.details.to(x.dtype), padding=_SIDE // 2)
        large = self.large * _join(_join(own, _LARGE, -1, torch.add), _LARGE, -2, torch.add)
        found = torch.maximum(small.abs().amax(1, keepdim=True), large.abs())
        # Faint texture shows by its energy, which means over 3 x 3 pixels share with the fewest noise.
        energy = local_mean(small[:, 1:2].square(), _REACH)
        share = torch.maximum(_largest(_ramp(found, *_DEVIATION), _REACH), _ramp(energy, *_ENERGY))
        # Two squares, because one draws its edges.
        share, mean = local_mean(share, _FADE), local_mean(local_mean(image, _WIDE - _SOFT + 1), _SOFT)
        if result.shape != mean.shape:
            size = [int(n) for n in result.shape[2:]]
            share, mean = (F.interpolate(p, size, mode="bilinear", align_corners=False) for p in (share, mean))
        return mean + share * (result - mean)


def told_noise(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gain and the read noise that the last two planes tell; see `core.conditions`."""
    return (x[:, -2:-1] / 3).square(), x[:, -1:] / 5


def _evened(image: Tensor, mean: Tensor, gain: Tensor, base: Tensor) -> Tensor:
    """Return an image with noise of variance 1: Anscombe's transform, and below the local mean the tangent to it.

    The transform is steepest where its variance reaches 0, so a chance dark pixel would deviate most, even more if the
    measured line of the noise is a little too steep.
    """

    def root(values: Tensor) -> Tensor:
        return (gain * values + base).clamp(min=_LEAST_VARIANCE).sqrt()

    at_mean = root(mean)
    return 2 * (mean / (at_mean + base.sqrt()) + (image - mean) / (root(torch.maximum(image, mean)) + at_mean))


def _ramp(values: Tensor, low: float, high: float) -> Tensor:
    """Return 0 for values up to `low`, 1 from `high`, and a line between."""
    return ((values - low) / (high - low)).clamp(0, 1)


def _details() -> Tensor:
    """Return squares and lines, ``(K, 1, _SIDE, _SIDE)``; see `_normal`."""
    steps = torch.arange(_SIDE, dtype=torch.float64) - _SIDE // 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    kernels = [((x.abs() <= n // 2) & (y.abs() <= n // 2)).double() for n in _SQUARES]
    for turn in range(_DIRECTIONS):
        angle = pi * turn / _DIRECTIONS
        across, along = x * sin(angle) - y * cos(angle), x * cos(angle) + y * sin(angle)
        kernels.append((1.5 - across.abs()).clamp(0, 1) * (along.abs() <= _SIDE / 2))
    shapes = torch.stack(kernels)[:, None]
    return _normal(shapes / shapes.sum((2, 3), keepdim=True)).float()


def _normal(kernels: Tensor) -> Tensor:
    """Return kernels ``(K, 1, n, n)`` scaled so that on noise of variance 1, less its mean, results have variance 1."""
    padded = F.pad(kernels, (_WIDE // 2,) * 4)
    square = torch.full((1, 1, _WIDE, _WIDE), _WIDE**-2, dtype=torch.float64)
    left = padded - F.conv2d(padded, square, padding=_WIDE // 2)
    scaled: Tensor = kernels / left.square().sum((1, 2, 3), keepdim=True).sqrt()
    return scaled


def local_mean(x: Tensor, edge: int) -> Tensor:
    """Return the mean of the square around each pixel; only pixels of the image count."""
    for axis, one_line in ((-1, x[..., :1, :]), (-2, x[..., :1])):
        x = _join(x, edge, axis, torch.add) / _join(torch.ones_like(one_line), edge, axis, torch.add)
    return x


def _largest(x: Tensor, edge: int) -> Tensor:
    """Return the largest value of the square around each pixel, of values of at least 0."""
    return _join(_join(x, edge, -1, torch.maximum), edge, -2, torch.maximum)


def _join(x: Tensor, edge: int, axis: int, join: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Join the `edge` pixels around each one along an axis, with zeros beyond the border.

    Windows of 1, 2, 4, ... pixels are joined, so that 25 pixels take six steps.
    """
    window = F.pad(x, [edge // 2] * 2 if axis == -1 else [0, 0, edge // 2, edge // 2])
    joined: Tensor | None = None
    begin, length = 0, 1
    while True:
        if edge & length:
            part = _cut(window, begin, edge - length - begin, axis)
            joined, begin = part if joined is None else join(joined, part), begin + length
        if 2 * length > edge:
            assert joined is not None
            return joined
        window = join(_cut(window, 0, length, axis), _cut(window, length, 0, axis))
        length *= 2


def _cut(x: Tensor, before: int, after: int, axis: int) -> Tensor:
    """Return `x` without some pixels at both ends of an axis."""
    kept = slice(before, -after if after else None)
    return x[..., kept] if axis == -1 else x[..., kept, :]
