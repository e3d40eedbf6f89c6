"""What a card needs and no file states, measured once: halo, size multiple, tile error, grid, precision."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor, nn

from napari_superres.core.units import peak_to_error_db
from napari_superres.errors import ModelFileError
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.programs import PROGRAMS
from napari_superres.models.probes.grid import measure_grid
from napari_superres.models.probes.passes import NETWORK_ERRORS, natural_image, result_shape
from napari_superres.models.probes.tiles import assume_tiles, measure_tiles

_SMALL = {2: (1, 2, 5), 3: (1, 3)}
"""Edges of the smallest images that are tried, in size multiples, by number of axes."""


def measure_card(card: ModelCard, network: nn.Module) -> ModelCard:
    """Return the card completed with what only running the network shows.

    Parameters
    ----------
    card
        What the file states.
    network
        The network, in evaluation mode on the CPU.

    Returns
    -------
    ModelCard
        With size multiple, halo, tile error, precision and grid offset.

    Raises
    ------
    ModelFileError
        If the network does not make an image of the size that the card promises.
    """
    return complete_card(measure_smallest(card, network), network)


def complete_card(
    card: ModelCard, network: nn.Module, *, quick: bool = False, report: Callable[[float], None] | None = None
) -> ModelCard:
    """Return a card that `measure_smallest` returned with all else that `measure_card` measures.

    If `quick`, a halo is assumed instead of measured, and the error of tiles and of half precision stay unknown.
    """
    card = _with_range(card, network)
    if quick:
        return measure_grid(assume_tiles(card), network)
    card = measure_tiles(card, network, report)
    card = _with_precision(card, network)
    return measure_grid(card, network)


def measure_smallest(
    card: ModelCard, network: nn.Module, factor: int = 1, announce: Callable[[int], None] | None = None
) -> ModelCard:
    """Return the card with a size multiple with which the network computes the smallest images.

    Programs may fail on images below a size of their own. A larger multiple pads such images.

    Parameters
    ----------
    card
        What the file states.
    network
        The network, in evaluation mode on the CPU.
    factor
        Multiples of the stated size multiple to begin with: the network crashes with smaller ones.
    announce
        Called with each factor before it is tried.

    Raises
    ------
    ModelFileError
        If the network does not make the image that the card promises, finite and the same each time.
    """
    if card.architecture in PROGRAMS and card.largest is None:
        card = next(_usable(card, network, factor, announce), card)
    _check_output(card, network)
    return card


def _usable(
    card: ModelCard, network: nn.Module, factor: int, announce: Callable[[int], None] | None
) -> Iterator[ModelCard]:
    """Yield the card with each multiple with which the network computes the smallest images."""
    while True:
        try:
            tried = replace(card, multiple=tuple(factor * m for m in card.multiple))
        except ModelFileError:  # too large
            return
        if announce is not None:
            announce(factor)
        if _runs(tried, network):
            yield tried
        factor *= 2


@torch.inference_mode()
def _runs(card: ModelCard, network: nn.Module) -> bool:
    """Return whether the network makes the promised images of the smallest ones."""
    for edges in product(_SMALL[card.ndim], repeat=card.ndim):
        size = [edge * m for edge, m in zip(edges, card.multiple, strict=True)]
        try:
            result = network(torch.full((1, card.inputs, *size), 0.5))
        except NETWORK_ERRORS:
            return False
        if not isinstance(result, Tensor) or list(result.shape) != result_shape(card, size):
            return False
    return True


@torch.inference_mode()
def _check_output(card: ModelCard, network: nn.Module) -> None:
    """Check that the network makes the promised image, finite and the same each time."""
    image = natural_image(card, 40 if card.ndim == 2 else 24)
    try:
        first, second = network(image), network(image)
    except NETWORK_ERRORS as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelFileError(f"{card.name}: the network fails on an image ({reason}).") from error
    expected = result_shape(card, image.shape[2:])
    if not isinstance(first, Tensor) or list(first.shape) != expected:
        output = list(first.shape) if isinstance(first, Tensor) else type(first).__name__
        raise ModelFileError(f"{card.name}: the network makes {output} of {list(image.shape)}, not {expected}.")
    if not bool(torch.isfinite(first).all()):
        raise ModelFileError(f"{card.name}: the network turns an image into numbers that are not finite.")
    if not torch.equal(first, second):
        raise ModelFileError(f"{card.name}: the network makes another image each time, so no result is reproducible.")


@torch.inference_mode()
def _with_range(card: ModelCard, network: nn.Module) -> ModelCard:
    """Map the whole range of an image to 0 to 1 if the network clips its result there."""
    result = network(4.0 * natural_image(card, 24) - 1.5)
    if card.intensity == "unit" and float(result.min()) == 0.0 and float(result.max()) == 1.0:
        return replace(card, percentiles=(0.0, 100.0))
    return card


@torch.inference_mode()
def _with_precision(card: ModelCard, network: nn.Module) -> ModelCard:
    """Measure the error of half precision, used as `upscale` uses it."""
    image, decibels = natural_image(card, 48 if card.ndim == 2 else 16), {}
    single = network(image)
    span = float(single.max() - single.min())
    if span**2 == 0:  # The ratio is not defined.
        return replace(card, precision={})
    for name, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        try:
            with torch.autocast("cpu", dtype=dtype):
                half = network(image).float()
        except NETWORK_ERRORS:
            continue
        if bool(torch.isfinite(half).all()):
            error = float((half - single).square().mean())
            decibels[name] = round(peak_to_error_db(span, max(error, 1e-20)), 1)
    return replace(card, precision=decibels)
