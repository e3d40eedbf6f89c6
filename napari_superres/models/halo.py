"""The halo of a network: how far it looks, measured with one NaN.

A NaN in the input marks every output pixel that could depend on it, whatever the weights are:
unlike a gradient it neither vanishes in deep networks nor behind dead units.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

_LARGEST_PROBE = {2: 512, 3: 96}


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a network looks.

    Attributes
    ----------
    halo
        Context per side that the output of a pixel may depend on, in low-resolution pixels, per axis.
    is_global
        Whether the output depends on the whole image, so that no halo suffices.
    """

    halo: tuple[int, ...]
    is_global: bool


def measure_reach(
    module: nn.Module, scale: Sequence[int], *, channels: int = 1, multiple: Sequence[int] | None = None
) -> Reach:
    """Measure a network's halo by NaN probes, one at every phase of its size multiple.

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
    probed = deepcopy(module).double().cpu()
    size = [-(-32 // m) * m for m in multiple]
    while (found := _probe(probed, scale, channels, multiple, size)) is None:
        if min(size) * 2 > _LARGEST_PROBE[len(scale)]:
            return Reach((0,) * len(scale), is_global=True)
        size = [s * 2 for s in size]
    return Reach(found, is_global=False)


@torch.inference_mode()
def _probe(
    module: nn.Module, scale: Sequence[int], channels: int, multiple: Sequence[int], size: Sequence[int]
) -> tuple[int, ...] | None:
    """Return the halo seen in an image of this size, or None where it reaches a border."""
    halo = [0] * len(size)
    for phase in product(*(range(m) for m in multiple)):
        at = [n // 2 // m * m + p for n, m, p in zip(size, multiple, phase, strict=True)]
        image = torch.zeros(1, channels, *size, dtype=torch.float64)
        place: Any = (0, slice(None), *at)
        image[place] = torch.nan
        hit = module(image).isnan().any(dim=1)[0]
        for axis, (p, n, s) in enumerate(zip(at, size, scale, strict=True)):
            first, last = _extent(hit, axis)
            if first < 0:
                continue
            low, high = first // s, last // s
            if low == 0 or high == n - 1:
                return None
            halo[axis] = max(halo[axis], p - low, high - p)
    return tuple(halo)


def _extent(mask: Tensor, axis: int) -> tuple[int, int]:
    others = [d for d in range(mask.ndim) if d != axis]
    line = mask.any(dim=others).nonzero().flatten() if others else mask.nonzero().flatten()
    return (int(line[0]), int(line[-1])) if len(line) else (-1, -1)
