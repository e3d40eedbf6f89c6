"""NIfTI, NRRD and MetaImage agree with nibabel, and files that SimpleITK misreads raise an error."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from napari_superres.core.image import Image
from napari_superres.errors import UnreadableImageError
from napari_superres.io import label, read_image, write_image


def to_ras(affine: np.ndarray) -> np.ndarray:
    """Return the matrix in nibabel's convention: X first, right-anterior-superior."""
    turned = np.eye(4)
    turned[:3, :3], turned[:3, 3] = affine[:3, :3][::-1, ::-1], affine[:3, 3][::-1]
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ turned


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_nibabel_agrees(volume: Image, ending: str, tmp_path: Path) -> None:
    seen = nibabel.load(write_image(volume, tmp_path / f"a{ending}"))
    np.testing.assert_allclose(seen.affine, to_ras(volume.affine), atol=1e-5)
    np.testing.assert_array_equal(np.asarray(seen.dataobj).T, volume.data)
    assert seen.header.get_xyzt_units()[0] == "mm"


def test_we_agree_with_nibabel(volume: Image, tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(volume.data.T, to_ras(volume.affine)), tmp_path / "a.nii.gz")
    image = read_image(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(image.affine, volume.affine, atol=1e-5)
    assert image.axes == "ZYX"
    assert image.space == "LPS"
    series = np.zeros((4, 5, 6, 7), "float32")
    stored = nibabel.Nifti1Image(series, np.diag([2, 3, 4, 1]))
    stored.header.set_xyzt_units("mm", "sec")
    stored.header.set_zooms((2, 3, 4, 2.5))
    nibabel.save(stored, tmp_path / "t.nii.gz")
    image = read_image(tmp_path / "t.nii.gz")
    assert (image.axes, image.shape, image.pixel_size) == ("TZYX", (7, 6, 5, 4), (4.0, 3.0, 2.0))
    assert (image.metadata["time_step"], image.units["T"]) == (2.5, "second")


def test_the_file_asked_for_is_read_not_its_neighbour(make_image: Callable[..., Image], tmp_path: Path) -> None:
    one, two = make_image("ZYX", unit="millimeter"), make_image("ZYX", unit="millimeter")
    two = two.replace(data=two.data + 1)
    write_image(one, tmp_path / "a.nii")
    write_image(two, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_image(tmp_path / "a.nii").data, one.data)
    np.testing.assert_array_equal(read_image(tmp_path / "a.nii.gz").data, two.data)


def test_unknown_and_other_units(tmp_path: Path) -> None:
    (tmp_path / "u.nrrd").write_bytes(
        b"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 3 2\nencoding: raw\n\n" + bytes(range(6))
    )
    image = read_image(tmp_path / "u.nrrd")
    assert not image.has_pixel_size
    assert image.space is None
    (tmp_path / "m.nrrd").write_bytes(
        b"NRRD0004\ntype: uint8\ndimension: 2\nspace dimension: 2\nsizes: 3 2\nspace directions: (2,0) (0,3)\n"
        b'space units: "um" "um"\nencoding: raw\n\n' + bytes(range(6))
    )
    image = read_image(tmp_path / "m.nrrd")
    assert image.units["X"] == "micrometer"
    assert image.pixel_size == (3.0, 2.0)


def test_components_are_colour_or_channels(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5, 3), "uint8"), isVector=True), tmp_path / "c.mha")
    assert read_image(tmp_path / "c.mha").axes == "YXS"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5, 6, 2), "float32"), isVector=True), tmp_path / "v.nrrd")
    image = read_image(tmp_path / "v.nrrd")
    assert (image.axes, image.shape) == ("CZYX", (2, 4, 5, 6))


def test_the_record_is_inside_nrrd(volume: Image, tmp_path: Path) -> None:
    record = {"model": "x", "text": "é"}
    for ending in (".nrrd", ".mha"):
        path = write_image(volume.replace(metadata={"provenance": record}), tmp_path / f"a{ending}", overwrite=True)
        assert json.loads(sitk.ReadImage(path).GetMetaData("napari_superres"))["provenance"] == record
    long = volume.replace(metadata={"provenance": {"text": "x" * 50_000}})
    assert read_image(write_image(long, tmp_path / "b.mha")).shape == volume.shape


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.98])
def test_a_cut_off_volume_is_an_error(
    ending: str, packed: bool, share: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    noise: Any = np.random.default_rng(0).integers(0, 2**15, (9, 30, 31)).astype("int16")
    path = tmp_path / f"whole{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(noise), path, useCompression=packed)
    target = path
    if ending == ".mhd":
        target = next(p for p in tmp_path.iterdir() if p != path)
    whole = target.read_bytes()
    target.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UnreadableImageError, match=label(path)):
        read_image(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_damaged_compressed_pixels(
    ending: str, make_image: Callable[..., Image], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_image(make_image("ZYX", unit="millimeter", sizes={"Y": 40, "X": 40}), tmp_path / f"a{ending}")
    raw = bytearray(path.read_bytes())
    raw[-len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(UnreadableImageError, match="damaged"):
        read_image(path)
    assert capfd.readouterr().err == ""


def test_concatenated_gzip_is_whole(volume: Image, tmp_path: Path) -> None:
    write_image(volume, tmp_path / "a.nii")
    raw = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(raw[:700]) + gzip.compress(raw[700:]))
    np.testing.assert_array_equal(read_image(tmp_path / "b.nii.gz").data, volume.data)
