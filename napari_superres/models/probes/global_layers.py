"""Layers that look at the whole map, computed window by window: channel attention, norms, global pools.

A window does not know the mean of the whole image. Every reduction over all spatial axes, whatever
module it is in, is met in call order: it may be given a statistic to use instead of the window's own,
and its statistic over the window's core may be gathered. Merging what all cores gave is exact:
Welford 1962, doi:10.2307/1266577; Chan, Golub, LeVeque 1983, doi:10.1080/00031305.1983.10483115.

A sum is taken as a mean times the pixels of the window, because networks divide it by just these.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Box = tuple[slice, ...]
Rows = npt.NDArray[np.float64]
"""``(rows, elements, ...)``: count, mean and, where it matters, summed squared deviations; or one row, the maximum."""

Statistics = list[Rows]
"""What the layers of a network saw of one image, in call order."""


def merged(a: Rows, b: Rows) -> Rows:
    """Return the statistic of two disjoint parts together."""
    if len(a) == 1:
        return np.maximum(a, b)
    total = a[0] + b[0]
    step, share = b[1] - a[1], b[0] / total
    rows = [total, a[1] + step * share]
    if len(a) == 3:
        rows.append(a[2] + b[2] + step**2 * a[0] * share)
    return np.stack(rows)


def kinds(statistics: Statistics) -> tuple[str, ...]:
    """Return what the layers take of their maps: ``"maximum"``, ``"mean"``, ``"mean and variance"``."""
    names = ("maximum", "mean", "mean and variance")
    return tuple(names[i] for i in sorted({len(rows) - 1 for rows in statistics}))


def change(old: Statistics, new: Statistics) -> float:
    """Return the largest change of a mean, deviation or maximum, relative to the largest of its layer."""
    worst = 0.0
    for before, after in zip(map(_values, old), map(_values, new), strict=True):
        moved = float(np.abs(after - before).max())
        worst = max(worst, moved / float(np.abs(after).max() or 1.0))
    return worst


def _values(rows: Rows) -> Rows:
    return rows if len(rows) == 1 else rows[1:2] if len(rows) == 2 else np.stack([rows[1], np.sqrt(rows[2] / rows[0])])


@dataclass(frozen=True, slots=True)
class _Layer:
    """A reduction: of what, over which axes, how many rows of statistics it needs, and what it returns given them."""

    x: Tensor
    dims: tuple[int, ...]
    rows: int
    finish: Callable[[Tensor], Any]
    sums: Callable[..., Tensor] | None = None


class Tracked(TorchFunctionMode):
    """A network, to be called on a batch of windows, whose layers over the whole map are met.

    Parameters
    ----------
    runner
        The network.
    cores
        Core of each window, in pixels of the window and on multiples of `multiple`. A window may be
        several elements of the batch, one after the other.
    multiple
        Size multiple of the network.
    estimates
        Statistics to use, per window; None to let each use its own.
    gather
        Whether to gather the statistics of the cores.
    """

    def __init__(
        self,
        runner: nn.Module,
        cores: Sequence[Box],
        multiple: Sequence[int],
        *,
        estimates: Sequence[Statistics] | None = None,
        gather: bool = False,
    ) -> None:
        super().__init__()
        self._runner, self._cores, self._multiple = runner, cores, tuple(multiple)
        self._estimates, self._gather = estimates, gather
        self._found: list[list[tuple[int, tuple[Tensor, ...]]]] = []
        self._met = 0
        self._size: tuple[int, ...] = ()
        self._boxes: list[Box] = []
        self._batch = 0

    def __call__(self, x: Tensor, *, turned: bool = False, flips: Sequence[int] = ()) -> Tensor:
        """Run the network on windows, all turned alike: the last two axes swapped, then some flipped."""
        self._size, self._batch = tuple(x.shape[2:]), len(x)
        self._boxes = [_turned(core, self._size, turned, flips) for core in self._cores]
        with self:
            found: Tensor = self._runner(x)
        return found

    def gathered(self) -> list[Statistics]:
        """Return the statistics of all calls, per window."""
        layers = [[_rows(count, parts) for count, parts in windows] for windows in self._found]
        return [[layer[i] for layer in layers] for i in range(len(self._cores))]

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in _MET:
            return func(*args, **kwargs)
        named = {"dim" if k == "axis" else k: v for k, v in kwargs.items()}
        layer = _MET[func](*args, **named)
        whole = None if layer is None else self._whole(layer)
        if layer is None or whole is None:
            found = func(*args, **kwargs)
            if layer is not None and layer.sums is not None:
                found.partial = layer  # the other axes may follow in a call of their own
            return found
        if self._gather:
            self._found.append([self._summary(*whole, layer.rows, i) for i in range(len(self._cores))])
        self._met += 1
        if self._estimates is None:
            return func(*args, **kwargs)
        given = np.stack([window[self._met - 1] for window in self._estimates], axis=1)
        # (rows, windows, elements, ...) -> (rows, batch, ...); small, so 64 bits wherever the network runs
        return layer.finish(torch.from_numpy(given).flatten(1, 2))

    def _whole(self, layer: _Layer) -> tuple[Tensor, tuple[int, ...], tuple[int, ...]] | None:
        """Return tensor, reduced axes and spatial axes where these are all reduced, each image by itself."""
        x, dims, n = layer.x, layer.dims, len(self._size)
        if x.ndim == 3:  # pixels in one axis
            flat = [d for d in dims if d > 0 and x.shape[d] == prod(self._size)]
            if len(flat) != 1:
                return None
            x = x.reshape(*x.shape[: flat[0]], *self._size, *x.shape[flat[0] + 1 :])
            dims = tuple(d + (n - 1) * (d > flat[0]) for d in dims) + tuple(flat[0] + i for i in range(1, n))
        last, first = tuple(range(x.ndim - n, x.ndim)), tuple(range(1, n + 1))
        spatial = last if set(last) <= set(dims) else first
        if x.ndim < n + 2 or 0 in dims or not set(spatial) <= set(dims) or len(x) != self._batch:
            return None
        sizes = [x.shape[d] for d in spatial]
        # Cores must fall on whole pixels of the map.
        if any(s * m % n for s, m, n in zip(sizes, self._multiple, self._size, strict=True)):
            return None
        return x, dims, spatial

    def _summary(
        self, x: Tensor, dims: tuple[int, ...], spatial: tuple[int, ...], rows: int, window: int
    ) -> tuple[int, tuple[Tensor, ...]]:
        each = self._batch // len(self._cores)
        index: list[Any] = [slice(None)] * x.ndim
        index[0] = slice(window * each, (window + 1) * each)
        for d, box, size in zip(spatial, self._boxes[window], self._size, strict=True):
            index[d] = slice(box.start * x.shape[d] // size, box.stop * x.shape[d] // size)
        core = x[tuple(index)]
        core = core.float() if core.dtype in (torch.float16, torch.bfloat16) else core
        if rows == 1:
            return 0, (core.amax(dims),)
        count = prod(core.shape[d] for d in dims)
        if rows == 2:
            return count, (core.mean(dims),)
        variance, mean = torch.var_mean(core, dims, correction=0)
        return count, (mean, variance)


def _turned(core: Box, size: Sequence[int], turned: bool, flips: Sequence[int]) -> Box:
    box = list(core)
    if turned:
        box[-2:] = box[:-3:-1]
    for axis in flips:
        box[axis] = slice(size[axis] - box[axis].stop, size[axis] - box[axis].start)
    return tuple(box)


def _rows(count: int, parts: tuple[Tensor, ...]) -> Rows:
    values = [part.cpu().double().numpy() for part in parts]
    if not count:
        return np.stack(values)
    return np.stack([np.full_like(values[0], count), values[0], *(v * count for v in values[1:])])


def _axes(x: Tensor, dim: Any) -> tuple[int, ...]:
    given = range(x.ndim) if dim is None or dim == () else (dim,) if isinstance(dim, int) else dim
    return tuple(d % x.ndim for d in given)


def _reduced(
    x: Tensor,
    dim: Any,
    keepdim: bool,
    rows: int,
    pick: Callable[[Tensor], Tensor],
    sums: Callable[..., Tensor] | None = None,
) -> _Layer:
    dims = _axes(x, dim)
    shape = [1 if d in dims else n for d, n in enumerate(x.shape) if keepdim or d not in dims]
    before: _Layer | None = getattr(x, "partial", None)
    source = x
    if before is not None and before.sums is sums:
        source, kept = before.x, [d for d in range(before.x.ndim) if d not in before.dims]
        places = range(source.ndim) if x.ndim == source.ndim else kept
        dims = tuple({*before.dims, *(places[d] for d in dims)})
    return _Layer(source, dims, rows, lambda given: pick(given).reshape(shape).to(x.device, x.dtype), sums)


def _mean(x: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> _Layer:
    return _reduced(x, dim, keepdim, 2, lambda given: given[1], torch.mean)


def _sum(x: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> _Layer:
    layer = _reduced(x, dim, keepdim, 2, lambda given: given[1], torch.sum)
    pixels = prod(layer.x.shape[d] for d in layer.dims)
    return _Layer(layer.x, layer.dims, 2, lambda given: layer.finish(given) * pixels, torch.sum)


def _amax(x: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> _Layer:
    return _reduced(x, dim, keepdim, 1, lambda given: given[0])


def _spread(root: bool, both: bool) -> Callable[..., _Layer | None]:
    """Return what meets ``var`` or ``std`` (`root`), with the mean beside it (`both`) or without."""

    def met(
        x: Tensor,
        dim: Any = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: float | None = None,
        **_: Any,
    ) -> _Layer | None:
        if isinstance(dim, bool):  # var(x, unbiased), over everything
            return None
        less = float(unbiased is not False) if correction is None else correction

        def pick(given: Tensor) -> Tensor:
            found = given[2] / (given[0] - less)
            return found.sqrt() if root else found

        layer = _reduced(x, dim, keepdim, 3, pick)
        if not both:
            return layer
        mean = _reduced(x, dim, keepdim, 3, lambda given: given[1])
        return _Layer(x, layer.dims, 3, lambda given: (layer.finish(given), mean.finish(given)))

    return met


def _norm(x: Tensor, p: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> _Layer | None:
    if p not in (2, "fro"):
        return None
    return _reduced(x, dim, keepdim, 3, lambda given: (given[2] + given[0] * given[1] ** 2).sqrt())


def _vector_norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> _Layer | None:
    return _norm(x, ord, dim, keepdim)


def _pool(meets: Callable[..., _Layer]) -> Callable[..., _Layer | None]:
    """Return what meets an adaptive pool to one pixel."""

    def met(x: Tensor, output_size: Any, return_indices: bool = False) -> _Layer | None:
        one = output_size == 1 or (not isinstance(output_size, int) and set(output_size) == {1})
        return meets(x, range(2, x.ndim), True) if one and not return_indices else None

    return met


def _avg_pool(x: Tensor, kernel_size: Any, _stride: Any = None, padding: Any = 0, *_: Any, **__: Any) -> _Layer | None:
    sizes = tuple(x.shape[2:])
    kernel = (kernel_size,) * len(sizes) if isinstance(kernel_size, int) else tuple(kernel_size)
    padded = padding if isinstance(padding, int) else max(padding)
    return _mean(x, range(2, x.ndim), True) if kernel == sizes and not padded else None


def _instance_norm(
    x: Tensor, *, weight: Tensor | None, bias: Tensor | None, use_input_stats: bool, eps: float, **_: Any
) -> _Layer | None:
    if not use_input_stats:
        return None
    return _Layer(x, tuple(range(2, x.ndim)), 3, lambda given: _normalised(x, given, weight, bias, eps))


def _group_norm(
    x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> _Layer:
    groups = x.view(len(x), num_groups, -1, *x.shape[2:])  # (B, G, C / G, ...)
    return _Layer(groups, tuple(range(2, groups.ndim)), 3, lambda given: _normalised(x, given, weight, bias, eps))


def _normalised(x: Tensor, given: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    # (B, C) for both norms: a group's channels share its statistics
    count, mean, squares = given.repeat_interleave(x.shape[1] // given.shape[2], dim=2)
    factor = (squares / count + eps).rsqrt()
    factor = factor if weight is None else factor * weight.cpu()
    shift = -mean * factor if bias is None else bias.cpu() - mean * factor
    wide = x if x.dtype == torch.float64 else x.float()
    shape = (*x.shape[:2], *[1] * (x.ndim - 2))
    return torch.addcmul(shift.to(wide).view(shape), wide, factor.to(wide).view(shape)).to(x.dtype)


_MET: dict[Any, Callable[..., _Layer | None]] = {
    **dict.fromkeys([torch.mean, Tensor.mean], _mean),
    **dict.fromkeys([torch.sum, Tensor.sum], _sum),
    **dict.fromkeys([torch.amax, Tensor.amax], _amax),
    **dict.fromkeys([torch.var, Tensor.var], _spread(root=False, both=False)),
    **dict.fromkeys([torch.std, Tensor.std], _spread(root=True, both=False)),
    torch.var_mean: _spread(root=False, both=True),
    torch.std_mean: _spread(root=True, both=True),
    **dict.fromkeys([torch.norm, Tensor.norm], _norm),
    torch.linalg.vector_norm: _vector_norm,
    **dict.fromkeys([F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d], _pool(_mean)),
    **dict.fromkeys([F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d], _pool(_amax)),
    **dict.fromkeys([F.avg_pool2d, F.avg_pool3d], _avg_pool),
    F.instance_norm: _instance_norm,
    F.group_norm: _group_norm,
}
