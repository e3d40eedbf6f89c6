"""A process from which workers on this computer are forked: it has imported what they need, once for all of them.

Importing takes a worker 2.8 s of a core, a fork of the server 0.1 s. The server starts while its caller goes on. It
computes nothing, so there are no busy threads and no CUDA context that a fork could inherit broken. It ends with the
process that started it.
"""

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver

from napari_superres.inference.machine.memory import allocator_environment

START_METHOD = "forkserver" if sys.platform == "linux" else "spawn"
"""How workers start. Forks of processes that loaded the system libraries of macOS may crash."""

_IMPORTED = ["distributed.nanny", "napari_superres.inference.files"]


def start_fork_server(workers: int) -> None:
    """Start to import what workers need, unless it was done before or another program's server runs in this process."""
    if START_METHOD == "forkserver":
        with restored_environment():
            os.environ.update(process_environment(workers))
            forkserver.set_forkserver_preload(_IMPORTED)
            forkserver.ensure_running()


def process_environment(workers: int) -> dict[str, str]:
    """Return the environment that all workers have in common: their share of the cores, and the allocator."""
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads_per_worker(workers))) | (
        allocator_environment()
    )


def threads_per_worker(workers: int) -> int:
    """Return each worker's share of the cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // max(1, workers))


@contextmanager
def restored_environment() -> Iterator[None]:
    """Restore environment variables and Python's random state, which dask changes in the process that starts others.

    Variables that did not change stay in place all the time, for other threads that read them.
    """
    before, state = dict(os.environ), random.getstate()
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})
        random.setstate(state)
