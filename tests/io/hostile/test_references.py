"""Data that a header names stay inside its folder, unless the user trusts the file; pipes and devices are refused."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_superres.core.image import Image
from napari_superres.errors import UnreadableImageError
from napari_superres.io import describe, file_digest, find_images, read_image, write_image

SECRET = bytes(range(64))
OUTSIDE = "must name data in its own folder, but names .*set `trust`"
needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


def nrrd(line: str) -> str:
    return f"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 8 8\nencoding: raw\n{line}\n"


def meta(line: str) -> str:
    return f"ObjectType = Image\nNDims = 2\nBinaryData = True\nDimSize = 8 8\nElementType = MET_UCHAR\n{line}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of images next to a file that is none of their business."""
    (tmp_path / "secret.raw").write_bytes(SECRET)
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "link.raw").symlink_to(tmp_path / "secret.raw")
    (folder / "inside.raw").write_bytes(SECRET)
    return folder


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.nhdr", nrrd("data file: {}")),
        ("a.nrrd", nrrd("datafile: {}")),
        ("a.nhdr", nrrd("data file: LIST 2\n{}")),
        ("a.mhd", meta("ElementDataFile = {}")),
        ("a.mhd", meta("ElementDataFile = LIST" + "\n{0}" * 8)),
        ("a.mha", meta("ElementDataFile : {}")),
    ],
)
def test_a_volume_names_data_in_its_folder(name: str, text: str, folder: Path) -> None:
    path = folder / name
    expected = SECRET[:8] * 8 if "LIST\n" in text else SECRET
    for reference in (str(folder.parent / "secret.raw"), "../secret.raw", "link.raw"):
        path.write_text(text.format(reference), encoding="utf-8")
        for read in (read_image, describe):
            with pytest.raises(UnreadableImageError, match=OUTSIDE):
                read(path)
        assert np.asarray(read_image(path, trust=True).data).tobytes() == expected
    path.write_text(text.format("inside.raw"), encoding="utf-8")
    assert np.asarray(read_image(path).data).tobytes() == expected
    path.write_text(text.format("none.raw"), encoding="utf-8")
    with pytest.raises(UnreadableImageError, match="a file that it names is missing"):
        read_image(path)


@pytest.mark.parametrize("pattern", ["%d", "%02d"])
def test_a_pattern_names_data_in_its_folder(pattern: str, folder: Path) -> None:
    for number in (3, 4):
        (folder / f"s{pattern % number}.raw").write_bytes(SECRET)
        (folder.parent / f"s{pattern % number}.raw").write_bytes(SECRET)
    head = nrrd(f"data file: s{pattern}.raw 3 4 1").replace("dimension: 2", "dimension: 3").replace("8 8", "8 8 2")
    (folder / "a.nhdr").write_text(head, encoding="utf-8")
    assert np.asarray(read_image(folder / "a.nhdr").data).tobytes() == SECRET * 2
    (folder / "a.nhdr").write_text(head.replace(": s", ": ../s"), encoding="utf-8")
    with pytest.raises(UnreadableImageError, match=OUTSIDE):
        read_image(folder / "a.nhdr")
    (folder / "b.mhd").write_text(meta("ElementDataFile = LIST\ninside.raw"), encoding="utf-8")
    with pytest.raises(UnreadableImageError, match="it names 1 of 8 files"):
        read_image(folder / "b.mhd")
    for evil in ("%n", "%999999999d", "%s", "%d%d"):
        (folder / "b.mhd").write_text(meta(f"ElementDataFile = {evil} 1 2 1"), encoding="utf-8")
        with pytest.raises(UnreadableImageError, match="damaged"):
            read_image(folder / "b.mhd")


def test_an_ome_tiff_names_files_in_its_folder(folder: Path) -> None:
    data = np.arange(64, dtype="uint8").reshape(8, 8)
    other = folder.parent / "other.ome.tif"
    # Since version 2026.11.8, tifffile reads a file outside the folder only if it has the stated identifier.
    tifffile.imwrite(other, data, ome=True, metadata={"axes": "YX", "UUID": "urn:uuid:2"})
    path = folder / "a.ome.tif"

    def write(name: str) -> None:
        xml = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1"><Image ID="Image:0">'
            '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="8" SizeY="8" SizeC="1" SizeZ="1" '
            'SizeT="2">'
            '<TiffData FirstT="0" IFD="0" PlaneCount="1"/><TiffData FirstT="1" IFD="0" PlaneCount="1">'
            f'<UUID FileName="{name}">urn:uuid:2</UUID></TiffData></Pixels></Image></OME>'
        )
        tifffile.imwrite(path, data + 64, description=xml, metadata=None)

    for name in ("../other.ome.tif", str(other)):
        write(name)
        with pytest.raises(UnreadableImageError, match=OUTSIDE):
            read_image(path)
        np.testing.assert_array_equal(read_image(path, trust=True).data[1], data)
    other.rename(folder / "other.ome.tif")
    write("other.ome.tif")
    np.testing.assert_array_equal(read_image(path).data[1], data)


def test_chunks_and_metadata_of_a_zarr_lie_in_its_folder(tmp_path: Path) -> None:
    data = np.arange(64, dtype="uint8").reshape(8, 8)
    for name in ("a", "b"):
        zarr.create_array(str(tmp_path / f"{name}.zarr"), data=data, chunks=(8, 8), compressors=None)
    chunk, mine = "c/0/0", tmp_path / "b.zarr"
    (mine / chunk).unlink()
    (mine / chunk).symlink_to(tmp_path / "a.zarr" / chunk)
    image = read_image(mine)
    with pytest.raises(UnreadableImageError, match=r"b\.zarr must hold its own chunks.*set `trust`"):
        np.asarray(image.data)
    np.testing.assert_array_equal(read_image(mine, trust=True).data, data)
    (mine / "zarr.json").unlink()
    (mine / "zarr.json").symlink_to(tmp_path / "a.zarr/zarr.json")
    with pytest.raises(UnreadableImageError, match=r"b\.zarr must hold its own metadata"):
        read_image(mine)
    # A folder may itself be a link.
    (tmp_path / "c.zarr").symlink_to(tmp_path / "a.zarr")
    np.testing.assert_array_equal(read_image(tmp_path / "c.zarr").data, data)


@needs_pipes
@pytest.mark.parametrize("name", ["a.tif", "a.nii.gz", "a.nrrd", "a.mha", "a.dcm", "a.png", "a.mrc", "a"])
def test_a_pipe_is_no_image(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(UnreadableImageError, match=r"is a pipe, a socket or a device"):
        read_image(tmp_path / name)


@needs_pipes
def test_pipes_in_a_folder_are_left_alone(tmp_path: Path) -> None:
    path = write_image(Image.from_array(np.zeros((9, 9), np.uint8), "YX"), tmp_path / "a.tif")
    for name in ("b.tif", "c", "IM0001"):
        os.mkfifo(tmp_path / name)
    assert find_images(tmp_path) == [path]


@needs_pipes
def test_a_header_names_no_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "b.raw")
    (tmp_path / "a.nhdr").write_text(nrrd("data file: b.raw"), encoding="utf-8")
    (tmp_path / "a.mhd").write_text(meta("ElementDataFile = b.raw"), encoding="utf-8")
    for name in ("a.nhdr", "a.mhd"):
        with pytest.raises(UnreadableImageError, match="names a pipe"):
            read_image(tmp_path / name)
    zarr.create_array(str(tmp_path / "a.zarr"), data=np.zeros((8, 8)), chunks=(8, 8))
    (tmp_path / "a.zarr/zarr.json").unlink()
    os.mkfifo(tmp_path / "a.zarr/zarr.json")
    zarr.create_array(str(tmp_path / "g.zarr/0"), data=np.zeros((8, 8)), chunks=(8, 8))
    os.mkfifo(tmp_path / "g.zarr/zarr.json")
    (tmp_path / "g.zarr/.zattrs").write_text("{}", encoding="utf-8")
    for name in ("a.zarr", "g.zarr"):
        with pytest.raises(UnreadableImageError):
            read_image(tmp_path / name)


@needs_pipes
def test_the_digest_of_a_folder_reads_no_pipe(tmp_path: Path) -> None:
    path = write_image(Image.from_array(np.zeros((9, 9), np.uint8), "YX"), tmp_path / "a.ome.zarr")
    assert len(file_digest(path)) == 64
    (path / "0/zarr.json").unlink()
    os.mkfifo(path / "0/zarr.json")
    with pytest.raises(UnreadableImageError, match="is a pipe, a socket or a device"):
        file_digest(path)


def test_a_device_is_no_image() -> None:
    with pytest.raises(UnreadableImageError, match="is a pipe, a socket or a device"):
        read_image(os.devnull)
