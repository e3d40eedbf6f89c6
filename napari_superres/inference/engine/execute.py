"""From a plan to pixels: load tiles, compute them, crop their cores, store them.

Only the core of what the model computes is kept, so the result equals the whole-image result. Layers that look at the
whole image get its statistics, which `find_global_statistics` finds.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from napari_superres.core.image import Image
from napari_superres.core.tiling import Box
from napari_superres.inference.engine.consistency import ConsistencyCheck
from napari_superres.inference.engine.cores import Core, CoreComputer
from napari_superres.inference.engine.counts import Counts
from napari_superres.inference.engine.global_statistics import GlobalStatistics, find_global_statistics
from napari_superres.inference.engine.sweep import Elsewhere, PlaneStatistics, PlaneTile, TileRunner, sweep
from napari_superres.inference.engine.tile_io import store_core
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
    elsewhere: Elsewhere | None = None,
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
    elsewhere
        Other computers that compute the tiles; None to do so here.

    Raises
    ------
    TileTooLargeError
        If not even the smallest tile fits into memory.
    """
    runner = TileRunner(image, model, plan, elsewhere)
    computer, check = CoreComputer(runner), ConsistencyCheck(plan, model.card)

    def of_planes() -> PlaneStatistics | None:
        nonlocal statistics
        if statistics is None and replace(plan, tile=runner.tile).needs_passes:
            # The plan was one tile for the whole image, for which memory was short.
            smaller = replace(
                plan, tile=runner.tile, batch=runner.batch, device=runner.device, parallel=runner.parallel
            )
            *_, (_, _, statistics) = find_global_statistics(image, model, smaller, counts, elsewhere)
        return None if statistics is None else statistics.planes

    def start_batch(tiles: Sequence[PlaneTile]) -> Callable[[], Sequence[Core]]:
        read = runner.read(tiles)
        planes = None if runner.is_pipelined else of_planes()
        here = partial(computer.start, tiles, read, planes)
        return here() if elsewhere is None else elsewhere.start("cores", runner, tiles, read, planes, here)

    tiles: Iterable[PlaneTile] = itertools.starmap(PlaneTile, itertools.product(plan.planes(), plan.tiles()))
    if focus:
        tiles = sorted(tiles, key=partial(_distance, plan, focus))
    for tile, core in sweep(runner, tiles, start_batch, counts):
        region, invalid = store_core(out, plan, tile.plane, tile.tile, core.values, core.read)
        counts.add_limited(core.limited)
        if check.is_checked(tile.plane, tile.tile.core):
            counts.add_agreement(check.compare(core.values, core.read.core, tile.plane.get("C", 0)))
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
