"""Missing and damaged chunks of a zarr are named in an error, or filled and listed."""

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_superres.core.image import Image
from napari_superres.errors import UnreadableImageError
from napari_superres.io import read_image, write_image

DATA = np.random.default_rng(0).integers(1, 1000, (2, 22, 31), "uint16")
FILL = 7
# A stored chunk of the fill value: this writer stores all chunks, so a missing one is damage.
DATA[0, 16:, :10] = FILL
LAYOUTS: dict[str, dict[str, Any]] = {
    "v2": {"chunks": (1, 8, 10)},
    "v2 nested": {"chunks": (1, 8, 10), "chunk_key_encoding": {"name": "v2", "separator": "/"}},
    "v3": {"chunks": (1, 8, 10)},
    "v3 sharded": {"chunks": (1, 4, 5), "shards": (1, 8, 10)},
}
FILES = {"v2": "in/0/1.0.2", "v2 nested": "in/0/1/0/2", "v3": "in/0/c/1/0/2", "v3 sharded": "in/0/c/1/0/2"}
REGION = np.s_[1:2, 0:8, 20:30]
DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda p: p.write_bytes(b""),
    "cut off": lambda p: p.write_bytes(p.read_bytes()[:-9]),
    "garbled": lambda p: p.write_bytes(bytes(reversed(p.read_bytes()))),
}


def made(tmp_path: Path, layout: str) -> Path:
    """Return a bioformats2raw-like folder with one image."""
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=int(layout[1]))
    root.attrs["bioformats2raw.layout"] = 3
    root.create_group("OME").attrs["series"] = ["in"]
    group = root.create_group("in")
    array = group.create_array(
        "0", shape=DATA.shape, dtype=DATA.dtype, fill_value=FILL, config={"write_empty_chunks": True}, **LAYOUTS[layout]
    )
    array[...] = DATA
    axes = [{"name": "c", "type": "channel"}, *({"name": a, "type": "space"} for a in "yx")]
    steps = [{"type": "scale", "scale": [1, 1, 1]}]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}]
    return tmp_path / "a.zarr"


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bad_chunks_are_named_or_filled_and_listed(layout: str, damage: str, tmp_path: Path) -> None:
    path = made(tmp_path, layout)
    DAMAGE[damage](path / FILES[layout])
    image = read_image(path)
    part = r"20:(25|30)\]"
    with pytest.raises(UnreadableImageError, match=rf"{FILES[layout]} \[1:2, 0:[48], {part} is.*`skip_bad`") as error:
        image.data[1, 2]
    assert "\n" not in str(error.value)
    np.testing.assert_array_equal(image.data[0, ::3], DATA[0, ::3])
    np.testing.assert_array_equal(image.data[:, 8:, ::-1], DATA[:, 8:, ::-1])
    np.testing.assert_array_equal(image.data[1, 1, :20], DATA[1, 1, :20])

    expected = DATA.copy()
    expected[REGION] = FILL
    for lazy in (read_image(path, skip_bad=True).data, pickle.loads(pickle.dumps(image.data.fill_bad_chunks()))):
        np.testing.assert_array_equal(lazy[0], DATA[0])
        assert lazy.bad_chunks == []
        keys = [np.s_[...], np.s_[1, 3:9, 5:26:7], np.s_[::-1, 5::-2, -3:2:-4], np.s_[1, 2, 29]]
        with ThreadPoolExecutor(4) as pool:
            for key, found in zip(keys, pool.map(lazy.__getitem__, keys), strict=True):
                np.testing.assert_array_equal(found, expected[key])
        assert lazy.bad_chunks
        assert all(name.startswith(f"{FILES[layout]} [1:2, ") for name in lazy.bad_chunks)
        whole = layout != "v3 sharded" or damage in {"missing", "empty"}
        assert len(lazy.bad_chunks) == (1 if whole else 4)


def test_one_chunk_of_a_shard(tmp_path: Path) -> None:
    path = made(tmp_path, "v3 sharded")
    file = path / FILES["v3 sharded"]
    file.write_bytes(bytes(4) + file.read_bytes()[4:])
    lazy = read_image(path, skip_bad=True).data
    expected = DATA.copy()
    expected[1, :4, 20:25] = FILL
    np.testing.assert_array_equal(np.asarray(lazy), expected)
    assert lazy.bad_chunks == [f"{FILES['v3 sharded']} [1:2, 0:4, 20:25]"]


def test_a_bare_array_opens_at_once_however_large(tmp_path: Path) -> None:
    attributes = {"napari_superres": {"every_chunk_is_stored": True}}
    shape, chunks = (10**7, 10**7), (100, 100)
    zarr.create_array(
        str(tmp_path / "a.zarr"), shape=shape, chunks=chunks, dtype=">f4", fill_value=np.nan, attributes=attributes
    )
    with pytest.raises(UnreadableImageError, match=r"c/99999/3 \[9999900:10000000, 300:400\] is missing.* nan "):
        read_image(tmp_path / "a.zarr").data[-1, 350]
    lazy = pickle.loads(pickle.dumps(read_image(tmp_path / "a.zarr", skip_bad=True).data))
    assert np.isnan(lazy[-1, 350])
    assert lazy.bad_chunks == ["c/99999/3 [9999900:10000000, 300:400]"]


def test_a_missing_chunk_is_named_at_once_however_many_there_are(tmp_path: Path) -> None:
    zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(10**9, 10**9), chunks=(1, 1), dtype="uint8", zarr_format=2, fill_value=None
    )
    with pytest.raises(UnreadableImageError, match=r"0.0 \[0:1, 0:1\] is missing"):
        np.asarray(read_image(tmp_path / "a.zarr").data)
    with pytest.raises(UnreadableImageError, match="must fit into memory"):
        np.asarray(read_image(tmp_path / "a.zarr", skip_bad=True).data)


def test_reordered_axes_keep_bad_chunks(tmp_path: Path, make_image: Callable[..., Image]) -> None:
    image = make_image("YXS", "uint8")
    path = write_image(image, tmp_path / "a.zarr")
    (path / "0/c/0/0/0").write_bytes(b"")
    with pytest.raises(UnreadableImageError, match="0/c/0/0/0"):
        np.asarray(read_image(path).data)
    lazy = pickle.loads(pickle.dumps(read_image(path, skip_bad=True).data))
    assert not lazy[:3].any()
    assert lazy.bad_chunks == ["0/c/0/0/0 [0:3, 0:7, 0:9]"]
    plain = read_image(write_image(image, tmp_path / "b.ome.tif"), skip_bad=True).data
    np.testing.assert_array_equal(plain[...], image.data)
    assert plain.bad_chunks == []


@pytest.mark.parametrize("size", [64, 1500])
def test_overwritten_bytes_in_our_files_are_an_error(size: int, tmp_path: Path) -> None:
    """This holds for chunks with a file of their own and for chunks of a shard, at any position."""
    values = np.random.default_rng(0).integers(0, 60000, (size, size)).astype(np.uint16)
    path = write_image(Image.from_array(values, "YX"), tmp_path / "a.ome.zarr")
    file = path / "0/c/0/0"
    whole = file.read_bytes()
    for at in (300, len(whole) // 3, len(whole) // 2):
        file.write_bytes(whole[:at] + bytes(b ^ 0xFF for b in whole[at : at + 9]) + whole[at + 9 :])
        with pytest.raises(UnreadableImageError, match=r"0/c/0/0 .* is damaged"):
            np.asarray(read_image(path).data)
    file.write_bytes(whole)
    np.testing.assert_array_equal(np.asarray(read_image(path).data), values)
