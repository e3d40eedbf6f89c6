"""A result replaces nothing but a file or one zarr image, and never an input or what holds one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_superres.core.image import Image
from napari_superres.errors import OutputError, OutputExistsError
from napari_superres.io import check_apart, check_target, read_image, write_image


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


@pytest.fixture
def image(make_image: Callable[..., Image]) -> Image:
    return make_image("CYX")


@pytest.fixture
def result(image: Image, tmp_path: Path) -> Path:
    """Return an OME-Zarr of one image."""
    return write_image(image, tmp_path / "a.ome.zarr")


def test_one_image_is_replaced(result: Path, image: Image) -> None:
    (result / ".DS_Store").write_bytes(b"of a file manager")
    write_image(image.replace(data=np.asarray(image.data) + 1), result, overwrite=True)
    np.testing.assert_array_equal(np.asarray(read_image(result).data), np.asarray(image.data) + 1)
    assert not (result / ".DS_Store").exists()


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("version", [2, 3])
def test_so_are_images_and_arrays_that_others_wrote(version: int, separator: str, image: Image, tmp_path: Path) -> None:
    encoding = {"name": "v2" if version == 2 else "default", "separator": separator}
    options = {"chunks": (1, 4, 4), "chunk_key_encoding": encoding}
    values = np.asarray(image.data)
    zarr.create_array(tmp_path / "array.zarr", data=values, zarr_format=version, **options)
    group = zarr.open_group(tmp_path / "group.zarr", mode="w", zarr_format=version)
    group.create_array("s0", data=values, **options)
    levels = {"multiscales": [{"datasets": [{"path": "s0"}]}]}
    group.attrs.update(levels if version == 2 else {"ome": levels})
    for path in (tmp_path / "array.zarr", tmp_path / "group.zarr"):
        write_image(image, path, overwrite=True)
        assert names(path) == names(write_image(image, tmp_path / "new.zarr", overwrite=True))


def a_note(folder: Path) -> None:
    (folder / "thesis.txt").write_text("years")


def a_deep_note(folder: Path) -> None:
    (folder / "0" / "c" / "0" / "thesis.txt").write_text("years")


def labels(folder: Path) -> None:
    zarr.create_array(folder / "labels" / "cells", data=np.ones((4, 4)))


def another_array(folder: Path) -> None:
    shutil.copytree(folder / "0", folder / "raw")


def only_attributes(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink() if path.is_file() else shutil.rmtree(path)
    (folder / ".zattrs").write_text("{}")
    a_note(folder)


def damage(folder: Path) -> None:
    (folder / "zarr.json").write_text("")


def a_plate(folder: Path) -> None:
    for well in ("A1", "A2"):
        shutil.copytree(folder, folder.parent / well)
    shutil.rmtree(folder)
    folder.mkdir()
    for well in ("A1", "A2"):
        (folder.parent / well).rename(folder / well)
    plate = {"ome": {"version": "0.5", "plate": {"wells": [{"path": "A1"}, {"path": "A2"}]}}}
    (folder / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group", "attributes": plate}))


@pytest.mark.parametrize("change", [a_note, a_deep_note, labels, another_array, only_attributes, damage, a_plate])
def test_nothing_else_is(change: Callable[[Path], None], result: Path, image: Image) -> None:
    change(result)
    before = names(result)
    with pytest.raises(OutputExistsError, match=r"holds other things, such as .* and is never replaced"):
        check_target(result, overwrite=True)
    with pytest.raises(OutputExistsError, match="holds other things"):
        write_image(image, result, overwrite=True)
    assert names(result) == before


def test_a_file_replaces_no_folder(image: Image, tmp_path: Path) -> None:
    write_image(image, tmp_path / "a.ome.zarr").rename(tmp_path / "a.ome.tif")
    with pytest.raises(OutputExistsError, match="is a folder, and is never replaced by a file"):
        write_image(image, tmp_path / "a.ome.tif", overwrite=True)
    assert read_image(tmp_path / "a.ome.tif").shape == image.shape


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("e.ome.zarr", "e.ome.zarr", "is the input itself"),
        ("e.ome.zarr", "link.ome.zarr", "is the input itself"),
        ("e.ome.zarr/0", "e.ome.zarr", "contains the input"),
        ("e.ome.zarr/0", "link.ome.zarr", "contains the input"),
        ("e.ome.zarr/raw.ome.tif", "e.ome.zarr", "contains the input"),
        ("e.ome.zarr", "e.ome.zarr/out.ome.tif", "lies inside the input"),
        ("e.ome.zarr/0", "e.ome.zarr/out.ome.tif", "lies inside the input"),
        ("e.ome.zarr/0", "e.ome.zarr/0/c/out.ome.tif", "lies inside the input"),
    ],
)
def test_inputs_are_kept(source: str, target: str, message: str, image: Image, tmp_path: Path) -> None:
    write_image(image, tmp_path / "e.ome.zarr")
    write_image(image, tmp_path / "e.ome.zarr" / "raw.ome.tif")
    (tmp_path / "link.ome.zarr").symlink_to("e.ome.zarr")
    for overwrite in (False, True):
        with pytest.raises((OutputExistsError, OutputError), match=message):
            check_target(tmp_path / target, overwrite=overwrite, inputs=[tmp_path / source])
    check_apart(tmp_path / "beside.ome.tif", [tmp_path / source])
