"""The halo of a network: how far it looks, measured with one NaN.

A NaN in the input marks every output pixel that could depend on it, whatever the weights are:
unlike a gradient it neither vanishes in deep networks nor behind dead units.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from napari_superres.models.statistics import Statistics, Tracked, kinds

Network = Callable[[Tensor], Tensor]

_LARGEST_PROBE = {2: 512, 3: 96}


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
    module: nn.Module, scale: Sequence[int], *, channels: int = 1, multiple: Sequence[int] | None = None
) -> Reach:
    """Measure a network's halo by NaN probes, one at every phase of its size multiple.

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
    """
    multiple = tuple(multiple or (1,) * len(scale))
    # Double precision takes plain loops, which spread a NaN exactly as far as the kernels reach.
    network = deepcopy(module).double().cpu()
    size = [-(-32 // m) * m for m in multiple]
    held = _statistics(network, torch.zeros(1, channels, *size, dtype=torch.float64), multiple)
    probed: Network = network
    if held and bool(_hit(network, channels, size, [n // 2 for n in size]).all()):
        probed = _holding(network, held, multiple)
    else:
        held = []
    while (found := _probe(probed, scale, channels, multiple, size)) is None:
        if min(size) * 2 > _LARGEST_PROBE[len(scale)]:
            return Reach((0,) * len(scale), is_global=True, is_bounded=False, layers=len(held), kinds=kinds(held))
        size = [s * 2 for s in size]
    return Reach(found, is_global=bool(held), layers=len(held), kinds=kinds(held))


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
def _probe(
    module: Network, scale: Sequence[int], channels: int, multiple: Sequence[int], size: Sequence[int]
) -> tuple[int, ...] | None:
    """Return the halo seen in an image of this size, or None where it reaches a border."""
    halo = [0] * len(size)
    for phase in product(*(range(m) for m in multiple)):
        at = [n // 2 // m * m + p for n, m, p in zip(size, multiple, phase, strict=True)]
        hit = _hit(module, channels, size, at)
        for axis, (p, n, s) in enumerate(zip(at, size, scale, strict=True)):
            first, last = _extent(hit, axis)
            if first < 0:
                continue
            low, high = first // s, last // s
            if low == 0 or high == n - 1:
                return None
            halo[axis] = max(halo[axis], p - low, high - p)
    return tuple(halo)


@torch.inference_mode()
def _hit(module: Network, channels: int, size: Sequence[int], at: Sequence[int]) -> Tensor:
    """Return which output pixels could depend on the input pixel `at`."""
    image = torch.zeros(1, channels, *size, dtype=torch.float64)
    place: Any = (0, slice(None), *at)
    image[place] = torch.nan
    return module(image).isnan().any(dim=1)[0]


def _extent(mask: Tensor, axis: int) -> tuple[int, int]:
    others = [d for d in range(mask.ndim) if d != axis]
    line = mask.any(dim=others).nonzero().flatten() if others else mask.nonzero().flatten()
    return (int(line[0]), int(line[-1])) if len(line) else (-1, -1)
