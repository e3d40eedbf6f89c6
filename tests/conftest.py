"""Fixtures for all tests."""

import os
import tempfile

import pytest

# Test images are small and test machines are shared: threads would wait for each other longer than they compute.
# Set before torch is imported, and inherited by the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What tests measure must not be remembered for, nor come from, the person's own runs.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="superres-tests-")
# Nor may tests meet the models that the person keeps.
os.environ["NAPARI_SUPERRES_MODELS"] = tempfile.mkdtemp(prefix="superres-tests-models-")


@pytest.fixture(scope="session", autouse=True)
def one_child():
    """Open the files of other programs in one child process. It is started by the first test that needs it."""
    from napari_superres.models.foreign.confined import kept_child

    with kept_child():
        yield


@pytest.fixture
def small_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small OME-Zarr files as large ones are: many boxes, several levels, some of them owned by no box."""
    from napari_superres.io.omezarr import layout

    small = {
        "_CHUNK": 8,
        "_BOX": 32,
        "_BOX_PIXELS": 2048,
        "_LEAST_BOX_PIXELS": 1,
        "_VOLUME_CHUNK": (2, 4),
        "_VOLUME_BOX": 16,
    }
    for name, value in {**small, "_VOLUME_BOX_PIXELS": 1024}.items():
        monkeypatch.setattr(layout, name, value)
