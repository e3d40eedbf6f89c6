"""Who computes the boxes of a result: this process, processes of a cluster here, or one's own scheduler.

Boxes are independent and each is stored by one process, so dask.distributed has only to hand them out;
those of a worker that dies are handed out again.
"""

import asyncio
import logging
import os
import pickle
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import torch

from napari_superres.errors import DeviceError, MissingExtraError, SettingsError, SuperResWarning
from napari_superres.inference.machine.device import list_devices
from napari_superres.inference.machine.memory import allocator_environment, tune_allocator
from napari_superres.inference.provenance import package_version
from napari_superres.inference.stream.boxes import Job

Task = Literal["settle", "compute"]
"""A method of `Job`."""

Step = tuple[tuple[int, ...], float, Any]
"""Arguments of a task, the share of it that is done, and what it returned when that is all."""

_PATIENCE = 20.0
"""Seconds in which a scheduler must answer."""

_GLANCE = 10.0
"""Seconds between two looks at whether any worker is left."""

_ATTEMPTS = 3
_PER_CORE = 4
_busy = threading.Lock()


class Workers(Protocol):
    """What computes boxes."""

    @property
    def count(self) -> int:
        """How many processes compute."""
        ...

    @property
    def threads(self) -> int:
        """How many threads torch has in each."""
        ...

    def run(self, job: Job, task: Task, arguments: Sequence[tuple[int, ...]]) -> Iterator[Step]:
        """Do a task of a job once with each of some arguments, in any order."""
        ...


class ThisProcess:
    """Does tasks one after the other; while a box is computed, the one before it is stored."""

    count = 1

    @property
    def threads(self) -> int:
        """How many threads torch has."""
        return torch.get_num_threads()

    def run(self, job: Job, task: Task, arguments: Sequence[tuple[int, ...]]) -> Iterator[Step]:
        """Do tasks in order, telling of every window."""
        before: tuple[tuple[int, ...], Future[Any]] | None = None
        with ThreadPoolExecutor(1, "store") as storing:
            for given in arguments:
                found = yield from _told(given, getattr(job, task)(*given))
                if before is not None:
                    yield before[0], 1.0, before[1].result()
                if callable(found):
                    before = given, storing.submit(found)
                else:
                    yield given, 1.0, found
            if before is not None:
                yield before[0], 1.0, before[1].result()


def _told(given: tuple[int, ...], steps: Generator[float, None, Any]) -> Generator[Step, None, Any]:
    found = None

    def run() -> Generator[float, None, None]:
        nonlocal found
        found = yield from steps

    for share in run():
        if share < 1.0:
            yield given, share, None
    return found


class Cluster:
    """Computes boxes on the workers of a dask scheduler.

    Parameters
    ----------
    client
        A connected ``distributed.Client``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def count(self) -> int:
        """How many workers are there now."""
        return max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))

    @property
    def threads(self) -> int:
        """How many threads torch has in each, at least."""
        found = self._client.run(_inspection([], []), on_error="ignore")
        return min((threads for _, threads, problem in found.values() if not problem), default=1)

    def run(self, job: Job, task: Task, arguments: Sequence[tuple[int, ...]]) -> Iterator[Step]:
        """Do tasks as workers are free, telling of each that is done.

        Raises
        ------
        DeviceError
            If workers lack what they need, or die at one task again and again, or the scheduler is lost.
        SuperResError
            What the first failing task raised.
        """
        from distributed import CancelledError, as_completed
        from distributed.scheduler import KilledWorker

        self._check(job)
        # Sent once; each worker keeps it, with the model and the files that it opens. The scheduler can
        # send it again when the worker that holds it dies, which it cannot with data that are scattered.
        # As bytes, because a worker that cannot load it then says so; else it would be waited for for ever.
        shared = self._client.submit(pickle.loads, pickle.dumps(job), pure=False)
        futures = {self._client.submit(_do, shared, task, given, pure=False): given for given in arguments}
        try:
            with _warning_when_alone(self._client):
                for future, found in as_completed(futures, with_results=True):
                    if isinstance(found, CancelledError):
                        raise found
                    yield futures[future], 1.0, found
                    future.release()
        except KilledWorker as error:
            raise DeviceError(
                "workers died again and again at one part of the result, mostly for lack of memory. "
                "Give each more memory or use fewer; what is done is kept (--resume)."
            ) from error
        except CancelledError as error:
            raise DeviceError("the scheduler was lost. Start it again; what is done is kept (--resume).") from error
        except ModuleNotFoundError as error:
            raise DeviceError(
                f"workers cannot import {error.name}, which the model needs. Install it where the workers run."
            ) from error
        finally:
            if self._client.status == "running":
                self._client.cancel([shared, *futures])

    def _check(self, job: Job) -> None:
        """Check that every worker has the package, the device, and the same files."""
        wanted = package_version("napari-superres-torch")
        devices = sorted({plan.device for _, plan in job.parts})
        # One that dies while it is asked needs not answer.
        found = self._client.run(_inspection([str(job.source), str(job.target)], devices), on_error="ignore")
        if not found:
            raise DeviceError(
                "no worker answers. Start some at the scheduler (dask worker ADDRESS), or compute in this process: "
                "leave workers out."
            )
        for worker, (version, _, problem) in found.items():
            if problem:
                raise DeviceError(f"worker {worker} {problem}.")
            if version != wanted:
                raise DeviceError(
                    f"worker {worker} has version {version} of napari-superres-torch, and {wanted} is needed as here."
                )


@contextmanager
def _warning_when_alone(client: Any) -> Iterator[None]:
    """Warn, while the block lasts, when no worker is left: a scheduler waits for new ones for ever."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_GLANCE):
            try:
                alone = client.status == "running" and not client.scheduler_info(n_workers=-1)["workers"]
            except OSError:  # the scheduler is lost: whoever waits for results is told so
                return
            if alone:
                warnings.warn(
                    "no worker is left; the run goes on when there are new ones. Start some, or stop it: what is done "
                    "is kept (--resume).",
                    SuperResWarning,
                    stacklevel=2,
                )
                return

    watcher = threading.Thread(target=watch, name="superres-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join(_PATIENCE)


def _inspection(paths: Sequence[str], devices: Sequence[str]) -> Callable[[], tuple[str, int, str]]:
    """Return what gives a worker's version, its threads, and what it lacks of some files and devices."""

    def inspect() -> tuple[str, int, str]:
        # Sent by value: a worker that lacks the package must be able to run it.
        import importlib.metadata
        import pathlib

        try:
            import torch

            import napari_superres.inference.stream.boxes  # noqa: F401
        except ImportError as error:
            return "", 0, f"cannot import {error.name}; install napari-superres-torch[distributed] where workers run"
        problem = ""
        for path in paths:
            if not pathlib.Path(path).exists():
                problem = f"does not see {path}; source and target must lie on a disk that all workers share"
        for device in devices:
            if device.startswith("cuda") and int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
                problem = f"has no device {device}; each takes the first GPU it sees (--device cuda, or cpu)"
        return importlib.metadata.version("napari-superres-torch"), torch.get_num_threads(), problem

    return inspect


def _do(job: Job, task: Task, given: tuple[int, ...]) -> Any:
    """Do a task in a worker: one computes at a time, however many threads the worker has, while another stores."""
    with _busy:
        tune_allocator()
        found = _returned(getattr(job, task)(*given))
    return found() if callable(found) else found


def _returned(steps: Generator[float, None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@contextmanager
def connected(workers: int | None = None, scheduler: str | None = None) -> Iterator[Workers]:
    """Give who computes: this process, or workers that are there for as long as the block lasts.

    Parameters
    ----------
    workers
        Number of processes to start on this machine, each with its share of the cores and, where there
        are several, a GPU of its own.
    scheduler
        Address of a running dask scheduler, such as ``"tcp://10.0.0.1:8786"``.

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
        raise SettingsError("give workers (--workers) or a scheduler (--scheduler), not both.")
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise SettingsError(f"workers must be a whole number of at least 1, got {workers!r}.")
    most = _PER_CORE * (os.cpu_count() or 1)
    if workers is not None and workers > most:
        raise SettingsError(f"this machine has {os.cpu_count()} cores: at most {most} workers, got {workers}.")
    if workers is None and scheduler is None:
        yield ThisProcess()
        return
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError(
            "several workers need dask.distributed: pip install 'napari-superres-torch[distributed]'."
        ) from error
    if workers is not None:
        try:
            cluster = _local(distributed, workers)
        except (RuntimeError, OSError) as error:
            raise DeviceError(
                f"{workers} processes could not be started here ({error}). Use fewer workers, or leave them out."
            ) from error
        with cluster, distributed.Client(cluster) as client:
            yield Cluster(client)
        return
    # What goes wrong is told by our errors.
    with distributed.utils.silence_logging_cmgr(logging.CRITICAL):
        try:
            distributed.utils.LoopRunner().run_sync(_answered, scheduler)
            client = distributed.Client(scheduler, timeout=_PATIENCE)
        except (OSError, ValueError) as error:
            raise DeviceError(
                f"the scheduler {scheduler} does not answer. Check the address and that it runs: dask scheduler."
            ) from error
        with client:
            yield Cluster(client)


async def _answered(address: str) -> None:
    """Raise unless a scheduler answers: a client would wait for ever for others that listen there."""
    from distributed import Security
    from distributed.comm import connect

    secrets = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, timeout=_PATIENCE, **secrets), _PATIENCE)
    await comm.close()


def _local(distributed: Any, workers: int) -> Any:
    """Return a cluster of processes on this machine, none of them reachable from others."""
    options = {
        "nthreads": 1,
        "memory_limit": 0,
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",
        "dashboard": False,
        "death_timeout": 60,
        "silence_logs": logging.CRITICAL,
    }
    description = {
        i: {"cls": distributed.Nanny, "options": {**options, "env": env}} for i, env in enumerate(environments(workers))
    }
    scheduler = {
        "cls": distributed.Scheduler,
        "options": {
            "host": "127.0.0.1",
            "dashboard_address": "127.0.0.1:0",
            "dashboard": False,
            "allowed_failures": _ATTEMPTS,
        },
    }
    return distributed.SpecCluster(workers=description, scheduler=scheduler, silence_logs=logging.CRITICAL)


def environments(workers: int) -> list[dict[str, str]]:
    """Return the environment of each worker on this machine: its share of the cores, and a GPU of its own."""
    found = [d.removeprefix("cuda:") for d in list_devices() if d.startswith("cuda:")]
    # Where this process sees only some of the GPUs, their numbers are counted among those.
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    gpus = [visible[int(g)] for g in found] if visible else found
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads_per_worker(workers)))
    common = threads | allocator_environment()
    return [{**common, **({"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {})} for i in range(workers)]


def threads_per_worker(workers: int) -> int:
    """Return each worker's share of the cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // workers)
