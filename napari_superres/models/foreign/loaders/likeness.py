"""Which range of values a network was made for, and which of its variants: measured on an image.

A checkpoint does not state whether its network takes values from 0 to 1 or from 0 to 255. With the wrong range its
biases are too strong or too weak, and the result no longer resembles the image. With other connections than those of
the training it resembles the image, but restores less of what is finer.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache
from math import log10
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_superres.core.units import peak_to_error_db
from napari_superres.models.probes.passes import NETWORK_ERRORS

RANGES = (1.0, 255.0)
"""Largest values that networks are made for."""

ALIKE_DB = 48.0
"""Likeness from which a network is taken for what its weights are named after. Published ones reach 49 to 58 dB."""

_EDGE, _COARSE_EDGE = 72, 48
_DISCS, _SMALLEST = 3000, 3.0
_ENOUGH_DB = 0.1
"""A later choice must be better by this much: networks without biases do as well with any range."""

_LEAST_GAIN_DB = {2: 3.2, 3: 2.3, 4: 1.95}
"""Gain that published networks reach, by factor: 3.8 to 4.7 dB at 2, 2.05 to 2.7 dB at 4.

An entry to NTIRE 2022 with three spread kernels, computed as if they were not, has 1.84 dB at 4.
"""

_DOUBT = re.compile(r"(It restores a test image|On a test image its result) .+? dB\.(?= The weights may be)")

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


@cache
def leaves(channels: int, edge: int) -> Tensor:
    """Return discs of one colour each that hide each other, whose edges are those of photographs: ``(1, C, Y, X)``.

    Lee, Mumford, Huang 2001, doi:10.1023/A:1011109015675: radii whose density falls with their cube.
    """
    random = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(edge), torch.arange(edge), indexing="ij")
    image = torch.full((1, channels, edge, edge), 0.5)
    for _ in range(_DISCS):
        place, chance = torch.rand(2, generator=random) * edge, torch.rand(1, generator=random)
        radius = float((_SMALLEST**-2 + chance * ((edge / 3) ** -2 - _SMALLEST**-2)) ** -0.5)
        colour = 0.1 + 0.8 * (0.7 * torch.rand(1, generator=random) + 0.3 * torch.rand(channels, generator=random))
        image[0, :, (y - place[0]) ** 2 + (x - place[1]) ** 2 < radius**2] = colour[:, None]
    return image


@torch.inference_mode()
def gain(network: Callable[[Tensor], Tensor], channels: int, scale: int, largest: float) -> float:
    """Return how much better than bicubic interpolation a network restores an image that was made coarser, in dB.

    Parameters
    ----------
    network, channels, scale, largest
        As for `likeness`.

    Returns
    -------
    float
        Positive for networks that were trained to do so. 0 for a factor of 1.
    """
    if scale == 1:
        return 0.0
    truth = leaves(channels, _COARSE_EDGE * scale)
    low = functional.interpolate(truth, scale_factor=1 / scale, mode="bicubic", antialias=True).clamp(0, 1)
    smooth = functional.interpolate(low, scale_factor=scale, mode="bicubic", antialias=True)
    try:
        result = network(low * largest) / largest
        if result.shape != truth.shape or not bool(result.isfinite().all()):
            return float("-inf")
    except NETWORK_ERRORS:
        return float("-inf")
    border = 4 * scale
    inside = (..., slice(border, -border), slice(border, -border))
    errors = [float((x - truth)[inside].square().mean()) for x in (smooth, result)]
    return 10 * log10(errors[0] / max(errors[1], 1e-20))


def best(choices: Iterable[Choice], judge: Callable[[Choice], float]) -> tuple[Choice, float]:
    """Return the choice with the highest gain, and the gain; an earlier one if none is clearly better."""
    found: tuple[Choice, float] | None = None
    for choice in choices:
        value = judge(choice)
        if found is None or value > found[1] + _ENOUGH_DB:
            found = (choice, value)
    assert found is not None
    return found


def colour_limit(channels: int) -> str:
    """Return the sentence of a card on grey images; empty for networks of one channel."""
    if channels != 3:
        return ""
    return " It takes colours; a grey image is given to it three times, and the mean of the three results is kept."


def gain_limit(gained_db: float, scale: int) -> str:
    """Return the sentence of a card on a network that restores less than published ones do; empty if it does not."""
    least = _LEAST_GAIN_DB.get(scale, 0.0)
    if scale == 1 or gained_db >= least:
        return ""
    return (
        f" It restores a test image {max(gained_db, -99.0):.1f} dB better than bicubic interpolation, where published "
        f"networks reach at least {least:.1f} dB. The weights may be untrained, trained on images of another kind, or "
        "of a variant with other connections."
    )


def likeness_limit(alike_db: float) -> str:
    """Return the sentence of a card on a result that does not resemble its input; empty if it does."""
    if alike_db >= ALIKE_DB:
        return ""
    return (
        f" On a test image its result does not resemble its input as it should: {max(alike_db, -99.0):.0f} dB, "
        f"where published networks reach more than {ALIKE_DB:.0f} dB. The weights may be untrained, or of a "
        "variant with other connections."
    )


def doubt(limits: str) -> str:
    """Return the first sentence of `gain_limit` or `likeness_limit` that a card's limits hold; empty if neither."""
    found = _DOUBT.search(limits)
    return found[0] if found else ""
