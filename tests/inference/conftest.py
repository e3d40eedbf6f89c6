"""Tiny models whose far pixels matter, and images of all kinds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_superres.io import omezarr_layout
from napari_superres.models import Model, ModelCard
from napari_superres.models.architectures import build
from napari_superres.models.halo import measure_reach


@pytest.fixture(scope="session")
def toy() -> Callable[..., Model]:
    """Return a maker of models with random weights; intensities near those of the input."""

    def make(
        architecture: str = "espcn", scale: tuple[int, ...] = (2, 2), *, channels: int = 1, seed: int = 0,
        arguments: dict[str, Any] | None = None, **card: Any,
    ) -> Model:  # fmt: skip
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
        reach = measure_reach(network, scale, channels=channels, multiple=multiple)
        facts = {"name": f"toy-{architecture}", "intensity": "percentile", "color": "per-channel", **card}
        return Model(
            ModelCard(
                architecture=architecture, arguments=given, scale=scale, channels=channels, multiple=multiple,
                halo=reach.halo, **facts,
            ),
            network,
        )  # fmt: skip

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


@pytest.fixture
def small_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small OME-Zarr files as large ones are: many boxes, several levels, some of them owned by no box."""
    small = {"_CHUNK": 8, "_BOX": 32, "_BOX_PIXELS": 2048, "_VOLUME_CHUNK": (2, 4), "_VOLUME_BOX": 16}
    for name, value in {**small, "_VOLUME_BOX_PIXELS": 1024}.items():
        monkeypatch.setattr(omezarr_layout, name, value)


@pytest.fixture(scope="session")
def pixels() -> Callable[[Path], dict[str, bytes]]:
    """Return what reads all files of an OME-Zarr but those that tell the time of the run."""

    def read(path: Path) -> dict[str, bytes]:
        found = {p.relative_to(path).as_posix(): p for p in path.rglob("*") if p.is_file()}
        return {name: p.read_bytes() for name, p in found.items() if name != "zarr.json"}

    return read
