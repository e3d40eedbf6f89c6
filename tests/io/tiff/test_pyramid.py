"""The coarser levels of a TIFF file are read for viewers."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_superres.core.grid import downscale_affine
from napari_superres.core.image import Image
from napari_superres.io import read_image, read_pyramids

SIZE = (3, 96, 70)


def pyramid(path: Path, shapes: list[tuple[int, ...]], *, axes: str = "ZYX", **options) -> list[np.ndarray]:
    """Write random levels, the coarser ones as sub-images of the first."""
    levels = [np.random.default_rng(i).integers(1, 4000, shape).astype(np.uint16) for i, shape in enumerate(shapes)]
    metadata = {"axes": axes, "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(levels[0], subifds=len(levels) - 1, metadata=metadata, tile=(32, 32), **options)
        for level in levels[1:]:
            file.write(level, subfiletype=1, tile=(32, 32), metadata=None, **options)
    return levels


def levels_of(path: Path) -> list[Image]:
    ((_, found),) = read_pyramids(path)
    return found


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_levels_lie_on_the_finest(tmp_path, compression):
    path = tmp_path / "slide.ome.tif"
    made = pyramid(path, [SIZE, (3, 48, 35), (3, 24, 17)], compression=compression)
    found = levels_of(path)
    assert [image.shape for image in found] == [level.shape for level in made]
    for number, (image, level) in enumerate(zip(found, made, strict=True)):
        np.testing.assert_array_equal(image.data[1:], level[1:])
        expected = downscale_affine(found[0].affine, [1, 2**number, 2**number])
        np.testing.assert_allclose(image.affine, expected, rtol=1e-12)
        assert image.units == found[0].units
    assert found[0].pixel_size == (2.0, 0.5, 0.25)
    assert read_image(path).shape == SIZE
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found[2].data))[0], made[2][0])


def test_levels_of_colours_and_channels(tmp_path):
    rgb = tmp_path / "rgb.ome.tif"
    made = pyramid(rgb, [(64, 50, 3), (32, 25, 3)], axes="YXS", photometric="rgb")
    np.testing.assert_array_equal(levels_of(rgb)[1].data[...], made[1])
    channels = tmp_path / "channels.ome.tif"
    made = pyramid(channels, [(2, 64, 50), (2, 32, 25)], axes="CYX", photometric="minisblack")
    np.testing.assert_array_equal(levels_of(channels)[1].data[1], made[1][1])


@pytest.mark.parametrize(
    ("coarser", "kept"),
    [
        ([(3, 64, 47)], 0),  # the factor is not an integer
        ([SIZE], 0),
        ([(3, 96, 35), (3, 30, 17)], 1),  # the last factor is 3.2 along Y
    ],
)
def test_levels_that_do_not_fit_are_left_out(tmp_path, coarser, kept):
    path = tmp_path / "odd.ome.tif"
    pyramid(path, [SIZE, *coarser])
    assert [image.shape for image in levels_of(path)] == [SIZE, *coarser[:kept]]


def test_a_level_whose_pixels_are_missing_is_left_out(tmp_path):
    path = tmp_path / "cut.ome.tif"
    made = pyramid(path, [SIZE, (3, 48, 35), (3, 24, 17)])
    with tifffile.TiffFile(path, mode="r+") as file:
        tag = file.series[0].levels[2].pages[0].tags["TileOffsets"]
        tag.overwrite([file.filehandle.size] if tag.count == 1 else [file.filehandle.size] * tag.count)
    finest, coarse = levels_of(path)
    np.testing.assert_array_equal(finest.data[...], made[0])
    np.testing.assert_array_equal(coarse.data[...], made[1])


def test_napari_shows_them_as_one_layer(tmp_path):
    from napari_superres.plugin.host.reader import read

    path = tmp_path / "slide.ome.tif"
    made = pyramid(path, [SIZE, (3, 48, 35)])
    ((data, keywords, kind),) = read(path)
    assert (kind, keywords["multiscale"], [d.shape for d in data]) == ("image", True, [m.shape for m in made])
    np.testing.assert_array_equal(np.asarray(data[1][2]), made[1][2])
