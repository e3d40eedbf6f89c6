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

_OWN_SHARE = 0.3
"""Contrast of what differs between the channels of an image, as a share of what they have in common."""


def natural_image(card: ModelCard, edge: int) -> Tensor:
    """Return an image for measuring, ``(1, card.inputs, (Z)YX)``, of at least `edge` pixels per axis.

    It is no larger than the largest image that the card allows.
    """
    size = [-(-edge // m) * m for m in card.multiple]
    largest = card.largest or size
    size = [min(n, most // m * m) for n, most, m in zip(size, largest, card.multiple, strict=True)]
    return with_conditions(card, natural_planes(card.frames * card.channels, size))


def natural_planes(channels: int, size: Sequence[int], dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Return planes between 0 and 1 that look like recorded images, ``(1, channels, *size)``.

    Their amplitude falls with the frequency, as that of images does: Field 1987, doi:10.1364/JOSAA.4.002379. Trained
    networks make things of white noise that they make of no image. The channels are alike, as those of colours are.
    """
    numbers = torch.Generator().manual_seed(seed)
    frequencies = torch.meshgrid(*[torch.fft.fftfreq(n, dtype=torch.float64) for n in size], indexing="ij")
    radius = torch.stack([f.square() for f in frequencies]).sum(0).sqrt()
    amplitude = radius.clamp(min=1.0 / max(size)).reciprocal()
    white = torch.randn(1 + channels, *size, generator=numbers, dtype=torch.float64)
    axes = tuple(range(1, 1 + len(size)))
    planes = torch.fft.ifftn(torch.fft.fftn(white, dim=axes) * amplitude, dim=axes).real
    planes = planes[:1] + _OWN_SHARE * planes[1:]
    low, high = planes.min(), planes.max()
    scaled: Tensor = (planes - low) / (high - low).clamp(min=1e-12)
    return scaled[None].to(dtype)


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
