"""Connecting to a dask scheduler, and looking at its workers."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from napari_superres.errors import DeviceError, MissingExtraError
from napari_superres.inference.provenance import package_version

PATIENCE = 20.0
"""Seconds within which a scheduler must answer."""

_PLAIN = (
    "{} is a scheduler without TLS: whoever reaches its port or those of its workers can run code as you. Keep it "
    "inside a network that you trust, or give it a key (see the page on large images)."
)


def import_distributed() -> Any:
    """Return dask.distributed.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError(
            "several workers need dask.distributed.", remedy="pip install 'napari-superres-torch[distributed]'"
        ) from error
    return distributed


@contextmanager
def connect(scheduler: str) -> Iterator[tuple[Any, str]]:
    """Yield a client of a running scheduler, and what the user should know of the connection; mostly empty.

    The client is not dask's default: lazy layers of the user are computed where they were before.

    Raises
    ------
    DeviceError
        If the scheduler does not answer.
    MissingExtraError
        If dask.distributed is not installed.
    """
    distributed = import_distributed()
    import dask

    # Our errors report what goes wrong. Windows of several megabytes are meant to travel.
    with (
        distributed.utils.silence_logging_cmgr(logging.CRITICAL),
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}),
    ):
        try:
            distributed.utils.LoopRunner().run_sync(_check_answer, scheduler)
            client = distributed.Client(scheduler, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:  # TypeError and RuntimeError: keys are missing.
            raise DeviceError(
                f"the scheduler {scheduler} does not answer.",
                remedy="Check the address, that it runs (dask scheduler), and that DASK_CONFIG gives its key.",
            ) from error
        with client:
            yield client, "" if client.scheduler.address.startswith("tls://") else _PLAIN.format(scheduler)


async def _check_answer(address: str) -> None:
    """Raise an error unless a scheduler answers: a client would wait for ever for any other program at the address."""
    from distributed import Security
    from distributed.comm import connect

    secrets = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, timeout=PATIENCE, **secrets), PATIENCE)
    await comm.close()


def inspect_workers(client: Any, paths: Mapping[str, str], devices: Sequence[str]) -> dict[str, Any]:
    """Return the facts of every worker, as `inspection` finds them, once all have what a run needs.

    Raises
    ------
    DeviceError
        If the scheduler was lost, there is no worker, or one lacks the package, its version, a device or a file.
    """
    wanted = package_version("napari-superres-torch")
    try:
        # A worker that dies meanwhile need not answer.
        found: dict[str, Any] = client.run(inspection(paths, devices), on_error="ignore")
    except OSError as error:
        raise DeviceError(
            "the scheduler does not answer any more.",
            remedy="Start it again, or leave out `scheduler` to compute in this process.",
        ) from error
    if not found:
        raise DeviceError(
            "no worker answers.",
            remedy="Start workers (dask worker ADDRESS), or leave out `scheduler` to compute in this process.",
        )
    for worker, facts in found.items():
        if facts.problem:
            raise DeviceError(f"worker {worker} {facts.problem}.")
        if facts.version != wanted:
            raise DeviceError(
                f"worker {worker} has version {facts.version} of napari-superres-torch, and this process {wanted}.",
                remedy="Install the same version on all workers.",
            )
    return found


def inspection(paths: Mapping[str, str], devices: Sequence[str]) -> Callable[[], SimpleNamespace]:
    """Return a function that returns a worker's ``version``, ``threads``, ``devices``, and ``problem``.

    The problem is which of the files and devices it lacks. It calls the files by the values of `paths`.
    """

    def inspect() -> SimpleNamespace:
        # This function is sent by value, so that a worker without the package can run it.
        import importlib.metadata
        from types import SimpleNamespace

        try:
            import torch

            import napari_superres.inference.remote.worker  # noqa: F401 - Only to see that it can be imported.
            from napari_superres.inference.machine.device import list_devices
            from napari_superres.storage import as_path
        except ImportError as error:
            problem = f"cannot import {error.name}; install napari-superres-torch[distributed] where workers run"
            return SimpleNamespace(version="", threads=0, devices=[], problem=problem)
        problem = ""
        for path, label in paths.items():
            if not as_path(path).exists():
                problem = (
                    f"does not see {label}; source and target must lie on a disk or in a store that all can reach. "
                    "Other formats than OME-Zarr need no common disk"
                )
        for device in devices:
            if device.startswith("cuda") and int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
                problem = f"has no device {device}; use `device='cuda'` for the first GPU of each, or `device='cpu'`"
        version = importlib.metadata.version("napari-superres-torch")
        return SimpleNamespace(
            version=version, threads=torch.get_num_threads(), devices=list_devices(), problem=problem
        )

    return inspect
