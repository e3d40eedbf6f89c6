"""Chunks that are not stored are the fill value where the specification allows it, and damage where they cannot be."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr

from napari_superres.core.image import Image
from napari_superres.errors import UnreadableImageError
from napari_superres.io import find_damage, read_image, write_image

# Reading says so, too.
pytestmark = pytest.mark.filterwarnings("ignore:.*chunks are not stored")

DATA = np.random.default_rng(0).integers(1, 200, (4, 20, 24), "uint16")
DATA[:2] = 0
LAYOUTS: dict[str, dict[str, Any]] = {
    "v2": {"zarr_format": 2, "chunks": (2, 10, 12)},
    "v3": {"zarr_format": 3, "chunks": (2, 10, 12)},
    "sharded": {"zarr_format": 3, "chunks": (1, 5, 6), "shards": (2, 10, 12)},
}


@pytest.mark.parametrize("fill", [0, 7])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_chunks_of_the_fill_value_need_not_be_stored(layout: str, fill: int, tmp_path: Path) -> None:
    path, data = tmp_path / "a.zarr", np.where(DATA == 0, fill, DATA).astype("uint16")
    zarr.create_array(str(path), shape=data.shape, dtype=data.dtype, fill_value=fill, **LAYOUTS[layout])[...] = data
    driver = {"v2": "zarr"}.get(layout, "zarr3")
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(path)}}
    image = read_image(path)
    for lazy in (image.data, pickle.loads(pickle.dumps(image.data)), read_image(path, skip_bad=True).data):
        np.testing.assert_array_equal(np.asarray(lazy), tensorstore.open(spec).result().read().result())
        np.testing.assert_array_equal(lazy[1:3, ::3, 5:20:7], data[1:3, ::3, 5:20:7])
        assert lazy.bad_chunks == []
    assert list(find_damage(path)) == []
    (note,) = image.metadata["notes"]
    assert note.startswith(f"4 of 8 chunks are not stored, and are read as the fill value {fill}")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_zarr_is_not_asked_for_chunks_that_are_not_stored(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes so long over each that a look at a large image that was hardly begun took seconds."""
    path = tmp_path / "a.zarr"
    zarr.create_array(str(path), shape=DATA.shape, dtype="uint16", fill_value=0, **LAYOUTS[layout])[...] = DATA
    data, asked, read = read_image(path).data, [], zarr.Array.__getitem__
    np.testing.assert_array_equal(data[3], DATA[3])  # The first look finds out whether chunks may be left out.
    monkeypatch.setattr(zarr.Array, "__getitem__", lambda array, box: asked.append(box) or read(array, box))
    unstored = data[0, ::3, 5:20:7]
    assert asked == []
    assert unstored.dtype == np.uint16
    np.testing.assert_array_equal(unstored, DATA[0, ::3, 5:20:7])
    np.testing.assert_array_equal(data[1:3, ::3, 5:20:7], DATA[1:3, ::3, 5:20:7])
    assert len(asked) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_missing_chunk_is_damage_where_such_chunks_are_stored(layout: str, tmp_path: Path) -> None:
    path, config = tmp_path / "a.zarr", {"write_empty_chunks": True}
    zarr.create_array(str(path), shape=DATA.shape, dtype="uint16", config=config, **LAYOUTS[layout])[...] = DATA
    assert "notes" not in read_image(path).metadata
    np.testing.assert_array_equal(np.asarray(read_image(path).data), DATA)
    name = {"v2": "1.1.0"}.get(layout, "c/1/1/0")
    (path / name).unlink()
    assert "notes" not in read_image(path).metadata
    with pytest.raises(UnreadableImageError, match=rf"{name} \[2:4, 10:20, 0:12\] is missing.*`skip_bad`"):
        np.asarray(read_image(path).data)
    assert len(list(find_damage(path))) == 1


def test_a_missing_chunk_is_damage_where_no_fill_value_is_defined(tmp_path: Path) -> None:
    path, options = tmp_path / "a.zarr", LAYOUTS["v2"]
    zarr.create_array(str(path), shape=DATA.shape, dtype="uint16", fill_value=None, **options)[2:] = DATA[2:]
    with pytest.raises(UnreadableImageError, match=r"0\.0\.0 .* is missing"):
        np.asarray(read_image(path).data)


def test_a_missing_chunk_of_ours_is_damage(tmp_path: Path) -> None:
    path = write_image(Image.from_array(DATA + 1, "ZYX"), tmp_path / "a.ome.zarr")
    (path / "0/c/3/0/0").unlink(missing_ok=True)
    (path / "0/c/0/0/0").unlink()
    assert "notes" not in read_image(path).metadata
    with pytest.raises(UnreadableImageError, match=r"0/c/0/0/0 .* is missing"):
        np.asarray(read_image(path).data)


def test_a_damaged_chunk_is_damage_among_those_that_are_not_stored(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(str(path), shape=DATA.shape, dtype="uint16", **LAYOUTS["v3"])[...] = DATA
    (path / "c/1/0/0").write_bytes(b"")
    with pytest.raises(UnreadableImageError, match=r"c/1/0/0 .* is empty"):
        np.asarray(read_image(path).data)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_among_the_chunks_is_not_opened(tmp_path: Path) -> None:
    """Reading one would wait forever."""
    path = tmp_path / "a.zarr"
    zarr.create_array(str(path), data=DATA, chunks=(4, 10, 12))
    (path / "c" / "0" / "0" / "0").unlink()
    os.mkfifo(path / "c" / "0" / "0" / "0")
    with pytest.raises(UnreadableImageError, match="c/0/0/0"):
        np.asarray(read_image(path).data)
