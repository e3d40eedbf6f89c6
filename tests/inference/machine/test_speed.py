"""Speed measured once and remembered: for whom, and what follows from it."""

import json

import numpy as np
import pytest
from helpers.runs import plan_of
from platformdirs import user_cache_path

from napari_superres import Image, load_model, upscale
from napari_superres.core.tiling import smallest_tile
from napari_superres.inference.machine import memory
from napari_superres.inference.machine import speed as module
from napari_superres.inference.machine.speed import Speed, known_speed, measure_one_pass, measure_speed
from napari_superres.inference.planning.tile_size import auto_tile, batch_size
from napari_superres.models.probes import cache as remembered


@pytest.fixture(autouse=True)
def forgotten():
    file = user_cache_path("napari-superres") / "speed.json"
    file.unlink(missing_ok=True)
    yield file
    file.unlink(missing_ok=True)


def test_speed_between_points():
    speed = Speed(((2**10, 4.0), (2**12, 2.0), (2**14, 1.99)))
    assert [speed.at(2**p) for p in (8, 10, 11)] == [4.0, 4.0, 3.0]
    assert speed.at(2**12) == speed.at(2**14) == speed.at(2**20), "a difference within the noise"
    assert speed.smallest_efficient_pass == 2**12


def test_measured_once_and_remembered(forgotten, monkeypatch):
    model = load_model("srcnn-x3")
    passes = []
    monkeypatch.setattr(module, "_seconds", lambda *a: passes.append(a[1]) or 1e-6 * float(np.prod(a[1])))
    assert known_speed(model, "cpu", "fp32") is None
    assert measure_speed(model, "cpu", "fp32", 1e7, 1e6)
    assert len(passes) >= 3
    assert known_speed(model, "cpu", "fp32").at(1) == pytest.approx(1e-6, rel=0.2)
    assert known_speed(model, "cpu", "bf16") is None
    first = len(passes)
    measure_speed(model, "cpu", "fp32", 1e7, 1e6)
    assert len(passes) == first, "measured again"
    assert json.loads(forgotten.read_text())
    forgotten.write_text("{")
    assert known_speed(model, "cpu", "fp32") is None


@pytest.mark.parametrize(
    "entry", [[1], {"a": 1.0}, {"4096": "fast"}, {"4096": -1.0}, {"4096": float("nan")}, {"0": 1.0}, {}, None, 3]
)
def test_a_damaged_entry_is_measured_again(entry, forgotten, monkeypatch):
    model = load_model("srcnn-x3")
    monkeypatch.setattr(module, "_seconds", lambda *_: 1.0)
    measure_one_pass(model, "cpu", "fp32")
    (key,) = json.loads(forgotten.read_text())
    forgotten.write_text(json.dumps({key: entry}))
    assert known_speed(model, "cpu", "fp32") is None
    assert measure_one_pass(model, "cpu", "fp32")


def test_a_glance_measures_one_small_pass(forgotten, monkeypatch):
    model = load_model("srcnn-x3")
    passes = []
    monkeypatch.setattr(module, "_seconds", lambda *a: passes.append(a[1]) or 1e-6 * float(np.prod(a[1])))
    assert measure_one_pass(model, "cpu", "fp32")
    assert passes == [[1, 1, 128, 128]]
    assert not measure_one_pass(model, "cpu", "fp32"), "known by now"
    assert not measure_one_pass(load_model("bicubic-x2"), "cpu", "fp32"), "interpolation is not measured"


def test_measuring_takes_a_small_share_of_the_run(monkeypatch):
    model = load_model("srcnn-x3")
    monkeypatch.setattr(module, "_seconds", lambda *a: 1e-6 * float(np.prod(a[1])))
    assert not measure_speed(model, "cpu", "fp32", 1000, 1e6), "a small run is not measured for"
    measure_speed(model, "cpu", "fp32", 3e6, 1e6)  # 3 s, so 0.15 s may be spent
    cost = sum(3e-6 * p for p, _ in known_speed(model, "cpu", "fp32").points[1:])
    assert 0 < cost <= 0.15


def test_plan_follows_what_was_measured(monkeypatch):
    model = load_model("fsrcnn-x2")
    image = Image.from_array(np.zeros((3000, 3000), np.uint8), "YX")
    assert plan_of(image, model).seconds_per_tile is None

    def slow_when_large(_, shape, *rest):
        return float(np.prod(shape)) * (1e-7 if np.prod(shape) <= 2**14 else 1e-6)

    monkeypatch.setattr(module, "_seconds", slow_when_large)
    before = plan_of(image, model)
    measure_speed(model, "cpu", "fp32", 1e9, 1e6)
    after = plan_of(image, model)
    assert np.prod(after.tile) < 1.3 * 2**14 < np.prod(before.tile)
    assert after.seconds_per_tile == pytest.approx(np.prod(after.tile) * 1e-7, rel=3)


def test_unwritable_memory_stops_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(remembered, "_file", lambda what: tmp_path / "file" / f"{what}.json")
    (tmp_path / "file").write_text("in the way")
    assert measure_speed(load_model("srcnn-x3"), "cpu", "fp32", 2e6, 1e6)


def test_small_runs_measure_nothing(forgotten):
    upscale(np.zeros((64, 64), np.uint8), "fsrcnn-x2", axes="YX")
    assert not forgotten.exists()


@pytest.mark.parametrize("halo", [0, 8, 36])
def test_memory_has_its_price(halo):
    """Windows of small memory grow freely; large ones only for context that would cost more."""
    options = {"bytes_per_pixel": 1000.0, "budget": 2**30, "speed": lambda _: 1.0}
    thrifty = auto_tile([4096] * 2, [halo] * 2, [1] * 2, thrifty=True, **options)
    greedy = auto_tile([4096] * 2, [halo] * 2, [1] * 2, thrifty=False, **options)
    assert np.prod(thrifty) * 1000 <= max(3 * 2**26, 3 * 2**26 * (halo / 8) ** 2)
    assert np.prod(greedy) >= np.prod(thrifty) >= smallest_tile(halo, 1) ** 2


def test_memory_that_returns_to_the_kernel_is_avoided(monkeypatch):
    """The largest tensor of 512 x 512 pixels fits into what glibc keeps; all tensors together do not."""
    model, image = load_model("fluo-x2"), Image.from_array(np.zeros((512, 512), np.float32), "YX")
    monkeypatch.setattr(memory, "_tuned", False)
    assert np.prod(plan_of(image, model).tile) * model.bytes_per_pixel < 1.25 * memory.TRIM_LIMIT
    monkeypatch.setattr(memory, "_tuned", True)
    assert plan_of(image, model).tile == (512, 512)


def test_context_at_the_sides_of_an_image_costs_nothing():
    """Two tiles of 275 pixels cover 512 pixels with a halo of 19: 7 % more pixels, not 16 %."""
    options = {"bytes_per_pixel": 500.0, "budget": 2**30, "thrifty": True}
    tile = auto_tile([512] * 2, [19] * 2, [1] * 2, speed=lambda pixels: 1.25 if pixels > 2**17 else 1.0, **options)
    assert np.prod(tile) < 2**17


def test_batch_reaches_enough_pixels():
    options = {"bytes_per_pixel": 100.0, "budget": 2**30, "enough": 2**15}
    assert batch_size("auto", (64, 64), **options) == 8
    assert batch_size("auto", (512, 512), **options) == 1
    assert batch_size("auto", (64, 64), **{**options, "budget": 100 * 64 * 64 * 3}) == 3
