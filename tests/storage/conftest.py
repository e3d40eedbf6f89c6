"""A server on the loopback address, and an image that it holds."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.faults.object_server import ObjectServer, object_server

from napari_superres import Image, write_image
from napari_superres.storage import client

SECRET = "geheim-7d1f"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """Yield a server that is a web server and an S3 store."""
    pytest.importorskip("obstore", reason="addresses need the extra remote")
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.005)
    with object_server() as running:
        for name, value in (("ENDPOINT_URL", running.address), ("ACCESS_KEY_ID", "me"), ("SECRET_ACCESS_KEY", SECRET)):
            monkeypatch.setenv(f"AWS_{name}", value)
        yield running


@pytest.fixture
def image() -> Image:
    """Return an image of two levels and several chunks."""
    data = np.random.default_rng(0).integers(0, 999, (2, 540, 600)).astype(np.uint16)
    return Image.from_array(data, "CYX", pixel_size=0.5, channel_names=("DNA", "actin"))


@pytest.fixture
def held(server: ObjectServer, image: Image, tmp_path: Path) -> str:
    """Return the path on the server, ``bucket/in.ome.zarr``, of the image."""
    path = write_image(image, tmp_path / "in.ome.zarr")
    server.serve_folder(path, "bucket/in.ome.zarr")
    return "bucket/in.ome.zarr"
