"""A cluster of processes on this computer: its environment, its start, and its secret.

Whoever can talk to a scheduler or worker can run code in it, and every account of this computer can reach the loopback
address. So all of them talk TLS, with a key that is made for this cluster and that each side must know.
"""

import logging
import os
from typing import Any

from napari_superres.errors import MissingExtraError
from napari_superres.inference.machine.device import list_devices
from napari_superres.inference.stream.fork_server import START_METHOD, process_environment, start_fork_server

_ATTEMPTS = 3


def start_cluster(distributed: Any, workers: int) -> Any:
    """Return a cluster of processes on this computer that listens on the loopback address only, to holders of its key.

    Raises
    ------
    MissingExtraError
        If the library that makes the key is not installed.
    """
    import dask

    start_fork_server(workers)
    security = _one_run_secret(distributed)
    everybody = {
        "host": "127.0.0.1",
        "protocol": "tls",
        "security": security,
        "dashboard_address": "127.0.0.1:0",
        "dashboard": False,
    }
    options = {**everybody, "nthreads": 1, "memory_limit": 0, "death_timeout": 60, "silence_logs": logging.CRITICAL}
    description = {
        i: {"cls": distributed.Nanny, "options": {**options, "env": env}} for i, env in enumerate(environments(workers))
    }
    scheduler = {"cls": distributed.Scheduler, "options": {**everybody, "allowed_failures": _ATTEMPTS}}
    # Without a dashboard, dask still serves logs and the names of tasks to every account, by HTTP.
    silent: dict[str, Any] = {f"distributed.{role}.http.routes": [] for role in ("scheduler", "worker")}
    with dask.config.set({**silent, "distributed.worker.multiprocessing-method": START_METHOD}):
        return distributed.SpecCluster(
            workers=description, scheduler=scheduler, security=security, silence_logs=logging.CRITICAL
        )


def _one_run_secret(distributed: Any) -> Any:
    """Return a new key with its certificate. They are held in memory and passed to the workers through pipes."""
    try:
        return distributed.Security.temporary()
    except ImportError as error:
        raise MissingExtraError(
            "several workers need cryptography.", remedy="pip install 'napari-superres-torch[distributed]'"
        ) from error


def environments(workers: int) -> list[dict[str, str]]:
    """Return the environment of each worker on this computer: its share of the cores, and a GPU of its own."""
    found = [d.removeprefix("cuda:") for d in list_devices() if d.startswith("cuda:")]
    # If this process sees only some of the GPUs, device numbers count among those.
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    gpus = [visible[int(g)] for g in found] if visible else found
    common = process_environment(workers)
    return [{**common, **({"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {})} for i in range(workers)]
