"""Figures follow from times: a clock that counts computed pixels knows the answers."""

import json
from math import prod
from types import SimpleNamespace

import pytest

from napari_superres.errors import DeviceError, SettingsError
from napari_superres.inference.machine import timing
from napari_superres.inference.measure import bench
from napari_superres.models import load_model


@pytest.fixture
def pixel_clock(monkeypatch):
    """Make time pass by the pixels that a network computes, a microsecond each."""
    seen = [0]

    def watch(_, given):
        seen[0] += prod(given[0].shape) // given[0].shape[1]

    def timed(run, device):
        before = seen[0]
        run()
        return timing.Seconds((seen[0] - before) * 1e-6, (seen[0] - before) * 2e-6)

    monkeypatch.setattr(bench, "time_run", timed)
    monkeypatch.setattr(timing, "time_run", timed)
    return lambda model: (model.runner.register_forward_pre_hook(watch), model)[1]


@pytest.mark.parametrize(
    ("scale", "card", "tile", "size"),
    [((2, 2), {}, 24, 67), ((2, 3), {"channels": 3}, (30, 21), 50), ((2, 2, 1), {}, (10, 12, 14), 80)],
)
def test_an_engine_that_only_computes_is_fully_efficient(toy, pixel_clock, scale, card, tile, size):
    model = pixel_clock(toy(scale=scale, **card))
    (row,) = bench.iter_throughput([model], tiles=[tile], size=size, repeats=2)
    assert row.size == ((size, size) if len(scale) == 2 else (round(size ** (2 / 3)),) * 3)
    assert all(t <= e for t, e in zip(row.tile, [tile] * 2 if isinstance(tile, int) else tile, strict=True))
    assert row.kept_share < 0.9
    assert row.raw_tile == pytest.approx(prod(scale))
    assert row.raw_whole == pytest.approx(prod(scale))
    assert row.engine == pytest.approx(row.kept_share * prod(scale))
    assert row.efficiency == pytest.approx(1.0)
    assert row.busy_cores == pytest.approx(2.0)


def test_one_row_for_every_model_and_tile(toy):
    rows = list(bench.iter_throughput([toy(), "bicubic-x2"], devices=["cpu"], tiles=[20, "auto"], size=30, repeats=1))
    assert [row.model for row in rows] == ["toy-espcn"] * 2 + ["bicubic-x2"] * 2
    assert [row.tile == (30, 30) for row in rows] == [False, True] * 2
    assert all(min(row.engine, row.raw_tile, row.raw_whole, row.busy_cores) > 0 for row in rows)


def test_runs_take_turns_and_the_median_counts(monkeypatch):
    order, times = [], iter([3.0, 9.0, 1.0, 7.0, 2.0, 50.0])
    monkeypatch.setattr(timing, "time_run", lambda run, _device: (run(), timing.Seconds(next(times), 1.0))[1])
    runs = {name: lambda name=name: order.append(name) for name in "ab"}
    seconds = timing.interleaved_medians(runs, 3, "cpu")
    assert "".join(order) == "ab" * (2 + 3), "two that are not counted, then three"
    assert {name: s.wall for name, s in seconds.items()} == {"a": 2.0, "b": 9.0}


def test_the_whole_image_is_left_out_where_it_does_not_fit(toy, monkeypatch):
    free = SimpleNamespace(available=1e9)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    model = toy()
    most = int((free.available / 2 / model.bytes_per_pixel) ** 0.5)
    for edge, fits in ((most, True), (most + 1, False)):
        plan = SimpleNamespace(device="cpu", precision="fp32", padded=(edge, edge))
        assert bench._Network(model, plan).whole_fits() is fits


def test_documents_hold_every_figure(toy):
    machine = bench.describe_machine()
    rows = list(bench.iter_throughput([toy()], tiles=[20], size=30, repeats=1))
    document = json.loads(bench.to_json(machine, rows))
    assert document["schema"] == bench.SCHEMA
    assert document["machine"] == machine
    assert document["rows"][0]["efficiency"] == rows[0].efficiency
    head, rule, line, _, foot = bench.to_markdown(machine, rows).splitlines()
    assert head.count("|") == rule.count("|") == line.count("|")
    assert machine["processor"] in foot
    assert f"| {rows[0].engine:.2f} |" in line


@pytest.mark.parametrize(
    ("wish", "error", "words"),
    [
        ({"size": 0}, SettingsError, "size and repeats must be at least 1"),
        ({"repeats": 0}, SettingsError, "size and repeats must be at least 1"),
        ({"tiles": [3], "size": 40}, SettingsError, "`tile` must be larger than twice"),
        ({"devices": ["cuda:77"]}, DeviceError, "cuda:77"),
        ({"precision": "fp8"}, SettingsError, "precision"),
    ],
)
def test_wrong_wishes_are_refused(wish, error, words):
    with pytest.raises(error, match=words):
        next(bench.iter_throughput([load_model("bicubic-x2")], **wish))
