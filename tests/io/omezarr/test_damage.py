"""Damage anywhere in a file or folder is found: in all images, channels and resolutions."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_superres import Image, write_image
from napari_superres.io import find_damage
from napari_superres.io import read as module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an OME-Zarr with two channels and two levels."""
    data = np.random.default_rng(0).integers(0, 5000, (2, 530, 600)).astype(np.uint16)
    return write_image(Image.from_array(data, "CYX"), tmp_path / "a.ome.zarr")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def test_a_sound_folder_has_no_damage(folder: Path) -> None:
    assert [*find_damage(folder)] == [*find_damage(folder, read_data=False)] == []


@pytest.mark.parametrize("level", ["0", "1"])
@pytest.mark.parametrize(("damage", "read_data"), [(flip, True), (zero, True), (zero, False)])
def test_damage_inside_a_file(damage: Callable[[Path], None], read_data: bool, level: str, folder: Path) -> None:
    files = sorted(p for p in (folder / level / "c").rglob("*") if p.is_file())
    damage(files[-1])
    found = [*find_damage(folder, read_data=read_data)]
    assert found
    assert all(str(files[-1].relative_to(folder)) in line for line in found)


def test_each_damaged_chunk_is_named(folder: Path) -> None:
    first, second = (p for level in "01" for p in (folder / level / "c").rglob("*") if p.is_file())
    first.unlink()
    second.write_bytes(b"")
    for read_data in (True, False):
        found = [*find_damage(folder, read_data=read_data)]
        assert len(found) == 2
        assert all("is missing or damaged" in line for line in found)


@pytest.mark.parametrize("name", ["zarr.json", "0/zarr.json", "1/zarr.json"])
def test_damaged_metadata(name: str, folder: Path) -> None:
    (folder / name).write_bytes(b"")
    (found,) = find_damage(folder, read_data=False)
    assert "must be a complete" in found


def test_arrays_of_other_things_are_read_too(folder: Path) -> None:
    group = zarr.open_group(folder / "tables", mode="w")
    group.create_array("number", shape=(), dtype="float64")[...] = 5.0
    group.create_array("flags", shape=(7,), dtype="bool")[...] = True
    assert [*find_damage(folder)] == []


def test_damage_in_the_last_plane_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READ_AT_ONCE", 1000)
    path = tmp_path / "a.tif"
    data = np.random.default_rng(0).integers(0, 5000, (3, 50, 60)).astype(np.uint16)
    tifffile.imwrite(path, data, compression="zlib", photometric="minisblack", metadata={"axes": "TYX"})
    assert [*find_damage(path)] == []
    with tifffile.TiffFile(path) as file:
        offset, count = file.pages[2].dataoffsets[0], file.pages[2].databytecounts[0]
    with path.open("r+b") as opened:
        opened.seek(offset + count // 2)
        opened.write(b"\0\0\0\0")
    assert [*find_damage(path, read_data=False)] == []
    (found,) = find_damage(path)
    assert "must be a complete TIFF" in found
    os.truncate(path, 400)
    assert len([*find_damage(path, read_data=False)]) == 1


def test_what_is_not_there(tmp_path: Path) -> None:
    (found,) = find_damage(tmp_path / "missing.ome.zarr")
    assert "does not exist" in found
