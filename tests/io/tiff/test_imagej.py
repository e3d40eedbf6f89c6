"""ImageJ TIFF: units per axis, calibrated values; and resolutions that are no pixel size."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_superres.core.image import Image
from napari_superres.errors import UnreadableImageError
from napari_superres.io import read_image, write_image

DATA = np.random.default_rng(0).integers(0, 4000, (4, 12, 10), dtype="u2")


def written(path: Path, data: Any = DATA[0], resolution: tuple[float, float] = (10.0, 5.0), **metadata: Any) -> Path:
    tifffile.imwrite(path, data, imagej=True, resolution=resolution, metadata=metadata)
    return path


@pytest.mark.parametrize(
    ("units", "sizes"),
    [
        ({"zunit": "nm", "spacing": 500.0}, (0.5, 0.2, 0.1)),
        ({"yunit": "nm", "zunit": "mm", "spacing": 0.001}, (1.0, 0.0002, 0.1)),
        ({"yunit": "\\u00B5m", "spacing": -0.5}, (0.5, 0.2, 0.1)),
        ({"zunit": "pixel", "spacing": 2.0}, None),
    ],
    ids=str,
)
def test_axes_have_units_of_their_own(units: dict[str, Any], sizes: tuple[float, ...] | None, tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", DATA, axes="ZYX", unit="um", zorigin=2.0, **units)
    image = read_image(path)
    if sizes is None:
        assert image.units["Z"] is None
        assert image.pixel_size == pytest.approx((1.0, 0.2, 0.1))
        return
    assert set(image.units.values()) == {"micrometer"}
    assert image.pixel_size == pytest.approx(sizes)
    assert image.origin == pytest.approx((-2.0 * sizes[0], 0.0, 0.0))


@pytest.mark.parametrize(
    ("metadata", "step", "unit"),
    [
        ({"finterval": 250.0, "tunit": "ms"}, 250.0, "millisecond"),
        ({"finterval": 250.0, "tunit": "msec"}, 250.0, "millisecond"),
        ({"finterval": 2.0, "tunit": "min"}, 2.0, "minute"),
        ({"finterval": 2.5}, 2.5, "second"),
        ({"finterval": 2.5, "tunit": "um"}, None, None),
        ({"finterval": 2.5, "tunit": "stage"}, None, None),
    ],
    ids=str,
)
def test_the_frame_interval_has_a_unit(
    metadata: dict[str, Any], step: float | None, unit: str | None, tmp_path: Path
) -> None:
    image = read_image(written(tmp_path / "a.tif", DATA, axes="TYX", unit="um", **metadata))
    assert image.metadata.get("time_step") == step
    assert image.units["T"] == unit


@pytest.mark.parametrize(
    ("coefficients", "stored", "dtype"),
    [
        ((-1024.0, 1.0), DATA[0], "i4"),
        ((-32768.0, 1.0), DATA[0], "i2"),
        ((-1024.0, 1.0), DATA[0].astype("u1"), "i2"),
        ((0.5, 1.0), DATA[0], "f4"),
        ((3.0, -0.25), DATA[0], "f4"),
        ((1.0, 2.0, 3e-4), DATA[0], "f4"),
        ((1.0, 2.0, 3e-4, -1e-8, 1e-12), DATA[0], "f4"),
        ((0.0, 1.0), DATA[0], "u2"),
    ],
    ids=str,
)
def test_calibrated_values(coefficients: tuple[float, ...], stored: Any, dtype: str, tmp_path: Path) -> None:
    named = {f"c{i}": c for i, c in enumerate(coefficients)}
    path = written(tmp_path / "a.tif", stored, unit="mm", cf=len(coefficients) - 2, vunit="HU", **named)
    image = read_image(path)
    expected = sum(c * stored.astype(float) ** i for i, c in enumerate(coefficients))
    assert image.dtype == np.dtype(dtype)
    np.testing.assert_allclose(image.data, expected, rtol=1e-6)
    np.testing.assert_array_equal(image.data[2:7, ::-2], np.asarray(image.data)[2:7, ::-2])


def test_signed_numbers_are_calibrated_as_imagej_does(tmp_path: Path) -> None:
    """ImageJ adds 32768 to signed numbers when it reads them, and its own calibration takes that off again."""
    signed = DATA[0].astype("i2") - 2000
    path = tmp_path / "a.tif"
    description = "ImageJ=1.54f\nunit=mm\ncf=0\nc0={}\nc1={}\nvunit=gray value\n"
    tifffile.imwrite(path, signed, metadata=None, description=description.format(-32768.0, 1.0), resolution=(10, 10))
    np.testing.assert_array_equal(read_image(path).data, signed)
    tifffile.imwrite(path, signed, metadata=None, description=description.format(-65536.0, 2.0), resolution=(10, 10))
    np.testing.assert_allclose(read_image(path).data, 2.0 * signed)


@pytest.mark.parametrize("function", [4, 8, 21, 22])
def test_other_functions_are_refused_by_number(function: int, tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", unit="mm", cf=function, c0=1.0, c1=2.0, c2=3.0)
    with pytest.raises(UnreadableImageError, match=f"calibration function {function} "):
        read_image(path)
    path = written(tmp_path / "b.tif", unit="mm", cf=20, vunit="gray value")
    np.testing.assert_array_equal(read_image(path).data, DATA[0])


def test_our_signed_images_come_back(tmp_path: Path) -> None:
    signed = DATA[0].astype("i2") - 2000
    path = write_image(Image.from_array(signed, "YX", pixel_size=0.5), tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(path).data, signed)


@pytest.mark.parametrize(
    ("resolution", "unit", "is_known"),
    [
        ((72, 72), "INCH", False),
        ((96, 96), "INCH", False),
        ((28.35, 28.35), "CENTIMETER", False),
        ((28, 28), "CENTIMETER", False),
        ((37.8, 37.8), "CENTIMETER", False),
        ((38, 38), "CENTIMETER", False),
        ((1, 1), "CENTIMETER", False),
        ((300, 300), "INCH", True),
        ((118.11, 118.11), "CENTIMETER", True),
        ((40, 40), "CENTIMETER", True),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:its pixel size of .* dots per inch")
def test_resolutions_that_programs_write_if_they_know_none(
    resolution: tuple[float, float], unit: str, is_known: bool, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", DATA[0], metadata=None, resolution=resolution, resolutionunit=unit)
    assert read_image(tmp_path / "a.tif").has_pixel_size == is_known
    path = written(tmp_path / "b.tif", resolution=resolution, unit={"INCH": "inch", "CENTIMETER": "cm"}[unit])
    assert read_image(path).has_pixel_size == is_known
