"""An image that is written and read again has the same pixels, grid, units and names."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_superres.core.image import Image
from napari_superres.io import read_image, write_image

WIDE = ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"]
HOLDS = {
    ".ome.tif": (WIDE, ["YX", "ZYX", "CYX", "TCZYX", "CTZYX", "ZCYX", "TYX", "YXS", "ZYXS", "XYZ", "SYX", "YXC"]),
    ".tif": (["uint8", "uint16", "int16", "float32"], ["YX", "ZYX", "CYX", "TCZYX", "CTZYX", "TYX", "XYZ", "YXC"]),
    ".ome.zarr": ([*WIDE, "uint64", "int64", "float16"], ["YX", "ZYX", "CYX", "TCZYX", "CTYX", "YXS", "ZYXS", "XYZ"]),
    ".nrrd": ([*WIDE, "uint64", "int64"], ["YX", "ZYX", "CYX", "TZYX", "CZYX", "YXS", "ZYXS", "CTZYX"]),
    ".mha": ([*WIDE, "uint64", "int64"], ["YX", "ZYX", "CYX", "TZYX", "CZYX", "YXS", "ZYXS"]),
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, Image]:
    ending = draw(st.sampled_from(sorted(HOLDS)))
    dtypes, orders = HOLDS[ending]
    axes = draw(st.sampled_from(orders))
    shape = [3 if a == "S" else draw(st.integers(1, 6)) for a in axes]
    data = np.arange(np.prod(shape), dtype="int64").reshape(shape).astype(draw(st.sampled_from(dtypes)))
    n = sum(a in "ZYX" for a in axes)
    unit = draw(st.sampled_from(["nanometer", "micrometer", "millimeter", None]))
    size = st.floats(1e-3, 1e3)
    grid = {"pixel_size": [draw(size) for _ in range(n)], "origin": [draw(st.floats(-1e4, 1e4)) for _ in range(n)]}
    names = tuple(f"dye {i} é<&>" for i in range(shape[axes.index("C")])) if "C" in axes and draw(st.booleans()) else ()
    record = {"model": "x", "text": 'quote " brace { é'} if draw(st.booleans()) else None
    metadata = {} if record is None else {"provenance": record}
    image = Image.from_array(
        data, axes, unit=unit or "micrometer", channel_names=names, metadata=metadata, **(grid if unit else {})
    )
    if "T" in axes and draw(st.booleans()):
        image = image.replace(units={**image.units, "T": "second"}, metadata={**metadata, "time_step": 0.25})
    return ending, image


@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_read_returns_what_was_written(case: tuple[str, Image], same: Callable[..., None]) -> None:
    ending, image = case
    with tempfile.TemporaryDirectory() as folder:
        path = write_image(image, Path(folder) / f"an ü image{ending}")
        found = read_image(path)
        same(found, image)
        assert found.metadata.get("provenance") == image.metadata.get("provenance")
        assert found.metadata.get("time_step") == image.metadata.get("time_step")
        assert (Path(folder) / f"{path.name}.provenance.json").exists() == ("provenance" in image.metadata)


@settings(max_examples=40, deadline=None)
@given(
    axes=st.sampled_from(["YX", "ZYX", "TZYX", "CZYX"]),
    dtype=st.sampled_from(["uint16", "int16", "float32", "float64", "int32"]),
    ending=st.sampled_from([".nii", ".nii.gz"]),
)
def test_nifti_keeps_the_grid_in_millimeters(
    axes: str, dtype: str, ending: str, make_image: Callable[..., Image], same: Callable[..., None]
) -> None:
    image = make_image(axes, dtype)
    with tempfile.TemporaryDirectory() as folder:
        found = read_image(write_image(image, Path(folder) / f"a{ending}"))
    same(found.replace(units={**found.units, "T": None} if "T" in axes else found.units), image, units=False)
    assert found.units["X"] == "millimeter"
    assert found.space == "LPS"


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_orientation_is_kept(volume: Image, ending: str, tmp_path: Path, same: Callable[..., None]) -> None:
    same(read_image(write_image(volume, tmp_path / f"a{ending}")), volume)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png(dtype: str, tmp_path: Path, make_image: Callable[..., Image], same: Callable[..., None]) -> None:
    image = make_image("YX", dtype, unit=None)
    same(read_image(write_image(image, tmp_path / "a.png")), image)
    for samples in (3, 4):
        colour = make_image("YXS", "uint8", unit=None, sizes={"S": samples})
        same(read_image(write_image(colour, tmp_path / f"{samples}.png")), colour)


@pytest.mark.parametrize("ending", sorted(HOLDS))
def test_a_finer_grid_of_unknown_pixel_size_is_kept(
    ending: str, tmp_path: Path, make_image: Callable[..., Image], same: Callable[..., None]
) -> None:
    image = make_image("YX", unit=None).replace(affine=np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]]))
    found = read_image(write_image(image, tmp_path / f"a{ending}"))
    same(found, image)
    assert not found.has_pixel_size


@pytest.mark.parametrize("ending", [".ome.tif", ".tif", ".ome.zarr", ".nrrd", ".nii.gz"])
def test_foreign_byte_order_becomes_native(ending: str, tmp_path: Path, make_image: Callable[..., Image]) -> None:
    image = make_image("ZYX", ">u2", unit="millimeter")
    found = read_image(write_image(image, tmp_path / f"a{ending}"))
    assert np.asarray(found.data[0]).dtype.isnative
    np.testing.assert_array_equal(np.asarray(found.data[...]), image.data)
