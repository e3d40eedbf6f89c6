"""The loop over tiles: load, compute, crop, store.

Only cores are kept of what the model computes, so the result equals the whole-image result.
A lack of memory is answered by smaller batches, then smaller tiles, then the CPU; what was
written stays valid, because cores are disjoint.
"""

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_superres.core.image import Image
from napari_superres.core.tiling import Box, Tile, balanced_tile, smallest_tile
from napari_superres.errors import TileTooLargeError
from napari_superres.inference.blocks import load_window, store_core
from napari_superres.inference.color import compute
from napari_superres.inference.device import DTYPES
from napari_superres.inference.plan import Plan
from napari_superres.models.model import Model

_OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)


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
    """

    saturated: int = 0
    invalid: int = 0
    recomputed: int = 0
    reduced: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Work:
    """One window of one place."""

    place: Mapping[str, int]
    tile: Tile
    share: float  # of a planned window, so that progress stays true when windows are divided


def execute(image: Image, model: Model, plan: Plan, out: Any, counts: Counts) -> Iterator[tuple[Box, float]]:
    """Compute a plan into an array, yielding each region written and the planned windows done by it.

    Raises
    ------
    TileTooLargeError
        If not even the smallest window fits into memory.
    """
    state = _State(model, plan)
    queue = deque(Work(place, tile, 1.0) for place, tile in itertools.product(plan.places(), plan.tiles()))
    while queue:
        if state.is_too_large(queue[0]):
            # Memory was found short since it was queued: it would fail too, and shrink the window in vain.
            queue.extendleft(reversed(state.divided(queue.popleft())))
            continue
        works = [queue.popleft() for _ in range(min(state.batch, len(queue)))]
        try:
            results = state.run(image, works)
        except _OUT_OF_MEMORY:
            results = None
        # Outside the handler: the traceback would keep the tensors alive.
        if results is None:
            queue.extendleft(reversed(state.shrink(works, counts)))
            continue
        counts.recomputed += results.recomputed
        for work, found, original in zip(works, results.cores, results.originals, strict=True):
            region, saturated, bad = store_core(out, image, plan, work.place, work.tile, found, original)
            counts.saturated += saturated
            counts.invalid += bad
            yield region, work.share


@dataclass(frozen=True, slots=True)
class _Results:
    cores: list[np.ndarray[Any, Any]]
    originals: list[np.ndarray[Any, Any] | None]
    recomputed: int


class _State:
    """What may change during a run for lack of memory: batch, window and device."""

    def __init__(self, model: Model, plan: Plan) -> None:
        self.model, self.plan = model, plan
        self.batch, self.tile, self.device = plan.batch, plan.tile, plan.device
        self.runner = _placed(model, plan)

    @torch.inference_mode()
    def run(self, image: Image, works: Sequence[Work]) -> _Results:
        """Return the cores of some windows, on the finer grid and normalised."""
        plan = self.plan
        dtype = np.float64 if plan.precision == "fp64" else np.float32
        loaded = [load_window(image, plan, w.place, w.tile, dtype) for w in works]
        x = torch.from_numpy(np.stack([values for values, _ in loaded])).to(self.device)
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        y, recomputed = self._compute(x)
        cores = []
        for i, work in enumerate(works):
            box: Any = [
                slice((c.start - r.start) * s, (c.stop - r.start) * s)
                for c, r, s in zip(work.tile.core, work.tile.read, plan.work_scale, strict=True)
            ]
            core = y[i][(slice(None), *box)]
            cores.append(core.to("cpu", torch.float64 if plan.precision == "fp64" else torch.float32).numpy())
        return _Results(cores, [original for _, original in loaded], recomputed)

    def _compute(self, x: Tensor) -> tuple[Tensor, int]:
        plan = self.plan
        if plan.precision not in ("fp16", "bf16"):
            return compute(self.model, self.runner, x, tta=plan.tta), 0
        with torch.autocast(x.device.type, dtype=DTYPES[plan.precision]):
            y = compute(self.model, self.runner, x, tta=plan.tta)
        if bool(torch.isfinite(y).all()):
            return y, 0
        return compute(self.model, self.runner, x, tta=plan.tta), len(x)

    def shrink(self, works: Sequence[Work], counts: Counts) -> list[Work]:
        """Ask for less memory and return the windows to compute instead of those that failed."""
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        smaller = self._smaller_tile()
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
            self.runner = _placed(self.model, replace(self.plan, device="cpu"))
            counts.reduced.append("device cpu")
            return list(works)
        raise TileTooLargeError(
            f"not even a window of {' x '.join(map(str, self.tile))} pixels fits into memory. "
            f"Close other programs, or use a smaller model than {self.plan.model}."
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


def _placed(model: Model, plan: Plan) -> torch.nn.Module:
    """Return the model's network on the plan's device, in the plan's storage precision."""
    if plan.device.startswith("cuda"):
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    runner = model.runner
    wanted = torch.float64 if plan.precision == "fp64" else torch.float32
    first = next(itertools.chain(runner.parameters(), runner.buffers()))
    if first.device.type == plan.device.split(":")[0] and first.dtype == wanted:
        return runner
    return deepcopy(runner).to(device=plan.device, dtype=wanted)
