"""The pixel grid of a result, measured by a blob: where low-resolution pixel 0 lies."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from napari_superres.models.card import ModelCard
from napari_superres.models.interpolate import Interpolation
from napari_superres.models.probes.passes import noise_image, with_conditions

_EDGE = {2: 48, 3: 24}
_SIGMA = 3.0
_LOW, _HEIGHT = 0.1, 0.6
_LIKENESS = 0.98
_SMALLEST_SHIFT = 0.25
"""Shift of a blob, in high-resolution pixels, that counts as a grid of its own."""


@torch.inference_mode()
def measure_grid(card: ModelCard, network: nn.Module) -> ModelCard:
    """Return the card with the grid offset that the centroid of a blob shows.

    A network that does not reproduce a blob shows no grid. It gets the usual one, whose pixels cover the same area as
    those of the input, whatever its card says.
    """
    usual = replace(card, grid_offset=None)
    if max(card.scale) == 1:
        return usual
    size = noise_image(card, _EDGE[card.ndim]).shape[2:]
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in size], indexing="ij")
    distances = [(a - (n - 1) / 2) ** 2 for a, n in zip(axes, size, strict=True)]
    blob = torch.exp(-torch.stack(distances).sum(dim=0) / (2 * _SIGMA**2))
    planes = (_LOW + _HEIGHT * blob).expand(1, card.frames * card.channels, *size)
    bright, flat = (with_conditions(card, image) for image in (planes, torch.full_like(planes, _LOW)))
    result = (network(bright) - network(flat)).mean(dim=1)[0]
    bicubic = Interpolation("bicubic", card.scale)(_HEIGHT * blob[None, None])[0, 0]
    correlation = torch.corrcoef(torch.stack([result.flatten(), bicubic.flatten()]))[0, 1]
    if not float(correlation) > _LIKENESS:
        return usual
    shift = [b - a for a, b in zip(_centroid(bicubic), _centroid(result), strict=True)]
    if max(map(abs, shift)) < _SMALLEST_SHIFT:
        return usual
    return replace(card, grid_offset=tuple(o + d for o, d in zip(usual.offset, shift, strict=True)))


def _centroid(image: Tensor) -> list[float]:
    weight = image.clamp(min=0)
    total = weight.sum()
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in image.shape], indexing="ij")
    return [float((weight * a).sum() / total) for a in axes]
