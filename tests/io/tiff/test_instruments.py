"""LSM files and slides are read with their pixel size, time step and channel names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_superres.errors import SuperResError
from napari_superres.io import is_anonymous, read_image, read_series

RGB = np.random.default_rng(0).integers(0, 255, (70, 90, 3)).astype(np.uint8)


def write_lsm(path: Path, data: np.ndarray[Any, Any], **more: Any) -> None:
    """Write planes of axes ZCYX: of each, a page with its channels apart, and a thumbnail."""
    depth, channels, height, width = data.shape
    info = np.zeros(1, [(name, form) for name, form in tifffile.TIFF.CZ_LSMINFO])
    facts = {
        "MagicNumber": 67127628,
        "StructureSize": info.itemsize,
        "DimensionX": width,
        "DimensionY": height,
        "DimensionZ": depth,
        "DimensionChannels": channels,
        "DimensionTime": 1,
        "DataType": 2,
        "VoxelSizeX": 1e-7,
        "VoxelSizeY": 2e-7,
        "VoxelSizeZ": 5e-7,
        "OriginZ": 3e-6,
        "TimeIntervall": 1.5,
        **more,
    }
    for name, value in facts.items():
        info[name] = value
    tag = (34412, 1, info.itemsize, info.tobytes(), True)
    with tifffile.TiffWriter(path) as file:
        for number, plane in enumerate(data):
            options = {"extratags": [tag]} if number == 0 else {}
            file.write(plane, planarconfig="separate", photometric="minisblack", metadata=None, **options)
            file.write(
                plane[:, ::4, ::4], planarconfig="separate", photometric="minisblack", subfiletype=1, metadata=None
            )


def test_lsm(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 999, (3, 4, 20, 30)).astype(np.uint16)
    write_lsm(tmp_path / "a.lsm", data)
    with tifffile.TiffFile(tmp_path / "a.lsm") as file:
        assert file.is_lsm
        found = file.series[0].asarray()
        axes = file.series[0].axes
    image = read_image(tmp_path / "a.lsm")
    assert image.axes == axes
    np.testing.assert_array_equal(np.asarray(image.data), found)
    np.testing.assert_array_equal(found, data.reshape(found.shape))
    sizes = dict(zip(image.spatial, image.pixel_size, strict=True))
    assert sizes == pytest.approx({"Z": 0.5, "Y": 0.2, "X": 0.1})
    assert image.origin[image.spatial.index("Z")] == pytest.approx(3.0)
    assert image.units["X"] == "micrometer"


def test_lsm_without_a_pixel_size(tmp_path: Path) -> None:
    write_lsm(tmp_path / "a.lsm", np.zeros((2, 4, 8, 9), np.uint16), VoxelSizeX=0.0)
    assert not read_image(tmp_path / "a.lsm").has_pixel_size


def test_slides(tmp_path: Path) -> None:
    text = "Aperio Image Library v11.2.1\n90x70 [0,0 90x70] (64x64) |AppMag = 20|MPP = 0.4990|Left = 1"
    with tifffile.TiffWriter(tmp_path / "Hans Meier.svs") as file:
        file.write(RGB, tile=(64, 64), photometric="rgb", description=text, metadata=None)
        file.write(RGB[::2, ::2], photometric="rgb", description="Aperio\nlabel 45x35", metadata=None)
    found = read_series(tmp_path / "Hans Meier.svs")
    image = found[0][1]
    assert image.axes == "YXS"
    assert image.pixel_size == pytest.approx((0.499, 0.499))
    np.testing.assert_array_equal(np.asarray(image.data), RGB)
    assert all(not other.has_pixel_size for _, other in found[1:])
    assert is_anonymous(tmp_path / "Hans Meier.svs")
    with pytest.raises(SuperResError) as error:
        read_image(tmp_path / "Hans Meier.svs", axes="YX")
    assert "Meier" not in str(error.value)
