"""TIFF of other programs is read lazily, and independent readers understand ours."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_superres.core.image import Image
from napari_superres.errors import AxesError, SeriesError, UnreadableImageError
from napari_superres.io import describe, read_image, read_series, write_image

DATA = np.arange(3 * 20 * 30, dtype="uint16").reshape(3, 20, 30)


def test_ome_of_another_program(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        DATA[None].repeat(2, 0),
        metadata={
            "axes": "TZYX",
            "PhysicalSizeX": 100.0,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 0.2,
            "PhysicalSizeYUnit": "µm",
            "PhysicalSizeZ": 1.5,
            "TimeIncrement": 40.0,
            "TimeIncrementUnit": "ms",
            "Channel": {"Name": ["GFP"]},
            "Description": "Jane Doe, 1970",
            "Plane": {"PositionX": [-0.5] * 6, "PositionXUnit": ["mm"] * 6, "PositionY": [7.0] * 6},
        },
    )
    image = read_image(tmp_path / "a.ome.tif")
    assert image.axes == "TZYX"
    np.testing.assert_allclose(image.pixel_size, (1500.0, 200.0, 100.0))
    assert set(image.units.values()) == {"nanometer", "millisecond"}
    # A position without a unit has an unknown reference.
    np.testing.assert_allclose(image.origin, (0.0, 0.0, -500_000.0))
    assert dict(image.metadata) == {"time_step": 40.0}
    assert image.channel_names == ("GFP",)
    assert "Jane" not in str(describe(tmp_path / "a.ome.tif"))


def test_our_ome_is_seen_by_others(tmp_path: Path, make_image: Callable[..., Image]) -> None:
    image = make_image("CZYX", channel_names=("DAPI", "GFP"))
    with tifffile.TiffFile(write_image(image, tmp_path / "a.ome.tif")) as file:
        assert file.series[0].axes == "CZYX"
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        np.testing.assert_array_equal(file.asarray(), image.data)
    assert [pixels[f"PhysicalSize{a}"] for a in "ZYX"] == list(image.pixel_size)
    assert pixels["PhysicalSizeZUnit"] == "µm"
    assert len(pixels["Plane"]) == 6
    assert {(p["PositionX"], p["PositionY"], p["PositionXUnit"]) for p in pixels["Plane"]} == {(-7.5, -5.0, "µm")}
    assert [p["PositionZ"] for p in pixels["Plane"][:3]] == pytest.approx([-2.5, -2.37, -2.24])
    assert [c["Name"] for c in pixels["Channel"]] == ["DAPI", "GFP"]


@pytest.mark.parametrize("unit", ["micron", "um", "\\u00B5m", "µm"])
def test_imagej_of_another_program(unit: str, tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        DATA,
        imagej=True,
        resolution=(10.0, 5.0),
        metadata={"axes": "ZYX", "spacing": 0.7, "unit": unit.replace("µ", "u"), "xorigin": 4.0, "yorigin": -3.0},
    )
    if "u0" in unit:
        raw = (tmp_path / "a.tif").read_bytes()
        assert b"\\u00B5m" in raw
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_allclose(image.pixel_size, (0.7, 0.2, 0.1))
    np.testing.assert_allclose(image.origin, (0.0, 0.6, -0.4))
    assert image.units["X"] == "micrometer"


def test_our_imagej_is_seen_by_others(tmp_path: Path, make_image: Callable[..., Image]) -> None:
    image = make_image("TCZYX", channel_names=("DAPI", "GFP"))
    with tifffile.TiffFile(write_image(image, tmp_path / "a.tif")) as file:
        found = file.imagej_metadata
        assert file.series[0].axes == "TZCYX"
        np.testing.assert_array_equal(file.asarray(), image.data.transpose(0, 2, 1, 3, 4))
    assert (found["channels"], found["slices"], found["frames"], found["unit"]) == (2, 3, 2, "um")
    # ImageJ: position = (index - origin) * size.
    assert -found["xorigin"] * image.pixel_size[2] == pytest.approx(image.origin[2])
    assert found["Labels"][:2] == ["DAPI", "GFP"]


@pytest.mark.parametrize(
    ("options", "pixel"),
    [
        ({"resolution": (50_000, 25_000), "resolutionunit": "CENTIMETER"}, (0.4, 0.2)),
        ({"resolution": (25_400, 25_400), "resolutionunit": "INCH"}, (1.0, 1.0)),
        ({"resolution": (50_000, 25_000), "resolutionunit": "NONE"}, None),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({}, None),
    ],
)
def test_plain_resolution(options: dict[str, Any], pixel: tuple[float, float] | None, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", DATA[0], metadata=None, **options)
    image = read_image(tmp_path / "a.tif")
    assert image.has_pixel_size == (pixel is not None)
    assert image.pixel_size == pytest.approx(pixel or (1.0, 1.0))
    shown = describe(tmp_path / "a.tif")[0]["pixel_size"]
    assert shown is None if pixel is None else shown == pytest.approx(list(pixel))


@pytest.mark.parametrize(
    "options",
    [
        {"byteorder": ">"},
        {"bigtiff": True},
        {"tile": (16, 16)},
        {"compression": "zlib"},
        {"compression": "lzw", "predictor": True},
        {"tile": (16, 32), "compression": "zlib", "byteorder": ">"},
        {"rowsperstrip": 3},
    ],
)
def test_every_layout_is_sliced_as_numpy_slices(options: dict[str, Any], tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", DATA, photometric="minisblack", **options)
    data = read_image(tmp_path / "a.tif").data
    np.testing.assert_array_equal(np.asarray(data), DATA)
    for key in [
        np.s_[1],
        np.s_[-1, 3],
        np.s_[..., 4],
        np.s_[:, 2:17:5, ::-3],
        np.s_[0, 5:5],
        np.s_[2, -4:, -1],
        np.s_[1:, ...],
    ]:
        found = np.asarray(data[key])
        np.testing.assert_array_equal(found, DATA[key])
        assert found.dtype.isnative
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(data))[1], DATA[1])
    for wrong in [np.s_[3], np.s_[0, 0, 0, 0]]:
        with pytest.raises(IndexError):
            data[wrong]


def test_a_slice_reads_only_its_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((10, 512, 512), "uint8"), tile=(64, 64), photometric="minisblack")
    image = read_image(tmp_path / "a.tif")
    image.data[0, 0, 0]
    read: list[int] = []
    original = tifffile.FileHandle.read
    monkeypatch.setattr(tifffile.FileHandle, "read", lambda self, n=-1: read.append(n) or original(self, n))
    image.data[4, 100:120, 100:120]
    assert 0 < sum(read) <= 4 * 64 * 64


def test_a_pyramid_is_one_image_and_lies_right(tmp_path: Path, make_image: Callable[..., Image]) -> None:
    image = make_image("YX", "uint8", sizes={"Y": 30, "X": 4200})
    with tifffile.TiffFile(write_image(image, tmp_path / "a.ome.tif")) as file:
        levels = [level.asarray() for level in file.series[0].levels]
    assert [level.shape for level in levels] == [(30, 4200), (15, 2100), (7, 1050), (3, 525)][: len(levels)]
    assert len(levels) > 1
    np.testing.assert_array_equal(levels[1], np.rint(image.data.reshape(15, 2, 2100, 2).mean((1, 3))))
    assert read_image(tmp_path / "a.ome.tif").shape == (30, 4200)


def test_plain_axes_and_their_override(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", DATA, photometric="minisblack", metadata=None)
    assert read_image(tmp_path / "a.tif").axes == "ZYX"
    assert read_image(tmp_path / "a.tif", axes="tyx").axes == "TYX"
    for wrong in ("YX", "ZZYX", "QYX", "SXC"):
        with pytest.raises(AxesError):
            read_image(tmp_path / "a.tif", axes=wrong)
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((20, 30, 3), "uint8"), photometric="rgb")
    assert read_image(tmp_path / "rgb.tif").axes == "YXS"
    tifffile.imwrite(tmp_path / "p.tif", np.zeros((3, 20, 30), "uint8"), photometric="rgb", planarconfig="separate")
    assert read_image(tmp_path / "p.tif").axes == "SYX"


def test_several_series_are_listed(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        file.write(DATA, metadata={"axes": "ZYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1})
        file.write(DATA[0, :10], metadata={"axes": "YX"})
    with pytest.raises(SeriesError, match=r"holds 2 images: 0: .*3 x 20 x 30.*0\.1.*1: .*10 x 30.*unknown.*`series`"):
        read_image(tmp_path / "a.ome.tif")
    assert read_image(tmp_path / "a.ome.tif", series=1).shape == (10, 30)
    assert [image.axes for _, image in read_series(tmp_path / "a.ome.tif")] == ["ZYX", "YX"]
    with pytest.raises(SeriesError, match=r"must be 0 to 1.*got 2"):
        read_image(tmp_path / "a.ome.tif", series=2)


def test_pixel_size_is_overridden(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", DATA, photometric="minisblack")
    image = read_image(tmp_path / "a.tif", pixel_size=(2.0, 0.5, 0.5), unit="nm")
    assert image.pixel_size == (2.0, 0.5, 0.5)
    assert image.units["Z"] == "nanometer"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib"},
        {"tile": (16, 16)},
        {"imagej": True},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"compression": "zlib", "metadata": None},
        {"ome": True, "compression": "zlib"},
    ],
)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.75, 0.9, 0.99])
def test_a_cut_off_file_fails_when_opened(options: dict[str, Any], share: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 60_000, (3, 40, 50)).astype("uint16")
    tifffile.imwrite(tmp_path / "whole.tif", noise, photometric="minisblack", **options)
    whole = (tmp_path / "whole.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UnreadableImageError, match=r"cut\.tif"):
        read_image(tmp_path / "cut.tif")
