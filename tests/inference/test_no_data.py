"""Whole numbers that mean "not measured": out of the fit, unseen by networks, exact in the result and in its file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from helpers.prepared import slice_file

from napari_superres import Image, evaluate, read_image, upscale, upscale_file, write_image
from napari_superres.core.intensity import fit_normalisation
from napari_superres.core.invalid import fill, find_missing

PADDING = -3024


@pytest.fixture
def image() -> Image:
    """A round field, as that of a CT, with padding around it and one lost pixel within."""
    values = np.random.default_rng(0).normal(40, 10, (48, 56)).round().astype("int16")
    y, x = np.indices(values.shape)
    values[(y - 24) ** 2 + (x - 28) ** 2 > 20**2] = PADDING
    values[20, 30] = PADDING
    return Image.from_array(values, "YX", pixel_size=0.5, unit="millimeter").replace(no_data=(PADDING, PADDING))


def test_it_is_found_and_filled_from_its_neighbours() -> None:
    values = np.array([[1, 3, 9, 3, 1]], "uint8")
    assert find_missing(values) is None
    assert find_missing(values, (9, 10)).tolist() == [[False, False, True, False, False]]
    assert fill(values, 0.0, (9, 10)).tolist() == [[1, 3, 2, 3, 1]]
    assert find_missing(values.astype("float32"), (9, 9)) is None  # floating-point data have NaN


def test_it_is_not_in_the_fit(image: Image) -> None:
    assert min(fit_normalisation(image, "percentile").low) > -10
    assert min(fit_normalisation(image.replace(no_data=None), "percentile").low) == PADDING


@pytest.mark.parametrize("model", ["lanczos-x2", "ct-x2"])
def test_it_is_exact_in_the_result_and_unseen_by_the_network(image: Image, model: str) -> None:
    result = upscale(image, model, device="cpu")
    coarse = image.data == PADDING
    fine = coarse.repeat(2, 0).repeat(2, 1)
    assert result.no_data == (PADDING, PADDING)
    assert (np.asarray(result.data)[fine] == PADDING).all()
    # Ringing from padding of -3024 would reach hundreds.
    assert np.abs(np.asarray(result.data)[~fine] - 40.0).max() < 80
    assert result.metadata["provenance"]["counts"]["non_finite"] == coarse.sum()
    other = image.replace(data=np.where(coarse, -9999, image.data).astype("int16"), no_data=(-9999, -9000))
    again = np.asarray(upscale(other, model, device="cpu").data)
    np.testing.assert_array_equal(again[~fine], np.asarray(result.data)[~fine])


def test_tiles_never_show(image: Image) -> None:
    whole = upscale(image, "ct-x2", device="cpu")
    tiled = upscale(image, "ct-x2", device="cpu", tile=80)
    np.testing.assert_allclose(np.asarray(tiled.data, float), np.asarray(whole.data, float), atol=1)


@pytest.mark.parametrize("suffix", [".ome.tif", ".tif", ".ome.zarr", ".nrrd", ".mha"])
def test_it_is_kept_in_files(image: Image, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(image, path)
    assert read_image(path).no_data == (PADDING, PADDING)
    assert read_image(path).dtype == np.int16


def test_the_record_of_a_nifti_keeps_it(tmp_path: Path) -> None:
    """NIfTI has no field for it."""
    pixels = np.full((6, 5), 100, "uint16")
    pixels[0] = 4000
    source = slice_file(tmp_path / "a.dcm", SliceThickness=2, PixelPaddingValue=4000, PixelData=pixels.tobytes())
    assert read_image(source).no_data == (4000 - 1024, 4000 - 1024)
    upscale_file(source, tmp_path / "b.nii.gz", model="bicubic-x2")
    result = read_image(tmp_path / "b.nii.gz")
    assert result.no_data == (4000 - 1024, 4000 - 1024)
    assert (np.asarray(result.data)[0, :2] == 4000 - 1024).all()


def test_other_programs_read_and_write_it(image: Image, tmp_path: Path) -> None:
    write_image(image, tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        assert float(file.pages[0].nodata) == PADDING
    tags: Any = [(42113, 2, 0, "255", True)]
    tifffile.imwrite(tmp_path / "b.tif", np.full((5, 6), 255, "uint8"), extratags=tags)
    assert read_image(tmp_path / "b.tif").no_data == (255, 255)


@pytest.mark.filterwarnings("ignore:1432 pixels are NaN")
def test_scores_leave_it_out(image: Image) -> None:
    reference = upscale(image, "bicubic-x2")
    other = np.where(reference.data == PADDING, 0, reference.data + 1).astype("int16")
    report = evaluate(reference.replace(data=other, no_data=(0, 0)), reference, lr=image)
    assert report.rows[0]["mae"] == pytest.approx(1.0)
