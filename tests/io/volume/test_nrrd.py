"""NRRD is read as pynrrd reads it, and what cannot be read is refused by its name."""

from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import pytest

from napari_superres.core.image import Image
from napari_superres.errors import UnreadableImageError
from napari_superres.io import read_image, write_image

RNG = np.random.default_rng(0)
DIRECTIONS, ORIGIN = np.array([[-2, 0, 0], [0, 0, 2.5], [0, 3, 0.0]]), np.array([30, -20, -10.0])
NONE = [[np.nan] * 3]
TO_LPS = {
    "right-anterior-superior": [-1, -1, 1],
    "left-anterior-superior": [1, -1, 1],
    "left-posterior-superior": [1, 1, 1],
    "scanner-xyz": [1, 1, 1],
    "3D-right-handed": [1, 1, 1],
}


def save(
    folder: Path, shape: tuple[int, ...], dtype: str = "int16", name: str = "a.nrrd", **fields: Any
) -> tuple[Path, Any]:
    data = RNG.integers(0, 200, shape).astype(dtype)
    nrrd.write(str(folder / name), data, {k.replace("_", " "): v for k, v in fields.items()})
    return folder / name, data


@pytest.mark.parametrize("space", TO_LPS)
@pytest.mark.parametrize("unit", [None, "um", "mm"])
def test_spaces(space: str, unit: str | None, tmp_path: Path) -> None:
    units = {} if unit is None else {"space_units": [unit] * 3}
    path, data = save(tmp_path, (5, 6, 7), space=space, space_directions=DIRECTIONS, space_origin=ORIGIN, **units)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, data.T)
    world = np.array(TO_LPS[space])
    for index in ((0, 0, 0), (1, 2, 3)):
        expected = world * (ORIGIN + np.array(index) @ DIRECTIONS)
        np.testing.assert_allclose((image.affine @ [*index[::-1], 1])[:3], expected[::-1], atol=1e-6)
    assert image.units["X"] == {None: "millimeter", "um": "micrometer", "mm": "millimeter"}[unit]
    assert image.space == ("LPS" if "superior" in space else None)


@pytest.mark.parametrize(
    ("shape", "kinds", "dtype", "axes"),
    [
        ((3, 5, 6, 7), ["RGB-color", "domain", "domain", "domain"], "uint8", "ZYXS"),
        ((4, 5, 6, 7), ["RGBA-color", "domain", "domain", "domain"], "uint8", "ZYXS"),
        ((3, 5, 6, 7), ["RGB-color", "domain", "domain", "domain"], "uint16", "ZYXS"),
        ((3, 5, 6, 7), ["list", "domain", "domain", "domain"], "uint8", "CZYX"),
        ((3, 5, 6, 7), ["vector", "domain", "domain", "domain"], "float32", "CZYX"),
        ((5, 5, 6, 7), ["list", "domain", "domain", "domain"], "int16", "CZYX"),
        ((5, 6, 7, 4), ["domain", "domain", "domain", "list"], "int16", "CZYX"),
    ],
)
def test_kinds_say_what_the_components_are(
    shape: tuple[int, ...], kinds: list[str], dtype: str, axes: str, tmp_path: Path
) -> None:
    first = kinds[0] != "domain"
    directions = np.vstack([NONE, DIRECTIONS] if first else [DIRECTIONS, NONE])
    space = {"space": "left-posterior-superior", "space_directions": directions, "space_origin": ORIGIN}
    path, data = save(tmp_path, shape, dtype, kinds=kinds, **space)
    image = read_image(path)
    assert (image.axes, image.dtype) == (axes, np.dtype(dtype))
    expected = data.T if axes == "ZYXS" or not first else np.moveaxis(data.T, -1, 0)
    np.testing.assert_array_equal(image.data, expected)
    np.testing.assert_allclose(image.affine[:3, 3], ORIGIN[::-1])


def test_time_has_its_step(tmp_path: Path) -> None:
    kinds, units = ["space", "space", "space", "time"], ["mm", "mm", "mm", "s"]
    path, data = save(tmp_path, (5, 6, 7, 4), kinds=kinds, units=units, spacings=[2, 2.5, 3, 0.5])
    image = read_image(path)
    assert (image.axes, image.metadata["time_step"], image.units["T"]) == ("TZYX", 0.5, "second")
    assert (image.pixel_size, image.units["X"]) == ((3.0, 2.5, 2.0), "millimeter")
    np.testing.assert_array_equal(image.data, data.T)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "ascii"])
@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "A.NRRD", "A.NHDR"])
def test_encodings_and_names(encoding: str, name: str, tmp_path: Path) -> None:
    data = RNG.integers(0, 200, (5, 6, 7)).astype(np.int16)
    header = {"encoding": encoding, "spacings": [2, 2.5, 3.0]}
    nrrd.write(str(tmp_path / name.lower()), data, header, detached_header=name.lower().endswith("nhdr"))
    (tmp_path / name.lower()).rename(tmp_path / name)
    np.testing.assert_array_equal(read_image(tmp_path / name).data, data.T)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"encoding": "bzip2", "spacings": [2, 2.5, 3.0]}, "packed with bzip2"),
        ({"kinds": ["time", "space", "space"]}, "then at most one of time"),
        ({"kinds": ["list", "list", "space"]}, "one of components, but has list, list, space"),
        ({"kinds": ["HSV-color", "domain", "domain"]}, "of the kind hsv-color"),
        ({"spacings": [1, 1, 1.0], "units": ["um", "um", "mm"]}, "one unit of length, but its axes have um, um, mm"),
        ({"space": "left-posterior", "space_directions": DIRECTIONS[:, :2]}, "its space is 'left-posterior'"),
    ],
)
def test_refusals_say_why(fields: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path, _ = save(tmp_path, (3, 6, 7), **fields)
    with pytest.raises(UnreadableImageError, match=reason) as error:
        read_image(path)
    assert "damaged" not in str(error.value)


@pytest.mark.parametrize("axes", ["ZYX", "CZYX", "TZYX", "ZYXS"])
def test_pynrrd_reads_what_we_write(axes: str, volume: Image, tmp_path: Path) -> None:
    shape = [{"C": 2, "T": 4, "S": 3}.get(a, n) for a, n in zip(axes, (6, 5, 7, 3), strict=False)]
    data = RNG.integers(0, 200, shape).astype(np.uint8)
    path = write_image(
        volume.replace(data=data, axes=axes, units=dict.fromkeys("ZYX", "millimeter")), tmp_path / "a.nrrd"
    )
    found, header = nrrd.read(str(path))
    np.testing.assert_array_equal(found.T, np.moveaxis(data, 0, -1) if axes[0] == "C" else data)
    directions = header["space directions"][~np.isnan(header["space directions"]).any(axis=1)][:3, :3]
    np.testing.assert_allclose(directions.T[::-1, ::-1], volume.affine[:3, :3], atol=1e-6)
    np.testing.assert_allclose(header["space origin"][:3][::-1], volume.affine[:3, 3], atol=1e-6)
