"""A cluster of processes on this computer: its environment, its start, and what starting it changes."""

import logging
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from napari_superres.inference.machine.device import list_devices
from napari_superres.inference.machine.memory import allocator_environment

_ATTEMPTS = 3


@contextmanager
def restored_environment() -> Iterator[None]:
    """Restore environment variables and Python's random state, which dask changes in the process that starts others."""
    variables, state = dict(os.environ), random.getstate()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(variables)
        random.setstate(state)


def start_cluster(distributed: Any, workers: int) -> Any:
    """Return a cluster of processes on this computer that listens on the loopback address only."""
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
    """Return the environment of each worker on this computer: its share of the cores, and a GPU of its own."""
    found = [d.removeprefix("cuda:") for d in list_devices() if d.startswith("cuda:")]
    # If this process sees only some of the GPUs, device numbers count among those.
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    gpus = [visible[int(g)] for g in found] if visible else found
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads_per_worker(workers)))
    common = threads | allocator_environment()
    return [{**common, **({"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {})} for i in range(workers)]


def threads_per_worker(workers: int) -> int:
    """Return each worker's share of the cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // workers)
