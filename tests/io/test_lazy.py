"""Lazy arrays give what numpy gives, and a file that is cut off while it is read is an error, not the end."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_superres import read_image
from napari_superres.errors import UnreadableImageError
from napari_superres.io.lazy import PlainArray

SHAPE = (3, 5, 4, 6)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[PlainArray, np.ndarray]:
    """Return an array in a file, big-endian and after 13 bytes, and the same in memory."""
    path = tmp_path_factory.mktemp("plain") / "pixels"
    values = np.random.default_rng(0).integers(0, 60000, SHAPE).astype(">u2")
    path.write_bytes(b"thirteen byte" + values.tobytes())
    return PlainArray(path, "file", 13, SHAPE, ">u2"), values


def an_index(size: int) -> st.SearchStrategy[int | slice]:
    return st.integers(-size, size - 1) | st.slices(size)


@settings(max_examples=300, deadline=None)
@given(key=st.tuples(*map(an_index, SHAPE)))
def test_any_part_of_a_plain_array(plain: tuple[PlainArray, np.ndarray], key: tuple[int | slice, ...]) -> None:
    array, values = plain
    found = array[key]
    np.testing.assert_array_equal(found, values[key])
    assert found.dtype == np.uint16


def test_a_plain_array_travels_as_its_place(plain: tuple[PlainArray, np.ndarray]) -> None:
    array, values = plain
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array))[1, :, 2], values[1, :, 2])
    assert len(pickle.dumps(array)) < 1000


def stack(path: Path) -> Path:
    """Write planes of which each is one block of plain numbers."""
    data = np.random.default_rng(0).integers(0, 5000, (4, 64, 80)).astype(np.uint16)
    if path.suffix == ".mrc":
        mrcfile = pytest.importorskip("mrcfile", reason="mrcfile is an extra (formats)")
        with mrcfile.new(path) as file:
            file.set_data(data)
    else:
        tifffile.imwrite(path, data, photometric="minisblack", metadata={"axes": "TYX"})
    return path


@pytest.mark.parametrize("name", ["cut.tif", "cut.mrc"])
def test_a_file_that_is_cut_off_while_it_is_read(name: str, tmp_path: Path) -> None:
    """A memory map would end the process with SIGBUS."""
    image = read_image(stack(tmp_path / name))
    before = np.asarray(image.data[0])
    os.truncate(tmp_path / name, 14000)
    np.testing.assert_array_equal(np.asarray(image.data[0]), before)
    with pytest.raises(UnreadableImageError, match=rf"{name} .*the file ends before its pixels do"):
        np.asarray(image.data[3])
