"""Executors that compute the boxes of a result: this process, a cluster on this computer, or a remote scheduler.

Boxes are independent and each is stored by one process, so dask.distributed only has to distribute them. Boxes of a
worker that dies are given to another.
"""

import os
import pickle
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from queue import Empty, SimpleQueue
from typing import Any, Literal, Protocol

import torch

from napari_superres.errors import DeviceError, SettingsError
from napari_superres.inference.machine.memory import tune_allocator
from napari_superres.inference.remote.connection import connect, import_distributed, inspect_workers, inspection
from napari_superres.inference.remote.elsewhere import OtherComputers
from napari_superres.inference.remote.worker import computing
from napari_superres.inference.stream import fork_server
from napari_superres.inference.stream.boxes import Job
from napari_superres.inference.stream.local_cluster import start_cluster

Task = Literal["find_statistics", "compute"]
"""A method of `Job`."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a task, or a note that concerns all of them.

    Attributes
    ----------
    arguments
        Of the task; empty for a note.
    share
        Finished share of the task.
    result
        What the task returned, once it is finished.
    note
        What the user should know now; mostly empty.
    """

    arguments: tuple[int, ...]
    share: float = 0.0
    result: Any = None
    note: str = ""


_LOOK_EVERY = 10.0
"""Seconds between two checks that workers are left."""

_ATTEMPTS = 3
_PER_CORE = 4
_KEPT = "Finished parts are kept: continue with `resume`."
_ALONE = f"no worker is left; the run waits for new ones. Start some, or stop the run. {_KEPT}"


class Executor(Protocol):
    """Computes the tasks of a job."""

    @property
    def count(self) -> int:
        """Number of processes that compute."""
        ...

    @property
    def needs_zarr(self) -> bool:
        """Whether only OME-Zarr can be computed: boxes that the processes store themselves."""
        ...

    @property
    def threads(self) -> int:
        """Number of threads that torch uses in each process."""
        ...

    def run(self, job: Job, task: Task, arguments: Sequence[tuple[int, ...]]) -> Iterator[Step]:
        """Run a task of a job once with each of some arguments, in any order."""
        ...

    def elsewhere(self, device: str) -> OtherComputers | None:
        """Return the other computers that compute images in memory; None if this process does."""
        ...


class ThisProcess:
    """Runs tasks one after the other; while a box is computed, the one before it is stored."""

    count = 1
    needs_zarr = False

    @property
    def threads(self) -> int:
        """Number of threads that torch uses."""
        return torch.get_num_threads()

    def elsewhere(self, device: str) -> OtherComputers | None:  # noqa: ARG002 - the same on any device
        """Return None: images in memory are computed in this process."""
        return None

    def run(self, job: Job, task: Task, arguments: Sequence[tuple[int, ...]]) -> Iterator[Step]:
        """Run tasks in order; yield after every tile."""
        stored: tuple[tuple[int, ...], Future[Any]] | None = None
        with ThreadPoolExecutor(1, "store") as storing:
            for given in arguments:
                result = yield from _steps(given, getattr(job, task)(*given))
                if stored is not None:
                    yield Step(stored[0], 1.0, stored[1].result())
                if callable(result):
                    stored = given, storing.submit(result)
                else:
                    yield Step(given, 1.0, result)
            if stored is not None:
                yield Step(stored[0], 1.0, stored[1].result())


def _steps(given: tuple[int, ...], shares: Generator[float, None, Any]) -> Generator[Step, None, Any]:
    """Yield a step for each share of a task but the last, and return the result of the task."""
    result = None

    def run() -> Generator[float, None, None]:
        nonlocal result
        result = yield from shares

    for share in run():
        if share < 1.0:
            yield Step(given, share)
    return result


class Cluster:
    """Runs tasks on the workers of a dask scheduler.

    Parameters
    ----------
    connected
        Returns a connected ``distributed.Client``, once it is needed.
    note
        What the user should know of these workers; mostly empty. The first run yields it.
    threads
        Number of threads that torch uses in each worker; None to ask them.
    needs_zarr
        Whether only OME-Zarr can be computed.
    """

    def __init__(
        self, connected: Callable[[], Any], note: str = "", *, threads: int | None = None, needs_zarr: bool = False
    ) -> None:
        self._connected, self._note, self._threads, self.needs_zarr = connected, note, threads, needs_zarr

    @cached_property
    def _client(self) -> Any:
        return self._connected()

    @property
    def count(self) -> int:
        """Number of workers at present."""
        return max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))

    @property
    def threads(self) -> int:
        """Smallest number of threads that torch uses in a worker."""
        if self._threads is not None:
            return self._threads
        found = self._client.run(inspection({}, []), on_error="ignore")
        return min((facts.threads for facts in found.values() if not facts.problem), default=1)

    def elsewhere(self, device: str) -> OtherComputers | None:
        """Return the workers as computers to which windows of images in memory travel."""
        return OtherComputers(self._client, device, self._note)

    def run(self, job: Job, task: Task, arguments: Sequence[tuple[int, ...]]) -> Iterator[Step]:
        """Run tasks as workers become free; yield after each task.

        Raises
        ------
        DeviceError
            If workers lack something they need, die repeatedly at one task, or the scheduler is lost.
        SuperResError
            The error of the first task that fails.
        """
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker

        self._check(job)
        if self._note:
            yield Step((), note=self._note)
            self._note = ""
        # The job is sent once. Each worker keeps it, with its model and open files. As the result of a task it can be
        # computed again when the worker that holds it dies, unlike scattered data. It is sent as bytes, because a
        # worker that cannot load it then reports an error; otherwise everybody would wait for ever.
        shared = self._client.submit(pickle.loads, pickle.dumps(job), pure=False)
        futures = {self._client.submit(_run, shared, task, given, pure=False): given for given in arguments}
        try:
            for future in self._finished(futures):
                if future is None:
                    yield Step((), note=_ALONE)
                    continue
                yield Step(futures[future], 1.0, future.result())
                future.release()
        except KilledWorker as error:
            raise DeviceError(
                "workers died repeatedly at one part of the result, mostly for lack of memory.",
                remedy=f"Give each more memory or use fewer. {_KEPT}",
            ) from error
        except CancelledError as error:
            raise DeviceError("the scheduler was lost.", remedy=f"Start it again. {_KEPT}") from error
        except ModuleNotFoundError as error:
            raise DeviceError(
                f"workers cannot import {error.name}, which the model needs.",
                remedy="Install it where the workers run.",
            ) from error
        finally:
            if self._client.status == "running":
                self._client.cancel([shared, *futures])

    def _finished(self, futures: Collection[Any]) -> Iterator[Any]:
        """Yield futures as they finish, and None once if no worker is left: a scheduler would wait for ever."""
        finished: SimpleQueue[Any] = SimpleQueue()
        for future in futures:
            future.add_done_callback(finished.put)
        left, was_alone = len(futures), False
        while left:
            try:
                future = finished.get(timeout=_LOOK_EVERY)
            except Empty:
                if not was_alone and self._is_alone():
                    was_alone = True
                    yield None
                continue
            left -= 1
            yield future

    def _is_alone(self) -> bool:
        try:
            return self._client.status == "running" and not self._client.scheduler_info(n_workers=-1)["workers"]
        except OSError:  # The scheduler is lost, which the futures report.
            return False

    def _check(self, job: Job) -> None:
        """Check that every worker has the package, the device, and the same files."""
        devices = sorted({plan.device for plan in job.run.plans})
        inspect_workers(self._client, {str(path): f"{path}" for path in (job.source, job.target)}, devices)


def _run(job: Job, task: Task, given: tuple[int, ...]) -> Any:
    """Run a task in a worker: one thread computes at a time, while another may store."""
    with computing:
        tune_allocator()
        result = _exhaust(getattr(job, task)(*given))
    return result() if callable(result) else result


def _exhaust(shares: Generator[float, None, Any]) -> Any:
    """Run a generator to its end and return its result."""
    while True:
        try:
            next(shares)
        except StopIteration as end:
            return end.value


@contextmanager
def open_executor(workers: int | None = None, scheduler: str | None = None) -> Iterator[Executor]:
    """Yield an executor: this process, a cluster on this computer, or the workers of a remote scheduler.

    Parameters
    ----------
    workers
        Number of processes to start on this computer, each with its share of the cores and, if there are several, a
        GPU of its own. They end with the block.
    scheduler
        Address of a running dask scheduler, such as ``"tls://10.0.0.1:8786"``. Its keys come from dask's configuration.

    Raises
    ------
    SettingsError
        If both are given, or `workers` is below 1.
    MissingExtraError
        If dask.distributed is not installed.
    DeviceError
        If the scheduler does not answer, or processes cannot be started.
    """
    if workers is not None and scheduler is not None:
        raise SettingsError("`workers` and `scheduler` were given.", remedy="Give `workers` or `scheduler`.")
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise SettingsError(f"`workers` must be a whole number of at least 1, got {workers!r}.")
    most = _PER_CORE * (os.cpu_count() or 1)
    if workers is not None and workers > most:
        raise SettingsError(
            f"`workers` must be at most {most} on this computer with {os.cpu_count()} cores, got {workers}."
        )
    if workers is None and scheduler is None:
        yield ThisProcess()
        return
    distributed = import_distributed()
    if workers is not None:
        with fork_server.restored_environment(), ExitStack() as opened, ThreadPoolExecutor(1, "start") as starting:
            connected = starting.submit(_start, distributed, workers, opened).result
            yield Cluster(connected, threads=fork_server.threads_per_worker(workers), needs_zarr=True)
            connected()  # Raise the error of a start that nobody waited for.
        return
    assert scheduler is not None
    with connect(scheduler) as (client, note):
        yield Cluster(lambda: client, note)


def _start(distributed: Any, workers: int, opened: ExitStack) -> Any:
    """Return a client of a new cluster; both are closed with a stack."""
    try:
        cluster = opened.enter_context(start_cluster(distributed, workers))
    except (RuntimeError, OSError) as error:
        raise DeviceError(
            f"{workers} processes could not be started on this computer ({error}).",
            remedy="Use fewer `workers`, or leave them out.",
        ) from error
    return opened.enter_context(distributed.Client(cluster, set_as_default=False))
