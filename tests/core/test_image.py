"""`Image`: impossible data and grids raise an error, and all others are kept exactly."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest

from napari_superres import Image
from napari_superres.core.image import ImageChanges
from napari_superres.errors import AxesError, DataTypeError, GridError, SettingsError, SuperResError


@pytest.mark.parametrize("dtype", ["complex64", "bool", "object", "U3", "datetime64[s]", "V4"])
def test_data_that_cannot_be_an_image(dtype):
    with pytest.raises(DataTypeError, match=r"integers or real floating-point.*got"):
        Image.from_array(np.zeros((3, 4), dtype), "YX")


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize <= 8, reason="long double is double on this platform")
def test_extended_precision_is_refused():
    with pytest.raises(DataTypeError, match="64 bits"):
        Image.from_array(np.zeros((3, 4), np.longdouble), "YX")


@pytest.mark.parametrize("dtype", ["u1", "i1", ">u2", "<i2", ">i4", "u4", "i8", "u8", "f2", ">f4", "f8"])
def test_types_that_can(dtype):
    image = Image.from_array(np.zeros((3, 4), dtype), "yx")
    assert image.axes == "YX"
    assert image.dtype.isnative
    assert image.dtype.kind == np.dtype(dtype).kind


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pixel_size": 0}, GridError, "above zero"),
        ({"pixel_size": (1.0, -2.0)}, GridError, "above zero"),
        ({"pixel_size": np.nan}, GridError, "finite"),
        ({"pixel_size": 1.0, "unit": "furlong"}, GridError, "unknown unit 'furlong'"),
        ({"affine": np.eye(4)}, GridError, "3 x 3"),
        ({"affine": np.zeros((3, 3))}, GridError, "invertible"),
        ({"affine": np.full((3, 3), np.nan)}, GridError, "finite"),
        ({"affine": np.eye(3), "pixel_size": 1.0}, GridError, "either `affine`, or `pixel_size`"),
        ({"channel_names": ("a", "b")}, AxesError, "1 channel(s) must have as many channel names, got 2"),
    ],
)
def test_impossible_grids_and_names(options, error, message):
    with pytest.raises(error) as caught:
        Image.from_array(np.zeros((3, 4)), "YX", **options)
    assert message in str(caught.value)
    assert isinstance(caught.value, SuperResError)


@pytest.mark.parametrize("shape", [(5,), (0, 4), (3, 4, 5)])
def test_shapes_that_do_not_fit_the_axes(shape):
    with pytest.raises(AxesError):
        Image.from_array(np.zeros(shape), "YX")


def test_unknown_pixel_size_is_a_state():
    image = Image.from_array(np.zeros((3, 4)), "YX")
    assert not image.has_pixel_size
    assert image.units == {"Y": None, "X": None}
    assert image.pixel_size == (1.0, 1.0)
    assert "px" in repr(image)
    known = image.with_pixel_size(0.2, "nm")
    assert known.has_pixel_size
    assert known.pixel_size == pytest.approx((0.2, 0.2))
    assert known.units["X"] == "nanometer"


def test_new_pixel_size_keeps_orientation():
    turn = np.array([[1, 0, 0], [0, 0.6, -0.8], [0, 0.8, 0.6]])
    affine = np.eye(4)
    affine[:3, :3] = turn * [3.0, 1.0, 1.0]
    image = Image.from_array(np.zeros((2, 3, 4)), "ZYX", affine=affine, unit="millimeter")
    found = image.with_pixel_size((0.5, 0.25), "millimeter")
    assert found.pixel_size == pytest.approx((3.0, 0.5, 0.25))
    assert np.allclose(found.affine[:3, :3] / found.pixel_size, turn)
    assert image.with_pixel_size((4, 5, 6)).pixel_size == pytest.approx((4, 5, 6))
    with pytest.raises(GridError, match="one per axis of ZYX"):
        image.with_pixel_size((1, 2, 3, 4))


def test_values_are_frozen_and_copied():
    matrix, metadata = np.eye(3), {"a": 1}
    image = Image.from_array(np.zeros((3, 4)), "YX", affine=matrix, metadata=metadata)
    matrix[0, 0], metadata["a"] = 9, 9
    assert image.affine[0, 0] == 1
    assert image.metadata["a"] == 1
    with pytest.raises(ValueError, match="read-only"):
        image.affine[0, 0] = 5
    with pytest.raises(AttributeError):
        image.axes = "XY"


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda i: pickle.loads(pickle.dumps(i))])
def test_copies_are_equal(how):
    image = Image.from_array(
        np.arange(24).reshape(2, 3, 4),
        "CYX",
        pixel_size=(0.1, 0.2),
        origin=(5, 6),
        channel_names=("a", "b"),
        metadata={"k": [1]},
    )
    found = how(image)
    assert np.array_equal(found.data, image.data)
    assert np.array_equal(found.affine, image.affine)
    assert (found.axes, found.units, found.channel_names, found.metadata, found.space) == (
        image.axes,
        image.units,
        image.channel_names,
        image.metadata,
        image.space,
    )


def test_a_missing_axis_has_size_one():
    image = Image.from_array(np.zeros((2, 3, 4)), "CYX")
    assert (image.size("C"), image.size("T"), image.size("S")) == (2, 1, 1)
    assert Image.from_array([[1, 2], [3, 4]], "YX").shape == (2, 2)


def test_an_attribute_that_does_not_exist_is_answered():
    image = Image.from_array(np.zeros((3, 4)), "YX")
    with pytest.raises(SettingsError, match=r"unknown option 'axis'\. Did you mean 'axes'"):
        image.replace(axis="XY")


def test_every_attribute_can_be_changed():
    assert set(ImageChanges.__annotations__) == {f.name for f in dataclasses.fields(Image)}


def test_a_tensor_is_an_image():
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).random((9, 8)).astype(np.float32)
    image = Image.from_array(torch.from_numpy(values), "YX")
    assert isinstance(image.data, np.ndarray)
    np.testing.assert_array_equal(image.data, values)
    np.testing.assert_array_equal(image.replace(data=torch.from_numpy(2 * values)).data, 2 * values)
    assert Image.from_array(torch.zeros((9, 8), dtype=torch.int16), "YX").dtype == np.int16
    for tensor, says in (
        (torch.zeros((9, 8), requires_grad=True), "detach"),
        (torch.zeros((9, 8), dtype=torch.bfloat16), "BFloat16"),
        (torch.zeros((9, 8), device="meta"), "Tensor.cpu"),
        (torch.zeros((9, 8), dtype=torch.bool), "got bool"),
        (torch.zeros((9, 8), dtype=torch.complex64), "got complex64"),
    ):
        with pytest.raises(DataTypeError, match=says):
            Image.from_array(tensor, "YX")


def test_other_things_become_arrays_or_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    assert Image.from_array([[1, 2], [3, 4]], "YX").shape == (2, 2)
    assert Image.from_array(sparse.csr_matrix(np.eye(5)), "YX").data[2, 2] == 1.0
    for ragged in ([[1, 2], [3]], [[None, 1], [2, 3]], [["a"]]):
        with pytest.raises(DataTypeError):
            Image.from_array(ragged, "YX")


def test_masked_pixels_have_no_value():
    values = np.ma.array(np.arange(12, dtype="f4").reshape(3, 4), mask=np.arange(12).reshape(3, 4) % 5 == 0)
    found = Image.from_array(values, "YX").data
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(np.isnan(found), values.mask)
    np.testing.assert_array_equal(found[~values.mask], values.compressed())
    assert not np.isnan(values.data).any(), "the array of the caller stays as it was"


def test_a_mask_that_would_be_lost_is_refused():
    values = np.ma.array(np.arange(12, dtype="u2").reshape(3, 4), mask=np.arange(12).reshape(3, 4) == 5)
    with pytest.raises(DataTypeError, match="1 pixels are masked"):
        Image.from_array(values, "YX")
    np.testing.assert_array_equal(Image.from_array(np.ma.array(values.data, mask=False), "YX").data, values.data)
    dask = pytest.importorskip("dask.array", reason="dask is an extra (distributed)")
    with pytest.raises(DataTypeError, match="lazy"):
        Image.from_array(dask.ma.masked_equal(dask.from_array(values.data), 5), "YX")
