"""What a file leaves open, or what no image can have, is said in words that name the file and mean something."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mrcfile
import nibabel
import numpy as np
import pytest
import tifffile
import zarr

from napari_superres import read_image
from napari_superres.errors import AxesError, DataTypeError, GridError, SuperResError, SuperResWarning
from napari_superres.io import describe, read_pyramids, read_series

COMPLEX = np.ones((3, 20, 30), "complex64")


def write_tiff(path: Path) -> None:
    tifffile.imwrite(path, COMPLEX, photometric="minisblack")


def write_nifti(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(COMPLEX, np.eye(4)), path)


def write_zarr(path: Path) -> None:
    zarr.save(str(path), COMPLEX)


@pytest.mark.parametrize(
    ("name", "write", "label"),
    [("a.tif", write_tiff, r"a\.tif"), ("a.nii", write_nifti, r"nifti-\w+"), ("a.zarr", write_zarr, r"a\.zarr")],
)
@pytest.mark.parametrize("read", [read_image, read_series, describe, read_pyramids])
def test_complex_numbers_are_refused_with_the_name(
    name: str, write: Callable[[Path], None], label: str, read: Callable[[Path], Any], tmp_path: Path
) -> None:
    write(tmp_path / name)
    with pytest.raises(DataTypeError, match=rf"{label}: an image must hold .* got complex64"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "kind"), [({"axes": "TZYX"}, AxesError), ({"pixel_size": (1, 2, 3, 4, 5)}, GridError)]
)
def test_settings_that_do_not_fit_name_the_file_once(options: dict[str, Any], kind: type, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((20, 30), "uint8"))
    with pytest.raises(kind) as error:
        read_image(tmp_path / "a.tif", **options)
    assert str(error.value).count("a.tif") == 1


def test_an_axis_without_a_meaning_is_named(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("0", data=np.ones((3, 20, 30), "uint8"))
    axes = [{"name": "q"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    scale = [{"type": "scale", "scale": [1, 1, 1]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    with pytest.raises(AxesError, match=r"a\.zarr: its axes must be t, c, z, y and x, .* one is 'q'.* 3 letters"):
        read_image(tmp_path / "a.zarr")
    assert read_image(tmp_path / "a.zarr", axes="TYX").axes == "TYX"


def test_six_axes_of_a_tiff_are_counted(tmp_path: Path) -> None:
    data = np.ones((2, 2, 3, 4, 20, 30), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack")
    with pytest.raises(AxesError, match=r"a\.tif: .* this one has 6 and no colour samples: 2 x 2 x 3 x 4 x 20 x 30"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_the_value_of_gdal_counts_only_where_pixels_can_have_it(dtype: str, tmp_path: Path) -> None:
    data = np.arange(600).reshape(20, 30).astype(dtype)
    if dtype != "uint16":
        data[3, 4] = -9999
    tifffile.imwrite(tmp_path / "a.tif", data, extratags=[(42113, 2, 0, "-9999", True)])
    image = read_image(tmp_path / "a.tif")
    assert image.no_data == ((-9999, -9999) if dtype == "int16" else None)
    # Of floating-point numbers, those that were not measured are NaN everywhere.
    expected = np.where(data == -9999, np.nan, data) if dtype == "float32" else data
    np.testing.assert_array_equal(np.asarray(image.data), expected)
    assert image.dtype == dtype


@pytest.mark.parametrize(("dots", "is_doubtful"), [(300, True), (600, True), (254, False), (2540, False)])
def test_dots_of_printing_are_doubted(dots: int, is_doubtful: bool, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((20, 30), "uint8"), resolution=(dots, dots), resolutionunit="INCH")
    if is_doubtful:
        with pytest.warns(SuperResWarning, match=rf"{25400 / dots:.4g} micrometer is stated as {dots} dots per inch"):
            image = read_image(tmp_path / "a.tif")
    else:
        image = read_image(tmp_path / "a.tif")
    np.testing.assert_allclose(image.pixel_size, 25400 / dots)
    assert bool(describe(tmp_path / "a.tif")[0]["notes"]) == is_doubtful


@pytest.mark.parametrize(("order", "is_doubtful"), [((1, 1, 3), True), ((0, 0, 0), False), ((1, 2, 3), False)])
def test_an_order_of_axes_that_is_none_is_a_guess(order: tuple[int, ...], is_doubtful: bool, tmp_path: Path) -> None:
    data = np.arange(3 * 20 * 30, dtype="float32").reshape(3, 20, 30)
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(data)
        file.voxel_size = 2
        file.header.mapc, file.header.mapr, file.header.maps = order
    (row,) = describe(tmp_path / "a.mrc")
    assert (row["axes"], row["axes_guessed"], len(row["notes"])) == ("ZYX", is_doubtful, int(is_doubtful))
    assert not is_doubtful or "stated as 1, 1, 3" in row["notes"][0]


def test_no_message_holds_a_question_mark_for_an_axis(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((2, 3, 20, 30), "uint8"), photometric="minisblack")
    for axes in ("QZYX", "??YX", "ZZYX"):
        with pytest.raises(SuperResError) as error:
            read_image(tmp_path / "a.tif", axes=axes)
        assert "a.tif" in str(error.value)
