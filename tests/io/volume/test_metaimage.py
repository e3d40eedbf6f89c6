"""MetaImage: units of length, names in capitals, and numbers in words."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from napari_superres.core.image import Image
from napari_superres.errors import UnreadableImageError
from napari_superres.io import read_image, write_image

HEADER = (
    "ObjectType = Image\nNDims = 2\nBinaryData = {}\nElementSpacing = 2 2.5\n{}DimSize = 3 2\nElementType = MET_SHORT\n"
)


@pytest.mark.parametrize("ending", [".MHA", ".mha", ".NRRD", ".NII", ".NII.GZ", ".Nii.Gz"])
def test_capitals_are_written_and_read(ending: str, volume: Image, tmp_path: Path) -> None:
    path = write_image(volume, tmp_path / f"A{ending}")
    assert [p.name for p in tmp_path.iterdir()] == [f"A{ending}"]
    image = read_image(path)
    np.testing.assert_array_equal(image.data, volume.data)
    np.testing.assert_allclose(image.affine, volume.affine, atol=1e-5)


def test_a_detached_header_in_capitals(volume: Image, tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(volume.data), tmp_path / "a.mhd")
    (tmp_path / "a.mhd").rename(tmp_path / "A.MHD")
    np.testing.assert_array_equal(read_image(tmp_path / "A.MHD").data, volume.data)


@pytest.mark.parametrize(
    ("text", "unit"), [("", "millimeter"), ("um", "micrometer"), ("mm", "millimeter"), ("?", "millimeter")]
)
def test_units(text: str, unit: str, tmp_path: Path) -> None:
    header = HEADER.format("True", f"DistanceUnits = {text}\n" if text else "")
    (tmp_path / "a.mha").write_bytes(
        header.encode() + b"ElementDataFile = LOCAL\n" + np.arange(6, dtype="<i2").tobytes()
    )
    image = read_image(tmp_path / "a.mha")
    assert (image.units["X"], image.pixel_size) == (unit, (2.5, 2.0))


def test_numbers_in_words(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    path.write_text(HEADER.format("False", "") + "ElementDataFile = LOCAL\n0 1 2 3 4 5\n")
    np.testing.assert_array_equal(read_image(path).data, np.arange(6).reshape(2, 3))
    path.write_text(path.read_text()[:-1])
    with pytest.raises(UnreadableImageError, match="end its last number with a line break"):
        read_image(path)
