"""Missing, empty, cut off and random files of every format raise an error of one line, and print nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as Pillow

from napari_superres.core.image import Image
from napari_superres.errors import AxesError, DataTypeError, MissingExtraError, SuperResError, UnreadableImageError
from napari_superres.io import READ_SUFFIXES, describe, label, read_image, read_series
from napari_superres.io import series as reading_module

FILES = [s for s in READ_SUFFIXES if "zarr" not in s]
MICROSCOPES = {".czi": "bioio_czi", ".nd2": "bioio_nd2", ".lif": "bioio_lif"}
NO_MRC = [s for s in FILES if s not in (".mrc", ".rec")]


def one_line(path: Path, capfd: pytest.CaptureFixture[str], expected: str = ".") -> None:
    """Check that every reading function raises an error of one line, and prints nothing."""
    for read in (read_image, read_series, describe):
        with pytest.raises(UnreadableImageError, match=expected) as error:
            read(path)
        message = str(error.value)
        assert "\n" not in message
        assert len(message) < 400
        assert label(path) in message
    seen = capfd.readouterr()
    assert (seen.out, seen.err) == ("", "")


@pytest.mark.parametrize("ending", READ_SUFFIXES)
def test_missing(ending: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    one_line(tmp_path / f"a{ending}", capfd, "does not exist")


@pytest.mark.parametrize("ending", FILES)
def test_empty(ending: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / f"a{ending}").touch()
    one_line(tmp_path / f"a{ending}", capfd, r"empty \(0 bytes\)")


MAGIC = {
    "tif": b"II*\0",
    "png": b"\x89PNG\r\n\x1a\n",
    "jpg": b"\xff\xd8\xff\xe0",
    "bmp": b"BM",
    "nii": b"\x5c\x01\0\0",
    "gz": b"\x1f\x8b\x08",
    "nrrd": b"NRRD0004\n",
    "mha": b"ObjectType = Image\nNDims = 3\n",
    "dcm": b"\0" * 128 + b"DICM",
}


@pytest.mark.parametrize("ending", NO_MRC)
@pytest.mark.parametrize("size", [1, 40, 3000])
@pytest.mark.parametrize("magic", [False, True])
def test_garbage(ending: str, size: int, magic: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if ending in MICROSCOPES:
        pytest.importorskip(MICROSCOPES[ending], reason="microscopes' formats need the extra formats")
    start = MAGIC.get(ending.rpartition(".")[2].replace("tiff", "tif").replace("jpeg", "jpg"), b"") if magic else b""
    for seed in range(3):
        path = tmp_path / f"a{seed}{ending}"
        path.write_bytes(start + np.random.default_rng(seed).bytes(size))
        one_line(path, capfd)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_off_pictures(ending: str, share: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype("uint8")
    path = tmp_path / f"a{ending}"
    Pillow.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    one_line(path, capfd)


def test_a_damaged_strip_is_an_error_when_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, (64, 64)).astype("uint8"), compression="zlib")
    with tifffile.TiffFile(path) as file:
        start, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    raw = bytearray(path.read_bytes())
    raw[start : start + count] = b"\xff" * count
    path.write_bytes(raw)
    image = read_image(path)
    with pytest.raises(UnreadableImageError, match=r"a\.tif"):
        np.asarray(image.data)


def test_unknown_kinds_list_the_known(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"x" * 200)
    with pytest.raises(UnreadableImageError, match=r"'\.docx'.*\.ome\.tif.*\.dcm.*\.png"):
        read_image(tmp_path / "a.docx")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnreadableImageError, match="is a folder, but neither an OME-Zarr nor one of DICOM files"):
        read_image(tmp_path / "folder")
    (tmp_path / "a.zarr").write_bytes(b"x")
    with pytest.raises(UnreadableImageError, match="must be a folder"):
        read_image(tmp_path / "a.zarr")


def test_data_that_are_no_image(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((8, 9), "complex64"))
    zarr.create_array(str(tmp_path / "b.zarr"), data=np.zeros((8, 9), bool))
    for name in ("c.tif", "b.zarr"):
        with pytest.raises(DataTypeError, match="integers or real"):
            read_image(tmp_path / name)
    zarr.create_array(str(tmp_path / "one.zarr"), data=np.zeros(8, "uint8"))
    zarr.create_array(str(tmp_path / "none.zarr"), shape=(0, 8), dtype="uint8", chunks=(1, 8))
    for name in ("one.zarr", "none.zarr"):
        with pytest.raises(AxesError):
            read_image(tmp_path / name)


def test_a_missing_library_names_the_command(
    make_image: Callable[..., Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mrc").write_bytes(b"x" * 2000)

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(reading_module, "import_module", missing)
    with pytest.raises(MissingExtraError, match="pip install mrcfile"):
        read_image(tmp_path / "a.mrc")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9), "uint8"))

    def denied(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", os.fspath(tmp_path / "a.tif"))

    monkeypatch.setattr(tifffile, "TiffFile", denied)
    with pytest.raises(UnreadableImageError, match="permission denied"):
        read_image(tmp_path / "a.tif")


def test_every_error_has_the_one_root() -> None:
    assert issubclass(UnreadableImageError, SuperResError)
