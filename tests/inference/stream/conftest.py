"""A cluster of this user, which several test files share because its start takes seconds."""

from collections.abc import Iterator
from typing import Any

import dask
import distributed
import pytest

from napari_superres.inference.stream import local_cluster


@pytest.fixture(scope="session")
def keyed_cluster() -> Iterator[Any]:
    """Return a scheduler with two workers in processes, which may be killed; only holders of its key reach it."""
    with local_cluster.start_cluster(distributed, 2) as found:
        yield found


@pytest.fixture(scope="module")
def cluster(keyed_cluster: Any) -> Iterator[Any]:
    """Return that cluster, its key in dask's configuration, where a user puts it."""
    security, tls = keyed_cluster.security, "distributed.comm.tls"
    parts = [(role, part) for role in ("client", "scheduler", "worker") for part in ("key", "cert")]
    keys = {f"{tls}.{role}.{part}": getattr(security, f"tls_{role}_{part}") for role, part in parts}
    with dask.config.set({f"{tls}.ca-file": security.tls_ca_file, **keys}):
        yield keyed_cluster
