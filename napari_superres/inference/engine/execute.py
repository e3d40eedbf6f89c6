"""Windows into results: load, compute, crop, store.

Only cores are kept of what the model computes, so the result equals the whole-image result.
Layers that look at the whole image get its statistics, which `passes.settle` finds.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.tiling import Box
from napari_superres.inference.engine.color import compute
from napari_superres.inference.engine.global_statistics import Settled, settle
from napari_superres.inference.engine.sweep import Counts, Loaded, Places, State, Work, inner, sweep
from napari_superres.inference.engine.tile_io import finished, load_window, store_core
from napari_superres.inference.machine.cuda_pipeline import Pipeline, Window
from napari_superres.inference.planning.plan import Plan
from napari_superres.models.model import Model


def execute(
    image: Image,
    model: Model,
    plan: Plan,
    out: Any,
    counts: Counts,
    settled: Settled | None = None,
    focus: Mapping[str, float] | None = None,
) -> Iterator[tuple[Box, float]]:
    """Compute a plan into an array, yielding each region written and the planned windows done by it.

    Parameters
    ----------
    image, model, plan
        What to compute.
    out
        Array that takes regions of the result.
    counts
        Is added to.
    settled
        What `settle` returned, for a plan that ``needs_passes``.
    focus
        Where somebody looks, in pixels of the image along some axes: windows are computed from there outwards.

    Raises
    ------
    TileTooLargeError
        If not even the smallest window fits into memory.
    """
    state = State(image, model, plan)

    def statistics() -> Places | None:
        nonlocal settled
        if settled is None and replace(plan, tile=state.tile).needs_passes:
            # The whole image was to be one window, for which memory was short.
            smaller = replace(plan, tile=state.tile, batch=state.batch, device=state.device, lanes=state.lanes)
            *_, (_, _, settled) = settle(image, model, smaller, counts)
        return None if settled is None else settled.places

    def job(works: Sequence[Work]) -> Callable[[], Sequence[Core]]:
        if state.pipelined:
            return device.begin(works)
        return partial(_compute, state, state.load(works), works, statistics())

    device = _Device(state)
    works: Iterable[Work] = (Work(place, tile) for place, tile in itertools.product(plan.places(), plan.tiles()))
    if focus:
        works = sorted(works, key=partial(_distance, plan, focus))
    for work, core in sweep(state, works, job, counts):
        region, bad = store_core(out, plan, work.place, work.tile, core.values, core.original)
        counts.saturated += core.saturated
        counts.invalid += bad
        counts.recomputed += core.recomputed
        yield region, work.share
    if settled is not None:
        counts.statistics = settled.summary


def _distance(plan: Plan, focus: Mapping[str, float], work: Work) -> tuple[float, float]:
    """Return how far a window is from where somebody looks: first its plane, then its place in the plane."""
    core = dict(zip(plan.work_axes, work.tile.core, strict=True))
    middle = {a: (c.start + c.stop - 1) / 2 for a, c in core.items()} | {a: float(i) for a, i in work.place.items()}
    away = {a: abs(middle[a] - at) for a, at in focus.items() if a in middle}
    return sum(d for a, d in away.items() if a not in "YX"), sum(d**2 for a, d in away.items() if a in "YX")


@dataclass(frozen=True, slots=True)
class Core:
    """What is kept of a window's result, in the image's type, and what was not finite in the window."""

    values: np.ndarray[Any, Any]
    saturated: int
    recomputed: int
    original: np.ndarray[Any, Any] | None


def _compute(state: State, loaded: Loaded, works: Sequence[Work], places: Places | None) -> list[Core]:
    results = state.run(loaded, works, places)
    again = [results.recomputed] + [0] * (len(works) - 1)
    values = (finished(state.plan, w.place, c, state.image.dtype) for w, c in zip(works, results.cores, strict=True))
    return [
        Core(cast, saturated, recomputed, original)
        for (cast, saturated), recomputed, original in zip(values, again, results.originals, strict=True)
    ]


class _Device:
    """The pipeline of an accelerator, made anew when memory was short."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._pipeline: Pipeline | None = None
        self._made_for: tuple[Any, ...] = ()

    def begin(self, works: Sequence[Work]) -> Callable[[], list[Core]]:
        """Begin to compute windows; what is returned waits for them."""
        state, plan = self._state, self._state.plan
        normalisation, scale = plan.normalisation, plan.work_scale
        windows, originals = [], []
        for work in works:
            values, original = load_window(state.image, plan, work.place, work.tile)
            channel = work.place.get("C", 0)
            core = tuple(slice(c.start * s, c.stop * s) for c, s in zip(inner(work.tile), scale, strict=True))
            windows.append(Window(values, normalisation.low[channel], normalisation.high[channel], core))
            originals.append(original)
        fetch = self._made(windows[0].values.shape).submit(windows)
        return lambda: [
            Core(f.values, f.saturated, int(f.recomputed), o) for f, o in zip(fetch(), originals, strict=True)
        ]

    def _made(self, shape: Sequence[int]) -> Pipeline:
        state, plan = self._state, self._state.plan
        if self._pipeline is None or self._made_for != (state.batch, *shape):
            self._pipeline = None  # its memory is needed
            network, exact = state.plain, partial(compute, state.model, state.network(), tta=plan.tta)
            self._pipeline = Pipeline(
                network,
                exact,
                (state.batch, *shape),
                plan.work_scale,
                state.image.dtype,
                state.device,
                samples=state.image.size("S"),
            )
            self._made_for = (state.batch, *shape)
        return self._pipeline
