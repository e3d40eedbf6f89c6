"""What a card needs and no file states, measured once: halo, size multiple, tile error, grid, precision."""

from collections.abc import Sequence
from dataclasses import replace
from math import log2, prod
from time import monotonic

import psutil
import torch
from torch import Tensor, nn

from napari_superres.core.decibels import peak_to_error_db
from napari_superres.errors import ModelFileError
from napari_superres.models.card import ModelCard
from napari_superres.models.interpolate import Interpolation
from napari_superres.models.probes.halo import Reach, measure_reach, tiling_error
from napari_superres.models.probes.memory import pass_bytes

EXACT = 1e-10
"""Largest tile error, as a fraction of the result's range, with which tiles count as exact."""

_EXACT_IN_SINGLE = 1e-5
"""The same for programs that compute in single precision whatever the type of their input."""

_MIN_SECONDS, _SECONDS_PER_PASS_SECOND, _MAX_SECONDS = 5.0, 200.0, 180.0
"""Patience for the halo: at least, per second that a small pass takes, and at most."""

_CORE = {2: 24, 3: 8}
_STAND_IN_HALOS = {2: (16, 32, 64), 3: (8, 16)}
"""Halos in pixels that are tried, by number of axes, if no halo is exact."""

_TILE_ERROR_GOAL = 1e-3
_PADDED_MULTIPLE = 16
_THICKNESS = 16
_MAX_PIXELS = 2**22
_SMALLEST_SHIFT = 0.25
"""Shift of a blob, in high-resolution pixels, that counts as a grid of its own."""

_FAILURES = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    MemoryError,
)


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
    _check_output(card, network)
    card = _with_range(card, network)
    card = _with_tiles(card, network)
    card = _with_precision(card, network)
    return _with_grid(card, network)


def _noise(card: ModelCard, edge: int) -> Tensor:
    size = [-(-edge // m) * m for m in card.multiple]
    return torch.rand(1, card.inputs, *size, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def _check_output(card: ModelCard, network: nn.Module) -> None:
    """Check that the network makes the promised image, finite and the same each time."""
    image = _noise(card, 40 if card.ndim == 2 else 24)
    try:
        first, second = network(image), network(image)
    except _FAILURES as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelFileError(f"{card.name}: the network fails on an image of noise ({reason}).") from error
    expected = [1, card.channels, *(n * s for n, s in zip(image.shape[2:], card.scale, strict=True))]
    if not isinstance(first, Tensor) or list(first.shape) != expected:
        output = list(first.shape) if isinstance(first, Tensor) else type(first).__name__
        raise ModelFileError(f"{card.name}: the network makes {output} of {list(image.shape)}, not {expected}.")
    if not bool(torch.isfinite(first).all()):
        raise ModelFileError(f"{card.name}: the network turns an image of noise into numbers that are not finite.")
    if not torch.equal(first, second):
        raise ModelFileError(f"{card.name}: the network makes another image each time, so no result is reproducible.")


@torch.inference_mode()
def _with_range(card: ModelCard, network: nn.Module) -> ModelCard:
    """Map the whole range of an image to 0 to 1 if the network clips its result there."""
    result = network(4.0 * _noise(card, 24) - 1.5)
    if card.intensity == "unit" and float(result.min()) == 0.0 and float(result.max()) == 1.0:
        return replace(card, percentiles=(0.0, 100.0))
    return card


def _with_tiles(card: ModelCard, network: nn.Module) -> ModelCard:
    """Find the size multiple and halo with which tiles are exact; failing that, a halo and the error it leaves.

    Networks that pad their input have a size multiple that their file does not state, so a larger one is tried too.
    """
    patience, batched = _patience(card, network), card.arguments.get("batched", True)
    affordable, layers = _affordable_pixels(card, network), 0
    own = max(card.multiple)
    for edge in (own, _PADDED_MULTIPLE if own < _PADDED_MULTIPLE else 4 * own):
        multiple = tuple(-(-edge // m) * m for m in card.multiple)
        try:
            reach = measure_reach(
                network,
                card.scale,
                channels=card.inputs,
                multiple=multiple,
                seconds=patience,
                longest=affordable // _THICKNESS ** (card.ndim - 1),
            )
            layers = max(layers, reach.layers if batched else 0)
            if reach.is_bounded and (batched or not reach.is_global) and _is_exact(card, network, reach, multiple):
                return _with_smallest_multiple(card, network, reach, multiple)
        except _FAILURES:
            continue  # The network does not run in double precision, or not at such sizes.
    return _with_stand_in(card, network, affordable, monotonic() + patience, statistics=layers > 0)


def _with_smallest_multiple(card: ModelCard, network: nn.Module, reach: Reach, multiple: Sequence[int]) -> ModelCard:
    """Return the card with the smallest size multiple for which the halo is exact."""
    smaller = tuple(max(own, m // 2) for own, m in zip(card.multiple, multiple, strict=True))
    while smaller != tuple(multiple) and _is_exact(card, network, reach, smaller):
        multiple = smaller
        smaller = tuple(max(own, m // 2) for own, m in zip(card.multiple, multiple, strict=True))
    return replace(
        card,
        halo=reach.halo,
        multiple=tuple(multiple),
        bounded=True,
        tile_error=None,
        global_statistics=reach.is_global,
    )


def _is_exact(card: ModelCard, network: nn.Module, reach: Reach, multiple: Sequence[int]) -> bool:
    limit = _EXACT_IN_SINGLE if card.architecture == "onnx" else EXACT
    try:
        return _tile_error(card, network, reach.halo, multiple) <= limit
    except _FAILURES:
        return False


def _with_stand_in(
    card: ModelCard, network: nn.Module, affordable: int, until: float, *, statistics: bool
) -> ModelCard:
    """Return the card with the smallest stand-in halo that is good enough, or the largest, and the error it leaves."""
    best = replace(card, bounded=False, tile_error=None, global_statistics=False)
    try:
        for edge in _STAND_IN_HALOS[card.ndim]:
            halo = tuple(-(-edge // k) * k for k in card.multiple)
            too_large = (4 * edge + 4 * max(card.multiple)) ** card.ndim > affordable
            if too_large or (best.tile_error is not None and monotonic() > until):
                break
            error = _tile_error(card, network, halo, card.multiple, statistics=statistics, dtype=torch.float32)
            best = replace(card, halo=halo, bounded=False, tile_error=error, global_statistics=statistics)
            if error <= _TILE_ERROR_GOAL:
                break
    except _FAILURES:
        if statistics:
            return _with_stand_in(card, network, affordable, until, statistics=False)
    return best


@torch.inference_mode()
def _patience(card: ModelCard, network: nn.Module) -> float:
    """Return the seconds to spend on a network's halo."""
    image, start = _noise(card, 64 if card.ndim == 2 else 16), monotonic()
    network(image)
    return min(_MIN_SECONDS + _SECONDS_PER_PASS_SECOND * (monotonic() - start), _MAX_SECONDS)


@torch.inference_mode()
def _affordable_pixels(card: ModelCard, network: nn.Module) -> int:
    """Return how many pixels fit into memory at once: attention between all of them may fill any memory."""
    small = _noise(card, 32 if card.ndim == 2 else 8)
    large = small.repeat(1, 1, *[2] * card.ndim)
    before, after = (max(1.0, pass_bytes(card, network, image)[0]) for image in (small, large))
    pixels, growth = prod(large.shape[2:]), max(1.0, log2(after / before) / card.ndim)
    # A quarter of the free memory, halved because probes compute in double precision.
    room = psutil.virtual_memory().available / 4 / 2
    return int(min(_MAX_PIXELS, pixels * (room / after) ** (1.0 / growth)))


def _tile_error(
    card: ModelCard,
    network: nn.Module,
    halo: Sequence[int],
    multiple: Sequence[int],
    *,
    statistics: bool = True,
    dtype: torch.dtype = torch.float64,
) -> float:
    return tiling_error(
        network,
        card.scale,
        halo,
        channels=card.inputs,
        multiple=multiple,
        core=_CORE[card.ndim],
        statistics=statistics,
        dtype=dtype,
    )


@torch.inference_mode()
def _with_precision(card: ModelCard, network: nn.Module) -> ModelCard:
    """Measure the error of half precision, used as `upscale` uses it."""
    image, decibels = _noise(card, 48 if card.ndim == 2 else 16), {}
    single = network(image)
    for name, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        try:
            with torch.autocast("cpu", dtype=dtype):
                half = network(image).float()
        except _FAILURES:
            continue
        if bool(torch.isfinite(half).all()):
            error = float((half - single).square().mean())
            decibels[name] = round(peak_to_error_db(float(single.max() - single.min()), max(error, 1e-20)), 1)
    return replace(card, precision=decibels)


@torch.inference_mode()
def _with_grid(card: ModelCard, network: nn.Module) -> ModelCard:
    """Measure where the pixels of the result lie, by the centroid of a blob.

    Networks that do not reproduce a blob keep the grid of the card, because they say nothing about it.
    """
    if max(card.scale) == 1:
        return card
    size = _noise(card, 48 if card.ndim == 2 else 24).shape[2:]
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in size], indexing="ij")
    distances = [(a - (n - 1) / 2) ** 2 for a, n in zip(axes, size, strict=True)]
    blob = torch.exp(-torch.stack(distances).sum(dim=0) / (2 * 3.0**2))
    image = (0.1 + 0.6 * blob).expand(1, card.inputs, *size)
    result = (network(image) - network(torch.full_like(image, 0.1))).mean(dim=1)[0]
    bicubic = Interpolation("bicubic", card.scale)(0.6 * blob[None, None])[0, 0]
    correlation = torch.corrcoef(torch.stack([result.flatten(), bicubic.flatten()]))[0, 1]
    if not float(correlation) > 0.98:
        return card
    shift = [b - a for a, b in zip(_centroid(bicubic), _centroid(result), strict=True)]
    if max(map(abs, shift)) < _SMALLEST_SHIFT:
        return card
    return replace(card, grid_offset=tuple(o + d for o, d in zip(card.offset, shift, strict=True)))


def _centroid(image: Tensor) -> list[float]:
    weight = image.clamp(min=0)
    total = weight.sum()
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in image.shape], indexing="ij")
    return [float((weight * a).sum() / total) for a in axes]
