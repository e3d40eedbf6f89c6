"""How a network can be computed in tiles, measured: size multiple, halo, statistics, and the error that is left."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import log2, prod

import torch
from torch import nn

from napari_superres.limits import free_memory
from napari_superres.models.architectures import BUILT_IN
from napari_superres.models.card import ModelCard
from napari_superres.models.probes.halo import (
    LONGEST_PROBE,
    Pixels,
    Reach,
    measure_reach,
    tiling_edges,
    tiling_error,
    tiling_pixels,
)
from napari_superres.models.probes.memory import pass_bytes
from napari_superres.models.probes.passes import NETWORK_ERRORS, natural_image, result_shape

EXACT = 1e-10
"""Largest tile error, as a fraction of the result's range, with which tiles count as exact."""

_EXACT_IN_SINGLE = 1e-5
"""The same for programs that compute in single precision whatever the type of their input."""

_PRODUCTS = 5e11
"""Products of a weight and a pixel that measuring may take: a minute of two processor cores."""

_MIN_PIXELS, _MOST_PIXELS, _OUR_PIXELS = 26_000, 2**22, 2**21
"""Low-resolution pixels that may be computed: at least, at most, and for a network of this program."""

_UNKNOWN_WEIGHTS = 10**6
"""Weights of a network that does not show them."""

_REACH_SHARE, _OUR_REACH_SHARE = 0.2, 0.5
"""Share of the pixels for the halo, for networks of others and of this program.

The rest is for the error of tiles, if no halo suffices. It is computed in single precision, which is several times as
fast, and the least number of pixels holds one such measurement.
"""

CORE = {2: 24, 3: 8}
"""Edge of the core of a tile whose error is measured, in pixels, by number of axes."""

_STAND_IN_HALOS = {2: (16, 32, 64), 3: (8, 16)}
"""Halos in pixels that are tried, by number of axes, if no halo is exact."""

_TILE_ERROR_GOAL = 1e-3
_ASSUMED_HALO = {2: 64, 3: 16}
_PADDED_MULTIPLE = 16
_AS_GOOD = 4.0
"""How many times the error of tiles at whole windows others may have: errors in the largest pixel scatter."""
_THICKNESS = 16
_MAX_PIXELS = 2**22


def measure_tiles(card: ModelCard, network: nn.Module, report: Callable[[float], None] | None = None) -> ModelCard:
    """Return the card with the size multiple and halo with which tiles are exact.

    Failing that, with a halo and the error that it leaves.

    Parameters
    ----------
    card
        Card of the model; what it says about tiles is not used, but for the size multiple.
    network
        The network, in evaluation mode on the CPU.
    report
        Called with the share of the measurement that is done.

    Raises
    ------
    RuntimeError
        If a network of this program does not run in double precision.
    """
    measure = _of_built_in if card.architecture in BUILT_IN else _of_others
    return measure(card, network, _affordable_pixels(card, network), measured_pixels(card, network, report))


def measured_pixels(card: ModelCard, network: nn.Module, report: Callable[[float], None] | None = None) -> Pixels:
    """Return how many pixels of a network may be computed to measure how it can be tiled."""
    total = _OUR_PIXELS if card.architecture in BUILT_IN else _bound(network)
    return Pixels(total, report, _padded_pixels(card))


def assume_tiles(card: ModelCard) -> ModelCard:
    """Return the card with a halo that is not measured, for networks whose halo would take minutes to measure."""
    core, largest = CORE[card.ndim], card.largest or (2**16,) * card.ndim
    most = [max(0, (n - core) // 2 // m * m) for n, m in zip(largest, card.multiple, strict=True)]
    halo = tuple(min(-(-_ASSUMED_HALO[card.ndim] // m) * m, n) for m, n in zip(card.multiple, most, strict=True))
    return replace(card, halo=halo, bounded=False, tile_error=None, global_statistics=False)


def _bound(network: nn.Module) -> float:
    """Return how many pixels may be computed: fewer for larger networks, whatever the computer does meanwhile."""
    weights = sum(w.numel() for w in [*network.parameters(), *network.buffers()])
    return min(max(_PRODUCTS / (weights if weights > 1 else _UNKNOWN_WEIGHTS), _MIN_PIXELS), _MOST_PIXELS)


def _padded_pixels(card: ModelCard) -> int:
    """Return how many pixels a pass takes at least: programs of one size pad smaller images to it."""
    smallest = card.arguments.get("smallest")
    return prod(smallest) if isinstance(smallest, list | tuple) else 0


def _of_built_in(card: ModelCard, network: nn.Module, affordable: int, pixels: Pixels) -> ModelCard:
    """Measure a network of this program, which fails at sizes that are not on its multiple."""
    card = replace(card, multiple=_smallest_multiple(card, network))
    reach = _reach(card, network, card.multiple, pixels.share(_OUR_REACH_SHARE), affordable)
    if reach.is_bounded:
        return _with_reach(card, reach, card.multiple)
    return _with_stand_in(card, network, affordable, pixels, statistics=reach.layers > 0)


def _of_others(card: ModelCard, network: nn.Module, affordable: int, pixels: Pixels) -> ModelCard:
    """Measure a network of another program, which may have a larger multiple than its file states if it pads."""
    batched, layers = card.arguments.get("batched", True), 0
    for_reach = pixels.share(_REACH_SHARE)
    own = max(card.multiple)
    for edge in (own, _PADDED_MULTIPLE if own < _PADDED_MULTIPLE else 4 * own):
        multiple = tuple(-(-edge // m) * m for m in card.multiple)
        try:
            reach = _reach(card, network, multiple, for_reach, affordable, phases=1)
            layers = max(layers, reach.layers if batched else 0)
            if not reach.is_bounded or (reach.is_global and not batched):
                continue
            if edge > 1:
                # Other phases look less than a multiple further. If tiles with so much more context are not exact
                # either, probes at each phase, which take long, would be in vain.
                if not _is_exact(card, network, _wider(reach, multiple), multiple):
                    continue
                reach = _reach(card, network, multiple, for_reach, affordable)
            if reach.is_bounded and _is_exact(card, network, reach, multiple):
                return _with_reach(card, reach, _smallest_exact(card, network, reach, multiple))
        except NETWORK_ERRORS:
            continue  # The network does not run in double precision, or not at such sizes.
    # Tiles that begin within a window of attention, or of a coarser map, never agree with the whole image.
    aligned = replace(card, multiple=tuple(-(-_PADDED_MULTIPLE // m) * m for m in card.multiple))
    found = _with_stand_in(aligned, network, affordable, pixels, statistics=layers > 0)
    if aligned == card:
        return found
    # Images need no padding to whole windows if tiles are as good without. Large networks get one measurement.
    unaligned = _with_stand_in(card, network, affordable, pixels, statistics=layers > 0)
    if found.tile_error is None:
        return unaligned
    is_as_good = unaligned.tile_error is not None and unaligned.tile_error <= _AS_GOOD * found.tile_error
    return unaligned if is_as_good else found


def _wider(reach: Reach, multiple: Sequence[int]) -> Reach:
    return replace(reach, halo=tuple(h + m for h, m in zip(reach.halo, multiple, strict=True)))


def _reach(
    card: ModelCard,
    network: nn.Module,
    multiple: Sequence[int],
    pixels: Pixels,
    affordable: int,
    phases: int | None = None,
) -> Reach:
    return measure_reach(
        network,
        card.scale,
        channels=card.inputs,
        multiple=multiple,
        pixels=pixels,
        longest=min(LONGEST_PROBE, affordable // _THICKNESS ** (card.ndim - 1), *(card.largest or ())),
        phases=phases,
    )


def _with_reach(card: ModelCard, reach: Reach, multiple: Sequence[int]) -> ModelCard:
    return replace(
        card,
        halo=reach.halo,
        multiple=tuple(multiple),
        bounded=True,
        tile_error=None,
        global_statistics=reach.is_global,
    )


@torch.inference_mode()
def _smallest_multiple(card: ModelCard, network: nn.Module) -> tuple[int, ...]:
    """Return the smallest size multiple with which the network makes the image that its card promises."""
    for power in range(max(card.multiple).bit_length()):
        multiple = tuple(min(2**power, m) for m in card.multiple)
        if any(m % k for m, k in zip(card.multiple, multiple, strict=True)):
            break
        # Odd numbers of multiples find a network that needs a larger one.
        size = [k * (-(-8 // k) | 1) for k in multiple]
        try:
            if list(network(torch.zeros(1, card.inputs, *size)).shape) == result_shape(card, size):
                return multiple
        except NETWORK_ERRORS:
            continue
    return card.multiple


def _smallest_exact(card: ModelCard, network: nn.Module, reach: Reach, multiple: Sequence[int]) -> tuple[int, ...]:
    """Return the smallest size multiple for which a halo is exact."""
    exact = tuple(multiple)
    smaller = tuple(max(own, m // 2) for own, m in zip(card.multiple, exact, strict=True))
    while smaller != exact and _is_exact(card, network, reach, smaller):
        exact = smaller
        smaller = tuple(max(own, m // 2) for own, m in zip(card.multiple, exact, strict=True))
    return exact


def _is_exact(card: ModelCard, network: nn.Module, reach: Reach, multiple: Sequence[int]) -> bool:
    """Return whether tiles equal the whole image, along each axis: images that are long along one axis are small."""
    limit = _EXACT_IN_SINGLE if card.architecture == "onnx" else EXACT
    try:
        return all(_tile_error(card, network, reach.halo, multiple, axis=axis) <= limit for axis in range(card.ndim))
    except NETWORK_ERRORS:
        return False


def _with_stand_in(
    card: ModelCard, network: nn.Module, affordable: int, pixels: Pixels, *, statistics: bool
) -> ModelCard:
    """Return the card with the smallest stand-in halo that is good enough, or the largest, and the error it leaves.

    Large halos come first, so that what may be computed is spent on the one that tiles need.
    """
    best = replace(card, bounded=False, tile_error=None, global_statistics=False)
    try:
        for edge in reversed(_STAND_IN_HALOS[card.ndim]):
            halo = tuple(-(-edge // k) * k for k in card.multiple)
            needed = tiling_pixels(halo, card.multiple, CORE[card.ndim])
            if needed > affordable or _is_too_wide(card, halo) or not pixels.spend(needed, passes=3):
                continue
            error = _tile_error(card, network, halo, card.multiple, statistics=statistics, dtype=torch.float32)
            if best.tile_error is None or error <= _TILE_ERROR_GOAL:
                best = replace(card, halo=halo, bounded=False, tile_error=error, global_statistics=statistics)
            if error > _TILE_ERROR_GOAL:
                break
    except NETWORK_ERRORS:
        if statistics:
            return _with_stand_in(card, network, affordable, pixels, statistics=False)
    return best if best.tile_error is not None or card.largest is None else assume_tiles(best)


def tile_error(card: ModelCard, network: nn.Module, halo: Sequence[int], *, statistics: bool) -> float | None:
    """Return the error that tiles with a halo leave, in windows of this halo; None if it cannot be measured.

    Parameters
    ----------
    card, network
        As for `measure_tiles`.
    halo
        Context per side, in low-resolution pixels.
    statistics
        Whether layers that reduce the whole map use the statistics of the whole image in a tile.
    """
    halo = tuple(-(-h // m) * m for h, m in zip(halo, card.multiple, strict=True))
    needed = tiling_pixels(halo, card.multiple, CORE[card.ndim])
    if needed > _affordable_pixels(card, network) or _is_too_wide(card, halo):
        return None
    if not measured_pixels(card, network).spend(needed, passes=3):
        return None
    try:
        return _tile_error(card, network, halo, card.multiple, statistics=statistics, dtype=torch.float32)
    except NETWORK_ERRORS:
        return tile_error(card, network, halo, statistics=False) if statistics else None


def _is_too_wide(card: ModelCard, halo: Sequence[int]) -> bool:
    """Return whether the image of a measurement would be larger than the network takes."""
    edges = tiling_edges(halo, card.multiple, CORE[card.ndim])
    return card.largest is not None and any(w > n for w, n in zip(edges, card.largest, strict=True))


@torch.inference_mode()
def _affordable_pixels(card: ModelCard, network: nn.Module) -> int:
    """Return how many pixels fit into memory at once: attention between all of them may fill any memory."""
    if card.largest is not None:
        return 3 * prod(card.largest)  # The three passes of a measurement are padded to it.
    small = natural_image(card, 32 if card.ndim == 2 else 8)
    large = small.repeat(1, 1, *[2] * card.ndim)
    before, after = (max(1.0, pass_bytes(card, network, image)[0]) for image in (small, large))
    pixels, growth = prod(large.shape[2:]), max(1.0, log2(after / before) / card.ndim)
    # A quarter of the free memory, halved because probes compute in double precision.
    room = free_memory() / 4 / 2
    return int(min(_MAX_PIXELS, pixels * (room / after) ** (1.0 / growth)))


def _tile_error(
    card: ModelCard,
    network: nn.Module,
    halo: Sequence[int],
    multiple: Sequence[int],
    *,
    axis: int | None = None,
    statistics: bool = True,
    dtype: torch.dtype = torch.float64,
) -> float:
    return tiling_error(
        network,
        card.scale,
        halo,
        channels=card.inputs,
        constant=len(card.conditions),
        multiple=multiple,
        core=CORE[card.ndim],
        axis=axis,
        statistics=statistics,
        dtype=dtype,
    )
