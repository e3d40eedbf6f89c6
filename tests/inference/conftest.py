"""Tiny models whose far pixels matter, images of all kinds, and a cluster that several test files share."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_superres import Image, upscale_file, write_image
from napari_superres.models import Model, ModelCard
from napari_superres.models.architectures import build
from napari_superres.models.probes.halo import measure_reach


@pytest.fixture(scope="session")
def toy() -> Callable[..., Model]:
    """Return a maker of models with random weights; intensities near those of the input."""

    def make(
        architecture: str = "espcn",
        scale: tuple[int, ...] = (2, 2),
        *,
        channels: int = 1,
        seed: int = 0,
        arguments: dict[str, Any] | None = None,
        **card: Any,
    ) -> Model:
        torch.manual_seed(seed)
        small = {"espcn": {"features": [4, 4]}, "edsr": {"blocks": 1, "features": 4}, "cnn": {"features": [4, 4]}}
        given = {**small.get(architecture, {}), **(arguments or {}), "scale": list(scale), "ndim": len(scale)}
        given["channels"] = channels
        network = build(architecture, given).eval()
        with torch.no_grad():
            for weight in network.parameters():
                if weight.ndim > 1:
                    weight.normal_(std=0.7 / weight[0].numel() ** 0.5)
        multiple = (getattr(network, "multiple", 1),) * len(scale)
        inputs = channels + given.get("conditions", 0)
        reach = measure_reach(network, scale, channels=inputs, multiple=multiple)
        facts = {"name": f"toy-{architecture}", "intensity": "percentile", "color": "per-channel", **card}
        return Model(
            ModelCard(
                architecture=architecture,
                arguments=given,
                scale=scale,
                channels=channels,
                multiple=multiple,
                halo=reach.halo,
                **facts,
            ),
            network,
        )

    return make


@pytest.fixture(scope="session")
def espcn(toy: Callable[..., Model]) -> Model:
    """Return a tiny x2 model."""
    return toy()


@pytest.fixture
def plane() -> np.ndarray:
    """Return a small smooth image with noise, values 0 to 1."""
    y, x = np.mgrid[:37, :45]
    smooth = 0.5 + 0.3 * np.sin(y / 5) * np.cos(x / 4)
    return smooth + 0.1 * np.random.default_rng(0).random((37, 45))


@pytest.fixture(scope="session")
def pixels() -> Callable[[Path], dict[str, bytes]]:
    """Return what reads all files of an OME-Zarr but those that tell the time of the run."""

    def read(path: Path) -> dict[str, bytes]:
        found = {p.relative_to(path).as_posix(): p for p in path.rglob("*") if p.is_file()}
        return {name: p.read_bytes() for name, p in found.items() if name != "zarr.json"}

    return read


@pytest.fixture
def source(small_cuts: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an image of which a x2 result has many boxes, and levels that no box owns."""
    # Processes are killed in tests, not the computer.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    data = np.random.default_rng(0).integers(0, 5000, (2, 33, 20)).astype(np.uint16)
    return write_image(Image.from_array(data, "CYX", pixel_size=0.5), tmp_path / "in.ome.zarr")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return where a result goes."""
    return tmp_path / "out.ome.zarr"


@pytest.fixture
def whole(source: Path, espcn: Model, pixels: Callable[[Path], dict[str, bytes]], tmp_path: Path) -> dict[str, bytes]:
    """Return the files of an undisturbed run."""
    (tmp_path / "whole").mkdir()
    found = pixels(upscale_file(source, tmp_path / "whole" / "out.ome.zarr", model=espcn, tile=20))
    assert sum("/c/" in name for name in found) > 10
    return found


@pytest.fixture(scope="session")
def beside() -> Callable[[Path], list[str]]:
    """Return what lists all there is of a result ``out``."""

    def names(target: Path) -> list[str]:
        return sorted(p.name for p in target.parent.iterdir() if p.name.lstrip(".").startswith("out."))

    return names


@pytest.fixture(scope="session")
def keyed_cluster() -> Iterator[Any]:
    """Return a scheduler with two workers in processes, which may be killed; only holders of its key reach it."""
    import distributed

    from napari_superres.inference.stream import local_cluster

    with local_cluster.start_cluster(distributed, 2) as found:
        yield found


@pytest.fixture(scope="module")
def cluster(keyed_cluster: Any) -> Iterator[Any]:
    """Return that cluster, its key in dask's configuration, where a user puts it."""
    import dask

    security, tls = keyed_cluster.security, "distributed.comm.tls"
    parts = [(role, part) for role in ("client", "scheduler", "worker") for part in ("key", "cert")]
    keys = {f"{tls}.{role}.{part}": getattr(security, f"tls_{role}_{part}") for role, part in parts}
    with dask.config.set({f"{tls}.ca-file": security.tls_ca_file, **keys}):
        yield keyed_cluster
