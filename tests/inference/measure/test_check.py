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
