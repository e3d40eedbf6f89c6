"""The pixel grid of a result, measured by a blob: where low-resolution pixel 0 lies."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from napari_superres.models.card import ModelCard
from napari_superres.models.probes.passes import natural_image, with_conditions

_EDGE = {2: 48, 3: 24}
_SIGMA = 3.0
_LOW, _HEIGHT = 0.1, 0.6
_LIKENESS = 0.98
_SMALLEST_SHIFT = 0.25
"""Shift of a blob, in high-resolution pixels, that counts as a grid of its own."""

_STEPS = 8


@torch.inference_mode()
def measure_grid(card: ModelCard, network: nn.Module) -> ModelCard:
    """Return the card with the grid offset that a blob shows.

    A network that does not reproduce a blob shows no grid. It gets the usual one, whose pixels cover the same area as
    those of the input, whatever its card says.
    """
    usual = replace(card, grid_offset=None)
    if max(card.scale) == 1:
        return usual
    size = natural_image(card, _EDGE[card.ndim]).shape[2:]
    blob = _blob(size, [(n - 1) / 2 for n in size], [_SIGMA] * len(size))
    planes = (_LOW + _HEIGHT * blob.float()).expand(1, card.frames * card.channels, *size)
    bright, flat = (with_conditions(card, image) for image in (planes, torch.full_like(planes, _LOW)))
    result = (network(bright) - network(flat)).mean(dim=1)[0].double()
    shift = _shift(result, [(n * s - 1) / 2 for n, s in zip(size, card.scale, strict=True)], card.scale)
    if shift is None or max(map(abs, shift)) < _SMALLEST_SHIFT:
        return usual
    return replace(card, grid_offset=tuple(o + d for o, d in zip(usual.offset, shift, strict=True)))


def _blob(size: Sequence[int], centre: Sequence[float], sigma: Sequence[float]) -> Tensor:
    """Return a Gaussian of height 1."""
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in size], indexing="ij")
    squares = [((a - c) / s) ** 2 for a, c, s in zip(axes, centre, sigma, strict=True)]
    return torch.exp(-torch.stack(squares).sum(dim=0) / 2)


def _shift(result: Tensor, centre: Sequence[float], scale: Sequence[int]) -> list[float] | None:
    """Return how far the blob in a result lies from where it belongs, by least squares; None if it is no blob.

    A centroid would be drawn to faint differences far away, as networks make them that are told noise.
    """
    sigma, shift = [_SIGMA * s for s in scale], [0.0] * result.ndim
    for _ in range(_STEPS):
        place = [c + d for c, d in zip(centre, shift, strict=True)]
        blob = _blob(result.shape, place, sigma)
        axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in result.shape], indexing="ij")
        slopes = [blob * (a - c) / s**2 for a, c, s in zip(axes, place, sigma, strict=True)]
        terms = torch.stack([t.flatten() for t in (blob, torch.ones_like(blob), *slopes)], dim=1)
        # The normal equations: few terms, and many pixels.
        found = torch.linalg.lstsq(terms.T @ terms, terms.T @ result.flatten()[:, None]).solution[:, 0]
        height, steps = float(found[0]), found[2:] / found[0]
        if not height > 0 or not bool(steps.isfinite().all()):
            return None
        shift = [d + float(step) for d, step in zip(shift, steps, strict=True)]
    likeness = torch.corrcoef(torch.stack([result.flatten(), blob.flatten()]))[0, 1]
    return shift if float(likeness) > _LIKENESS else None
