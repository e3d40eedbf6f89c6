"""The halo of a network: how far it looks, measured with NaN.

A NaN in the input marks every output pixel that could depend on it, whatever the weights are. A gradient would vanish
in deep networks and behind dead units; a NaN does not. Each axis is measured separately: all pixels of one plane across
the axis are NaN, in an image that is long along the axis and thin along the others. Deep networks look hundreds of
pixels far, and a square of that size would take minutes.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any

import torch
from torch import Tensor, nn

from napari_superres.models.probes.global_layers import Statistics, TrackedNetwork, statistic_kinds

Network = Callable[[Tensor], Tensor]

_LONGEST_PROBE = 2048
"""Length in pixels of the longest image that is tried. It suffices for a halo of 1000 pixels; RCAN's is 417."""

_THICKNESS = 16


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a network looks.

    Attributes
    ----------
    halo
        Context per side that an output pixel may depend on, in low-resolution pixels, per axis. If `is_global`, this
        holds once the statistics of the whole image are known; 0 if not `is_bounded`.
    is_global
        Whether the output depends on statistics of the whole image.
    is_bounded
        Whether the halo suffices, given these statistics.
    layers
        Number of calls that reduce the whole map.
    kinds
        Statistics that these calls take; see `global_layers.statistic_kinds`.
    """

    halo: tuple[int, ...]
    is_global: bool
    is_bounded: bool = True
    layers: int = 0
    kinds: tuple[str, ...] = ()


def measure_reach(
    module: nn.Module,
    scale: Sequence[int],
    *,
    channels: int = 1,
    multiple: Sequence[int] | None = None,
    seconds: float = inf,
    longest: int = _LONGEST_PROBE,
) -> Reach:
    """Measure a network's halo with NaN probes along each axis, one at every phase of its size multiple.

    If one NaN turns the whole output NaN, the network is probed again with its statistics fixed; see
    `probes.global_layers`.

    Parameters
    ----------
    module
        Network in evaluation mode. A copy is probed, in double precision on the CPU.
    scale
        Factor per spatial axis.
    channels
        Number of input channels.
    multiple
        Sizes that the network accepts are multiples of this, in pixels per axis; 1 by default.
    seconds
        Patience. A network that takes longer counts as not bounded.
    longest
        Length of the longest probe in pixels. A network that looks beyond it counts as not bounded.

    Returns
    -------
    Reach
        The halo, and whether it suffices.
    """
    until = monotonic() + seconds
    multiple = tuple(multiple or (1,) * len(scale))
    # In double precision torch uses plain loops, which spread a NaN exactly as far as the kernels reach.
    network = deepcopy(module).double().cpu()
    thin = [-(-max(_THICKNESS, 2 * m) // m) * m for m in multiple]
    fixed = _statistics(network, torch.zeros(1, channels, *thin, dtype=torch.float64), multiple)
    probed: Network = network
    if fixed and bool(_affected(network, channels, thin, (slice(None), 0, *[0] * len(scale))).all()):
        probed = _with_statistics(network, fixed, multiple)
    else:
        fixed = []
    halo = [_reach_along(axis, probed, scale, channels, multiple, thin, until, longest) for axis in range(len(scale))]
    bounded = None not in halo
    return Reach(
        tuple(h if bounded and h is not None else 0 for h in halo),
        is_global=bool(fixed) or not bounded,
        is_bounded=bounded,
        layers=len(fixed),
        kinds=statistic_kinds(fixed),
    )


@torch.inference_mode()
def tiling_error(
    module: nn.Module,
    scale: Sequence[int],
    halo: Sequence[int],
    *,
    channels: int,
    multiple: Sequence[int],
    core: int,
    statistics: bool = True,
    dtype: torch.dtype = torch.float64,
) -> float:
    """Measure the largest error in a tile's core, compared to the whole image.

    Two tiles in an image of noise are tried, one inside and one at its far end. Both begin at an odd multiple of
    `multiple`.

    Parameters
    ----------
    module, scale, channels, multiple
        As in `measure_reach`.
    halo
        Context per side, in low-resolution pixels.
    core
        Edge of the core, in low-resolution pixels, rounded up to a multiple.
    statistics
        Whether layers that reduce the whole map use the statistics of the whole image in a tile.
    dtype
        Floating-point type of the computation.

    Returns
    -------
    float
        Largest absolute difference, as a fraction of the range of the result.
    """
    network = deepcopy(module).to("cpu", dtype)
    context = [-(-h // m) * m for h, m in zip(halo, multiple, strict=True)]
    kept = [-(-core // m) * m for m in multiple]
    start = [m * (7 if m <= 4 else 3 if m <= 16 else 1) for m in multiple]
    inner_stop = [a + 2 * c + k for a, c, k in zip(start, context, kept, strict=True)]
    size = [2 * (a + c) + k for a, c, k in zip(start, context, kept, strict=True)]
    image = torch.rand(1, channels, *size, dtype=dtype, generator=torch.Generator().manual_seed(0))
    fixed = _statistics(network, image, multiple) if statistics else []
    truth = network(image)
    on_tile: Network = _with_statistics(network, fixed, multiple) if fixed else network
    worst = 0.0
    for stop, far_context in ((inner_stop, context), (size, [0] * len(size))):
        tile: Any = (..., *map(slice, start, stop))
        result = on_tile(image[tile].contiguous())
        core_in_tile: list[Any] = [...]
        core_in_image: list[Any] = [...]
        for a, b, c, far, s in zip(start, stop, context, far_context, scale, strict=True):
            core_in_tile.append(slice(c * s, (b - a - far) * s))
            core_in_image.append(slice((a + c) * s, (b - far) * s))
        worst = max(worst, float((result[tuple(core_in_tile)] - truth[tuple(core_in_image)]).abs().max()))
    span = float(truth.max() - truth.min())
    return worst / span if span > 0 else worst


def _whole(x: Tensor) -> tuple[slice, ...]:
    return tuple(slice(0, n) for n in x.shape[2:])


@torch.inference_mode()
def _statistics(module: nn.Module, x: Tensor, multiple: Sequence[int]) -> Statistics:
    """Return the statistics that the network's layers take of an image."""
    tracked = TrackedNetwork(module, [_whole(x)], multiple, gather=True)
    tracked(x)
    return tracked.statistics()[0]


def _with_statistics(module: nn.Module, fixed: Statistics, multiple: Sequence[int]) -> Network:
    """Return the network with the statistics of its layers fixed."""
    return lambda x: TrackedNetwork(module, [_whole(x)], multiple, estimates=[fixed])(x)


@torch.inference_mode()
def _reach_along(
    axis: int,
    module: Network,
    scale: Sequence[int],
    channels: int,
    multiple: Sequence[int],
    thin: Sequence[int],
    until: float,
    longest: int,
) -> int | None:
    """Return the halo along an axis; None if it reaches the ends of the longest image, or time is up."""
    size, m, s = list(thin), multiple[axis], scale[axis]
    while size[axis] <= longest:
        length, reaches = size[axis], []
        for at in range(length // 2 // m * m, length // 2 // m * m + m):
            if monotonic() > until:
                return None
            plane: list[Any] = [slice(None)] * (2 + len(size))
            plane[2 + axis] = at
            affected = _affected(module, channels, size, tuple(plane))
            lines = affected.movedim(axis, 0).flatten(1).any(dim=1).nonzero()
            first, last = (int(lines[0]) // s, int(lines[-1]) // s) if len(lines) else (at, at)
            if first == 0 or last == length - 1:
                break
            reaches += [at - first, last - at]
        else:
            return max(reaches)
        size[axis] *= 2
    return None


@torch.inference_mode()
def _affected(module: Network, channels: int, size: Sequence[int], index: tuple[Any, ...]) -> Tensor:
    """Return which output pixels could depend on the input values at an index ``(B, C, (Z)YX)``."""
    image = torch.zeros(1, channels, *size, dtype=torch.float64)
    image[index] = torch.nan
    return module(image).isnan().any(dim=1)[0]
