"""A plan is resolved once per run, by a pure function of facts, resources, card and options."""

import dataclasses

import numpy as np
import pytest

from napari_superres import Image, upscale
from napari_superres.inference.images import prepare
from napari_superres.inference.machine.speed import Speed
from napari_superres.inference.options import complete
from napari_superres.inference.planning import plan as module
from napari_superres.inference.planning import resources as plan_resources
from napari_superres.inference.planning import upscale_run
from napari_superres.inference.planning.estimate import estimate
from napari_superres.inference.planning.facts import look
from napari_superres.inference.planning.plan import resolve
from napari_superres.inference.planning.resources import find_resources

OPTIONS = complete({"tile": "auto", "roi": {"Y": (3, 60)}, "channels": [1]})


@pytest.fixture
def image():
    values = np.random.default_rng(0).random((2, 70, 90)).astype(np.float32)
    return Image.from_array(values, "CYX", pixel_size=0.1)


@pytest.fixture
def known(image, espcn):
    facts = look(image, espcn.card, OPTIONS)
    return facts, find_resources(espcn, facts.extent, OPTIONS, try_half=False)


def test_it_reads_no_pixels_no_clock_and_no_cache(known, espcn, monkeypatch):
    def never(*_, **__):
        raise AssertionError("resolve is pure")

    expected = resolve(*known, espcn.card, OPTIONS)
    for name in (
        "time.time",
        "time.monotonic",
        "time.perf_counter",
        "psutil.virtual_memory",
        "torch.get_num_threads",
        "torch.cuda.is_available",
        "napari_superres.models.probes.cache.recall",
        "napari_superres.inference.machine.speed.recall",
        "napari_superres.core.intensity.sample",
        "pathlib.Path.read_text",
    ):
        monkeypatch.setattr(name, never)
    found = resolve(*known, espcn.card, OPTIONS)
    monkeypatch.undo()
    assert found == expected


def test_it_follows_the_resources(known, espcn):
    facts, resources = known
    poor = dataclasses.replace(resources, budget_bytes=int(900 * resources.bytes_per_pixel), threads=1)
    plan, small = (resolve(facts, r, espcn.card, OPTIONS) for r in (resources, poor))
    assert np.prod(small.tile) <= 900 < np.prod(plan.tile)
    assert small.out_shape == plan.out_shape == (1, 114, 180)


def test_a_run_resolves_once_per_model(image, espcn, monkeypatch):
    calls = []

    def counted(*args):
        calls.append(args)
        return module.resolve(*args)

    monkeypatch.setattr(upscale_run, "resolve", counted)
    upscale(image, espcn)
    assert len(calls) == 1
    upscale(image, {0: espcn, 1: espcn})
    assert len(calls) == 3


def test_twice_the_precision_needs_twice_the_memory(image, espcn):
    needs = {}
    for precision in ("fp32", "fp64"):
        options = complete({"precision": precision})
        extent = look(image, espcn.card, options).extent
        needs[precision] = find_resources(espcn, extent, options, try_half=False).bytes_per_pixel
    assert needs["fp64"] == 2 * needs["fp32"]


def test_the_time_is_estimated_where_the_speed_is_known(image, espcn, monkeypatch):
    monkeypatch.setattr(plan_resources, "known_speed", lambda *_: Speed(((4096, 1e-6),)))
    run = prepare(image, espcn, {"device": "cpu"}, measure=False)
    seconds = estimate(run, zarr=False).seconds
    assert seconds is not None
    assert seconds >= image.data.size * 1e-6
