"""The halo of a network: how far it looks, measured with NaN.

A NaN in the input marks every output pixel that could depend on it, whatever the weights are:
unlike a gradient it neither vanishes in deep networks nor behind dead units. Each axis is measured by
itself, in an image that is long along it and thin along the others, with NaN in all pixels of one plane
across it: deep networks look hundreds of pixels far, and a square of that size would take minutes.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any

import torch
from torch import Tensor, nn

from napari_superres.models.probes.global_layers import Statistics, Tracked, kinds

Network = Callable[[Tensor], Tensor]

_LONGEST_PROBE = 2048
"""Length of an image in which a reach must show itself; enough for 1000 pixels, such as RCAN's 417."""

_THICKNESS = 16


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a network looks.

    Attributes
    ----------
    halo
        Context per side that the output of a pixel may depend on, in low-resolution pixels, per axis;
        where `is_global`, given the statistics of the whole image; 0 where not `is_bounded`.
    is_global
        Whether the output depends on statistics of the whole image.
    is_bounded
        Whether the halo suffices once these are known.
    layers
        Layers that look at the whole map, by call.
    kinds
        What they take of it, see `models.statistics.kinds`.
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
    """Measure a network's halo by NaN probes along each axis, one at every phase of its size multiple.

    A network that turns NaN altogether is probed with its statistics held: see `models.statistics`.

    Parameters
    ----------
    module
        Network in evaluation mode. A copy is probed, in double precision on the CPU.
    scale
        Factor per spatial axis.
    channels
        Input channels.
    multiple
        Sizes the network accepts are multiples of this, per axis; 1 by default.
    seconds, longest
        After these, or with probes of this length in pixels, the network counts as one that no halo bounds.
    """
    until = monotonic() + seconds
    multiple = tuple(multiple or (1,) * len(scale))
    # Double precision takes plain loops, which spread a NaN exactly as far as the kernels reach.
    network = deepcopy(module).double().cpu()
    thin = [-(-max(_THICKNESS, 2 * m) // m) * m for m in multiple]
    held = _statistics(network, torch.zeros(1, channels, *thin, dtype=torch.float64), multiple)
    probed: Network = network
    if held and bool(_hit(network, channels, thin, (slice(None), 0, *[0] * len(scale))).all()):
        probed = _holding(network, held, multiple)
    else:
        held = []
    halo = [_reach_along(axis, probed, scale, channels, multiple, thin, until, longest) for axis in range(len(scale))]
    bounded = None not in halo
    return Reach(
        tuple(h if bounded and h is not None else 0 for h in halo),
        is_global=bool(held) or not bounded,
        is_bounded=bounded,
        layers=len(held),
        kinds=kinds(held),
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
    """Return the largest error of a window's core, as a fraction of the result's range.

    Two windows in an image of noise are tried, one inside and one at its far end. Both begin at an odd multiple, and
    get the statistics of the whole image where layers look at it.

    Parameters
    ----------
    module, scale, channels, multiple
        As in `measure_reach`.
    halo
        Context per side, in low-resolution pixels.
    core
        Edge of what is kept of the window, in low-resolution pixels, rounded up to a multiple.
    statistics
        Whether windows get those of the whole image.
    dtype
        To compute in.
    """
    network = deepcopy(module).to("cpu", dtype)
    context = [-(-h // m) * m for h, m in zip(halo, multiple, strict=True)]
    kept = [-(-core // m) * m for m in multiple]
    start = [m * (7 if m <= 4 else 3 if m <= 16 else 1) for m in multiple]
    whole = [2 * (a + c) + k for a, c, k in zip(start, context, kept, strict=True)]
    image = torch.rand(1, channels, *whole, dtype=dtype, generator=torch.Generator().manual_seed(0))
    held = _statistics(network, image, multiple) if statistics else []
    truth = network(image)
    window: Network = _holding(network, held, multiple) if held else network
    worst = 0.0
    for stop, end in (
        ([a + 2 * c + k for a, c, k in zip(start, context, kept, strict=True)], context),
        (whole, [0] * len(whole)),
    ):
        box: Any = (..., *map(slice, start, stop))
        found = window(image[box].contiguous())
        ours: list[Any] = [...]
        theirs: list[Any] = [...]
        for a, b, c, e, s in zip(start, stop, context, end, scale, strict=True):
            ours.append(slice(c * s, (b - a - e) * s))
            theirs.append(slice((a + c) * s, (b - e) * s))
        worst = max(worst, float((found[tuple(ours)] - truth[tuple(theirs)]).abs().max()))
    span = float(truth.max() - truth.min())
    return worst / span if span > 0 else worst


def _box(x: Tensor) -> tuple[slice, ...]:
    return tuple(slice(0, n) for n in x.shape[2:])


@torch.inference_mode()
def _statistics(module: nn.Module, x: Tensor, multiple: Sequence[int]) -> Statistics:
    tracked = Tracked(module, [_box(x)], multiple, gather=True)
    tracked(x)
    return tracked.gathered()[0]


def _holding(module: nn.Module, held: Statistics, multiple: Sequence[int]) -> Network:
    return lambda x: Tracked(module, [_box(x)], multiple, estimates=[held])(x)


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
    """Return the halo along an axis, or None where it reaches the borders of the longest image or time is up."""
    size, m, s = list(thin), multiple[axis], scale[axis]
    while size[axis] <= longest:
        length, reaches = size[axis], []
        for at in range(length // 2 // m * m, length // 2 // m * m + m):
            if monotonic() > until:
                return None
            plane: list[Any] = [slice(None)] * (2 + len(size))
            plane[2 + axis] = at
            lines = _hit(module, channels, size, tuple(plane)).movedim(axis, 0).flatten(1).any(dim=1).nonzero()
            first, last = (int(lines[0]) // s, int(lines[-1]) // s) if len(lines) else (at, at)
            if first == 0 or last == length - 1:
                break
            reaches += [at - first, last - at]
        else:
            return max(reaches)
        size[axis] *= 2
    return None


@torch.inference_mode()
def _hit(module: Network, channels: int, size: Sequence[int], at: tuple[Any, ...]) -> Tensor:
    """Return which output pixels could depend on the input values at an index ``(B, C, (Z)YX)``."""
    image = torch.zeros(1, channels, *size, dtype=torch.float64)
    image[at] = torch.nan
    return module(image).isnan().any(dim=1)[0]
