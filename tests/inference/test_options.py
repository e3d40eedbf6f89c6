"""What may be asked for, and what is said where it may not."""

import json

import numpy as np
import pytest
import torch
from helpers.runs import plan_of

from napari_superres import Image, upscale
from napari_superres.errors import DeviceError, SettingsError, UnknownModelError
from napari_superres.models import Model, load_model


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"precision": "fp8"}, SettingsError, "auto, fp32, fp16, bf16"),
        ({"device": "tpu"}, DeviceError, "auto, .*cpu"),
        ({"device": "cuda:99"}, DeviceError, "'cuda:99' is not available"),
        ({"tile": 8}, SettingsError, "at least 9"),
        ({"tile": 0}, SettingsError, "at least 9"),
        ({"tile": (20, 20, 20)}, SettingsError, "or 2 of them"),
        ({"tile": "large"}, SettingsError, "'auto'"),
        ({"tile": 20.5}, SettingsError, "whole number"),
        ({"batch": 0}, SettingsError, "at least 1"),
        ({"batch": "many"}, SettingsError, "'auto'"),
        ({"channels": [1]}, SettingsError, "0 to 0"),
        ({"channels": []}, SettingsError, "different indices"),
        ({"channels": [0, 0]}, SettingsError, "different indices"),
        ({"channels": [-1]}, SettingsError, "0 to 0"),
        ({"roi": {"Z": (0, 1)}}, SettingsError, "axes YX, got 'Z'"),
        ({"roi": {"Y": (0, 99)}}, SettingsError, "0:37, got 0:99"),
        ({"roi": {"Y": (5, 5)}}, SettingsError, "5:5"),
        ({"roi": {"X": (-3, 5)}}, SettingsError, "0:45"),
        ({"intensity_range": [(1, 0)]}, SettingsError, "low < high"),
        ({"intensity_range": (0, 1, 2)}, SettingsError, "pairs"),
        ({"intensity_range": 255}, SettingsError, "pairs"),
        ({"intensity_range": []}, SettingsError, "got 0"),
        ({"intensity_range": [(0, 1)] * 2}, SettingsError, "one per channel"),
        ({"out": np.zeros((74, 90), np.float32)}, SettingsError, r"out must have shape \(74, 90\) and dtype float64"),
        ({"out": np.zeros((74, 91))}, SettingsError, "out must have shape"),
        ({"flavour": 1}, SettingsError, "unknown option 'flavour'"),
        ({"tiles": 64}, SettingsError, "unknown option 'tiles'. Did you mean 'tile'?"),
    ],
)
def test_wrong_wishes(options, error, said, espcn, plane):
    with pytest.raises(error, match=said):
        upscale(plane, espcn, axes="YX", **options)


@pytest.mark.parametrize("pair", [(0, 0.5), [0, 0.5], np.array([0, 0.5])])
def test_one_range_needs_no_list(espcn, plane, pair):
    one, listed = (upscale(plane, espcn, axes="YX", intensity_range=given).data for given in (pair, [(0, 0.5)]))
    np.testing.assert_array_equal(one, listed)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_where_there_is_none(espcn, plane):
    with pytest.raises(DeviceError, match=r"'cuda' is not available.*cpu"):
        upscale(plane, espcn, axes="YX", device="cuda")


def test_models_that_do_not_fit(toy, plane):
    with pytest.raises(SettingsError, match="needs a Z axis, got axes YX"):
        upscale(plane, toy("edsr", (2, 2, 2)), axes="YX")
    with pytest.raises(UnknownModelError, match="Did you mean"):
        upscale(plane, "bicubik-x2", axes="YX")
    with pytest.raises(SettingsError, match=r"3 neighbouring planes and needs the axis T, got axes YX"):
        upscale(plane, toy(frames=3), axes="YX")
    with pytest.raises(SettingsError, match="Y and X differently"):
        upscale(plane, toy("espcn", (1, 2)), axes="YX", tta=True)


def test_a_tile_as_wide_as_the_image_needs_no_context(espcn):
    data = np.random.default_rng(0).random((5, 7))
    assert upscale(data, espcn, axes="YX", tile=7).shape == (10, 14)


@pytest.mark.parametrize("name", ["espcn", "edsr"])
def test_tta_is_the_mean_of_eight(name, toy, plane):
    model = toy(name)
    options = {"axes": "YX", "precision": "fp64", "intensity_range": [(0, 1)]}
    total = 0.0
    for turns in range(4):
        for mirrored in (False, True):
            seen = np.rot90(plane, turns)
            seen = seen[:, ::-1] if mirrored else seen
            found = upscale(np.ascontiguousarray(seen), model, **options).data
            found = found[:, ::-1] if mirrored else found
            total = total + np.rot90(found, -turns) / 8
    assert np.abs(upscale(plane, model, tta=True, **options).data - total).max() <= 1e-12
    assert np.abs(upscale(plane, model, tta=True, tile=24, **options).data - total).max() <= 1e-10


def test_tta_with_a_halo_that_differs_per_axis(toy, plane):
    """Turned windows look as far along Y as along X."""
    model = toy()

    class Sideways(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 4, (1, 11), padding=(0, 5))

        def forward(self, x):
            return torch.nn.functional.pixel_shuffle(self.conv(x), 2)

    from dataclasses import replace

    wide = Model(replace(model.card, halo=(0, 5)), Sideways())
    options = {"axes": "YX", "precision": "fp64", "tta": True}
    assert (
        np.abs(upscale(plane, wide, tile=13, **options).data - upscale(plane, wide, tile=64, **options).data).max()
        <= 1e-12
    )


@pytest.mark.parametrize("axes", ["TCZYX", "YXCZT", "ZCYX"])
def test_a_part_equals_that_part_of_the_whole(axes, espcn):
    sizes = {"T": 3, "C": 2, "Z": 4, "Y": 21, "X": 23}
    data = np.random.default_rng(0).random([sizes[a] for a in axes])
    image = Image.from_array(data, axes, pixel_size=0.3, unit="micrometer")
    whole = upscale(image, espcn, precision="fp64")
    roi = {a: r for a, r in {"T": (1, 3), "Z": (2, 3), "Y": (4, 17), "X": (9, 23)}.items() if a in axes}
    part = upscale(image, espcn, roi=roi, tile=12, precision="fp64")
    box = tuple(slice(None) if a not in roi else slice(*(n * (2 if a in "YX" else 1) for n in roi[a])) for a in axes)
    assert np.abs(part.data - whole.data[box]).max() <= 1e-12
    start = [box[axes.index(a)].start for a in image.spatial]
    assert np.allclose(part.affine[:-1, -1], (whole.affine @ [*start, 1])[:-1])


@pytest.mark.parametrize(("precision", "least_db"), [("fp16", 55), ("bf16", 35)])
@pytest.mark.parametrize("name", ["fsrcnn-x2", "fluo-x2"])
def test_half_precision_is_close(precision, least_db, name, plane):
    data = (plane * 40_000).astype(np.uint16)
    single = upscale(data, name, axes="YX", precision="fp32").data.astype(float)
    result = upscale(data, name, axes="YX", precision=precision)
    error = result.data.astype(float) - single
    assert result.metadata["provenance"]["precision"] == precision
    assert np.any(error), "it was not computed in half precision"
    assert 10 * np.log10(np.ptp(single) ** 2 / np.mean(error**2)) >= least_db


def test_overflow_in_half_precision_is_computed_again(toy, plane):
    model = toy("edsr", intensity="none")  # tanh would make overflown features 1, which is right
    data = plane * 1e6  # beyond the largest half-precision number
    result = upscale(data.astype(np.float32), model, axes="YX", precision="fp16", tile=24)
    assert np.isfinite(result.data).all()
    assert result.metadata["provenance"]["counts"]["recomputed_in_fp32"] > 0
    assert np.allclose(result.data, upscale(data.astype(np.float32), model, axes="YX").data, rtol=1e-4)


def test_autocast_leaves_the_model_as_it_was(espcn, plane):
    before = {k: (v.dtype, v.clone()) for k, v in espcn.module.state_dict().items()}
    for precision in ("fp16", "fp64", "fp32"):
        upscale(plane, espcn, axes="YX", precision=precision)
    after = espcn.module.state_dict()
    assert all(after[k].dtype == d and torch.equal(after[k], v) for k, (d, v) in before.items())


@pytest.mark.parametrize("kind", ["numpy", "zarr"])
def test_an_array_to_write_to(kind, espcn, plane):
    expected = upscale(plane, espcn, axes="YX", tile=20)
    if kind == "zarr":
        import zarr

        out = zarr.create_array({}, shape=expected.shape, chunks=(16, 16), dtype="f8")
    else:
        out = np.empty(expected.shape)
    result = upscale(plane, espcn, axes="YX", tile=20, out=out)
    assert result.data is out
    assert np.array_equal(out[...], expected.data)


def test_a_fixed_range_is_used_for_every_image(espcn, plane):
    data = (plane * 1000).astype(np.uint16)
    fixed = upscale(data, espcn, axes="YX", intensity_range=[(0, 4095)])
    assert fixed.metadata["provenance"]["normalisation"] == {"low": [0.0], "high": [4095.0]}
    part = upscale(data[10:], espcn, axes="YX", intensity_range=[(0, 4095)])
    assert np.array_equal(part.data[20:], fixed.data[40:]), "the same pixels whatever else the image holds"


def test_the_record_is_complete_and_plain(plane):
    image = Image.from_array(plane.astype(np.float32), "YX", pixel_size=0.1, metadata={"keep": "me"})
    result = upscale(image, "fsrcnn-x2", tile=30)
    record = json.loads(json.dumps(result.metadata["provenance"], allow_nan=False))
    assert result.metadata["keep"] == "me"
    assert record["software"].keys() == {"napari-superres-torch", "torch", "numpy", "python"}
    assert record["model"]["name"] == "fsrcnn-x2"
    assert record["model"]["sha256"] == load_model("fsrcnn-x2").sha256
    assert record["input"]["shape"] == [37, 45]
    assert record["input"]["dtype"] == "float32"
    assert record["input"]["pixel_size"] == [0.1, 0.1]
    assert record["scale"] == {"Y": 2, "X": 2}
    assert record["synthetic_detail"] is True
    assert "Not for diagnosis" in record["warning"]
    assert record["time_utc"].endswith("+00:00")
    assert {
        "tile",
        "halo",
        "batch",
        "device",
        "precision",
        "tta",
        "region",
        "channels",
        "normalisation",
        "counts",
        "seed",
        "affine",
        "memory_reductions",
    } <= record.keys()
    assert upscale(image, "bicubic-x2").metadata["provenance"]["synthetic_detail"] is False


def test_the_plan_knows_the_result(espcn):
    image = Image.from_array(np.zeros((2, 3, 40, 50), np.uint16), "TCYX")
    plan = plan_of(image, espcn, channels=[2], roi={"T": (1, 2)}, tile=20)
    assert plan.out_shape == (1, 1, 80, 100)
    assert plan.planes() == [{"T": 1, "C": 2}]
    assert plan.total == len(plan.tiles()) > 1
    assert plan.memory_bytes >= 80 * 100 * 2


def test_windows_are_computed_from_where_somebody_looks():
    from napari_superres import iter_upscale

    low = Image.from_array(np.random.default_rng(0).random((3, 90, 120)), "TYX")
    focus = {"T": 1, "Y": 80.0, "X": 10.0}
    steps = list(iter_upscale(low, "bicubic-x2", tile=32, focus=focus))
    boxes = [step.region for step in steps if step.region is not None]
    planes = [box[0].start for box in boxes]
    assert planes[0] == 1
    assert planes.index(0) > planes.count(1) - 2  # the last window of a plane may be told late

    def away(box):
        middle = [(side.start + side.stop) / 4 - 0.5 for side in box[1:]]
        return np.hypot(middle[0] - focus["Y"], middle[1] - focus["X"])

    shown = [away(box) for box in boxes if box[0].start == 1]
    assert shown == sorted(shown)
    np.testing.assert_allclose(steps[-1].image.data, upscale(low, "bicubic-x2").data, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"channels": 0}, r"`channels` must be a sequence of indices such as \[0, 2\], got 0"),
        ({"roi": (0, 3)}, "`roi` must be a mapping"),
        ({"roi": "0:3,0:3"}, "`roi` must be a mapping"),
        ({"roi": {"Y": 5}}, "`roi` must be a mapping"),
        ({"roi": {"Y": (0.5, 3.2)}}, "`roi` must be a mapping"),
        ({"roi": {"Q": (0, 1)}}, r"`roi` may limit the axes YX, got 'Q'\. Leave out this axis of `roi`"),
        ({"roi": {"C": (0, 1)}}, r"got 'C'\. Choose channels with `channels`"),
        ({"tta": "yes"}, "`tta` must be True or False, got 'yes'"),
        ({"tile": True}, "`tile` must be 'auto', one whole number or 2 of them, got True"),
        ({"model": {}}, "no model was given"),
    ],
    ids=str,
)
def test_values_of_another_type_are_answered(options, said, espcn, plane):
    with pytest.raises(SettingsError, match=said):
        upscale(plane, **{"model": espcn, "axes": "YX", **options})
