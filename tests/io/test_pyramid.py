"""Coarser levels: those whose grid places them on the image are read, and all others are left out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from zarr.storage import LocalStore

from napari_superres.core.grid import downscale_affine
from napari_superres.core.image import Image
from napari_superres.io import read_image, read_pyramids, read_series, write_image

FINEST = (2, 6, 41, 30)
SCALE = np.array([1.0, 2.0, 0.5, 0.25])


def dataset(name: str, factor: Any, offset: float = 0.0) -> dict[str, Any]:
    factor = np.array(factor, float)
    return {
        "path": name,
        "coordinateTransformations": [
            {"type": "scale", "scale": (SCALE * factor).tolist()},
            {"type": "translation", "translation": (np.array([0, 7.0, 8.0, 9.0]) + SCALE * factor * offset).tolist()},
        ],
    }


def store(path: Path, levels: list[tuple[tuple[int, ...], Any]], *, axes: str = "czyx", dtype: Any = "uint16") -> Path:
    """Write a CZYX image whose levels have these shapes and state these factors."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    kinds = {"t": "time", "c": "channel"}
    for number, (shape, _) in enumerate(levels):
        made = group.create_array(str(number), shape=shape, dtype=dtype, chunks=(*[1] * (len(shape) - 2), 16, 16))
        made[...] = number + 1
    described = {
        "version": "0.4",
        "axes": [
            {"name": a, "type": kinds.get(a, "space"), **({} if a in "tc" else {"unit": "micrometer"})} for a in axes
        ],
        "datasets": [dataset(str(i), factor) for i, (_, factor) in enumerate(levels)],
    }
    group.attrs["multiscales"] = [described]
    return path


def described(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = path / ".zattrs"
    attributes = json.loads(file.read_text())
    change(attributes["multiscales"][0])
    file.write_text(json.dumps(attributes))


def shapes(path: Path) -> list[tuple[int, ...]]:
    ((_, levels),) = read_pyramids(path)
    return [level.shape for level in levels]


USUAL = [(FINEST, 1), ((2, 6, 20, 15), (1, 1, 2, 2)), ((2, 3, 10, 7), (1, 2, 4, 4))]


def test_every_level_that_we_write_lies_right(tmp_path: Path, make_image: Callable[..., Image]) -> None:
    image = make_image("CZYX", sizes={"Y": 1301, "X": 1100}, channel_names=("DAPI", "GFP"))
    path = write_image(image, tmp_path / "a.ome.zarr")
    ((name, levels),) = read_pyramids(path)
    assert name == "a.ome.zarr"
    assert [level.shape[-2:] for level in levels] == [(1301, 1100), (650, 550), (325, 275)]
    group = zarr.open_group(str(path), mode="r")
    for number, level in enumerate(levels):
        factor = [1, 2**number, 2**number]
        np.testing.assert_allclose(level.affine, downscale_affine(image.affine, factor), rtol=1e-12)
        assert (level.axes, level.units, level.channel_names) == (image.axes, image.units, image.channel_names)
        np.testing.assert_array_equal(level.data[1, 2], group[str(number)][1, 2])
    assert read_image(path).shape == image.shape
    assert [i.shape for _, i in read_series(path)] == [image.shape]


def test_colour_samples_lie_last_in_every_level(tmp_path: Path, make_image: Callable[..., Image]) -> None:
    path = write_image(make_image("YXS", "uint8", sizes={"Y": 700, "X": 600}), tmp_path / "a.ome.zarr")
    ((_, levels),) = read_pyramids(path)
    assert [(level.axes, level.shape) for level in levels] == [("YXS", (700, 600, 3)), ("YXS", (350, 300, 3))]
    whole = np.asarray(levels[0].data, float).reshape(350, 2, 300, 2, 3).mean((1, 3))
    np.testing.assert_array_equal(levels[1].data, np.rint(whole))


@pytest.mark.parametrize("rest", [20, 21], ids=["the odd row dropped", "the odd row kept"])
@pytest.mark.parametrize("offset", [0.0, 0.25], ids=["first centre kept", "first edge kept"])
def test_both_habits_of_other_programs(rest: int, offset: float, tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", [(FINEST, 1), ((2, 6, rest, 15), (1, 1, 2, 2))])
    described(path, lambda m: m["datasets"].__setitem__(1, dataset("1", (1, 1, 2, 2), offset * np.array([0, 0, 1, 1]))))
    assert shapes(path) == [FINEST, (2, 6, rest, 15)]


def test_levels_before_the_first_that_does_not_fit_are_kept(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", USUAL)
    assert shapes(path) == [shape for shape, _ in USUAL]
    (path / "2/.zarray").unlink()
    assert shapes(path) == [FINEST, USUAL[1][0]]


def test_before_version_0_4_no_level_states_its_grid(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", USUAL)
    described(path, lambda m: m.update(axes=list("czyx"), datasets=[{"path": str(i)} for i in range(3)]))
    assert shapes(path) == [shape for shape, _ in USUAL]


@pytest.mark.parametrize(
    ("shape", "factor"),
    [
        ((2, 6, 20, 15), (1, 1, 1, 1)),
        ((2, 6, 20, 15), (1, 1, 4, 4)),
        ((2, 6, 20, 15), (1, 1, 2, 3)),
        ((2, 6, 18, 15), (1, 1, 2, 2)),
        ((2, 6, 20, 14), (1, 1, 2, 2)),
        ((2, 5, 20, 15), (1, 1, 2, 2)),
        ((1, 6, 20, 15), (2, 1, 2, 2)),
        ((2, 6, 41, 30), (1, 1, 1, 1)),
        ((2, 6, 82, 60), (1, 1, 0.5, 0.5)),
        ((2, 12, 20, 15), (1, 0.5, 2, 2)),
        ((2, 3, 41, 30), (1, 2, 1, 1)),
        ((2, 6, 20, 15), (1, 1, -2, 2)),
        ((2, 6, 20, 15), (1, 1, 0, 2)),
        ((6, 20, 15), (1, 1, 2, 2)),
    ],
)
def test_a_level_that_does_not_lie_on_the_finest_is_left_out(shape: Any, factor: Any, tmp_path: Path) -> None:
    assert shapes(store(tmp_path / "a.zarr", [(FINEST, 1), (shape, factor)])) == [FINEST]


def test_a_level_of_other_times_is_left_out(tmp_path: Path) -> None:
    levels = [((6, 6, 40, 30), 1), ((3, 6, 20, 15), (2, 1, 2, 2))]
    assert shapes(store(tmp_path / "a.zarr", levels, axes="tzyx")) == [(6, 6, 40, 30)]


def test_a_level_that_is_coarser_along_z_only_is_skipped(tmp_path: Path) -> None:
    levels = [(FINEST, 1), ((2, 3, 41, 30), (1, 2, 1, 1)), ((2, 3, 20, 15), (1, 2, 2, 2))]
    assert shapes(store(tmp_path / "a.zarr", levels)) == [FINEST, (2, 3, 20, 15)]


def test_levels_shrink_along_every_axis_or_are_skipped(tmp_path: Path) -> None:
    levels = [(FINEST, 1), ((2, 3, 20, 15), (1, 2, 2, 2)), ((2, 6, 10, 7), (1, 1, 4, 4))]
    assert shapes(store(tmp_path / "a.zarr", levels)) == [FINEST, (2, 3, 20, 15)]


def cut(path: Path) -> None:
    (path / "1/.zarray").write_text('{"zarr_format": 2, "sha')


def of_another_type(path: Path) -> None:
    file = path / "1/.zarray"
    file.write_text(file.read_text().replace("<u2", "<f4"))


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        of_another_type,
        lambda path: (path / "1/.zarray").unlink(),
        lambda path: described(path, lambda m: m["datasets"].__setitem__(1, dataset("1", (1, 1, 2, 2), 1.5))),
        lambda path: described(path, lambda m: m["datasets"].__setitem__(1, {"path": "1"})),
        lambda path: described(path, lambda m: m["datasets"].__setitem__(1, {})),
        lambda path: described(path, lambda m: m["datasets"].__setitem__(1, 7)),
        lambda path: described(path, lambda m: m["datasets"][1].update(path="9")),
        lambda path: described(path, lambda m: m["datasets"][1].update(path="..")),
        lambda path: described(path, lambda m: m["datasets"][1].update(coordinateTransformations=[{"type": "affine"}])),
    ],
)
def test_damaged_coarser_levels_leave_the_finest(damage: Callable[[Path], None], tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", USUAL[:2])
    assert len(shapes(path)) == 2
    damage(path)
    ((_, levels),) = read_pyramids(path)
    assert [level.shape for level in levels] == [FINEST]
    assert np.all(np.asarray(levels[0].data) == 1)


def test_nothing_but_metadata_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store(tmp_path / "a.zarr", USUAL)
    keys = []
    get = LocalStore.get

    async def recorded(self: Any, key: str, *arguments: Any, **options: Any) -> Any:
        keys.append(key)
        return await get(self, key, *arguments, **options)

    monkeypatch.setattr(LocalStore, "get", recorded)
    ((_, levels),) = read_pyramids(path)
    assert {key.rpartition("/")[2] for key in keys} <= {".zgroup", ".zattrs", ".zarray", ".zmetadata", "zarr.json"}
    assert any(key.startswith("2/") for key in keys)
    assert levels[2].data[0, 0, 0, 0] == 3
    assert keys[-1].startswith("2/")
    assert not keys[-1].endswith(".zarray")


def test_other_formats_and_several_images(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((3, 20, 30), "uint16"), metadata={"axes": "ZYX"})
    assert [(name, [i.shape for i in levels]) for name, levels in read_pyramids(tmp_path / "a.ome.tif")] == [
        ("a.ome.tif", [(3, 20, 30)])
    ]
    root = zarr.open_group(str(tmp_path / "b.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for name, count in (("0", 3), ("1", 1)):
        store(tmp_path / "b.zarr" / name, USUAL[:count])
    assert [(name, len(levels)) for name, levels in read_pyramids(tmp_path / "b.zarr")] == [
        ("b.zarr/0", 3),
        ("b.zarr/1", 1),
    ]
