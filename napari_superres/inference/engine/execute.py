"""From a plan to pixels: load tiles, compute them, crop their cores, store them.

Only the core of what the model computes is kept, so the result equals the whole-image result. Layers that look at the
whole image get its statistics, which `find_global_statistics` finds.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.intensity import COLOURS, Limited
from napari_superres.core.tiling import Box, inner_core
from napari_superres.inference.engine.consistency import ConsistencyCheck
from napari_superres.inference.engine.global_statistics import GlobalStatistics, find_global_statistics
from napari_superres.inference.engine.sweep import (
    Counts,
    LoadedTiles,
    Outputs,
    PlaneStatistics,
    PlaneTile,
    TileRunner,
    sweep,
)
from napari_superres.inference.engine.tile_io import TileRead, load_tile, store_core, to_image_type
from napari_superres.inference.machine.cuda_pipeline import Pipeline, TileInput
from napari_superres.inference.planning.plan import Plan
from napari_superres.models.model import Model


def execute(
    image: Image,
    model: Model,
    plan: Plan,
    out: Any,
    counts: Counts,
    statistics: GlobalStatistics | None = None,
    focus: Mapping[str, float] | None = None,
) -> Iterator[tuple[Box, float]]:
    """Compute a plan into an array; yield each region written and the number of planned tiles it stands for.

    Parameters
    ----------
    image, model, plan
        What to compute.
    out
        Array that takes regions of the result.
    counts
        Counts of the run, which are increased.
    statistics
        Result of `find_global_statistics`, for a plan that ``needs_passes``.
    focus
        A position in pixels of the image along some axes: tiles are computed from there outwards.

    Raises
    ------
    TileTooLargeError
        If not even the smallest tile fits into memory.
    """
    runner = TileRunner(image, model, plan)
    accelerator, check = _Accelerator(runner), ConsistencyCheck(plan, model.card)

    def of_planes() -> PlaneStatistics | None:
        nonlocal statistics
        if statistics is None and replace(plan, tile=runner.tile).needs_passes:
            # The plan was one tile for the whole image, for which memory was short.
            smaller = replace(
                plan, tile=runner.tile, batch=runner.batch, device=runner.device, parallel=runner.parallel
            )
            *_, (_, _, statistics) = find_global_statistics(image, model, smaller, counts)
        return None if statistics is None else statistics.planes

    def start_batch(tiles: Sequence[PlaneTile]) -> Callable[[], Sequence[Core]]:
        if runner.is_pipelined:
            return accelerator.start(tiles)
        loaded = runner.load(tiles)
        planes = of_planes()
        return lambda: _cores(runner, tiles, loaded, runner.run(loaded, tiles, planes))

    tiles: Iterable[PlaneTile] = itertools.starmap(PlaneTile, itertools.product(plan.planes(), plan.tiles()))
    if focus:
        tiles = sorted(tiles, key=partial(_distance, plan, focus))
    for tile, core in sweep(runner, tiles, start_batch, counts):
        region, invalid = store_core(out, plan, tile.plane, tile.tile, core.values, core.read)
        counts.add_limited(core.limited)
        if check.is_checked(tile.plane, tile.tile.core):
            residual, blocks = check.compare(core.values, core.read.core, tile.plane.get("C", 0))
            counts.residual += residual
            counts.blocks += blocks
        counts.invalid += invalid
        counts.recomputed += core.recomputed
        yield region, tile.share
    if statistics is not None:
        counts.statistics = statistics.summary


def _distance(plan: Plan, focus: Mapping[str, float], each: PlaneTile) -> tuple[float, float]:
    """Return the distance of a tile from the focus: between planes first, then within the plane."""
    core = dict(zip(plan.work_axes, each.tile.core, strict=True))
    middle = {a: (c.start + c.stop - 1) / 2 for a, c in core.items()} | {a: float(i) for a, i in each.plane.items()}
    away = {a: abs(middle[a] - at) for a, at in focus.items() if a in middle}
    return sum(d for a, d in away.items() if a not in "YX"), sum(d**2 for a, d in away.items() if a in "YX")


@dataclass(frozen=True, slots=True)
class Core:
    """The kept part of a tile's output.

    Attributes
    ----------
    values
        In the image's type.
    limited
        Number of values that were limited.
    recomputed
        Number of tiles that half precision overflowed in.
    read
        The tile as it was read.
    """

    values: np.ndarray[Any, Any]
    limited: Limited
    recomputed: int
    read: TileRead


def _cores(runner: TileRunner, tiles: Sequence[PlaneTile], loaded: LoadedTiles, outputs: Outputs) -> list[Core]:
    recomputed = [outputs.recomputed] + [0] * (len(tiles) - 1)
    batch = zip(tiles, loaded.read, outputs.cores, recomputed, strict=True)
    return [
        Core(*to_image_type(runner.plan, each.plane, output, read.core), again, read)
        for each, read, output, again in batch
    ]


class _Accelerator:
    """The pipeline of an accelerator, built again after memory was short."""

    def __init__(self, runner: TileRunner) -> None:
        self._runner = runner
        self._pipeline: Pipeline | None = None
        self._built_for: tuple[int, ...] = ()

    def start(self, tiles: Sequence[PlaneTile]) -> Callable[[], list[Core]]:
        """Start to compute tiles; the returned function waits for them."""
        runner, plan = self._runner, self._runner.plan
        normalisation, scale = plan.normalisation, plan.work_scale
        read = [load_tile(runner.image, plan, each.plane, each.tile) for each in tiles]
        inputs = []
        for each, tile in zip(tiles, read, strict=True):
            channel, inside = each.plane.get("C", 0), inner_core(each.tile)
            core = tuple(slice(c.start * s, c.stop * s) for c, s in zip(inside, scale, strict=True))
            low, high = normalisation.low[channel], normalisation.high[channel]
            limits = plan.nonnegative[channel], plan.contrast[channel]
            inputs.append(TileInput(tile.values, low, high, core, *limits, runner.told(each)))
        fetch = self._pipeline_for(inputs[0].values.shape).submit(inputs)
        return lambda: [
            Core(o.values, o.limited, int(o.recomputed), tile) for o, tile in zip(fetch(), read, strict=True)
        ]

    def _pipeline_for(self, shape: Sequence[int]) -> Pipeline:
        runner, plan = self._runner, self._runner.plan
        batch = (runner.batch, *shape)
        if self._pipeline is None or self._built_for != batch:
            self._pipeline = None  # The new pipeline needs its memory.
            self._pipeline = Pipeline(
                runner.plain,
                runner.exact,
                batch,
                plan.work_scale,
                runner.image.dtype,
                runner.device,
                samples=min(runner.image.size("S"), COLOURS),
                conditions=len(runner.model.card.conditions),
            )
            self._built_for = batch
        return self._pipeline
