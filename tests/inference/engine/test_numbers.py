"""Numbers of every size: denormals, very small and very large ranges, whole numbers of many digits; the same bits."""

import re
import warnings

import numpy as np
import pytest
import torch

from napari_superres import Image, read_image, upscale, upscale_file, write_image
from napari_superres.errors import SettingsError, SuperResWarning
from napari_superres.inference.engine import sweep
from napari_superres.inference.machine.cuda_pipeline import CONVERTED

SMALL = [("float64", 1e-310), ("float64", 1e-300), ("float32", 1e-40), ("float32", 1e-30), ("float16", 6e-7)]
LARGE = [("float32", 1e30), ("float32", 1e38), ("float64", 1e30), ("float64", 1e300), ("float16", 3e4)]


@pytest.fixture(autouse=True)
def without_overflow():
    """Take numpy's warnings of overflow and invalid values for errors."""
    with np.errstate(over="raise", invalid="raise"):
        yield


@pytest.mark.parametrize("kind", ["percentile", "standard"])
@pytest.mark.parametrize(("dtype", "size"), [*SMALL, *LARGE])
def test_images_of_any_size_of_numbers_look_the_same(dtype, size, kind, toy, plane):
    model = toy(intensity=kind)
    expected = upscale(plane, model, precision="fp64").data
    found = upscale((plane * size).astype(dtype), model, precision="fp64").data.astype(np.float64) / size
    # The smallest numbers of a type have few digits.
    digits = {"float16": 0.3 if size < 1e-3 else 3e-3, "float32": 1e-4 if size < 1e-35 else 1e-6}.get(dtype, 1e-9)
    np.testing.assert_allclose(found, expected, atol=digits * np.ptp(expected))


@pytest.mark.parametrize("size", [1e-40, 1e-30, 1e30, 1e38])
def test_an_accelerator_leaves_them_to_64_bits(size, espcn, plane, monkeypatch):
    image = (plane * size).astype(np.float32)
    expected = upscale(image, espcn).data
    suits = property(
        lambda runner: runner.image.dtype in CONVERTED and runner.plan.normalisation.suits_single_precision
    )
    monkeypatch.setattr(sweep.TileRunner, "is_pipelined", suits)
    found = upscale(image, espcn).data
    np.testing.assert_allclose(found / size, expected / size, atol=1e-5)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("dtype", ["int64", "uint64", "float32", "float64"])
@pytest.mark.parametrize("value", [0, 1, 2**53 - 1, 2**53, 2**53 + 2, 2**60, 2**63 - 1])
def test_constant_images_stay_constant(value, dtype, plane):
    image = np.full(plane.shape, value, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuperResWarning)
        found = upscale(image, "bicubic-x2", intensity_range=None).data
        learned = upscale(image, "fsrcnn-x2").data
    assert np.abs(found.astype(np.float64) / max(1, value) - (value > 0)).max() < 1e-6
    # The network may add its own offset to a range of 1, or of one step of the numbers.
    step = max(1.0, float(np.spacing(np.array(value, "float32" if dtype == "float32" else "float64"))))
    assert np.abs(learned.astype(np.float64) - np.float64(value)).max() <= step


@pytest.mark.parametrize("value", [1e-310, 1e-30, -1e-30, 1e20, -1e20, 1e300])
def test_constant_real_numbers_keep_their_size(value, plane):
    found = upscale(np.full(plane.shape, value), "fsrcnn-x2").data
    np.testing.assert_allclose(found, value, rtol=0.02)


@pytest.mark.parametrize(
    ("image", "options", "says"),
    [
        (1.7e308, {}, "within 1e[+]307 of 0.*Divide the image"),
        (1.0, {"intensity_range": [(0, 1e308)]}, "low < high within 1e[+]307"),
        (1.0, {"intensity_range": [(0, 1e-310)]}, "too far from their range"),
    ],
)
def test_numbers_without_room_are_refused(image, options, says, espcn, plane):
    with pytest.raises(SettingsError, match=says):
        upscale(plane * image, espcn, **options)


def test_a_mark_for_pixels_without_a_value_is_refused(espcn, plane):
    """It would reach the network as a number that overflows in it, and spoil all pixels around."""
    image = plane.astype(np.float32)
    image[3, 4] = np.finfo(np.float32).min
    with pytest.raises(SettingsError, match=r"too far from their range.*Set pixels without a value to NaN"):
        upscale(image, espcn)


@pytest.mark.parametrize(
    ("dtype", "most", "options", "says"),
    [
        ("int32", 2**31 - 1, {}, r"tell 16777216 of them apart.*steps of about 12\d.*`precision='fp64'`"),
        ("uint32", 2**24 * 1.1, {}, "steps of about 1"),
        ("uint32", 2**24 - 1, {}, None),
        ("int32", 2**31 - 1, {"precision": "fp64"}, None),
        ("int64", 2**62, {"precision": "fp64"}, r"up to 2\^53.*steps of about 5"),
        ("uint16", 2**16 - 1, {}, None),
        ("float32", 2**31, {}, None),
    ],
)
def test_whole_numbers_with_more_digits_than_are_computed_are_warned_of(dtype, most, options, says, espcn, plane):
    image = ((plane - plane.min()) / np.ptp(plane) * most).astype(dtype)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        doubts = upscale(image, espcn, **options).metadata["provenance"]["doubts"]
    notes = [str(w.message) for w in caught if "apart" in str(w.message)]
    assert len(notes) == (says is not None)
    if says is not None:
        assert re.search(says, notes[0])
        assert notes[0] in doubts


def test_an_offset_costs_no_digits(espcn, plane):
    image = (plane * 1000).astype(np.int32)
    shifted = upscale(image + 2**30, espcn).data - 2**30
    assert np.abs(shifted - upscale(image, espcn).data).max() <= 1


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp64"])
@pytest.mark.parametrize("options", [{}, {"tile": 20}, {"tile": 20, "batch": 3}, {"tta": True}], ids=str)
def test_a_repeated_run_gives_the_same_bits(options, precision, toy, plane):
    image = (plane * 4000).astype(np.uint16)
    one, two = (upscale(image, toy(seed=3), precision=precision, **options) for _ in range(2))
    assert one.data.tobytes() == two.data.tobytes()


def test_the_same_plan_gives_the_same_bits_in_memory_on_disk_and_after_a_change_of_threads(espcn, plane, tmp_path):
    image = Image.from_array((plane * 4000).astype(np.uint16), "YX")
    source = write_image(image, tmp_path / "in.ome.tif")
    options = {"model": espcn, "tile": 20, "batch": 2, "precision": "fp32", "device": "cpu"}
    whole = upscale(image, **options).data
    upscale_file(source, tmp_path / "out.ome.tif", **options)
    assert np.asarray(read_image(tmp_path / "out.ome.tif").data).tobytes() == whole.tobytes()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        upscale(image, **options)
    finally:
        torch.set_num_threads(threads)
    assert upscale(image, **options).data.tobytes() == whole.tobytes()


@pytest.mark.parametrize("options", [{"tile": 20}, {"tile": 24, "batch": 5}, {"tile": 30, "batch": 2}], ids=str)
def test_tiles_and_batches_change_only_rounding(options, toy, plane):
    """Of 64-bit numbers by less than 1e-10 of the range, of 32-bit numbers by 1e-5, of whole numbers by one."""
    model = toy(seed=3)
    for dtype, precision, most in (("float64", "fp64", 1e-10), ("float32", "fp32", 1e-5), ("uint16", "fp32", 1)):
        image = (plane * (4000 if dtype == "uint16" else 1)).astype(dtype)
        whole = upscale(image, model, precision=precision, tile=10**6).data.astype(np.float64)
        found = upscale(image, model, precision=precision, **options).data.astype(np.float64)
        assert np.abs(found - whole).max() <= most * (1 if dtype == "uint16" else np.ptp(whole)), dtype
