"""NIfTI is read as nibabel reads it: values, types, axes, units and time."""

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from napari_superres.errors import DataTypeError, UnreadableImageError
from napari_superres.io import read_image, write_image

RNG = np.random.default_rng(0)
AFFINE = np.array([[-2.0, 0, 0, 30], [0, 0, 3, -20], [0, 2.5, 0, -10], [0, 0, 0, 1]])


def save(path: Path, data: Any, units: tuple[str, str] = ("mm", "sec"), **header: Any) -> Path:
    image = nibabel.Nifti1Image(data, AFFINE, dtype=data.dtype)
    image.header.set_xyzt_units(*units)
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def integers(*shape: int, dtype: str = "int16") -> Any:
    return RNG.integers(0, 100, shape).astype(dtype)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "f4", "f8"]
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_types_and_byte_orders(dtype: str, order: str, tmp_path: Path) -> None:
    data = integers(4, 5, 6, dtype=dtype)
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(dtype)
    nibabel.save(nibabel.Nifti1Image(data, AFFINE, header), tmp_path / "a.nii.gz")
    image = read_image(tmp_path / "a.nii.gz")
    assert image.dtype == np.dtype(dtype)
    assert image.data.dtype.isnative
    np.testing.assert_array_equal(image.data.T, data)


def test_values_that_are_no_numbers_stay(tmp_path: Path) -> None:
    data = RNG.random((4, 5, 6)).astype(np.float32)
    data[1, 2, 3], data[0], data[2, 2, 2] = np.inf, np.nan, -np.inf
    image = read_image(save(tmp_path / "a.nii", data))
    np.testing.assert_array_equal(image.data.T, data)
    found = nibabel.load(write_image(image, tmp_path / "b.nii.gz"))
    np.testing.assert_array_equal(np.asarray(found.dataobj), data)


@pytest.mark.parametrize(
    ("slope", "intercept"), [(0.5, -1024.0), (2.0, 0.0), (1.0, 3.5), (0.0, 7.0), (np.nan, np.nan), (1.0, 0.0)]
)
@pytest.mark.parametrize("dtype", ["int16", "int32", "f4"])
def test_slope_and_intercept(slope: float, intercept: float, dtype: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", integers(4, 5, 6, dtype=dtype), scl_slope=slope, scl_inter=intercept)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([slope, intercept], "<f4").tobytes()  # nibabel writes its own
    path.write_bytes(raw)
    np.testing.assert_allclose(read_image(path).data.T, np.asarray(nibabel.load(path).dataobj), rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 6), "YX"),
        ((5, 6, 1), "ZYX"),
        ((5, 6, 4), "ZYX"),
        ((5, 6, 4, 3), "TZYX"),
        ((5, 6, 4, 3, 2), "TCZYX"),
        ((5, 6, 4, 1, 2), "CZYX"),
        ((5, 6, 4, 1, 1, 3), "CZYX"),
        ((5, 6, 4, 2, 1, 1, 3), "TCZYX"),
    ],
)
def test_axes(shape: tuple[int, ...], axes: str, tmp_path: Path) -> None:
    data = integers(*shape)
    path = tmp_path / "a.nii"
    nibabel.save(nibabel.Nifti1Image(data, np.diag([2, 3, 4, 1])), path)
    image = read_image(path)
    assert image.axes == axes
    values = np.squeeze(data.T)
    values = values.swapaxes(0, 1) if axes == "TCZYX" else values
    np.testing.assert_array_equal(np.squeeze(image.data), values)


def test_a_plane_that_does_not_lie_across_z_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(integers(5, 6), AFFINE), tmp_path / "a.nii")
    assert read_image(tmp_path / "a.nii").axes == "ZYX"


@pytest.mark.parametrize(("unit", "name"), [("micron", "micrometer"), ("mm", "millimeter"), ("meter", "meter")])
@pytest.mark.parametrize(("time", "long"), [("sec", "second"), ("msec", "millisecond"), ("usec", "microsecond")])
def test_units_stay_those_of_the_file(unit: str, name: str, time: str, long: str, tmp_path: Path) -> None:
    data = integers(4, 5, 6, 3)
    path = save(tmp_path / "a.nii", data, (unit, time), pixdim=[1, 2, 2.5, 3, 1500, 1, 1, 1])
    image = read_image(path)
    assert (image.units["X"], image.units["T"], image.metadata["time_step"]) == (name, long, 1500.0)
    np.testing.assert_allclose(image.pixel_size, (3.0, 2.5, 2.0))
    found = nibabel.load(write_image(image, tmp_path / "b.nii"))
    assert found.header.get_xyzt_units() == (unit, time)
    np.testing.assert_allclose(found.header.get_zooms(), (2, 2.5, 3, 1500))
    np.testing.assert_allclose(found.affine, AFFINE)


def test_a_fourth_axis_in_hertz_is_not_time(tmp_path: Path) -> None:
    assert read_image(save(tmp_path / "a.nii", integers(4, 5, 6, 3), ("mm", "hz"))).axes == "CZYX"


@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6), (4, 5, 6, 2)])
def test_colours_are_read_and_written(samples: int, shape: tuple[int, ...], tmp_path: Path) -> None:
    colours = integers(*shape, samples, dtype="uint8")
    data = colours.view([(letter, "u1") for letter in "RGBA"[:samples]])[..., 0]
    nibabel.save(nibabel.Nifti1Image(data, np.diag([2, 3, 4, 1])), tmp_path / "a.nii")
    image = read_image(tmp_path / "a.nii")
    assert image.axes == "TZYX"[-len(shape) :] + "S"
    expected = np.moveaxis(colours.T, 0, -1)
    np.testing.assert_array_equal(image.data, expected)
    found = nibabel.load(write_image(image, tmp_path / "b.nii.gz"))
    np.testing.assert_array_equal(np.asarray(found.dataobj), data)
    assert found.header.get_data_dtype() == data.dtype


def refuse(path: Path, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason) as error:
        read_image(path)
    assert "damaged" not in str(error.value)


def test_what_is_no_image_is_refused_by_its_name(tmp_path: Path) -> None:
    refuse(save(tmp_path / "a.dscalar.nii", integers(1, 1, 1, 1, 5, 90), intent_code=3006), "is a CIFTI-2 file")
    refuse(save(tmp_path / "b.nii", integers(5, 6, 4, 2, 2, 2)), r"at most one axis after time, but is 5 x 6 x 4 x 2")
    refuse(save(tmp_path / "c.nii", integers(9)), "one row of 9 values")
    nibabel.save(nibabel.Nifti1Pair(integers(4, 5, 6), AFFINE), tmp_path / "d.hdr")
    (tmp_path / "d.hdr").rename(tmp_path / "d.nii")
    refuse(tmp_path / "d.nii", "header of a pair of files")
    nibabel.save(nibabel.AnalyzeImage(integers(4, 5, 6), AFFINE), tmp_path / "e.img")
    (tmp_path / "e.hdr").rename(tmp_path / "e.nii")
    refuse(tmp_path / "e.nii", "ANALYZE 7.5")
    raw = bytearray(save(tmp_path / "f.nii", integers(4, 5, 6)).read_bytes())
    raw[70:74] = b"\1\0\1\0"  # pixels of one bit
    (tmp_path / "f.nii").write_bytes(raw)
    refuse(tmp_path / "f.nii", "the code 1, which is neither")
    with pytest.raises(DataTypeError, match="complex64"):
        read_image(save(tmp_path / "g.nii", integers(4, 5, 6, dtype="c8")))


def test_a_file_is_zipped_if_its_content_is_and_damage_of_the_end_is_found(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", integers(4, 5, 6))
    packed = bytearray(gzip.compress(path.read_bytes()))
    path.write_bytes(packed)
    assert read_image(path).shape == (6, 5, 4)
    packed[-6] ^= 0xFF  # in the checksum
    path.write_bytes(packed)
    with pytest.raises(UnreadableImageError, match="damaged"):
        read_image(path)


def test_a_long_axis_needs_nifti_2(tmp_path: Path) -> None:
    from napari_superres.core.image import Image

    image = Image.from_array(np.zeros((2, 40_000), np.uint8), "YX", pixel_size=1.0, unit="millimeter")
    found = nibabel.load(write_image(image, tmp_path / "a.nii.gz"))
    assert isinstance(found, nibabel.Nifti2Image)
    assert read_image(tmp_path / "a.nii.gz").shape == (2, 40_000)
