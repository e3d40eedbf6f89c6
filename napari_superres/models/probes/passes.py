"""Images to run a network on for measuring, and the errors that a network of others may raise then."""

from collections.abc import Sequence

import torch
from torch import Tensor

from napari_superres.core.conditions import encode
from napari_superres.models.card import ModelCard

NETWORK_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    MemoryError,
)
"""What a network raises for an image or a type of numbers that it does not take."""


def noise_image(card: ModelCard, edge: int) -> Tensor:
    """Return noise between 0 and 1, ``(1, card.inputs, (Z)YX)``, of at least `edge` pixels per axis."""
    size = [-(-edge // m) * m for m in card.multiple]
    planes = torch.rand(1, card.frames * card.channels, *size, generator=torch.Generator().manual_seed(0))
    return with_conditions(card, planes)


def with_conditions(card: ModelCard, planes: Tensor) -> Tensor:
    """Return planes with those that tell a conditioned network the middle of the conditions of its training.

    Parameters
    ----------
    card
        Card of the model.
    planes
        ``(1, card.frames * card.channels, (Z)YX)``.

    Returns
    -------
    Tensor
        ``(1, card.inputs, (Z)YX)``.
    """
    told = [encode(name, (low + high) / 2) for name, (low, high) in card.conditions.items()]
    return torch.cat([planes, *(torch.full_like(planes[:, :1], value) for value in told)], dim=1)


def result_shape(card: ModelCard, size: Sequence[int]) -> list[int]:
    """Return the shape of the result that a card promises for an image of some size."""
    return [1, card.channels, *(n * s for n, s in zip(size, card.scale, strict=True))]
