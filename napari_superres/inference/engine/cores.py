"""From tiles that were read to the cores of the result: on the CPU, or through the pipeline of an accelerator."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_superres.core.intensity import COLOURS, Limited
from napari_superres.core.tiling import inner_core
from napari_superres.inference.engine.sweep import LoadedTiles, Outputs, PlaneStatistics, PlaneTile, TileRunner
from napari_superres.inference.engine.tile_io import TileRead, to_image_type
from napari_superres.inference.machine.cuda_pipeline import Pipeline, TileInput


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


class CoreComputer:
    """Computes the cores of batches of tiles with one runner."""

    def __init__(self, runner: TileRunner) -> None:
        self._runner, self._accelerator = runner, _Accelerator(runner)

    def start(
        self, tiles: Sequence[PlaneTile], read: list[TileRead], statistics: PlaneStatistics | None
    ) -> Callable[[], list[Core]]:
        """Start to compute tiles that were read; the returned function waits for them."""
        if self._runner.is_pipelined:
            return self._accelerator.start(tiles, read)
        loaded = self._runner.load(tiles, read)
        return lambda: _cores(self._runner, tiles, loaded, self._runner.run(loaded, tiles, statistics))


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

    def start(self, tiles: Sequence[PlaneTile], read: Sequence[TileRead]) -> Callable[[], list[Core]]:
        """Start to compute tiles; the returned function waits for them."""
        runner, plan = self._runner, self._runner.plan
        normalisation, scale = plan.normalisation, plan.work_scale
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
