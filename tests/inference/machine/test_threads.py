"""Windows side by side on the CPU: the same result, and nothing left behind."""

import threading

import numpy as np
import pytest
import torch
from helpers.runs import plan_of

from napari_superres import Image, upscale
from napari_superres.inference import iter_upscale
from napari_superres.inference.engine import sweep
from napari_superres.inference.machine.threads import parallel_threads


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def scene():
    return Image.from_array(np.random.default_rng(0).random((400, 430)).astype(np.float32), "YX")


def test_many_windows_are_computed_side_by_side(threads, espcn, scene):
    plan = plan_of(scene, espcn, tile=64)
    assert plan.parallel == 3
    seen = set()
    run = sweep.TileRunner.run

    def noted(self, *args):
        seen.add(threading.current_thread().name)
        assert torch.get_num_threads() == 1
        return run(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep.TileRunner, "run", noted)
        together = upscale(scene, espcn, tile=64).data
    assert 2 <= len(seen) <= 3
    assert torch.get_num_threads() == 3
    torch.set_num_threads(1)
    assert plan_of(scene, espcn, tile=64).parallel == 1
    # Each window has one thread either way: not a bit differs.
    np.testing.assert_array_equal(together, upscale(scene, espcn, tile=64).data)


def test_few_pixels_are_not_worth_it(threads, espcn):
    assert plan_of(Image.from_array(np.zeros((90, 90), np.float32), "YX"), espcn).parallel == 1


def test_cancelling_leaves_no_thread(threads, espcn, scene):
    steps = iter_upscale(scene, espcn, tile=32)
    for _ in range(5):
        next(steps)
    assert any(t.name.startswith("tiles") for t in threading.enumerate())
    steps.close()
    assert not any(t.name.startswith("tiles") for t in threading.enumerate())


def test_memory_short_in_one_of_many(threads, espcn, scene, monkeypatch):
    whole = upscale(scene, espcn, precision="fp64").data
    run, calls = sweep.TileRunner.run, []

    def failing(self, *args):
        calls.append(args)
        if len(calls) in (3, 4, 9):
            raise MemoryError
        return run(self, *args)

    monkeypatch.setattr(sweep.TileRunner, "run", failing)
    with pytest.warns(UserWarning, match="memory was short"):
        result = upscale(scene, espcn, tile=64)
    assert np.abs(result.data - whole).max() <= 1e-5 * np.ptp(whole)
    assert result.metadata["provenance"]["memory_reductions"][0] == "one tile at a time"


def test_errors_come_through():
    def fails():
        raise KeyError("here")

    with parallel_threads(2) as start:
        fetch = start(fails)
        with pytest.raises(KeyError, match="here"):
            fetch()
