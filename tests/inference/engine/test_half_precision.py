"""Half precision is chosen only where one window shows that it does not matter."""

import dataclasses

import numpy as np
import pytest

from napari_superres import load_model, upscale, upscale_file, write_image
from napari_superres.errors import OutputExistsError
from napari_superres.inference.engine import half_precision
from napari_superres.inference.engine.half_precision import precision_db
from napari_superres.inference.images import as_image, prepare
from napari_superres.inference.planning import resources, upscale_run
from napari_superres.inference.planning.upscale_run import plan_run


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


@pytest.mark.parametrize("name", ["photo-x2", "fluo3d-z2"])
def test_the_window_is_a_small_part_of_the_run(name):
    model = load_model(name)
    shape = (300, 310) if model.card.ndim == 2 else (40, 60, 70)
    image = as_image(np.zeros(shape, np.uint16), "ZYX"[-len(shape) :])
    (part,) = plan_run(image, model, {"precision": "bf16"}, measure=False).parts
    window = half_precision._of_window(part.plan)
    assert np.prod(window.tile) < 0.12 * np.prod(part.plan.padded)
    assert set(window.halo) == {0}


def test_same_precision_has_no_error(cells):
    model = load_model("fsrcnn-x2")
    (part,) = plan_run(cells, model, {"precision": "fp32"}, measure=False).parts
    assert precision_db(cells, part) == float("inf")


@pytest.mark.parametrize(("found", "chosen"), [(85.0, "fp16"), (55.0, "fp32")])
def test_chosen_by_itself_where_it_is_faster(cells, monkeypatch, found, chosen):
    real = resources.find_resources

    def faster_in_half(model, extent, options, *, try_half):
        found = real(model, extent, options, try_half=try_half)
        return dataclasses.replace(found, precision="fp16") if try_half and options["precision"] == "auto" else found

    monkeypatch.setattr(upscale_run, "find_resources", faster_in_half)
    monkeypatch.setattr(half_precision, "precision_db", lambda *_: found)
    (plan,) = prepare(cells, "fsrcnn-x2", {}).plans
    assert plan.precision == chosen
    assert plan.precision_db == (found if chosen == "fp16" else None)
    (asked,) = prepare(cells, "fsrcnn-x2", {"precision": "fp32"}).plans
    assert asked.precision == "fp32"


def test_poor_precision_warns(cells, espcn, monkeypatch):
    monkeypatch.setattr(half_precision, "precision_db", lambda *_: 31.0)
    with pytest.warns(UserWarning, match="bf16 differs from 32 bits with only 31 dB"):
        upscale(cells, espcn, precision="bf16")


def test_a_precision_chosen_by_itself_is_no_other_setting(cells, tmp_path):
    source, target = tmp_path / "in.tif", tmp_path / "out.ome.tif"
    write_image(cells, source)
    upscale_file(source, target, model="fsrcnn-x2", precision="bf16")
    stamp = target.stat().st_mtime_ns
    upscale_file(source, target, model="fsrcnn-x2", resume=True)
    assert target.stat().st_mtime_ns == stamp
    with pytest.raises(OutputExistsError, match="other settings"):
        upscale_file(source, target, model="fsrcnn-x2", resume=True, precision="fp32")
