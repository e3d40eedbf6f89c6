"""`OtherComputers`: sends batches of tiles to the workers of a dask scheduler, and computes here what is lost.

Windows travel in the image's own type, and so do the cores of the result: for 16-bit images half of what 32-bit numbers
would take. dask gives the windows of a worker that dies to another.
"""

import asyncio
import concurrent.futures
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import uuid4

import numpy as np

from napari_superres.core.intensity import COLOURS, Limited
from napari_superres.core.tiling import inner_core
from napari_superres.errors import DeviceError, SuperResError
from napari_superres.inference.engine.cores import Core
from napari_superres.inference.engine.sweep import OUT_OF_MEMORY, PlaneStatistics, PlaneTile, TileRunner
from napari_superres.inference.engine.tile_io import TileRead
from napari_superres.inference.planning.plan import Plan
from napari_superres.inference.provenance import package_version
from napari_superres.inference.remote.connection import PATIENCE, connect, inspect_workers
from napari_superres.inference.remote.worker import compute, has_model, keep_model
from napari_superres.models.model import Model

_LOOK_EVERY = 5.0
"""Seconds between two checks that workers are left."""

_LONELY = 30.0
"""Seconds without any worker after which this computer takes over: a batch system may start new ones."""

_AHEAD = 2
"""Windows per thread of the workers that are under way: while one is computed, the next travels."""

_LOST = "the cluster was lost ({}); this computer computed the windows that were missing."
_DIED = "workers died repeatedly at one window, mostly for lack of memory; this computer computed it."
_FAILED = "a worker failed ({}: {}); this computer computed what it was sent."


class _WorkerError(Exception):
    """A worker did not compute a batch; the text is a sentence for the user."""


class OtherComputers:
    """The workers of a dask scheduler, as a place to compute batches.

    Attributes
    ----------
    device
        Where each worker computes: as asked for, or the fastest device that all have.
    workers
        Number of workers at the start.
    facts
        Version, threads and devices of each worker, by its address.
    notes
        What the user should know so far, in sentences.
    """

    def __init__(self, client: Any, device: str, note: str = "") -> None:
        self._client = client
        self.facts = inspect_workers(client, {}, [] if device == "auto" else [device])
        self.device = _common_device(self.facts, device)
        self.workers = len(self.facts)
        self.notes = (note,) if note else ()
        self._threads: int = sum(client.nthreads().values())
        self._keys: dict[int, str] = {}
        self._run, self._sent, self._is_lost, self._here = uuid4().hex, set[str](), False, 0

    @property
    def in_flight(self) -> int:
        """Number of batches that may be under way."""
        return max(1, self._threads) * _AHEAD

    def record(self) -> dict[str, Any]:
        """Return the entry in the record of a result. It never names an address."""
        return {"cluster": {"workers": self.workers, "batches_computed_here": self._here}}

    def plan_of(self, plan: Plan) -> Plan:
        """Return a plan as the workers compute it."""
        return replace(plan, device=self.device, parallel=1)

    def start(
        self,
        task: str,
        runner: TileRunner,
        tiles: Sequence[PlaneTile],
        read: Sequence[TileRead],
        statistics: PlaneStatistics | None,
        here: Callable[[], Callable[[], Any]],
    ) -> Callable[[], Any]:
        """Send a batch; the returned function waits for its result. See `sweep.Elsewhere`."""
        if self._is_lost:
            return self._compute_here(here)
        of_tiles = None if statistics is None else {each.key: statistics[each.key] for each in tiles}
        plan = replace(self.plan_of(runner.plan), batch=runner.batch, tile=runner.tile)
        run = f"{self._run}-{runner.plan.channels}-{runner.batch}-{runner.tile}"
        windows = [each.values for each in read]
        given = (task, self._key_of(runner.model), run, plan, str(runner.image.dtype), tiles, windows, of_tiles)
        try:
            self._send_model(runner.model)
            sent = self._send(given)
        except self._losses as error:
            self._lose(error)
            return self._compute_here(here)

        def fetch() -> Any:
            if self._is_lost:
                return self._compute_here(here)()
            try:
                found = self._wait(sent, runner.model, given)
            except _WorkerError as error:
                self._note(str(error))
                return self._compute_here(here)()
            except self._losses as error:
                self._lose(error)
                return self._compute_here(here)()
            return found if task == "gather" else _checked(found, runner, tiles, read)

        return fetch

    @property
    def _losses(self) -> tuple[type[BaseException], ...]:
        import distributed
        from distributed.client import ClosedClientError

        # OSError is also the parent of TimeoutError and of errors of connections.
        return (distributed.CancelledError, concurrent.futures.CancelledError, ClosedClientError, OSError)

    def _compute_here(self, here: Callable[[], Callable[[], Any]]) -> Callable[[], Any]:
        self._here += 1
        return here()

    def _send(self, given: tuple[Any, ...]) -> tuple[Any, "concurrent.futures.Future[Any]"]:
        """Send a batch; return dask's future, and another one whose result travels here as soon as it is ready.

        ``result(timeout)`` of dask's would begin to fetch anew each time, so over a slow line it would never end.
        """
        future = self._client.submit(compute, *given, pure=False)
        arriving = self._client.gather(future, asynchronous=True)
        return future, asyncio.run_coroutine_threadsafe(arriving, self._client.loop.asyncio_loop)

    def _wait(self, sent: tuple[Any, "concurrent.futures.Future[Any]"], model: Model, given: tuple[Any, ...]) -> Any:
        """Return the result of a batch; a worker that joined since is sent the model first."""
        lonely_since: float | None = None
        while True:
            future, arriving = sent
            concurrent.futures.wait([arriving], timeout=_LOOK_EVERY)
            if not arriving.done():
                lonely_since = (lonely_since or time.monotonic()) if self._is_alone() else None
                if lonely_since is not None and time.monotonic() - lonely_since >= _LONELY:
                    raise ConnectionError("no worker is left")
                continue
            try:
                found = arriving.result()
            except (*OUT_OF_MEMORY, SuperResError):
                raise
            except Exception as error:
                if future.status == "error":
                    raise _WorkerError(_describe(error)) from error
                raise
            if found is not None:
                return found
            self._sent.clear()
            try:
                inspect_workers(self._client, {}, [self.device])
                self._send_model(model)
            except DeviceError as error:
                raise ConnectionError(error.message.rstrip(".")) from error
            sent = self._send(given)

    def _is_alone(self) -> bool:
        """Return whether no worker is left.

        Raises
        ------
        OSError
            If the scheduler does not answer. A tunnel may stay open here although its other end is gone.
        """
        if self._client.status != "running":
            raise ConnectionError("the connection broke")
        return not self._client.sync(self._client.scheduler.ncores, callback_timeout=PATIENCE)

    def _send_model(self, model: Model) -> None:
        """Send a model to the workers that do not have it."""
        key = self._key_of(model)
        if key not in self._sent:
            kept = self._client.run(has_model, key, on_error="ignore")
            without = [worker for worker, has_it in kept.items() if not has_it]
            if without:
                try:
                    self._client.run(keep_model, key, pickle.dumps(model), workers=without)
                except ModuleNotFoundError as error:
                    raise DeviceError(
                        f"workers cannot import {error.name}, which the model needs.",
                        remedy="Install it where the workers run.",
                    ) from error
            self._sent.add(key)

    def _key_of(self, model: Model) -> str:
        """Return the hash of a model's file, or of itself if it was made without one, and the version it is for.

        So a worker of another version that joins during a run does not compute it with what it kept.
        """
        if id(model) not in self._keys:
            digest = model.sha256 or sha256(pickle.dumps(model)).hexdigest()
            self._keys[id(model)] = f"{package_version('napari-superres-torch')}-{digest}"
        return self._keys[id(model)]

    def _lose(self, error: BaseException) -> None:
        self._is_lost = True
        text = str(error) if isinstance(error, ConnectionError) else "the connection broke"
        self._note(_LOST.format(text))

    def _note(self, note: str) -> None:
        self.notes = tuple(dict.fromkeys((*self.notes, note)))


def _describe(error: Exception) -> str:
    """Return the sentence about a worker's error."""
    from distributed.scheduler import KilledWorker

    if isinstance(error, KilledWorker):
        return _DIED
    first, *_ = str(error).splitlines() or [""]
    return _FAILED.format(type(error).__name__, first)


def _common_device(facts: dict[str, Any], device: str) -> str:
    """Return the device that was asked for, or the fastest that all workers have."""
    if device != "auto":
        return device
    first, *others = [each.devices for each in facts.values()]
    fastest: str = next(name for name in first if all(name in other for other in others))
    return fastest


def _checked(found: Any, runner: TileRunner, tiles: Sequence[PlaneTile], read: Sequence[TileRead]) -> list[Core]:
    """Return cores as the engine stores them.

    Raises
    ------
    DeviceError
        If they are not what was asked for.
    """
    cores = []
    for (values, limited, recomputed), each, window in zip(found, tiles, read, strict=True):
        samples = min(runner.image.size("S"), COLOURS)
        extents = zip(inner_core(each.tile), runner.plan.work_scale, strict=True)
        shape = (samples, *((b.stop - b.start) * s for b, s in extents))
        is_right = isinstance(values, np.ndarray) and (values.shape, values.dtype) == (shape, runner.image.dtype)
        if not is_right or not isinstance(limited, Limited):
            raise DeviceError("a worker returned something else than the window that was asked for.")
        cores.append(Core(values, limited, int(recomputed), window))
    return cores


@contextmanager
def open_elsewhere(scheduler: str | None, device: str = "auto") -> Iterator[OtherComputers | None]:
    """Yield the workers of a scheduler as a place to compute; None without a scheduler.

    Parameters
    ----------
    scheduler
        Address such as ``"tls://10.0.0.1:8786"``.
    device
        Where each worker computes.

    Raises
    ------
    DeviceError
        If the scheduler does not answer, or its workers lack something.
    """
    if scheduler is None:
        yield None
        return
    with connect(scheduler) as (client, note):
        yield OtherComputers(client, device, note)


def describe_cluster(scheduler: str) -> str:
    """Return the workers of a cluster, how many have a GPU, and their version, in a line.

    Raises
    ------
    DeviceError
        As `open_elsewhere`.
    """
    with connect(scheduler) as (client, note):
        facts = inspect_workers(client, {}, [])
    hosts = {worker.rpartition(":")[0] for worker in facts}
    gpus = sum(each.devices[0] != "cpu" for each in facts.values())
    words = [
        f"{len(facts)} worker{'s' * (len(facts) != 1)} on {len(hosts)} computer{'s' * (len(hosts) != 1)}",
        f"{gpus or 'none'} with a GPU",
        f"version {next(iter(facts.values())).version}",
    ]
    return ", ".join(words) + (f". {note[:1].upper()}{note[1:]}" if note else "")
