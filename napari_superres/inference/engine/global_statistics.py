"""Statistics of the whole image for the layers that look at all of it, found in passes over all tiles.

Every pass runs all tiles with the present estimates of all layers and gathers new estimates from the cores: a Jacobi
iteration. It is exact after as many passes as layers depend on each other, and mostly converges long before.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_superres.core.image import Image
from napari_superres.inference.engine.counts import Counts
from napari_superres.inference.engine.sweep import Elsewhere, PlaneStatistics, PlaneTile, TileRunner, sweep
from napari_superres.inference.planning.plan import Plan
from napari_superres.models.model import Model
from napari_superres.models.probes.global_layers import Statistics, merge, relative_change

TOLERANCE = {"fp64": 1e-13, "fp32": 3e-7, "fp16": 1e-3, "bf16": 1e-3}
"""Relative change of a layer's statistics below which a further pass would only change rounding."""

_COMPARED_TILES = 3


@dataclass(frozen=True, slots=True)
class GlobalStatistics:
    """What the layers that look at the whole image see of it.

    Attributes
    ----------
    planes
        Statistics of each plane.
    layers
        Number of such layers in the network, counted by call.
    passes
        Passes over all tiles that were made.
    left
        Largest change of an output pixel that the last pass still made in a few tiles, in the intensities of the
        input; 0 if the statistics converged.
    """

    planes: PlaneStatistics
    layers: int
    passes: int
    left: float

    def join(self, other: "GlobalStatistics") -> "GlobalStatistics":
        """Return the statistics of these planes and others."""
        passes, left = max(self.passes, other.passes), max(self.left, other.left)
        return GlobalStatistics({**self.planes, **other.planes}, self.layers, passes, left)

    @property
    def summary(self) -> dict[str, float]:
        """The entry in the record of a result."""
        return {"layers": self.layers, "passes": self.passes, "left": self.left}


def find_global_statistics(
    image: Image, model: Model, plan: Plan, counts: Counts, elsewhere: Elsewhere | None = None
) -> Iterator[tuple[float, float, GlobalStatistics | None]]:
    """Find the statistics of every plane of a plan, over the whole padded image, also for a region of it.

    Yields
    ------
    done, total
        Number of tiles computed, and largest number to compute.
    statistics
        With the last step; None before. A plan that does not need passes yields nothing.

    Raises
    ------
    TileTooLargeError
        If not even the smallest tile fits into memory.
    """
    if not plan.needs_passes:
        return
    passes = _Passes(plan, counts, TileRunner(image, model, plan, elsewhere))
    whole = plan.cover(tuple(slice(0, n) for n in plan.padded), plan.tile)
    tiles = {tuple(plane.values()): [PlaneTile(plane, tile) for tile in whole] for plane in plan.planes()}
    passes.total = len(tiles) * (1 + len(whole) * plan.max_passes)
    # One tile in the middle of each plane gives the first estimate.
    estimate = yield from passes.gather((each[len(each) // 2] for each in tiles.values()), None)
    layers = len(next(iter(estimate.values()))) // (8 if plan.tta else 1)
    before, moving, changes, count = estimate, list(tiles), dict.fromkeys(tiles, 0.0), 0
    while moving and count < min(layers, plan.max_passes):
        passes.total = passes.done + len(moving) * len(whole) * (min(layers, plan.max_passes) - count)
        before, count = estimate, count + 1
        estimate = {**estimate, **(yield from passes.gather((t for key in moving for t in tiles[key]), estimate))}
        changes = {key: relative_change(before[key], estimate[key]) for key in moving}
        # After as many passes as layers, every estimate was made of exact ones.
        moving = [k for k in moving if changes[k] > TOLERANCE[plan.precision]] if count < layers else []
    left = 0.0
    if moving:
        worst = tiles[max(moving, key=changes.__getitem__)]
        few = [worst[i * (len(worst) - 1) // (_COMPARED_TILES - 1)] for i in range(_COMPARED_TILES)]
        left = passes.largest_change(few, before, estimate)
    yield passes.done, passes.done, GlobalStatistics(estimate, layers, count, left)


class _Passes:
    """All passes over the tiles, with one state of memory."""

    def __init__(self, plan: Plan, counts: Counts, runner: TileRunner) -> None:
        self.plan, self.counts, self.runner = plan, counts, runner
        self.done, self.total = 0.0, 0.0

    def gather(
        self, tiles: Iterable[PlaneTile], statistics: PlaneStatistics | None
    ) -> Generator[tuple[float, float, None], None, dict[tuple[int, ...], Statistics]]:
        """Return the merged statistics of all tiles, per plane."""
        merged_of: dict[tuple[int, ...], Statistics] = {}

        runner = self.runner

        def start_batch(batch: Sequence[PlaneTile]) -> Callable[[], list[Statistics]]:
            read = runner.read(batch)

            def here() -> Callable[[], list[Statistics]]:
                loaded = runner.load(batch, read)
                return lambda: runner.gather(loaded, batch, statistics)

            if runner.elsewhere is None:
                return here()
            return runner.elsewhere.start("gather", runner, batch, read, statistics, here)

        for each, new in sweep(self.runner, tiles, start_batch, self.counts):
            old = merged_of.get(each.key)
            merged_of[each.key] = new if old is None else [merge(a, b) for a, b in zip(old, new, strict=True)]
            self.done += each.share
            yield self.done, self.total, None
        return merged_of

    def largest_change(self, tiles: Iterable[PlaneTile], before: PlaneStatistics, after: PlaneStatistics) -> float:
        """Return the largest difference between the outputs of two estimates, in the intensities of the image."""

        def start_batch(batch: Sequence[PlaneTile]) -> Callable[[], list[float]]:
            loaded = self.runner.load(batch)

            def compare() -> list[float]:
                old, new = (self.runner.run(loaded, batch, estimate).cores for estimate in (before, after))
                return [float(np.abs(a - b).max()) for a, b in zip(old, new, strict=True)]

            return compare

        spans = np.subtract(self.plan.normalisation.high, self.plan.normalisation.low)
        changes = sweep(self.runner, tiles, start_batch, self.counts)
        return max(change * float(spans[each.plane.get("C", 0)]) for each, change in changes)
