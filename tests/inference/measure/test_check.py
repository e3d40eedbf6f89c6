"""What `check_model` finds out about networks of all kinds."""

from dataclasses import replace

import pytest
from helpers.networks import make

from napari_superres.inference.measure import check
from napari_superres.models import Model


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(check, "_SPEED_EDGE", {2: 24, 3: 16})


@pytest.mark.parametrize(
    ("name", "layers", "kinds", "bounded"),
    [
        ("rcan", 4, ["mean"], True),
        ("instance", 5, ["mean and variance"], True),
        ("squeeze", 5, ["maximum", "mean", "mean and variance"], True),
        ("windows", 0, [], True),
        ("fourier", 0, [], False),
    ],
)
def test_findings(name, layers, kinds, bounded):
    found = check.check_model(make(name))
    assert (found["statistics_layers"], found["statistics_kinds"], found["bounded"]) == (layers, kinds, bounded)
    assert found["exact"] == bounded
    assert (found["max_tiling_error"] <= 1e-10) == bounded


def test_a_card_that_says_too_little_is_not_exact():
    model = make("rcan")
    found = check.check_model(Model(replace(model.card, global_statistics=False), model.module))
    assert not found["exact"]
    assert found["max_tiling_error"] > 1e-4


def test_window_attention_off_its_grid_has_a_measured_error():
    model = make("windows")
    found = check.check_model(Model(replace(model.card, halo=(2, 2)), model.module))
    assert not found["exact"]
    assert found["max_tiling_error"] > 1e-6


def test_progress_is_told_and_stops_the_work():
    told = []
    check.check_model(make("rcan"), report=lambda step, share: told.append((step, share)))
    assert [step for step, _ in dict.fromkeys((step, 0) for step, _ in told)] == [
        "loading it",
        "how far it looks",
        "tiles",
        "speed on cpu",
        "precision on cpu",
    ]
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] < 1

    def stop(step, share):
        if step == "tiles":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check.check_model(make("rcan"), report=stop)


def test_a_quick_check_measures_the_speed_alone(monkeypatch):
    monkeypatch.setattr(check, "measure_reach", lambda *_, **__: pytest.fail("the halo was measured"))
    found = check.check_model(make("rcan"), quick=True)
    assert [key for key in found if key not in ("model", "sha256")] == ["halo_on_card", "cpu_megapixels_per_second"]
