"""Statistics of the whole image for the layers that look at it, found in passes over all windows.

Every pass runs all windows with the present estimates of all layers and gathers new ones from the
cores: a Jacobi iteration, exact after as many passes as layers depend on each other, and mostly
settled long before.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from napari_superres.core.image import Image
from napari_superres.inference.engine.sweep import Counts, Loaded, Places, State, Work, sweep
from napari_superres.inference.planning.plan import Plan
from napari_superres.models.model import Model
from napari_superres.models.probes.global_layers import Statistics, change, merged

TOLERANCE = {"fp64": 1e-13, "fp32": 3e-7, "fp16": 1e-3, "bf16": 1e-3}
"""Relative change of a layer's statistics below which a further pass would only change rounding."""

_LOOKED_AT = 3


@dataclass(frozen=True, slots=True)
class Settled:
    """What the layers that look at the whole image see of it.

    Attributes
    ----------
    places
        Statistics per place, indices along T, C, Z as in ``Plan.places``.
    layers
        How many such layers the network has, by call.
    passes
        Passes over all windows that were made.
    left
        Largest change of an output pixel that the last pass still made in a few windows, on the
        input's intensities; 0 where the statistics settled.
    """

    places: Places
    layers: int
    passes: int
    left: float

    def joined(self, other: "Settled") -> "Settled":
        """Return what was found for these places and others together."""
        passes, left = max(self.passes, other.passes), max(self.left, other.left)
        return Settled({**self.places, **other.places}, self.layers, passes, left)

    @property
    def summary(self) -> dict[str, float]:
        """What the record of a result says of it."""
        return {"layers": self.layers, "passes": self.passes, "left": self.left}


def settle(image: Image, model: Model, plan: Plan, counts: Counts) -> Iterator[tuple[float, float, Settled | None]]:
    """Find the statistics of every place of a plan, over the whole padded image, also for a region of it.

    Yields
    ------
    done, total
        Windows computed, and at most to compute.
    settled
        With the last step; None before. A plan that does not need passes has no steps.

    Raises
    ------
    TileTooLargeError
        If not even the smallest window fits into memory.
    """
    if not plan.needs_passes:
        return
    run = _Run(image, model, plan, counts)
    whole = plan.cover(tuple(slice(0, n) for n in plan.padded), plan.tile)
    works = {tuple(place.values()): [Work(place, tile) for tile in whole] for place in plan.places()}
    run.total = len(works) * (1 + len(whole) * plan.max_passes)
    places = yield from run.gathered((each[len(each) // 2] for each in works.values()), None)
    layers = len(next(iter(places.values()))) // (8 if plan.tta else 1)
    before, moving, changes, passes = places, list(works), dict.fromkeys(works, 0.0), 0
    while moving and passes < min(layers, plan.max_passes):
        run.total = run.done + len(moving) * len(whole) * (min(layers, plan.max_passes) - passes)
        before, passes = places, passes + 1
        places = {**places, **(yield from run.gathered((w for key in moving for w in works[key]), places))}
        changes = {key: change(before[key], places[key]) for key in moving}
        # After as many passes as layers every estimate was made of exact ones.
        moving = [k for k in moving if changes[k] > TOLERANCE[plan.precision]] if passes < layers else []
    left = 0.0
    if moving:
        worst = works[max(moving, key=changes.__getitem__)]
        few = [worst[i * (len(worst) - 1) // (_LOOKED_AT - 1)] for i in range(_LOOKED_AT)]
        left = run.difference(few, before, places)
    yield run.done, run.done, Settled(places, layers, passes, left)


class _Run:
    """The windows of all passes, computed with one state of memory."""

    def __init__(self, image: Image, model: Model, plan: Plan, counts: Counts) -> None:
        self.plan, self.counts, self.state = plan, counts, State(image, model, plan)
        self.done, self.total = 0.0, 0.0

    def gathered(
        self, works: Iterable[Work], places: Places | None
    ) -> Generator[tuple[float, float, None], None, dict[tuple[int, ...], Statistics]]:
        """Return the merged statistics of all windows per place."""
        found: dict[tuple[int, ...], Statistics] = {}

        def job(batch: Sequence[Work]) -> Callable[[], list[Statistics]]:
            return partial(self.state.gather, self.state.load(batch), batch, places)

        for work, new in sweep(self.state, works, job, self.counts):
            old = found.get(work.key)
            found[work.key] = new if old is None else [merged(a, b) for a, b in zip(old, new, strict=True)]
            self.done += work.share
            yield self.done, self.total, None
        return found

    def difference(self, works: Iterable[Work], before: Places, after: Places) -> float:
        """Return the largest difference between the outputs of two estimates, on the image's intensities."""

        def job(batch: Sequence[Work]) -> Callable[[], list[float]]:
            return partial(compared, self.state.load(batch), batch)

        def compared(loaded: Loaded, batch: Sequence[Work]) -> list[float]:
            old, new = (self.state.run(loaded, batch, places).cores for places in (before, after))
            return [float(np.abs(a - b).max()) for a, b in zip(old, new, strict=True)]

        spans = np.subtract(self.plan.normalisation.high, self.plan.normalisation.low)
        return max(
            worst * float(spans[work.place.get("C", 0)]) for work, worst in sweep(self.state, works, job, self.counts)
        )
