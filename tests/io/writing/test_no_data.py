"""Values that mean "not measured", and labels, in files and in the coarser levels that viewers show."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
import zarr

from napari_superres import Image, degrade, read_image, write_image
from napari_superres.core.invalid import mean_of_measured
from napari_superres.io import ZarrTarget, read_pyramids
from napari_superres.io.tiff import write as tiff_write

PADDING = -2000


@pytest.fixture
def image() -> Image:
    values = np.full((64, 96), 500, "int16")
    values[:20], values[31, 41] = PADDING, PADDING
    return Image.from_array(values, "YX", pixel_size=0.5, unit="millimeter").replace(no_data=(PADDING, PADDING))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("longest", [96, 40_000])
def test_nifti_keeps_it(image: Image, suffix: str, longest: int, tmp_path: Path) -> None:
    """In NIfTI-1, and in NIfTI-2, which long axes need."""
    wide = np.resize(image.data, (4, longest))
    write_image(image.replace(data=wide, no_data=(PADDING, -1990)), tmp_path / f"a{suffix}")
    (tmp_path / f"a{suffix}.provenance.json").unlink(missing_ok=True)
    again = read_image(tmp_path / f"a{suffix}")
    assert again.no_data == (PADDING, -1990)
    np.testing.assert_array_equal(np.squeeze(again.data), wide)
    other = nibabel.load(tmp_path / f"a{suffix}")
    assert bytes(other.header["descrip"]).startswith(b"napari_superres no_data -2000")
    np.testing.assert_array_equal(np.squeeze(np.asarray(other.dataobj)).T, wide)


def test_descriptions_of_other_programs_mean_nothing(image: Image, tmp_path: Path) -> None:
    stored = nibabel.Nifti1Image(np.asarray(image.data)[..., None], np.eye(4))
    for text in (b"FSL5.0", b"napari_superres", b"napari_superres no_data x y", b"no_data 1 2", b"\xff" * 80):
        stored.header["descrip"] = text
        nibabel.save(stored, tmp_path / "a.nii")
        assert read_image(tmp_path / "a.nii").no_data is None


def test_it_is_in_no_mean_of_a_coarse_level(image: Image, tmp_path: Path, small_cuts: None) -> None:
    write_image(image, tmp_path / "a.ome.zarr")
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
    assert len(list(group.arrays())) > 2
    for name, array in group.arrays():
        values = set(np.unique(array[...]).tolist())
        assert values == {PADDING, 500}, name
        # Half a coarse pixel is no reason to call it unmeasured.
        assert (array[20 // 2 ** int(name)] == 500).all() or name in ("0",)
    ((_, levels),) = read_pyramids(tmp_path / "a.ome.zarr")
    assert {level.no_data for level in levels} == {(PADDING, PADDING)}


def test_another_process_knows_it(image: Image, tmp_path: Path, small_cuts: None) -> None:
    boxes = ZarrTarget.create(tmp_path / "a", image).boxes()
    for box in boxes:
        ZarrTarget.open(tmp_path / "a", "YX").store(box, np.asarray(image.data[box]))
    ZarrTarget.open(tmp_path / "a", "YX").finish(image)
    assert set(np.unique(zarr.open_array(tmp_path / "a/1", mode="r")[...]).tolist()) == {PADDING, 500}


def test_coarse_levels_of_tiff_are_of_what_was_measured(image: Image, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(tiff_write, "_PYRAMID_ABOVE", 32)
    monkeypatch.setattr(tiff_write, "_TILE", 16)
    write_image(image, tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        levels = [level.asarray() for level in file.series[0].levels]
    assert len(levels) > 1
    assert all(set(np.unique(level).tolist()) == {PADDING, 500} for level in levels)


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_coarse_labels_are_labels_of_the_image(suffix: str, tmp_path: Path, monkeypatch: Any, small_cuts: None) -> None:
    monkeypatch.setattr(tiff_write, "_PYRAMID_ABOVE", 32)
    monkeypatch.setattr(tiff_write, "_TILE", 16)
    labels = np.repeat([[0, 0, 9, 9, 9, 4]], 64, 0).repeat(13, 1).astype("uint16")
    write_image(Image.from_array(labels, "YX", pixel_size=1, metadata={"labels": True}), tmp_path / f"a{suffix}")
    ((_, levels),) = read_pyramids(tmp_path / f"a{suffix}")
    assert len(levels) > 1
    for level in levels:
        assert {0, 9} <= set(np.unique(np.asarray(level.data[...])).tolist()) <= {0, 4, 9}


def test_means_are_of_measured_values() -> None:
    def total(values: Any) -> Any:
        return values.reshape(2, 2).sum(axis=1)

    assert mean_of_measured(np.array([1.0, np.nan, np.inf, np.nan]), total, 2).tolist()[:1] == [1.0]
    assert np.isnan(mean_of_measured(np.array([1.0, np.nan, np.inf, np.nan]), total, 2)[1])
    assert mean_of_measured(np.array([1, 2, 9, 8], "uint8"), total, 2, (8, 9)).tolist() == [1.5, 8]


@pytest.mark.parametrize("kernel", ["bicubic", "gaussian"])
def test_a_degraded_image_has_it_where_a_pixel_covers_it(image: Image, kernel: Any) -> None:
    low = degrade(image, 2, kernel=kernel, psf_sigma=1.0 if kernel == "gaussian" else None)
    assert low.no_data == image.no_data
    lost = np.asarray(low.data) == PADDING
    np.testing.assert_array_equal(lost, (image.data == PADDING).reshape(32, 2, 48, 2).any(axis=(1, 3)))
    # The padding rings and blurs into nothing.
    assert set(np.asarray(low.data)[~lost].tolist()) == {500}


def test_noise_and_compression_leave_it(image: Image) -> None:
    bright = image.replace(data=np.where(image.data == PADDING, 255, 100).astype("uint8"), no_data=(255, 255))
    low = degrade(bright, 2, photons=50, jpeg=60)
    lost = (bright.data == 255).reshape(32, 2, 48, 2).any(axis=(1, 3))
    assert (np.asarray(low.data)[lost] == 255).all()
    assert abs(float(np.asarray(low.data)[~lost].mean()) - 100) < 5
