"""Layers that reduce the whole map, such as channel attention, norms and global pools, computed tile by tile.

A tile does not know the mean of the whole image. `TrackedNetwork` runs a network and watches its calls of torch: each
reduction over all spatial axes is counted in call order, whatever module makes it. It can be given a statistic to use
instead of the tile's own, and the statistic of the tile's core can be collected. Merging the statistics of all cores is
exact: Welford 1962, doi:10.2307/1266577; Chan, Golub, LeVeque 1983, doi:10.1080/00031305.1983.10483115.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from napari_superres.core.turns import IDENTITY, Turn
from napari_superres.models.probes.reductions import MAXIMUM, MEAN, REDUCTIONS, VARIANCE, Reduction

Box = tuple[slice, ...]
Rows = npt.NDArray[np.float64]
"""``(rows, elements, ...)``: count, mean and, where needed, summed squared deviations; or one row, the maximum."""

Statistics = list[Rows]
"""Statistics that the layers of a network took of one image, in call order."""


def merge(a: Rows, b: Rows) -> Rows:
    """Return the statistic of the union of two disjoint parts."""
    if len(a) == MAXIMUM:
        return np.maximum(a, b)
    total = a[0] + b[0]
    step, share = b[1] - a[1], b[0] / total
    rows = [total, a[1] + step * share]
    if len(a) == VARIANCE:
        rows.append(a[2] + b[2] + step**2 * a[0] * share)
    return np.stack(rows)


def statistic_kinds(statistics: Statistics) -> tuple[str, ...]:
    """Return which statistics the layers take: ``"maximum"``, ``"mean"``, ``"mean and variance"``."""
    names = {MAXIMUM: "maximum", MEAN: "mean", VARIANCE: "mean and variance"}
    return tuple(names[rows] for rows in sorted({len(rows) for rows in statistics}))


def relative_change(old: Statistics, new: Statistics) -> float:
    """Return the largest change of a mean, deviation or maximum, relative to the largest value of its layer."""
    largest = 0.0
    for before, after in zip(map(_values, old), map(_values, new), strict=True):
        difference = float(np.abs(after - before).max())
        largest = max(largest, difference / float(np.abs(after).max() or 1.0))
    return largest


def _values(rows: Rows) -> Rows:
    """Return the maximum, the mean, or mean and standard deviation of a statistic."""
    if len(rows) == MAXIMUM:
        return rows
    return rows[1:2] if len(rows) == MEAN else np.stack([rows[1], np.sqrt(rows[2] / rows[0])])


class TrackedNetwork(TorchFunctionMode):
    """A network to call on a batch of tiles, with control over its layers that reduce the whole map.

    Parameters
    ----------
    runner
        The network.
    cores
        Core of each tile, in pixels of the tile and on multiples of `multiple`. A tile may occupy several
        consecutive elements of the batch.
    multiple
        Size multiple of the network, in pixels per axis.
    estimates
        Statistics to use, per tile; None lets each tile use its own.
    gather
        Whether to collect the statistics of the cores.
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
        self._gathered: list[list[tuple[int, tuple[Tensor, ...]]]] = []
        self._calls = 0
        self._size: tuple[int, ...] = ()
        self._boxes: list[Box] = []
        self._batch = 0

    def __call__(self, x: Tensor, *, turn: Turn = IDENTITY) -> Tensor:
        """Run the network on tiles that were turned."""
        self._size, self._batch = tuple(x.shape[2:]), len(x)
        self._boxes = [_turned(core, self._size, turn) for core in self._cores]
        with self:
            result: Tensor = self._runner(x)
        return result

    def statistics(self) -> list[Statistics]:
        """Return the collected statistics of all calls, per tile."""
        layers = [[_rows(count, parts) for count, parts in tiles] for tiles in self._gathered]
        return [[layer[i] for layer in layers] for i in range(len(self._cores))]

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in REDUCTIONS:
            return func(*args, **kwargs)
        named = {"dim" if k == "axis" else k: v for k, v in kwargs.items()}
        reduction = REDUCTIONS[func](*args, **named)
        spatial = None if reduction is None else self._over_whole_map(reduction)
        if reduction is None or spatial is None:
            result = func(*args, **kwargs)
            if reduction is not None and reduction.chain is not None:
                result.partial = reduction  # A call of its own may reduce the remaining axes.
            return result
        if self._gather:
            self._gathered.append([self._summarise(*spatial, reduction.rows, i) for i in range(len(self._cores))])
        self._calls += 1
        if self._estimates is None:
            return func(*args, **kwargs)
        statistic = np.stack([tile[self._calls - 1] for tile in self._estimates], axis=1)
        # (rows, tiles, elements, ...) -> (rows, batch, ...). Statistics are small, so double precision is cheap.
        return reduction.finish(torch.from_numpy(statistic).flatten(1, 2))

    def _over_whole_map(self, reduction: Reduction) -> tuple[Tensor, tuple[int, ...], tuple[int, ...]] | None:
        """Return tensor, reduced axes and spatial axes; None unless it reduces all spatial axes, image by image."""
        x, dims, n = reduction.x, reduction.dims, len(self._size)
        if x.ndim == 3:  # All pixels may lie along one axis.
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

    def _summarise(
        self, x: Tensor, dims: tuple[int, ...], spatial: tuple[int, ...], rows: int, tile: int
    ) -> tuple[int, tuple[Tensor, ...]]:
        """Return the statistic of a tile's core, before it is copied to the CPU: count, and the other rows."""
        each = self._batch // len(self._cores)
        index: list[Any] = [slice(None)] * x.ndim
        index[0] = slice(tile * each, (tile + 1) * each)
        for d, box, size in zip(spatial, self._boxes[tile], self._size, strict=True):
            index[d] = slice(box.start * x.shape[d] // size, box.stop * x.shape[d] // size)
        core = x[tuple(index)]
        core = core.float() if core.dtype in (torch.float16, torch.bfloat16) else core
        if rows == MAXIMUM:
            return 0, (core.amax(dims),)
        count = prod(core.shape[d] for d in dims)
        if rows == MEAN:
            return count, (core.mean(dims),)
        variance, mean = torch.var_mean(core, dims, correction=0)
        return count, (mean, variance)


def _turned(core: Box, size: Sequence[int], turn: Turn) -> Box:
    box = list(core)
    if turn.exchanged:
        box[-2:] = box[:-3:-1]
    for axis in turn.mirrored:
        at = "ZYX".index(axis) - 3
        box[at] = slice(size[at] - box[at].stop, size[at] - box[at].start)
    return tuple(box)


def _rows(count: int, parts: tuple[Tensor, ...]) -> Rows:
    values = [part.cpu().double().numpy() for part in parts]
    if not count:
        return np.stack(values)
    return np.stack([np.full_like(values[0], count), values[0], *(v * count for v in values[1:])])
