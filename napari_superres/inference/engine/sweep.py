"""The loop over windows, and what gives way when memory is short.

A lack of memory is answered by smaller batches, then smaller tiles, then the CPU; what was
done stays valid, because cores are disjoint.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from napari_superres.core.image import Image
from napari_superres.core.tiling import Box, Tile, balanced_tile, smallest_tile
from napari_superres.errors import TileTooLargeError
from napari_superres.inference.engine.color import Network, compute
from napari_superres.inference.engine.tile_io import load_window
from napari_superres.inference.machine.cuda_pipeline import CONVERTED, IN_FLIGHT
from napari_superres.inference.machine.device import DTYPES, place
from napari_superres.inference.machine.threads import lanes
from napari_superres.inference.planning.plan import Plan
from napari_superres.models.model import Model
from napari_superres.models.probes.global_layers import Statistics, Tracked

Places = Mapping[tuple[int, ...], Statistics]
"""Statistics of every place, by its indices along the axes that the model does not work on."""

Loaded = tuple[np.ndarray[Any, Any], list[np.ndarray[Any, Any] | None]]
"""Windows for the model, and the image's own values of those that hold some that are not finite."""

_OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)
_R = TypeVar("_R")


@dataclass
class Counts:
    """What happened during a run.

    Attributes
    ----------
    saturated
        Values limited to the range of the data type.
    invalid
        Input pixels that were NaN or infinite.
    recomputed
        Windows computed again in 32 bits because half precision overflowed.
    reduced
        What was made smaller for lack of memory, in words.
    statistics
        Of layers that look at the whole image: ``layers``, ``passes`` and ``left``, see `passes.Settled`.
    """

    saturated: int = 0
    invalid: int = 0
    recomputed: int = 0
    reduced: list[str] = field(default_factory=list)
    statistics: dict[str, float] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Add what happened in another part of the run."""
        self.saturated += other.saturated
        self.invalid += other.invalid
        self.recomputed += other.recomputed
        self.reduced += [r for r in other.reduced if r not in self.reduced]


@dataclass(frozen=True, slots=True)
class Work:
    """One window of one place."""

    place: Mapping[str, int]
    tile: Tile
    share: float = 1.0  # of a planned window, so that progress stays true when windows are divided

    @property
    def key(self) -> tuple[int, ...]:
        """The place, as `Places` knows it."""
        return tuple(self.place.values())


@dataclass(frozen=True, slots=True)
class Results:
    """What the model made of some windows: cores on the finer grid, normalised, and what they were made from."""

    cores: list[np.ndarray[Any, Any]]
    originals: list[np.ndarray[Any, Any] | None]
    recomputed: int


Job = Callable[[Sequence[Work]], Callable[[], Sequence[_R]]]
"""Begins to compute a batch and returns what waits for its results."""


def sweep(state: "State", works: Iterable[Work], job: Job[_R], counts: Counts) -> Iterator[tuple[Work, _R]]:
    """Give windows to `job` in batches, yielding each with its result; windows that are too large are divided.

    Raises
    ------
    TileTooLargeError
        If not even the smallest window fits into memory.
    """
    queue = deque(works)
    flying: deque[tuple[list[Work], Callable[[], Sequence[_R]] | None]] = deque()
    with lanes(state.lanes) as start:
        while queue or flying:
            while queue and len(flying) < state.in_flight:
                if state.is_too_large(queue[0]):
                    # Memory was found short since it was queued: it would fail too, and shrink the window in vain.
                    queue.extendleft(reversed(state.divided(queue.popleft())))
                    continue
                batch = [queue.popleft() for _ in range(min(state.batch, len(queue)))]
                flying.append((batch, _unless_short(lambda batch=batch: start(job(batch)))))  # type: ignore[misc]
            batch, fetch = flying.popleft()
            results = None if fetch is None else _unless_short(fetch)
            if results is None:
                queue.extendleft(reversed(state.shrink(batch, counts)))
            else:
                yield from zip(batch, results, strict=True)


def _unless_short(task: Callable[[], _R]) -> _R | None:
    """Return a task's result; None where memory was short."""
    try:
        return task()
    except _OUT_OF_MEMORY:
        # What follows must be outside the handler: the traceback keeps the tensors alive.
        return None


class State:
    """A model on its device, and what may change for lack of memory: batch, window and device."""

    def __init__(self, image: Image, model: Model, plan: Plan) -> None:
        self.image, self.model, self.plan = image, model, plan
        self.batch, self.tile, self.device = plan.batch, plan.tile, plan.device
        self.lanes = min(plan.lanes, torch.get_num_threads())
        self.runner = place(model, plan.device, plan.precision)

    @property
    def in_flight(self) -> int:
        """How many batches may be begun before the first is fetched."""
        if self.pipelined:
            return IN_FLIGHT
        return 1 if self.lanes == 1 else 2 * self.lanes

    @property
    def pipelined(self) -> bool:
        """Whether batches go through an accelerator's pipeline."""
        suits = self.device.startswith("cuda") and self.plan.precision != "fp64" and self.image.dtype in CONVERTED
        return suits and not replace(self.plan, tile=self.tile).needs_passes

    @torch.inference_mode()
    def run(self, loaded: Loaded, works: Sequence[Work], places: Places | None = None) -> Results:
        """Return the cores of some windows, computed with the statistics of their places."""
        plan = self.plan
        x, originals = self._placed(loaded)
        y = self.autocast(self._network(works, places), x)
        recomputed = 0
        if plan.precision in ("fp16", "bf16") and not bool(torch.isfinite(y).all()):
            y, recomputed = compute(self.model, self._network(works, places), x, tta=plan.tta), len(x)
        cores = []
        for i, work in enumerate(works):
            box = tuple(slice(c.start * s, c.stop * s) for c, s in zip(inner(work.tile), plan.work_scale, strict=True))
            core = y[i][(slice(None), *box)]
            cores.append(core.to("cpu", torch.float64 if plan.precision == "fp64" else torch.float32).numpy())
        return Results(cores, originals, recomputed)

    @torch.inference_mode()
    def gather(self, loaded: Loaded, works: Sequence[Work], places: Places | None = None) -> list[Statistics]:
        """Return the statistics of the cores of some windows, where layers use those of their places."""
        x, _ = self._placed(loaded)
        network = self._tracked(works, places, gather=True)
        self.autocast(network, x)
        if not all(np.isfinite(rows).all() for window in network.gathered() for rows in window):
            network = self._tracked(works, places, gather=True)
            compute(self.model, network, x, tta=self.plan.tta)
        return network.gathered()

    def load(self, works: Sequence[Work]) -> Loaded:
        """Read windows, in the calling thread: not every file may be read by several."""
        dtype = np.float64 if self.plan.precision == "fp64" else np.float32
        loaded = [(w, *load_window(self.image, self.plan, w.place, w.tile)) for w in works]
        normalised = [self.plan.normalisation.apply(v, w.place.get("C", 0), dtype) for w, v, _ in loaded]
        return np.stack(normalised), [original for _, _, original in loaded]

    def _placed(self, loaded: Loaded) -> tuple[Tensor, list[np.ndarray[Any, Any] | None]]:
        values, originals = loaded
        x = torch.from_numpy(values).to(self.device)
        return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x, originals

    def network(self) -> Network:
        """Return the model's network as `color.compute` calls it."""
        return lambda x, **_: self.runner(x)

    def plain(self, x: Tensor) -> Tensor:
        """Run the model on windows of an image that it need not see as a whole, in the precision of the plan."""
        return self.autocast(self.network(), x)

    def _network(self, works: Sequence[Work], places: Places | None) -> Network:
        return self.network() if places is None else self._tracked(works, places)

    def _tracked(self, works: Sequence[Work], places: Places | None, *, gather: bool = False) -> Tracked:
        estimates = None if places is None else [places[w.key] for w in works]
        cores = [inner(w.tile) for w in works]
        return Tracked(self.runner, cores, self.plan.multiple, estimates=estimates, gather=gather)

    def autocast(self, network: Network, x: Tensor) -> Tensor:
        """Run the model in the precision of the plan."""
        plan = self.plan
        half = plan.precision in ("fp16", "bf16")
        with torch.autocast(
            x.device.type, dtype=DTYPES[plan.precision] if half else None, enabled=half, cache_enabled=False
        ):
            return compute(self.model, network, x, tta=plan.tta)

    def shrink(self, works: Sequence[Work], counts: Counts) -> list[Work]:
        """Ask for less memory and return the windows to compute instead of those that failed."""
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        smaller = self._smaller_tile()
        if len(works) > self.batch or any(map(self.is_too_large, works)):
            return list(works)  # begun before memory was found short
        if self.lanes > 1:
            self.lanes = 1
            counts.reduced.append("one window at a time")
            return list(works)
        if self.batch > 1:
            self.batch = max(1, len(works) // 2)
            counts.reduced.append(f"batch {self.batch}")
            return list(works)
        if smaller is not None:
            self.tile = smaller
            counts.reduced.append(f"tile {smaller}")
            return [part for work in works for part in self.divided(work)]
        if self.device != "cpu":
            self.device, self.tile = "cpu", self.plan.tile
            self.runner = place(self.model, "cpu", self.plan.precision)
            counts.reduced.append("device cpu")
            return list(works)
        raise TileTooLargeError(
            f"not even a window of {' x '.join(map(str, self.tile))} pixels fits into memory: {self.plan.model} needs "
            f"about {self.model.bytes_per_pixel * prod(self.tile) / 1e6:.0f} MB for it. Close other programs, or use a "
            "smaller model."
        )

    def _smaller_tile(self) -> tuple[int, ...] | None:
        plan = self.plan
        least = [min(n, smallest_tile(h, m)) for n, h, m in zip(plan.padded, plan.halo, plan.multiple, strict=True)]
        if all(t <= n for t, n in zip(self.tile, least, strict=True)):
            return None
        # A window close to its context would compute almost nothing new: stop halving there.
        return tuple(
            balanced_tile(n, max(t // 2, low), h, m)
            for n, t, low, h, m in zip(plan.padded, self.tile, least, plan.halo, plan.multiple, strict=True)
        )

    def is_too_large(self, work: Work) -> bool:
        """Return whether a window is larger than what is known to fit."""
        return any(r.stop - r.start > t for r, t in zip(work.tile.read, self.tile, strict=True))

    def divided(self, work: Work) -> list[Work]:
        """Return windows of the present size that together keep what a larger one keeps."""
        tiles = self.plan.cover(work.tile.core, self.tile)
        return [Work(work.place, tile, work.share / len(tiles)) for tile in tiles]


def inner(tile: Tile) -> Box:
    """Return the core in pixels of its window."""
    return tuple(slice(c.start - r.start, c.stop - r.start) for c, r in zip(tile.core, tile.read, strict=True))
