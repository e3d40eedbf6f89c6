"""Half precision is chosen only where one window shows that it does not matter."""

import numpy as np
import pytest

from napari_superres import load_model, upscale
from napari_superres.inference import images as run
from napari_superres.inference import resolve
from napari_superres.inference.engine import half_precision as precision
from napari_superres.inference.engine.half_precision import precision_db
from napari_superres.inference.images import as_image, make_parts


@pytest.fixture
def cells():
    return as_image(np.random.default_rng(0).integers(0, 4096, (60, 70), dtype=np.uint16), "YX")


def test_error_of_half_precision_is_in_the_record(cells):
    model = load_model("fsrcnn-x2")
    rough = upscale(cells, model, precision="bf16").metadata["provenance"]["precision_db"]
    fine = upscale(cells, model, precision="fp16").metadata["provenance"]["precision_db"]
    assert 45 < rough < fine - 10
    assert "precision_db" not in upscale(cells, model).metadata["provenance"]
    # It is what the whole result shows.
    exact = upscale(cells, model, precision="fp64").data.astype(float)
    error = np.mean((upscale(cells, model, precision="bf16").data - exact) ** 2)
    assert 10 * np.log10(np.ptp(exact) ** 2 / error) == pytest.approx(rough, abs=3)


def test_same_precision_has_no_error(cells):
    model = load_model("fsrcnn-x2")
    assert precision_db(cells, model, resolve(cells, model, precision="fp32")) == float("inf")


@pytest.mark.parametrize(("found", "chosen"), [(85.0, "fp16"), (55.0, "fp32")])
def test_chosen_by_itself_where_it_is_faster(cells, monkeypatch, found, chosen):
    monkeypatch.setattr(run, "worth_half", lambda plan: plan.precision == "fp32")
    monkeypatch.setattr(run, "precision_db", lambda *_: found)
    ((_, plan),) = make_parts(cells, "fsrcnn-x2")
    assert plan.precision == chosen
    assert plan.precision_db == (found if chosen == "fp16" else None)
    ((_, asked),) = make_parts(cells, "fsrcnn-x2", precision="fp32")
    assert asked.precision == "fp32"


def test_never_on_a_cpu(cells):
    assert not precision.worth_half(resolve(cells, load_model("fsrcnn-x2"), device="cpu"))


def test_poor_precision_warns(cells, espcn, monkeypatch):
    monkeypatch.setattr(run, "precision_db", lambda *_: 31.0)
    with pytest.warns(UserWarning, match="bf16 differs from 32 bits with only 31 dB"):
        upscale(cells, espcn, precision="bf16")
