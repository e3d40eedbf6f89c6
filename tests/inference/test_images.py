"""Any data type, axes order, channels and colours: the result is that of each plane by itself."""

import os
import tracemalloc
from itertools import permutations

import numpy as np
import pytest
import torch

from napari_superres import Image, iter_upscale, upscale
from napari_superres.errors import AxesError, DataTypeError, SettingsError, SuperResWarning, UnreadableImageError


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "u4", "i8", "f2", "f4", "f8", ">u2", ">i4", ">f4", ">f8"])
def test_the_data_type_is_kept(dtype, espcn, plane):
    data = (
        plane * 200 if np.dtype(dtype).itemsize == 1 else plane * 20_000 - (5000 if dtype[-2] != "u" else 0)
    ).astype(dtype)
    result = upscale(data, espcn, axes="YX", tile=24)
    assert result.dtype == np.dtype(dtype).newbyteorder("=")
    assert result.shape == (74, 90)
    span = float(data.max()) - float(data.min())
    as_double = upscale(data.astype(np.float64), espcn, axes="YX").data
    rounding = 0.51 if np.dtype(dtype).kind in "ui" else span * 2e-3 if "2" in dtype else 0.0
    limits = (np.iinfo(dtype).min, np.iinfo(dtype).max) if np.dtype(dtype).kind in "ui" else (-np.inf, np.inf)
    assert np.abs(result.data.astype(np.float64) - as_double.clip(*limits)).max() <= rounding + 1e-4 * span


def test_saturation_is_counted(plane):
    data = np.zeros((20, 20), np.uint8)
    data[:, 10:] = 255
    result = upscale(data, "bicubic-x3", axes="YX")
    # Shifted below 0, nothing is limited.
    exact = upscale(data - 1000.0, "bicubic-x3", axes="YX").data + 1000
    counts = result.metadata["provenance"]["counts"]
    assert counts["saturated"] == int((np.rint(exact) > 255).sum()) > 0
    assert counts["raised_to_zero"] == int((np.rint(exact) < 0).sum()) > 0
    assert {0, 255} <= set(np.unique(result.data)), "values saturate, they do not wrap"


def test_an_offset_changes_nothing_but_the_offset(espcn, plane):
    data = (plane * 1000).astype(np.int32)
    shifted = upscale(data + 2**30, espcn, axes="YX").data
    assert np.abs(shifted - 2**30 - upscale(data, espcn, axes="YX").data).max() <= 1


@pytest.mark.parametrize(
    "axes", [*["".join(p) for p in permutations("TCYX")][::3], "XYZ", "YZCX", "CXTY", "SYX", "YSX"]
)
def test_any_order_of_axes_gives_the_transposed_result(axes, espcn):
    sizes = {"T": 2, "C": 3, "Z": 2, "Y": 13, "X": 11, "S": 3}
    usual = "".join(sorted(axes, key="TCZYXS".index))
    data = np.random.default_rng(0).random([sizes[a] for a in usual])
    names = ("a", "b", "c") if "C" in axes else ()
    pixel = {"Z": 3.0, "Y": 1.0, "X": 0.5}
    expected = upscale(Image.from_array(data, usual, channel_names=names), espcn, tile=12)
    turned = data.transpose([usual.index(a) for a in axes])
    image = Image.from_array(turned, axes, channel_names=names, pixel_size=[pixel[a] for a in axes if a in pixel])
    result = upscale(image, espcn, tile=12)
    assert result.axes == axes
    assert result.channel_names == names
    assert np.array_equal(result.data, expected.data.transpose([usual.index(a) for a in axes]))
    assert result.pixel_size == tuple(pixel[a] / (2 if a in "YX" else 1) for a in axes if a in pixel)


def test_every_place_is_computed_by_itself(espcn):
    data = np.random.default_rng(1).random((2, 3, 2, 15, 14)).astype(np.float32)
    ranges = [(0, 1), (0, 2), (-1, 1)]
    result = upscale(data, espcn, axes="TCZYX", intensity_range=ranges).data
    for t, c, z in np.ndindex(2, 3, 2):
        one = upscale(data[t, c, z], espcn, axes="YX", intensity_range=[ranges[c]]).data
        assert np.abs(result[t, c, z] - one).max() <= 1e-5  # another batch, other last bits


def test_volumes_with_channels_and_time(toy):
    model = toy("edsr", (2, 1, 3))
    data = np.random.default_rng(1).random((2, 20, 2, 12, 13))
    result = upscale(data, model, axes="TZCYX", intensity_range=[(0, 1)], tile=(14, 12, 13), precision="fp64")
    assert result.shape == (2, 40, 2, 12, 39)
    one = upscale(data[1, :, 1], model, axes="ZYX", intensity_range=[(0, 1)], precision="fp64")
    assert np.abs(result.data[1, :, 1] - one.data).max() <= 1e-12
    assert result.pixel_size == pytest.approx((0.5, 1.0, 1 / 3))


def test_one_intensity_map_for_all_of_time(espcn, plane):
    """A movie that brightens: each frame is mapped alike, so constant places stay constant."""
    movie = np.stack([plane, plane * 3])
    movie[1][:12] = movie[0][:12]
    result = upscale(movie, espcn, axes="TYX").data
    assert np.allclose(result[0][:8], result[1][:8], atol=1e-5)


def test_chosen_channels(espcn):
    data = np.random.default_rng(1).random((4, 10, 12)).astype(np.float32)
    image = Image.from_array(data, "CYX", channel_names=tuple("abcd"))
    whole = upscale(image, espcn)
    some = upscale(image, espcn, channels=[3, 1])
    assert some.channel_names == ("d", "b")
    assert np.array_equal(some.data, whole.data[[3, 1]])


def test_one_model_per_channel(espcn):
    data = np.random.default_rng(1).random((3, 10, 12)).astype(np.float32)
    image = Image.from_array(data, "CYX", channel_names=("DNA", "actin", "tubulin"))
    with pytest.warns(SuperResWarning, match="given for actin: left out"):
        result = upscale(image, {"tubulin": "bicubic-x2", 0: espcn})
    assert result.channel_names == ("tubulin", "DNA")
    assert np.array_equal(result.data[0], upscale(image, "bicubic-x2").data[2])
    assert np.abs(result.data[1] - upscale(image, espcn).data[0]).max() <= 1e-5
    records = result.metadata["provenance"]["per_channel"]
    assert [r["model"]["name"] for r in records] == ["bicubic-x2", "toy-espcn"]
    assert any("actin: left out" in doubt for doubt in records[0]["doubts"])
    for choice, said in (
        ({"DAPI": espcn}, "DNA, actin, tubulin"),
        ({7: espcn}, "0 to 2"),
        ({}, "no model was given"),
        ({0: espcn, 1: "bicubic-x3"}, "same scale"),
    ):
        with pytest.raises(SettingsError, match=said):
            upscale(image, choice)
    with pytest.raises(SettingsError, match="channels and one model per channel"):
        upscale(image, {0: espcn}, channels=[0])
    with pytest.raises(SettingsError, match="needs an image with channels"):
        upscale(data[0], {0: espcn}, axes="YX")


def test_rgb_with_a_network_on_each_channel(toy):
    model = toy(intensity="unit")
    rgb = np.random.default_rng(2).integers(0, 256, (14, 16, 3), dtype=np.uint8)
    result = upscale(rgb, model, axes="YXS", tile=12).data
    for s in range(3):
        assert np.array_equal(result[..., s], upscale(rgb[..., s], model, axes="YX").data)


def test_rgb_with_a_network_on_luminance(toy):
    """Luminance by the network, colour differences by bicubic interpolation."""
    model = toy(intensity="none", color="luma")
    rgb = np.random.default_rng(2).random((14, 16, 3)) - 0.3
    result = upscale(rgb, model, axes="YXS", precision="fp64", tile=13).data
    bicubic = upscale(rgb, "bicubic-x2", axes="YXS", precision="fp64").data
    weights = np.array([65.481, 128.553, 24.966]) / 255
    luma = rgb[..., :3] @ weights + 16 / 255
    expected = upscale(luma, model, axes="YX", precision="fp64").data
    assert np.abs(result[..., :3] @ weights + 16 / 255 - expected).max() <= 1e-12
    gain = expected - (bicubic[..., :3] @ weights + 16 / 255)
    added = result[..., :3] - bicubic[..., :3]
    assert np.abs(added - gain[..., None] / weights.sum()).max() <= 1e-5, (
        "only brightness is added, alike in R, G and B"
    )


def test_a_colour_network(toy):
    model = toy("edsr", channels=3, intensity="none")
    rng = np.random.default_rng(3)
    rgb = rng.random((14, 16, 3)) - 0.3
    with torch.inference_mode():
        whole = (
            model.module.double()(torch.from_numpy(rgb.transpose(2, 0, 1).copy())[None])[0].numpy().transpose(1, 2, 0)
        )
    model.module.float()
    result = upscale(rgb, model, axes="YXS", precision="fp64", tile=13).data
    assert np.abs(result - whole).max() <= 1e-10
    rgba = np.concatenate([rgb, rng.random((14, 16, 1)) - 0.3], axis=-1)
    found = upscale(rgba, model, axes="YXS", precision="fp64", tile=13).data
    assert np.abs(found[..., :3] - whole).max() <= 1e-10
    grey = rgb[..., 0]
    expected = upscale(np.repeat(grey[..., None], 3, axis=-1), model, axes="YXS", precision="fp64").data.mean(axis=-1)
    found = upscale(grey, model, axes="YX", precision="fp64", tile=13)
    assert found.shape == (28, 32)
    assert np.abs(found.data - expected).max() <= 1e-10


@pytest.mark.parametrize("kind", ["dask", "zarr"])
def test_lazy_images(kind, espcn, plane):
    data = (np.stack([plane, plane[::-1]]) * 1000).astype(np.uint16)
    if kind == "dask":
        lazy = pytest.importorskip("dask.array").from_array(data, chunks=(1, 16, 16))
    else:
        import zarr

        lazy = zarr.create_array({}, shape=data.shape, chunks=(1, 16, 16), dtype=data.dtype)
        lazy[...] = data
    assert np.array_equal(
        upscale(lazy, espcn, axes="ZYX", tile=20).data, upscale(data, espcn, axes="ZYX", tile=20).data
    )


@pytest.mark.parametrize(
    ("data", "axes", "error"),
    [
        (np.zeros((4, 4), complex), "YX", DataTypeError),
        (np.zeros((4, 4), bool), "YX", DataTypeError),
        (np.zeros(9), None, AxesError),
        (np.zeros((0, 4)), "YX", AxesError),
        (np.zeros((4, 4)), "ZYX", AxesError),
        (np.zeros((4, 4)), "YQ", AxesError),
        ([], None, AxesError),
        (3.0, None, AxesError),
    ],
)
def test_what_is_no_image(data, axes, error, espcn):
    with pytest.raises(error):
        upscale(data, espcn, axes=axes)


def test_lists_are_images(espcn):
    assert upscale([[0.0, 1.0], [1.0, 0.0]], espcn).shape == (4, 4)


def mapped(path, shape):
    data = np.random.default_rng(0).integers(0, 999, shape).astype(np.uint16)
    data.tofile(path)
    return np.memmap(path, np.uint16, "r", 0, shape), data


@pytest.mark.parametrize("as_given", [lambda m: m, lambda m: Image.from_array(m, "ZYX")], ids=["array", "image"])
def test_a_map_of_a_file_is_read_in_parts(as_given, tmp_path):
    """Neither copied whole nor read through the map, which would end the process if the file is cut off."""
    array, data = mapped(tmp_path / "pixels", (30, 800, 1000))
    roi = {"Z": (1, 2), "Y": (40, 60), "X": (50, 90)}
    expected = upscale(data, "nearest-x2", axes="ZYX", roi=roi, intensity_range=[(0, 999)]).data
    tracemalloc.start()
    result = upscale(as_given(array), "nearest-x2", axes="ZYX", roi=roi, intensity_range=[(0, 999)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(result.data, expected)
    assert peak < array.nbytes / 4


def test_a_map_whose_file_is_cut_off_is_an_error(tmp_path):
    array, _ = mapped(tmp_path / "pixels", (3, 400, 500))
    steps = iter_upscale(array, "bicubic-x2", axes="ZYX", intensity_range=[(0, 999)], tile=100)
    next(steps)
    os.truncate(tmp_path / "pixels", 9000)
    with pytest.raises(UnreadableImageError, match="the file ends before its pixels do"):
        list(steps)
