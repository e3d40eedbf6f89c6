"""Box by box into an OME-Zarr: the same pixels as in memory, however the boxes cut the image."""

import itertools
import json
import os
import shutil
import warnings

import numpy as np
import pytest
from helpers import networks
from helpers.faults.memory import failing
from helpers.runs import plan_of

from napari_superres import Image, read_image, upscale, upscale_file, write_image
from napari_superres.errors import OutputError, SettingsError, SuperResWarning, TileTooLargeError
from napari_superres.inference.planning.estimate import check_disk
from napari_superres.io import Layout, ZarrTarget

EXACT = {"precision": "fp64"}


@pytest.fixture(autouse=True)
def small_and_quick(small_cuts, monkeypatch):
    """Many boxes, none of which waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def image_of(shape, axes, dtype="uint16", seed=0, **facts):
    # Results of images with values below 0 are not limited.
    values = np.random.default_rng(seed).random(shape) * 1000 - (30 if dtype.startswith("float") else 0)
    return Image.from_array(
        values.astype(dtype), axes, pixel_size=0.5, origin=[2.0] * sum(a in "ZYX" for a in axes), **facts
    )


def streamed(image, model, folder, **options):
    """Return what `upscale_file` makes of an image, with its pixels read."""
    source = write_image(image, folder / "in.ome.zarr")
    target = upscale_file(source, folder / "out.ome.zarr", model=model, **options)
    assert not list(folder.glob(".*")), "nothing is left beside the target"
    found = read_image(target)
    return found.replace(data=np.asarray(found.data))


def boxes_of(result, *, volume=False):
    return Layout.plan(result.shape, result.axes, volume=volume).boxes()


@pytest.mark.parametrize(
    ("axes", "shape", "scale", "options"),
    [
        ("YX", (37, 61), (2, 2), {}),
        ("YX", (35, 47), (3, 3), {}),  # boxes of 32 cut the 3 x 3 pixels that come of one
        ("YX", (17, 16), (4, 4), {"tta": True}),
        ("TYX", (5, 19, 23), (2, 2), {"tile": 15}),
        ("CYX", (3, 20, 41), (2, 2), {"channels": [2, 0], "roi": {"Y": (3, 20), "X": (5, 39)}}),
        ("TCZYX", (2, 2, 3, 18, 17), (2, 2), {"roi": {"T": (1, 2), "Z": (1, 3), "X": (2, 17)}, "batch": 2}),
        ("YXS", (33, 30, 3), (2, 2), {}),
        ("YXS", (25, 26, 4), (3, 3), {}),
        ("ZYX", (9, 13, 17), (2, 2, 2), {}),
        ("CZYX", (2, 7, 15, 11), (3, 2, 2), {"roi": {"Z": (1, 6), "Y": (1, 14)}}),
        ("ZYX", (11, 9, 21), (1, 2, 3), {"tile": (11, 9, 15)}),
    ],
    ids=str,
)
def test_the_pixels_are_those_in_memory(axes, shape, scale, options, toy, tmp_path):
    dtype = "float64" if len(shape) == 3 else "uint16"
    model = toy(scale=scale, color="luma" if "S" in axes else "per-channel")
    image = image_of(shape, axes, dtype, **({"channel_names": ("a", "b", "c")[: shape[0]]} if axes[0] == "C" else {}))
    expected = upscale(image, model, **EXACT, **options)
    found = streamed(image, model, tmp_path, **EXACT, **options)
    assert len(boxes_of(found, volume=len(scale) == 3)) > 1
    assert (found.axes, found.shape, found.dtype) == (expected.axes, expected.shape, expected.dtype)
    assert found.channel_names == expected.channel_names
    assert np.allclose(found.affine, expected.affine, rtol=0, atol=1e-12)
    if dtype == "uint16":
        assert np.array_equal(found.data, expected.data)
    else:
        assert np.abs(found.data - expected.data).max() <= 1e-10 * np.ptp(expected.data)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".nii.gz"])
def test_from_other_formats(suffix, toy, tmp_path):
    image = Image.from_array((image_of((41, 39), "YX").data // 4).astype(np.uint8), "YX", pixel_size=1.0)
    if suffix == ".nii.gz":
        image = Image.from_array(image.data[None].repeat(3, 0), "ZYX", pixel_size=1.0, unit="millimeter")
    image = Image.from_array(image.data, image.axes) if suffix == ".png" else image
    source = write_image(image, tmp_path / f"in{suffix}")
    expected = upscale(read_image(source), toy(), **EXACT)
    found = read_image(upscale_file(source, tmp_path / "out.ome.zarr", model=toy(), **EXACT))
    assert np.array_equal(np.asarray(found.data), np.asarray(expected.data))


@pytest.mark.filterwarnings("ignore:No model was given for b")
def test_one_model_per_channel(toy, tmp_path):
    near, far = toy(name="near"), toy("edsr", arguments={"blocks": 4}, name="far")
    assert far.card.halo > near.card.halo
    image = image_of((3, 21, 45), "CYX", channel_names=("a", "b", "c"))
    models = {"c": far, 0: near}
    expected = upscale(image, models, **EXACT)
    found = streamed(image, models, tmp_path, **EXACT)
    assert np.array_equal(found.data, expected.data)
    assert found.channel_names == expected.channel_names == ("c", "a")
    record = json.loads((tmp_path / "out.ome.zarr.provenance.json").read_text())
    assert [r["model"]["name"] for r in record["per_channel"]] == ["far", "near"]


@pytest.mark.parametrize("scale", [(2, 2), (3, 3)])
def test_pixels_without_a_value_near_the_borders_of_boxes(scale, toy, tmp_path):
    image = image_of((40, 45), "YX", "float32")
    edge = 32 // scale[0]
    for y, x in ((edge, edge), (edge - 1, 3), (edge + 2, 2 * edge - 1), (0, 0), (39, 44), (5, edge + 3)):
        image.data[y, x] = (np.nan, np.inf)[x % 2]
    with pytest.warns(SuperResWarning, match="6 pixels are NaN"):
        expected = upscale(image, toy(scale=scale), **EXACT)
    with pytest.warns(SuperResWarning, match="pixels are NaN"):
        found = streamed(image, toy(scale=scale), tmp_path, **EXACT)
    finite = np.isfinite(expected.data)
    assert np.count_nonzero(~finite) > 0
    np.testing.assert_array_equal(found.data[~finite], expected.data[~finite])
    assert np.abs(found.data[finite] - expected.data[finite]).max() <= 1e-4
    counted = found.metadata["provenance"]["counts"]["non_finite"]
    # Each box counts the input pixels that it cuts.
    assert counted == 6 if scale == (2, 2) else 6 <= counted <= 9


@pytest.mark.parametrize(("name", "axes", "shape"), [("rcan", "YX", (50, 61)), ("instance", "TCYX", (2, 1, 50, 47))])
def test_statistics_of_the_whole_image(name, axes, shape, tmp_path):
    model = networks.make(name)
    image = image_of(shape, axes, "float64")
    options = {**EXACT, "max_passes": 99, "tile": networks.least_tile(model)}
    steps = []
    found = streamed(image, model, tmp_path, progress=steps.append, **options)
    expected = upscale(image, model, **options)
    assert len(boxes_of(found)) > 1
    assert np.abs(found.data - expected.data).max() <= 1e-10 * np.ptp(expected.data)
    planes = image.data.reshape(-1, *shape[-2:])
    for plane, made in zip(planes, found.data.reshape(-1, *found.shape[-2:]), strict=True):
        whole = networks.whole(model, plane[None])[0]
        assert np.abs(made - whole).max() <= 1e-10 * np.ptp(whole)
    statistics = found.metadata["provenance"]["statistics"]
    assert statistics["left"] == 0.0
    assert statistics["passes"] >= 2
    assert all(a.done <= b.done for a, b in itertools.pairwise(steps))
    assert steps[-1].done == steps[-1].total


def test_the_record_and_the_progress(toy, tmp_path):
    image, model = image_of((3, 40, 37), "TYX"), toy()
    steps = []
    found = streamed(image, model, tmp_path, tile=20, batch=2, progress=steps.append, **EXACT)
    record = json.loads((tmp_path / "out.ome.zarr.provenance.json").read_text())
    assert record.pop("result")
    assert record == found.metadata["provenance"]
    in_memory = upscale(image, model, tile=20, **EXACT).metadata["provenance"]
    for key in ("model", "scale", "normalisation", "precision", "region", "affine", "synthetic_detail"):
        assert record[key] == in_memory[key], key
    assert record["input"].items() >= in_memory["input"].items()
    assert record["input"]["name"] == "in.ome.zarr"
    assert record["boxes"] == len(boxes_of(found))
    assert steps[0].done == 0
    assert steps[-1].done == steps[-1].total == steps[0].total
    assert steps[-1].remaining == 0.0
    assert len(steps) > record["boxes"], "windows are told, not only boxes"
    assert np.array_equal(np.asarray(steps[-1].image.data), found.data)


def run_short(model, source, target, at, **options):
    """Return the calls of a run whose memory is short at some of them, its pixels and what was made smaller."""
    wrapped = failing(model, at=at)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuperResWarning)
        upscale_file(source, target, model=wrapped, overwrite=True, **options)
    found = read_image(target)
    return wrapped.module.calls, np.asarray(found.data), found.metadata["provenance"]["memory_reductions"]


@pytest.mark.parametrize("batch", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_lack_of_memory_at_every_call(batch, toy, tmp_path):
    source = write_image(image_of((2, 21, 24), "TYX", "float32"), tmp_path / "in.ome.zarr")
    options = {"tile": 21, "batch": batch}
    calls, whole, _ = run_short(toy(), source, tmp_path / "out.ome.zarr", (), **options)
    assert calls >= 4
    for call in range(calls):
        _, found, reduced = run_short(toy(), source, tmp_path / "out.ome.zarr", (call,), **options)
        assert np.abs(found - whole).max() <= 1e-5 * np.ptp(whole), f"call {call}"
        assert len(reduced) == 1, f"call {call}"


def test_lack_of_memory_at_every_call_of_a_run_in_passes(tmp_path):
    model = networks.make("squeeze")
    source = write_image(image_of((28, 33), "YX", "float64"), tmp_path / "in.ome.zarr")
    options = {"tile": networks.least_tile(model), "batch": 2, "max_passes": 99, **EXACT}
    calls, whole, _ = run_short(model, source, tmp_path / "out.ome.zarr", (), **options)
    assert np.abs(whole - networks.whole(model, np.asarray(read_image(source).data)[None])[0]).max() <= 1e-10 * np.ptp(
        whole
    )
    for call in range(0, calls, 3):
        _, found, _ = run_short(model, source, tmp_path / "out.ome.zarr", (call,), **options)
        assert np.abs(found - whole).max() <= 1e-5 * np.ptp(whole), f"call {call}"


def test_never_enough_memory_is_one_clear_error_and_nothing_is_left(toy, tmp_path):
    source = write_image(image_of((21, 24), "YX"), tmp_path / "in.ome.zarr")
    with pytest.raises(TileTooLargeError, match="Close other programs"):
        upscale_file(source, tmp_path / "out.ome.zarr", model=failing(toy(), above=0))
    assert [p.name for p in tmp_path.iterdir()] == ["in.ome.zarr"]


def test_a_disk_too_small_is_refused_before_anything_is_made(espcn, tmp_path, monkeypatch):
    source = write_image(image_of((64, 70), "YX"), tmp_path / "in.ome.zarr")
    needed = Layout.plan((128, 140), "YX").nbytes("uint16")
    made = []
    monkeypatch.setattr(ZarrTarget, "create", lambda *_, **__: made.append(1))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 0, needed // 3))
    for name in ("out.ome.zarr", "out.ome.tif"):
        with pytest.raises(OutputError, match=r"MB are free.*Free space, choose another folder"):
            upscale_file(source, tmp_path / name, model=espcn)
    assert not made
    assert [p.name for p in tmp_path.iterdir()] == ["in.ome.zarr"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 0, needed * 2 // 3))
    (note,) = check_disk(tmp_path / "out.ome.zarr", needed)
    assert "may not fit" in note


def test_a_tile_too_small_is_refused_before_anything_is_made(espcn, tmp_path):
    source = write_image(image_of((64, 70), "YX"), tmp_path / "in.ome.zarr")
    with pytest.raises(SettingsError, match="at least"):
        upscale_file(source, tmp_path / "out.ome.zarr", model=espcn, tile=2)
    assert [p.name for p in tmp_path.iterdir()] == ["in.ome.zarr"]


def test_boxes_are_the_parts_of_the_result_that_the_plan_says(toy, tmp_path):
    """The tile of a box covers it in the fewest steps, whichever way boxes cut it."""
    image = image_of((70, 64), "YX")
    plan = plan_of(image, toy())
    from napari_superres.inference.stream.boxes import plan_of_box, tiled_for

    boxes = Layout.plan(plan.out_shape, "YX").boxes()
    tiled = tiled_for(plan, boxes)
    for box in boxes:
        within, inside = plan_of_box(tiled, box)
        assert len(within.tiles()) == 1
        assert tuple(s.stop - s.start for s in inside) == tuple(b.stop - b.start for b in box)
