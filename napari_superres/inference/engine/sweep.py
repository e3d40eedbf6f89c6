"""The loop over tiles, and what gives way when memory is short.

A lack of memory is answered by smaller batches, then smaller tiles, then the CPU. Finished tiles stay valid, because
their cores are disjoint.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from napari_superres.core.image import Image
from napari_superres.core.tiling import Tile, balanced_tile, inner_core, smallest_tile
from napari_superres.errors import TileTooLargeError
from napari_superres.inference.engine.color import Network, compute
from napari_superres.inference.engine.counts import Counts
from napari_superres.inference.engine.tile_io import TileRead, load_tile
from napari_superres.inference.machine.cuda_pipeline import CONVERTED, IN_FLIGHT
from napari_superres.inference.machine.device import to_device, without_tf32
from napari_superres.inference.machine.half_form import autocast, in_precision
from napari_superres.inference.machine.threads import parallel_threads
from napari_superres.inference.planning.plan import Plan
from napari_superres.models.model import Model
from napari_superres.models.probes.global_layers import Statistics, TrackedNetwork

PlaneStatistics = Mapping[tuple[int, ...], Statistics]
"""Global-layer statistics of each plane, keyed by its (T, C, Z) index."""


OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)
"""Errors that smaller batches and tiles may mend."""

_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class PlaneTile:
    """One tile of one plane.

    Attributes
    ----------
    plane
        Index of the plane along T, C and Z.
    tile
        The tile.
    share
        Share of a planned tile, so that progress stays true when tiles are divided.
    """

    plane: Mapping[str, int]
    tile: Tile
    share: float = 1.0

    @property
    def key(self) -> tuple[int, ...]:
        """The plane as a key of `PlaneStatistics`."""
        return tuple(self.plane.values())


@dataclass(frozen=True, slots=True)
class LoadedTiles:
    """A batch of tiles: normalised for the model, and each as it was read."""

    values: np.ndarray[Any, Any]
    read: list[TileRead]


@dataclass(frozen=True, slots=True)
class Outputs:
    """The model's output for some tiles: normalised cores on the finer grid."""

    cores: list[np.ndarray[Any, Any]]
    recomputed: int


StartBatch = Callable[[Sequence[PlaneTile]], Callable[[], Sequence[_R]]]
"""Starts to compute a batch and returns a function that waits for its results."""


class Elsewhere(Protocol):
    """Other computers, which compute batches of tiles for this one."""

    @property
    def in_flight(self) -> int:
        """Number of batches that may be started before the first is fetched."""
        ...

    def start(
        self,
        task: str,
        runner: "TileRunner",
        tiles: Sequence[PlaneTile],
        read: Sequence[TileRead],
        statistics: PlaneStatistics | None,
        here: Callable[[], Callable[[], Any]],
    ) -> Callable[[], Any]:
        """Start ``"cores"`` or ``"gather"`` for a batch that was read, and return a function that waits for the result.

        `here` does the same on this computer, should the others be lost.
        """
        ...


def sweep(
    runner: "TileRunner", tiles: Iterable[PlaneTile], start_batch: StartBatch[_R], counts: Counts
) -> Iterator[tuple[PlaneTile, _R]]:
    """Compute tiles in batches and yield each with its result; divide tiles that are too large for the memory.

    Raises
    ------
    TileTooLargeError
        If not even the smallest tile fits into memory.
    """
    queue = deque(tiles)
    in_flight: deque[tuple[list[PlaneTile], Callable[[], Sequence[_R]] | None]] = deque()
    with parallel_threads(runner.parallel) as submit:
        while queue or in_flight:
            while queue and len(in_flight) < runner.in_flight:
                if runner.is_too_large(queue[0]):
                    # Memory ran short after this tile was queued. It would fail as well and shrink the tiles in vain.
                    queue.extendleft(reversed(runner.divide(queue.popleft())))
                    continue
                batch = [queue.popleft() for _ in range(min(runner.batch, len(queue)))]
                fetch = _unless_short(lambda batch=batch: submit(start_batch(batch)))  # type: ignore[misc]
                in_flight.append((batch, fetch))
            batch, fetch = in_flight.popleft()
            results = None if fetch is None else _unless_short(fetch)
            if results is None:
                queue.extendleft(reversed(runner.shrink(batch, counts)))
            else:
                yield from zip(batch, results, strict=True)


def _unless_short(task: Callable[[], _R]) -> _R | None:
    """Return the result of a task, or None if memory is short.

    Retry outside the `except` block: while it is active, the traceback keeps the failed batch's tensors alive.
    """
    try:
        return task()
    except OUT_OF_MEMORY:
        return None


def _plain(network: nn.Module, x: Tensor, **_: Any) -> Tensor:
    y: Tensor = network(x)
    return y


class TileRunner:
    """A model on its device, with the batch, tile and device that may change for lack of memory.

    Parameters
    ----------
    image, model, plan
        What to compute.
    elsewhere
        Other computers that compute the batches; None to do so here.
    """

    def __init__(self, image: Image, model: Model, plan: Plan, elsewhere: Elsewhere | None = None) -> None:
        self.image, self.model, self.plan, self.elsewhere = image, model, plan, elsewhere
        self.batch, self.tile, self.device = plan.batch, plan.tile, plan.device
        self.parallel = min(plan.parallel, torch.get_num_threads()) if elsewhere is None else 1
        self._place(plan.device)

    def _place(self, device: str) -> None:
        """Put the network on a device: in the precision of the plan, and in full precision."""
        self._network = in_precision(self.model, device, self.plan.precision)
        self._full = to_device(self.model, device, self.plan.precision)

    @property
    def in_flight(self) -> int:
        """Number of batches that may be started before the first is fetched."""
        if self.elsewhere is not None:
            return self.elsewhere.in_flight
        if self.is_pipelined:
            return IN_FLIGHT
        return 1 if self.parallel == 1 else 2 * self.parallel

    @property
    def is_pipelined(self) -> bool:
        """Whether batches go through the pipeline of an accelerator."""
        suits = self.device.startswith("cuda") and self.plan.precision != "fp64" and self.image.dtype in CONVERTED
        suits = suits and self.plan.normalisation.suits_single_precision
        suits = suits and not self._views  # The pipeline has one range of intensities for a tile.
        return suits and not replace(self.plan, tile=self.tile).needs_passes

    @torch.inference_mode()
    def run(
        self, loaded: LoadedTiles, tiles: Sequence[PlaneTile], statistics: PlaneStatistics | None = None
    ) -> Outputs:
        """Return the cores of some tiles, computed with the global statistics of their planes."""
        plan = self.plan
        x = self._on_device(loaded)
        y = self.autocast(self._network_for(tiles, statistics), x)
        recomputed = 0
        if plan.precision in ("fp16", "bf16") and not bool(torch.isfinite(y).all()):
            y, recomputed = self.exact(x, self._network_for(tiles, statistics, self._full)), len(x)
        dtype = torch.float64 if plan.precision == "fp64" else torch.float32
        cores = []
        for i, each in enumerate(tiles):
            core = inner_core(each.tile)
            box = tuple(slice(c.start * s, c.stop * s) for c, s in zip(core, plan.work_scale, strict=True))
            cores.append(y[i][(slice(None), *box)].to("cpu", dtype).numpy())
        return Outputs(cores, recomputed)

    @torch.inference_mode()
    def gather(
        self, loaded: LoadedTiles, tiles: Sequence[PlaneTile], statistics: PlaneStatistics | None = None
    ) -> list[Statistics]:
        """Return the statistics of the cores of some tiles, while layers use those of their planes."""
        x = self._on_device(loaded)
        network = self._tracked(tiles, statistics, gather=True)
        self.autocast(network, x)
        if not all(np.isfinite(rows).all() for tile in network.statistics() for rows in tile):
            network = self._tracked(tiles, statistics, self._full, gather=True)
            self.exact(x, network)
        return network.statistics()

    def read(self, tiles: Sequence[PlaneTile]) -> list[TileRead]:
        """Read tiles, in the calling thread: not every file may be read by several threads."""
        return [load_tile(self.image, self.plan, each.plane, each.tile) for each in tiles]

    def load(self, tiles: Sequence[PlaneTile], read: list[TileRead] | None = None) -> LoadedTiles:
        """Normalise tiles, which are read first unless they are given."""
        dtype = np.float64 if self.plan.precision == "fp64" else np.float32
        read = self.read(tiles) if read is None else read
        x = np.stack([self._normalised(r.values, t.plane, dtype) for t, r in zip(tiles, read, strict=True)])
        if self.plan.told is not None:
            told = np.reshape([self.told(each) for each in tiles], (len(x), -1, *[1] * (x.ndim - 2)))
            planes = np.broadcast_to(told, (*told.shape[:2], *x.shape[2:]))
            x = np.concatenate([x, planes], axis=1, dtype=dtype)
        return LoadedTiles(x, read)

    def _normalised(
        self, values: np.ndarray[Any, Any], plane: Mapping[str, int], dtype: type[np.floating[Any]]
    ) -> np.ndarray[Any, Any]:
        """Return the values ``(frames * S, (Z)YX)`` of a tile on the scale of the model, each channel on its own."""
        normalise = self.plan.normalisation.apply
        if not self._views:
            return normalise(values, plane.get("C", 0), dtype)
        views = zip(np.split(values, self.plan.frames), self.plan.neighbours(plane), strict=True)
        return np.concatenate([normalise(view, each["C"], dtype) for view, each in views])

    @property
    def _views(self) -> bool:
        """Whether the model reads several channels of the image at once."""
        return self.plan.frames > 1 and self.plan.context == "C"

    def told(self, each: PlaneTile) -> tuple[float, ...]:
        """Return the values of the planes that tell the network about a tile: those of its channel."""
        told, names = self.plan.told, tuple(self.model.card.conditions)
        return () if told is None else told.planes(names, each.plane.get("C", 0))

    def plain(self, x: Tensor) -> Tensor:
        """Run the model without global statistics, in the precision of the plan."""
        return self.autocast(partial(_plain, self._network), x)

    def exact(self, x: Tensor, network: Network | None = None) -> Tensor:
        """Run the model in 32 bits, or in 64 if the plan says so."""
        with without_tf32(self.device):
            return compute(self.model, network or partial(_plain, self._full), x, tta=self.plan.tta)

    def autocast(self, network: Network, x: Tensor) -> Tensor:
        """Run the model in the precision of the plan."""
        with autocast(x.device.type, self.plan.precision):
            return self.exact(x, network)

    def _on_device(self, loaded: LoadedTiles) -> Tensor:
        x = torch.from_numpy(loaded.values).to(self.device)
        return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x

    def _network_for(
        self, tiles: Sequence[PlaneTile], statistics: PlaneStatistics | None, network: nn.Module | None = None
    ) -> Network:
        network = network or self._network
        return partial(_plain, network) if statistics is None else self._tracked(tiles, statistics, network)

    def _tracked(
        self,
        tiles: Sequence[PlaneTile],
        statistics: PlaneStatistics | None,
        network: nn.Module | None = None,
        *,
        gather: bool = False,
    ) -> TrackedNetwork:
        estimates = None if statistics is None else [statistics[each.key] for each in tiles]
        cores = [inner_core(each.tile) for each in tiles]
        network = network or self._network
        return TrackedNetwork(network, cores, self.plan.multiple, estimates=estimates, gather=gather)

    def shrink(self, tiles: Sequence[PlaneTile], counts: Counts) -> list[PlaneTile]:
        """Ask for less memory, and return the tiles to compute instead of those that failed."""
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        smaller = self._smaller_tile()
        if len(tiles) > self.batch or any(map(self.is_too_large, tiles)):
            return list(tiles)  # These started before memory ran short.
        if self.parallel > 1:
            self.parallel = 1
            counts.reduced.append("one tile at a time")
            return list(tiles)
        if self.batch > 1:
            self.batch = max(1, len(tiles) // 2)
            counts.reduced.append(f"batch {self.batch}")
            return list(tiles)
        if smaller is not None:
            self.tile = smaller
            counts.reduced.append(f"tile {smaller}")
            return [part for each in tiles for part in self.divide(each)]
        if self.device != "cpu":
            self.device, self.tile = "cpu", self.plan.tile
            self._place("cpu")
            counts.reduced.append("device cpu")
            return list(tiles)
        needed = self.model.bytes_per_pixel * prod(self.tile)
        raise TileTooLargeError(
            f"not even a tile of {' x '.join(map(str, self.tile))} pixels fits into memory: {self.plan.model} needs "
            f"about {needed / 1e6:.0f} MB for it.",
            remedy="Close other programs, or use a smaller model.",
        )

    def _smaller_tile(self) -> tuple[int, ...] | None:
        plan = self.plan
        least = [min(n, smallest_tile(h, m)) for n, h, m in zip(plan.padded, plan.halo, plan.multiple, strict=True)]
        if all(t <= n for t, n in zip(self.tile, least, strict=True)):
            return None
        # Stop halving near the smallest tile, which is almost all context.
        return tuple(
            balanced_tile(n, max(t // 2, low), h, m)
            for n, t, low, h, m in zip(plan.padded, self.tile, least, plan.halo, plan.multiple, strict=True)
        )

    def is_too_large(self, each: PlaneTile) -> bool:
        """Return whether a tile is larger than the present one, which fits."""
        return any(r.stop - r.start > t for r, t in zip(each.tile.read, self.tile, strict=True))

    def divide(self, each: PlaneTile) -> list[PlaneTile]:
        """Return tiles of the present size whose cores fill the core of a larger one."""
        tiles = self.plan.cover(each.tile.core, self.tile)
        return [PlaneTile(each.plane, tile, each.share / len(tiles)) for tile in tiles]
