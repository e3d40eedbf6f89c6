"""Which files make an image, and the digest that changes with any of them."""

from pathlib import Path

import numpy as np
import pytest

from napari_superres import Image, write_image
from napari_superres.io import file_digest, file_state
from napari_superres.io.identity import zarr_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = np.random.default_rng(0).integers(0, 99, (2, 30, 40)).astype(np.uint16)
    return write_image(Image.from_array(data, "CYX"), tmp_path / "a.ome.zarr")


def test_all_files_count_but_those_that_desktops_leave(folder: Path) -> None:
    names, digest, state = zarr_files(folder), file_digest(folder), file_state(folder)
    assert names == sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    for left in (".DS_Store", "0/._zarr.json", "0/c/.nfs0001"):
        (folder / left).write_bytes(b"x")
    assert (zarr_files(folder), file_digest(folder), file_state(folder)) == (names, digest, state)
    (folder / ".zattrs").write_text("{}")
    assert file_digest(folder) != digest
    assert file_state(folder) != state


def test_each_file_changes_the_digest(folder: Path) -> None:
    digest = file_digest(folder)
    for name in zarr_files(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert file_digest(folder) != digest, name
        (folder / name).write_bytes(content)
    assert file_digest(folder) == digest
    (folder / name).rename(folder / "moved")
    assert file_digest(folder) != digest


def test_levels_may_be_links_and_links_may_lead_back(folder: Path, tmp_path: Path) -> None:
    names, digest = zarr_files(folder), file_digest(folder)
    (folder / "0").rename(tmp_path / "elsewhere")
    (folder / "0").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert zarr_files(folder) == names
    assert file_digest(folder) == digest
    (folder / "0" / "back").symlink_to(folder, target_is_directory=True)
    assert len(zarr_files(folder)) < 10 * len(names)


def test_what_is_not_there_has_a_state(folder: Path, tmp_path: Path) -> None:
    assert file_state(tmp_path / "missing") != file_state(folder)
    (tmp_path / "link").symlink_to(tmp_path / "missing")
    assert file_state(tmp_path / "link") == file_state(tmp_path / "missing")
