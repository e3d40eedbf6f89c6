"""The halo of a network: how far it looks, measured with NaN.

A NaN in the input marks every output pixel that could depend on it, whatever the weights are. A gradient would vanish
in deep networks and behind dead units; a NaN does not. Each axis is measured separately: all pixels of one plane across
the axis are NaN, in an image that is long along the axis and thin along the others. Deep networks look hundreds of
pixels far, and a square of that size would take minutes.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import inf, isfinite, prod
from typing import Any

import torch
from torch import Tensor, nn

from napari_superres.models.probes.global_layers import (
    Statistics,
    TrackedNetwork,
    merge,
    relative_change,
    statistic_kinds,
)
from napari_superres.models.probes.passes import natural_planes

Network = Callable[[Tensor], Tensor]

LONGEST_PROBE = 2048
"""Length in pixels of the longest image that is tried. It suffices for a halo of 1000 pixels; RCAN's is 417."""

_THICKNESS = 16
_CONSTANT = 0.5
_SAME_STATISTICS = 1e-9


class Pixels:
    """Low-resolution pixels that may be computed for measuring, so that its time does not depend on other programs.

    Parameters
    ----------
    total
        Their number.
    report
        Called with the share that was spent, as often as some are.
    least
        Pixels that each pass costs at least, because smaller images are padded.
    """

    def __init__(self, total: float, report: Callable[[float], None] | None = None, least: int = 0) -> None:
        self.total, self.spent = total, 0.0
        self._report, self._least = report, least

    def spend(self, pixels: float, passes: int = 1) -> bool:
        """Return whether so many are left, in all passes together, and count them."""
        cost = max(pixels, passes * self._least)
        if self.spent + cost > self.total:
            return False
        self.spent += cost
        if self._report is not None:
            self._report(self.spent / self.total)
        return True

    def share(self, part: float) -> "Pixels":
        """Return a part of what is left, whose use counts here too."""
        left = Pixels((self.total - self.spent) * part, None, self._least)
        before = self.spent

        def report(share: float) -> None:
            self.spent = before + share * left.total
            if self._report is not None:
                self._report(self.spent / self.total)

        left._report = report
        return left


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
        Whether the halo suffices, given these statistics, and these can be merged from those of tiles.
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
    pixels: "Pixels | None" = None,
    longest: int = LONGEST_PROBE,
    phases: int | None = None,
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
    pixels
        How many low-resolution pixels may be computed; any number by default. A network that needs more counts as not
        bounded. Seconds would depend on what else the computer does.
    longest
        Length of the longest probe in pixels. A network that looks beyond it counts as not bounded.
    phases
        How many phases of the multiple are probed; all by default. With fewer, the halo may be too small by less than
        the multiple.

    Returns
    -------
    Reach
        The halo, and whether it suffices.
    """
    pixels = pixels or Pixels(inf)
    multiple = tuple(multiple or (1,) * len(scale))
    # In double precision torch uses plain loops, which spread a NaN exactly as far as the kernels reach.
    network = deepcopy(module).double().cpu()
    thin = _thin(multiple)
    fixed = _statistics(network, torch.zeros(1, channels, *thin, dtype=torch.float64), multiple)
    probed: Network = network
    if fixed and bool(_affected(network, channels, thin, (slice(None), 0, *[0] * len(scale))).all()):
        probed = _with_statistics(network, fixed, multiple)
    else:
        fixed = []
    reaches = [
        _reach_along(axis, probed, scale, channels, multiple, thin, pixels, longest, phases)
        for axis in range(len(scale))
    ]
    halo = [h for h in reaches if h is not None]
    if len(halo) < len(reaches):
        return Reach((0,) * len(scale), True, False, len(fixed), statistic_kinds(fixed))
    if fixed and not _statistics_add_up(network, halo, channels, multiple):
        return Reach((0,) * len(scale), is_global=True, is_bounded=False)
    return Reach(tuple(halo), bool(fixed), True, len(fixed), statistic_kinds(fixed))


@torch.inference_mode()
def tiling_error(
    module: nn.Module,
    scale: Sequence[int],
    halo: Sequence[int],
    *,
    channels: int,
    multiple: Sequence[int],
    core: int,
    constant: int = 0,
    axis: int | None = None,
    statistics: bool = True,
    dtype: torch.dtype = torch.float64,
) -> float:
    """Measure the largest error in a tile's core, compared to the whole image.

    Two tiles in an image that looks natural are tried, one inside and one at its far end. Both begin at an odd multiple
    of `multiple`.

    Parameters
    ----------
    module, scale, channels, multiple
        As in `measure_reach`.
    halo
        Context per side, in low-resolution pixels.
    core
        Edge of the core, in low-resolution pixels, rounded up to a multiple.
    constant
        Number of input channels, the last ones, that are constant, as conditions are.
    axis
        Axis along which the image is cut; the others are then as thin as in `measure_reach`. All by default.
    statistics
        Whether layers that reduce the whole map use the statistics of the whole image in a tile.
    dtype
        Floating-point type of the computation.

    Returns
    -------
    float
        Largest absolute difference, as a fraction of the range of the result.

    Raises
    ------
    ValueError
        If the result is not finite.
    """
    network = deepcopy(module).to("cpu", dtype)
    start, context, inner_stop, size = _two_tiles(halo, multiple, core, axis)
    image = natural_planes(channels, size, dtype)
    image[:, channels - constant :] = _CONSTANT
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
    if not isfinite(span):
        raise ValueError("the network turns noise into numbers that are not finite")
    return worst / span if span > 0 else worst


def _two_tiles(
    halo: Sequence[int], multiple: Sequence[int], core: int, axis: int | None
) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return where the tiles of `tiling_error` begin, their context, where the inner one ends, and the image's size."""
    is_cut = [axis in (None, i) for i in range(len(multiple))]
    context = [-(-h // m) * m if cut else 0 for h, m, cut in zip(halo, multiple, is_cut, strict=True)]
    kept = [-(-core // m) * m if cut else n for m, n, cut in zip(multiple, _thin(multiple), is_cut, strict=True)]
    begin = [m * (7 if m <= 4 else 3 if m < 16 else 1) for m in multiple]
    start = [a if cut else 0 for a, cut in zip(begin, is_cut, strict=True)]
    inner_stop = [a + 2 * c + k for a, c, k in zip(start, context, kept, strict=True)]
    size = [2 * (a + c) + k for a, c, k in zip(start, context, kept, strict=True)]
    return start, context, inner_stop, size


def tiling_pixels(halo: Sequence[int], multiple: Sequence[int], core: int, axis: int | None = None) -> int:
    """Return how many low-resolution pixels `tiling_error` computes, in three passes."""
    start, _, inner_stop, size = _two_tiles(halo, multiple, core, axis)
    inner = prod(b - a for a, b in zip(start, inner_stop, strict=True))
    return prod(size) + inner + prod(n - a for a, n in zip(start, size, strict=True))


def tiling_edges(halo: Sequence[int], multiple: Sequence[int], core: int) -> list[int]:
    """Return the edges of the image that `tiling_error` computes, in low-resolution pixels."""
    return _two_tiles(halo, multiple, core, None)[3]


def _thin(multiple: Sequence[int]) -> list[int]:
    """Return the edges of an image that is short along all axes."""
    return [-(-max(_THICKNESS, 2 * m) // m) * m for m in multiple]


def _whole(x: Tensor) -> tuple[slice, ...]:
    return tuple(slice(0, n) for n in x.shape[2:])


@torch.inference_mode()
def _statistics(module: nn.Module, x: Tensor, multiple: Sequence[int]) -> Statistics:
    """Return the statistics that the network's layers take of an image."""
    tracked = TrackedNetwork(module, [_whole(x)], multiple, gather=True)
    tracked(x)
    return tracked.statistics()[0]


@torch.inference_mode()
def _statistics_add_up(module: nn.Module, halo: Sequence[int], channels: int, multiple: Sequence[int]) -> bool:
    """Return whether the statistics of an image are those of its tiles together, along each axis.

    Those of a Fourier transform are not: its map has no place for a tile.
    """
    for axis, (reach, m) in enumerate(zip(halo, multiple, strict=True)):
        size, context = _thin(multiple), -(-reach // m) * m
        half = size[axis] + context
        size[axis] = 2 * half
        image = natural_planes(channels, size, torch.float64)
        whole = _statistics(module, image, multiple)
        parts = []
        for start, core in ((0, 0), (half - context, context)):
            tile = image.narrow(2 + axis, start, half + context).contiguous()
            box = list(_whole(tile))
            box[axis] = slice(core, core + half)
            tracked = TrackedNetwork(module, [tuple(box)], multiple, estimates=[whole], gather=True)
            tracked(tile)
            parts.append(tracked.statistics()[0])
        if not all(len(part) == len(whole) for part in parts):
            return False
        if not relative_change(whole, list(map(merge, *parts))) <= _SAME_STATISTICS:
            return False
    return True


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
    pixels: Pixels,
    longest: int,
    phases: int | None,
) -> int | None:
    """Return the halo along an axis; None if it reaches the ends of the longest image, or pixels are up."""
    size, m, s = list(thin), multiple[axis], scale[axis]
    while size[axis] <= longest:
        length, reaches = size[axis], []
        first_phase = length // 2 // m * m
        for at in range(first_phase, first_phase + (phases or m)):
            if not pixels.spend(prod(size)):
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
