"""Executors that compute the boxes of a result: this process, a cluster on this computer, or a remote scheduler.

Boxes are independent and each is stored by one process, so dask.distributed only has to distribute them. Boxes of a
worker that dies are given to another.
"""

import asyncio
import logging
import os
import pickle
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Literal, Protocol

import torch

from napari_superres.errors import DeviceError, MissingExtraError, SettingsError
from napari_superres.inference.machine.memory import tune_allocator
from napari_superres.inference.provenance import package_version
from napari_superres.inference.stream.boxes import Job
from napari_superres.inference.stream.local_cluster import restored_environment, start_cluster

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


_PATIENCE = 20.0
"""Seconds within which a scheduler must answer."""

_LOOK_EVERY = 10.0
"""Seconds between two checks that workers are left."""

_ATTEMPTS = 3
_PER_CORE = 4
_computing = threading.Lock()
_KEPT = "Finished parts are kept: continue with `resume`."
_PLAIN = (
    "{} is a scheduler without TLS: whoever reaches its port or those of its workers can run code as you. Keep it "
    "inside a network that you trust, or give it a key (see the page on large images)."
)
_ALONE = f"no worker is left; the run waits for new ones. Start some, or stop the run. {_KEPT}"


class Executor(Protocol):
    """Computes the tasks of a job."""

    @property
    def count(self) -> int:
        """Number of processes that compute."""
        ...

    @property
    def threads(self) -> int:
        """Number of threads that torch uses in each process."""
        ...

    def run(self, job: Job, task: Task, arguments: Sequence[tuple[int, ...]]) -> Iterator[Step]:
        """Run a task of a job once with each of some arguments, in any order."""
        ...


class ThisProcess:
    """Runs tasks one after the other; while a box is computed, the one before it is stored."""

    count = 1

    @property
    def threads(self) -> int:
        """Number of threads that torch uses."""
        return torch.get_num_threads()

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
    client
        A connected ``distributed.Client``.
    note
        What the user should know of these workers; mostly empty. The first run yields it.
    """

    def __init__(self, client: Any, note: str = "") -> None:
        self._client, self._note = client, note

    @property
    def count(self) -> int:
        """Number of workers at present."""
        return max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))

    @property
    def threads(self) -> int:
        """Smallest number of threads that torch uses in a worker."""
        found = self._client.run(_inspection({}, []), on_error="ignore")
        return min((threads for _, threads, problem in found.values() if not problem), default=1)

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
        wanted = package_version("napari-superres-torch")
        devices = sorted({plan.device for plan in job.run.plans})
        # A worker that dies meanwhile need not answer.
        paths = {str(path): f"{path}" for path in (job.source, job.target)}
        found = self._client.run(_inspection(paths, devices), on_error="ignore")
        if not found:
            raise DeviceError(
                "no worker answers.",
                remedy="Start workers (dask worker ADDRESS), or leave out `scheduler` to compute in this process.",
            )
        for worker, (version, _, problem) in found.items():
            if problem:
                raise DeviceError(f"worker {worker} {problem}.")
            if version != wanted:
                raise DeviceError(
                    f"worker {worker} has version {version} of napari-superres-torch, and this process {wanted}.",
                    remedy="Install the same version on all workers.",
                )


def _inspection(paths: Mapping[str, str], devices: Sequence[str]) -> Callable[[], tuple[str, int, str]]:
    """Return a function that returns a worker's version, its threads, and which of the files and devices it lacks.

    It calls the files by the values of `paths`.
    """

    def inspect() -> tuple[str, int, str]:
        # This function is sent by value, so that a worker without the package can run it.
        import importlib.metadata

        try:
            import torch

            import napari_superres.inference.stream.boxes  # noqa: F401 - Only to see that it can be imported.
            from napari_superres.storage import as_path
        except ImportError as error:
            return "", 0, f"cannot import {error.name}; install napari-superres-torch[distributed] where workers run"
        problem = ""
        for path, label in paths.items():
            if not as_path(path).exists():
                problem = f"does not see {label}; source and target must lie on a disk or in a store that all can reach"
        for device in devices:
            if device.startswith("cuda") and int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
                problem = f"has no device {device}; use `device='cuda'` for the first GPU of each, or `device='cpu'`"
        return importlib.metadata.version("napari-superres-torch"), torch.get_num_threads(), problem

    return inspect


def _run(job: Job, task: Task, given: tuple[int, ...]) -> Any:
    """Run a task in a worker: one thread computes at a time, while another may store."""
    with _computing:
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
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError(
            "several workers need dask.distributed.", remedy="pip install 'napari-superres-torch[distributed]'"
        ) from error
    if workers is not None:
        with restored_environment():
            try:
                cluster = start_cluster(distributed, workers)
            except (RuntimeError, OSError) as error:
                raise DeviceError(
                    f"{workers} processes could not be started on this computer ({error}).",
                    remedy="Use fewer `workers`, or leave them out.",
                ) from error
            with cluster, distributed.Client(cluster) as client:
                yield Cluster(client)
        return
    # Our errors report what goes wrong.
    with distributed.utils.silence_logging_cmgr(logging.CRITICAL):
        try:
            distributed.utils.LoopRunner().run_sync(_check_answer, scheduler)
            client = distributed.Client(scheduler, timeout=_PATIENCE)
        except (OSError, ValueError, TypeError, RuntimeError) as error:  # TypeError and RuntimeError: keys are missing.
            raise DeviceError(
                f"the scheduler {scheduler} does not answer.",
                remedy="Check the address, that it runs (dask scheduler), and that DASK_CONFIG gives its key.",
            ) from error
        with client:
            yield Cluster(client, "" if client.scheduler.address.startswith("tls://") else _PLAIN.format(scheduler))


async def _check_answer(address: str) -> None:
    """Raise an error unless a scheduler answers: a client would wait for ever for any other program at the address."""
    from distributed import Security
    from distributed.comm import connect

    secrets = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, timeout=_PATIENCE, **secrets), _PATIENCE)
    await comm.close()
