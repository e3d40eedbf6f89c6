"""What a card needs and no file says, measured once: halo, size multiple, error of tiles, grid, precision."""

from collections.abc import Sequence
from dataclasses import replace
from math import log2, prod
from time import monotonic

import psutil
import torch
from torch import Tensor, nn

from napari_superres.errors import ModelFileError
from napari_superres.models.card import ModelCard
from napari_superres.models.interpolate import Interpolation
from napari_superres.models.probes.halo import Reach, measure_reach, tiling_error
from napari_superres.models.probes.memory import pass_bytes

EXACT = 1e-10
_ROUNDING = 1e-5
"""The same of programs that compute in single precision whatever they are given."""

_SECONDS = 5.0, 200.0, 180.0
"""Patience for the halo: at least, per second of a small pass, and at most."""

_CORE = {2: 24, 3: 8}
_STAND_INS = {2: (16, 32, 64), 3: (8, 16)}
"""Halos to be tried where none suffices."""

_GOOD_ENOUGH = 1e-3
_GRID = 16
_THIN = 16
_MOST_PIXELS = 2**22
_LEAST_SHIFT = 0.25
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


def measured(card: ModelCard, network: nn.Module) -> ModelCard:
    """Return the card with what only running the network shows.

    Parameters
    ----------
    card
        What the file says.
    network
        In evaluation mode, on the CPU.

    Raises
    ------
    ModelFileError
        If the network does not make an image of the size that the card promises.
    """
    _check_output(card, network)
    return _with_grid(_with_precision(_with_tiles(_with_range(card, network), network), network), network)


def _noise(card: ModelCard, edge: int) -> Tensor:
    size = [-(-edge // m) * m for m in card.multiple]
    return torch.rand(1, card.inputs, *size, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def _check_output(card: ModelCard, network: nn.Module) -> None:
    given = _noise(card, 40 if card.ndim == 2 else 24)
    try:
        first, again = network(given), network(given)
    except _FAILURES as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelFileError(f"{card.name}: the network fails on an image of noise ({said}).") from error
    wanted = [1, card.channels, *(n * s for n, s in zip(given.shape[2:], card.scale, strict=True))]
    if not isinstance(first, Tensor) or list(first.shape) != wanted:
        made = list(first.shape) if isinstance(first, Tensor) else type(first).__name__
        raise ModelFileError(f"{card.name}: the network makes {made} of {list(given.shape)}, not {wanted}.")
    if not bool(torch.isfinite(first).all()):
        raise ModelFileError(f"{card.name}: the network makes numbers that are not finite of an image of noise.")
    if not torch.equal(first, again):
        raise ModelFileError(f"{card.name}: the network makes another image each time, so no result could be repeated.")


@torch.inference_mode()
def _with_range(card: ModelCard, network: nn.Module) -> ModelCard:
    """Where a network cuts its result off at 0 and 1, let it see the whole range of an image between these."""
    found = network(4.0 * _noise(card, 24) - 1.5)
    if card.intensity == "unit" and float(found.min()) == 0.0 and float(found.max()) == 1.0:
        return replace(card, percentiles=(0.0, 100.0))
    return card


def _with_tiles(card: ModelCard, network: nn.Module) -> ModelCard:
    """Find the grid of sizes and the halo with which windows are exact; failing that, what a halo leaves.

    Networks that pad by themselves have a grid that their file does not state: on it they are tried too.
    """
    patience, batched = _patience(card, network), card.arguments.get("batched", True)
    affordable, layers = _affordable(card, network), 0
    own = max(card.multiple)
    for edge in (own, _GRID if own < _GRID else 4 * own):
        multiple = tuple(-(-edge // m) * m for m in card.multiple)
        try:
            reach = measure_reach(
                network,
                card.scale,
                channels=card.inputs,
                multiple=multiple,
                seconds=patience,
                longest=affordable // _THIN ** (card.ndim - 1),
            )
            layers = max(layers, reach.layers if batched else 0)
            if reach.is_bounded and (batched or not reach.is_global) and _is_exact(card, network, reach, multiple):
                return _on_finest_grid(card, network, reach, multiple)
        except _FAILURES:
            continue  # not in double precision, or not at such sizes
    return _with_stand_in(card, network, affordable, monotonic() + patience, statistics=layers > 0)


def _on_finest_grid(card: ModelCard, network: nn.Module, reach: Reach, multiple: Sequence[int]) -> ModelCard:
    """Return the card with the smallest size multiple for which a halo is exact."""
    finer = tuple(max(own, m // 2) for own, m in zip(card.multiple, multiple, strict=True))
    while finer != tuple(multiple) and _is_exact(card, network, reach, finer):
        multiple = finer
        finer = tuple(max(own, m // 2) for own, m in zip(card.multiple, multiple, strict=True))
    return replace(
        card,
        halo=reach.halo,
        multiple=tuple(multiple),
        bounded=True,
        tile_error=None,
        global_statistics=reach.is_global,
    )


def _is_exact(card: ModelCard, network: nn.Module, reach: Reach, multiple: Sequence[int]) -> bool:
    most = _ROUNDING if card.architecture == "onnx" else EXACT
    try:
        return _error(card, network, reach.halo, multiple) <= most
    except _FAILURES:
        return False


def _with_stand_in(
    card: ModelCard, network: nn.Module, affordable: int, until: float, *, statistics: bool
) -> ModelCard:
    """Return the card with the least halo that is good enough, or the largest, and the error it leaves."""
    found = replace(card, bounded=False, tile_error=None, global_statistics=False)
    try:
        for edge in _STAND_INS[card.ndim]:
            halo = tuple(-(-edge // k) * k for k in card.multiple)
            too_large = (4 * edge + 4 * max(card.multiple)) ** card.ndim > affordable
            if too_large or (found.tile_error is not None and monotonic() > until):
                break
            error = _error(card, network, halo, card.multiple, statistics=statistics, dtype=torch.float32)
            found = replace(card, halo=halo, bounded=False, tile_error=error, global_statistics=statistics)
            if error <= _GOOD_ENOUGH:
                break
    except _FAILURES:
        if statistics:
            return _with_stand_in(card, network, affordable, until, statistics=False)
    return found


@torch.inference_mode()
def _patience(card: ModelCard, network: nn.Module) -> float:
    given, since = _noise(card, 64 if card.ndim == 2 else 16), monotonic()
    network(given)
    least, share, most = _SECONDS
    return min(least + share * (monotonic() - since), most)


@torch.inference_mode()
def _affordable(card: ModelCard, network: nn.Module) -> int:
    """Return how many pixels may be given at once: attention between all of them may fill any memory."""
    small = _noise(card, 32 if card.ndim == 2 else 8)
    large = small.repeat(1, 1, *[2] * card.ndim)
    before, after = (max(1.0, pass_bytes(card, network, image)[0]) for image in (small, large))
    pixels, growth = prod(large.shape[2:]), max(1.0, log2(after / before) / card.ndim)
    # Probes compute in double precision.
    room = psutil.virtual_memory().available / 4 / 2
    return int(min(_MOST_PIXELS, pixels * (room / after) ** (1.0 / growth)))


def _error(
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
    """Measure the error of half precision, as `upscale` would compute in it."""
    given, found = _noise(card, 48 if card.ndim == 2 else 16), {}
    single = network(given)
    for name, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        try:
            with torch.autocast("cpu", dtype=dtype):
                half = network(given).float()
        except _FAILURES:
            continue
        if bool(torch.isfinite(half).all()):
            error = float((half - single).square().mean())
            found[name] = round(10.0 * float(torch.log10((single.max() - single.min()) ** 2 / max(error, 1e-20))), 1)
    return replace(card, precision=found)


@torch.inference_mode()
def _with_grid(card: ModelCard, network: nn.Module) -> ModelCard:
    """Measure where pixels of the result lie, by the centroid of a blob's image.

    Only of networks that show a blob as a blob; others say nothing about it.
    """
    if max(card.scale) == 1:
        return card
    size = _noise(card, 48 if card.ndim == 2 else 24).shape[2:]
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in size], indexing="ij")
    distances = [(a - (n - 1) / 2) ** 2 for a, n in zip(axes, size, strict=True)]
    blob = torch.exp(-torch.stack(distances).sum(dim=0) / (2 * 3.0**2))
    given = (0.1 + 0.6 * blob).expand(1, card.inputs, *size)
    found = (network(given) - network(torch.full_like(given, 0.1))).mean(dim=1)[0]
    plain = Interpolation("bicubic", card.scale)(0.6 * blob[None, None])[0, 0]
    alike = torch.corrcoef(torch.stack([found.flatten(), plain.flatten()]))[0, 1]
    if not float(alike) > 0.98:
        return card
    shift = [b - a for a, b in zip(_centroid(plain), _centroid(found), strict=True)]
    if max(map(abs, shift)) < _LEAST_SHIFT:
        return card
    return replace(card, grid_offset=tuple(o + d for o, d in zip(card.offset, shift, strict=True)))


def _centroid(image: Tensor) -> list[float]:
    weight = image.clamp(min=0)
    total = weight.sum()
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in image.shape], indexing="ij")
    return [float((weight * a).sum() / total) for a in axes]
