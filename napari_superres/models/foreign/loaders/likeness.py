"""Which range of values a network was made for, and which of its variants: measured on an image.

A checkpoint does not state whether its network takes values from 0 to 1 or from 0 to 255. With the wrong range its
biases are too strong or too weak, and the result no longer resembles the image.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_superres.core.decibels import peak_to_error_db
from napari_superres.models.probes.passes import NETWORK_ERRORS

RANGES = (1.0, 255.0)
"""Largest values that networks are made for."""

ALIKE_DB = 48.0
"""Likeness from which a network is taken for what its weights are named after. Published ones reach 49 to 58 dB."""

_EDGE = 72
_ENOUGH_DB = 3.0
"""A later choice must be better by this much: networks without biases do as well with any range."""

_CERTAIN_DB = 50.0
"""Likeness that no wrong choice reaches: the choices after it are not tried."""

MADE_BY_OTHERS = "Made by others for images that the file does not name: compare with a reference before you trust it."

Choice = TypeVar("Choice")


@cache
def natural_image(channels: int) -> Tensor:
    """Return an image from 0 to 1 whose spectrum falls as that of photographs does, with edges: ``(1, C, 72, 72)``."""
    random = torch.Generator().manual_seed(0)
    field = torch.zeros(1, channels, _EDGE, _EDGE)
    for size in (3, 6, 12, 24, 48):
        for shared, weight in ((True, 1.0), (False, 0.3)):
            noise = torch.randn(1, 1 if shared else channels, size, size, generator=random)
            field = field + weight / size * functional.interpolate(noise, (_EDGE, _EDGE), mode="bicubic")
    shapes = functional.interpolate(torch.randn(1, 1, 7, 7, generator=random), (_EDGE, _EDGE), mode="bilinear") > 0.4
    field = field + 0.15 * shapes
    return (field - field.amin()) / (field.amax() - field.amin()) * 0.9 + 0.05


@torch.inference_mode()
def likeness(network: nn.Module, channels: int, scale: int, largest: float) -> float:
    """Return how well a network's result, averaged down to the input's grid, agrees with its input, in dB.

    Parameters
    ----------
    network
        The network, which takes values from 0 to `largest`.
    channels, scale
        Of the network.
    largest
        Largest value of the range that is tried.

    Returns
    -------
    float
        Peak signal-to-error ratio; minus infinity if the network fails or makes numbers that are not finite.
    """
    image = natural_image(channels)
    try:
        result = network(image * largest) / largest
        coarse = functional.avg_pool2d(result, scale) if scale > 1 else result
        if coarse.shape != image.shape or not bool(coarse.isfinite().all()):
            return float("-inf")
    except NETWORK_ERRORS:
        return float("-inf")
    border = 4  # Networks with zeros beyond the border are wrong there.
    inside = (..., slice(border, -border), slice(border, -border))
    error = float((coarse[inside] - image[inside]).square().mean())
    return peak_to_error_db(1.0, min(max(error, 1e-20), 1e20))


def best(choices: Iterable[Choice], judge: Callable[[Choice], float]) -> tuple[Choice, float]:
    """Return the choice with the highest likeness, and the likeness; an earlier one if none is clearly better.

    Choices after one that is surely right are not tried.
    """
    found: tuple[Choice, float] | None = None
    for choice in choices:
        value = judge(choice)
        if found is None or value > found[1] + _ENOUGH_DB:
            found = (choice, value)
        if found[1] > _CERTAIN_DB:
            break
    assert found is not None
    return found


def colour_limit(channels: int) -> str:
    """Return the sentence of a card on grey images; empty for networks of one channel."""
    if channels != 3:
        return ""
    return " It takes colours; a grey image is given to it three times, and the mean of the three results is kept."


def likeness_limit(alike_db: float) -> str:
    """Return the sentence of a card on a result that does not resemble its input; empty if it does."""
    if alike_db >= ALIKE_DB:
        return ""
    return (
        f" On a test image its result does not resemble its input as it should: {max(alike_db, -99.0):.0f} dB, "
        f"where published networks reach more than {ALIKE_DB:.0f} dB. The weights may be untrained, or of a "
        "variant with other connections."
    )
