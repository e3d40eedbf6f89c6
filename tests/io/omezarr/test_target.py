"""An OME-Zarr is written box by box: every pixel and shard once, with the same bytes after a killed run."""

import errno
import itertools
import math
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_superres.core.image import Image
from napari_superres.io import read_image, write_image
from napari_superres.io.omezarr import layout as omezarr_layout
from napari_superres.io.omezarr.layout import Layout
from napari_superres.io.omezarr.target import ZarrTarget, average_pairs


def files(path: Path) -> dict[str, tuple[int, int]]:
    """Return the facts of each file that change when it is written."""
    found = (p for p in path.rglob("*") if p.is_file())
    return {p.relative_to(path).as_posix(): (p.stat().st_ino, p.stat().st_mtime_ns) for p in found}


def contents(path: Path) -> dict[str, bytes]:
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def outline_of(image: Image) -> Image:
    return image.replace(data=np.broadcast_to(np.zeros((), image.dtype), image.shape))


@pytest.mark.usefixtures("small_cuts")
@pytest.mark.parametrize(
    ("axes", "shape", "dtype", "volume"),
    [
        ("YX", (75, 130), "uint16", False),
        ("YX", (33, 20), "int8", False),  # the second box has one row, so it owns no pixel of the coarser levels
        ("YX", (7, 300), "float32", False),
        ("XY", (70, 40), "float64", False),
        ("TYX", (21, 14, 17), "uint8", False),
        ("TCZYX", (2, 2, 9, 19, 17), "uint16", False),
        ("ZCYXT", (3, 2, 40, 9, 2), "uint8", False),
        ("YXS", (50, 37, 3), "uint8", False),
        ("TYXS", (9, 20, 12, 4), "uint8", False),
        ("CZYX", (2, 11, 21, 40), "float32", True),
        ("ZYX", (5, 3, 4), "int16", True),
    ],
)
def test_every_pixel_and_shard_is_written_once(
    axes: str, shape: tuple[int, ...], dtype: str, volume: bool, tmp_path: Path, same: Callable[..., None]
) -> None:
    data = (np.random.default_rng(0).normal(0, 50, shape)).astype("int8").astype(dtype)
    image = Image.from_array(data, axes, pixel_size=0.5)
    target = ZarrTarget.create(tmp_path / "a.zarr", outline_of(image), volume=volume)
    visits = np.zeros(shape, int)
    written: list[str] = []
    boxes = target.boxes()
    random.Random(1).shuffle(boxes)
    for box in boxes:
        visits[box] += 1
        before = files(target.path)
        target.store(box, data[box])
        changed = [name for name, state in files(target.path).items() if before.get(name) != state]
        assert changed
        written += changed
    assert (visits == 1).all()
    assert len(set(written)) == len(written)
    group = zarr.open_group(str(target.path), mode="r")
    levels = [group[str(k)] for k in range(len(list(group.arrays())))]
    owned = levels[: target.layout.owned_levels]
    for level, array in enumerate(owned):
        steps = array.shards or array.chunks
        count = math.prod(math.ceil(n / s) for n, s in zip(array.shape, steps, strict=True))
        assert sum(name.startswith(f"{level}/") for name in written) == count
    (target.path / "0" / "0.123.partial").write_bytes(b"x")
    target.finish(outline_of(image))
    assert not list(target.path.rglob("*.partial"))
    same(read_image(target.path), image)
    for fine, coarse in itertools.pairwise(levels):
        np.testing.assert_array_equal(coarse[...], average_pairs(fine[...]))
    assert target.nbytes == sum(a.nbytes for a in levels) == Layout.plan(shape, axes, volume=volume).nbytes(dtype)


def test_means() -> None:
    data = np.random.default_rng(0).integers(0, 2**16, (3, 301, 130), "uint16")
    expected = data[:, :300].reshape(3, 150, 2, 65, 2).mean(axis=(2, 4))
    np.testing.assert_array_equal(average_pairs(data), np.rint(expected))
    np.testing.assert_array_equal(average_pairs(data.astype("float64")), expected)


@pytest.mark.parametrize(
    ("axes", "shape", "volume", "box", "chunk", "owned"),
    [
        ("ZYX", (1000, 512, 512), False, (64, 512, 512), (1, 512, 512), 1),
        ("TYX", (1000, 512, 512), False, (64, 512, 512), (1, 512, 512), 1),
        ("TZYX", (9, 100, 600, 512), False, (1, 54, 1024, 512), (1, 1, 512, 512), 2),
        ("YX", (10000, 30000), False, (4096, 4096), (512, 512), 4),
        ("YX", (300, 100), False, (300, 100), (300, 100), 1),
        ("ZYX", (100, 3000, 3000), True, (32, 1024, 1024), (8, 256, 256), 3),
        ("CZYX", (2, 5, 900, 900), True, (1, 5, 1024, 1024), (1, 5, 256, 256), 2),
    ],
)
def test_cuts(
    axes: str, shape: tuple[int, ...], volume: bool, box: tuple[int, ...], chunk: tuple[int, ...], owned: int
) -> None:
    layout = Layout.plan(shape, axes, volume=volume)
    assert (layout.box, layout.chunk, layout.owned_levels) == (box, chunk, owned)


@pytest.mark.parametrize(
    ("axes", "shape", "apart", "box"),
    [
        ("CYX", (4000, 64, 64), False, (256, 64, 64)),
        ("CYX", (4000, 64, 64), True, (1, 64, 64)),  # different models compute the channels
        ("CYX", (3, 512, 512), False, (3, 512, 512)),
        ("CYX", (3, 1024, 1024), False, (1, 1024, 1024)),
        ("TCZYX", (900, 2, 3, 64, 64), False, (85, 1, 3, 64, 64)),
        ("TCZYX", (20, 9, 3, 64, 64), False, (20, 4, 3, 64, 64)),
    ],
)
def test_small_planes_share_a_box(axes: str, shape: tuple[int, ...], apart: bool, box: tuple[int, ...]) -> None:
    """4000 small channels, each in a file of its own, took minutes to flush to the disk."""
    assert Layout.plan(shape, axes, apart=apart).box == box


def test_levels_of_large_images_share_their_boxes() -> None:
    layout = Layout.plan((16384, 30000), "YX")
    assert [layout.shards(k)[-1] for k in range(4)] == [4096, 2048, 1024, 512]
    assert layout.shards(4) == (1024, 2048)  # one file instead of eight, because no box owns this level


KILLED = """
import os, sys
import numpy as np
from napari_superres.core.image import Image
from napari_superres.io.omezarr import layout
from napari_superres.io.omezarr.target import ZarrTarget
layout._LEAST_BOX_PIXELS = 1  # each channel is a box
path, seed = sys.argv[1:]
data = np.load(seed)
target = ZarrTarget.create(path, Image.from_array(data, "CYX"))
first, second, third = target.boxes()
target.store(third, data[third])
target.store(first, data[first])
os.makedirs(os.path.join(path, "0/c/1/0"))
for name in ("0", "0.12.partial"):
    with open(os.path.join(path, "0/c/1/0", name), "wb") as file:
        file.write(b"half a shard")
os.kill(os.getpid(), 9)
"""


def test_a_killed_run_ends_in_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(omezarr_layout, "_LEAST_BOX_PIXELS", 1)
    data = np.random.default_rng(0).integers(0, 999, (3, 700, 601), "uint16")
    data[1] = 0  # an opened target must write zeros, too
    image = Image.from_array(data, "CYX")
    np.save(tmp_path / "data.npy", data)
    path = tmp_path / "killed.zarr"
    done = subprocess.run([sys.executable, "-c", KILLED, path, tmp_path / "data.npy"], check=False)
    assert done.returncode == -signal.SIGKILL
    target = ZarrTarget.open(path, "CYX")
    second = target.boxes()[1]
    target.store(second, data[second])
    target.finish(image)
    whole = contents(write_image(image, tmp_path / "whole.zarr"))
    assert contents(path) == whole
    assert len([name for name in whole if not name.endswith("json")]) == 6


def test_a_full_disk_is_its_own_error_and_the_box_can_be_written_again(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 2**16, (300, 300), "uint16")
    target = ZarrTarget.create(tmp_path / "a.zarr", Image.from_array(data, "YX"))
    (box,) = target.boxes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            target.store(box, data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    target.store(box, data)
    target.finish(Image.from_array(data, "YX"))
    np.testing.assert_array_equal(np.asarray(read_image(target.path).data), data)
