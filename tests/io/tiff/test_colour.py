"""Colour models of TIFF: intensities and RGB as Pillow shows them, or a refusal that names the model."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import ImageOps

from napari_superres.errors import UnreadableImageError
from napari_superres.io import read_image, read_pyramids

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (33, 40), dtype="u1")
COLOUR = RANDOM.integers(0, 256, (33, 40, 4), dtype="u1")
PALETTE = RANDOM.integers(0, 256, (3, 256)).astype("u2") * 257


def written(path: Path, data: Any, **options: Any) -> Path:
    tifffile.imwrite(path, data, **{"metadata": None, **options})
    return path


def pillow(path: Path, mode: str) -> Any:
    with Pillow.open(path) as file:
        return np.asarray(file.convert(mode))


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (16, 16)}], ids=["plain", "tiled"])
def test_white_at_zero_is_inverted(options: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", GREY, photometric="miniswhite", **options)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, pillow(path, "L"))
    np.testing.assert_array_equal(image.data[3:9, 30:20:-3], 255 - GREY[3:9, 30:20:-3])


def test_white_at_zero_of_sixteen_bits_and_of_real_numbers(tmp_path: Path) -> None:
    data = GREY.astype("u2") * 16
    image = read_image(written(tmp_path / "a.tif", data, photometric="miniswhite"))
    np.testing.assert_array_equal(image.data, 65535 - data)
    with pytest.raises(UnreadableImageError, match="of which 0 is white"):
        read_image(written(tmp_path / "b.tif", data.astype("f4"), photometric="miniswhite"))


@pytest.mark.parametrize("depth", [1, 257])
def test_palettes_become_their_colours(depth: int, tmp_path: Path) -> None:
    palette = PALETTE if depth == 257 else (PALETTE + RANDOM.integers(0, 9, PALETTE.shape)).clip(0, 65535).astype("u2")
    stack = np.stack([GREY, GREY[::-1]])
    image = read_image(written(tmp_path / "a.tif", stack, photometric="palette", colormap=palette))
    expected = np.moveaxis(palette[:, stack], 0, -1)
    assert image.axes[-3:] == "YXS"
    assert image.dtype == ("u1" if depth == 257 else "u2")
    np.testing.assert_array_equal(image.data, expected // 257 if depth == 257 else expected)
    part = (1, slice(2, 30, 3), slice(None), slice(2, 0, -1))
    np.testing.assert_array_equal(image.data[part], np.asarray(image.data)[part])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(image.data)), image.data)
    if depth == 257:
        np.testing.assert_array_equal(image.data[0], pillow(tmp_path / "a.tif", "RGB"))


def test_pages_with_different_palettes_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for table in (PALETTE, PALETTE[::-1]):
            file.write(GREY, photometric="palette", colormap=table, metadata=None, contiguous=False)
    with pytest.raises(UnreadableImageError, match="different palettes"):
        read_image(tmp_path / "a.tif")


def test_a_palette_of_imagej_only_shows_intensities(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", GREY, imagej=True, colormap=PALETTE.astype("u2"), photometric="palette")
    np.testing.assert_array_equal(read_image(path).data, GREY)


@pytest.mark.parametrize(
    ("model", "samples", "said"),
    [
        ("separated", 4, "inks"),
        ("cielab", 3, "L\\*a\\*b"),
        ("icclab", 3, "ICC"),
        ("cfa", 1, "mosaic"),
        (32844, 1, "LogL"),
    ],
)
def test_what_is_no_intensity_is_refused_by_name(model: Any, samples: int, said: str, tmp_path: Path) -> None:
    data = COLOUR[..., :samples] if samples > 1 else GREY
    options = {"extratags": [(33421, 3, 2, (2, 2), True)]} if model == "cfa" else {}
    path = written(tmp_path / "a.tif", data, photometric="rgb" if samples == 3 else "minisblack", **options)
    with tifffile.TiffFile(path, mode="r+") as file:
        code = model if isinstance(model, int) else int(tifffile.PHOTOMETRIC[model.upper()])
        file.pages.first.tags[262].overwrite(code)
    with pytest.raises(UnreadableImageError, match=said):
        read_image(path)


def test_colour_that_jpeg_stores_as_ycbcr_is_rgb(tmp_path: Path) -> None:
    smooth = np.stack([np.linspace(0, 255, 64 * 48).reshape(64, 48)] * 3, -1).astype("u1")
    path = written(tmp_path / "a.tif", smooth, compression="jpeg", photometric="rgb")
    np.testing.assert_array_equal(read_image(path).data, tifffile.imread(path))
    path = written(tmp_path / "b.tif", smooth, photometric="rgb")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags[262].overwrite(6)
    with pytest.raises(UnreadableImageError, match="YCbCr"):
        read_image(path)


@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_grey_with_alpha_becomes_rgba(layout: str, tmp_path: Path) -> None:
    pair = COLOUR[..., :2] if layout == "contig" else np.moveaxis(COLOUR[..., :2], -1, 0)
    options = {"photometric": "minisblack", "extrasamples": ["unassalpha"], "planarconfig": layout}
    image = read_image(written(tmp_path / "a.tif", pair, **options))
    found = np.moveaxis(np.asarray(image.data), image.axes.index("S"), -1)
    np.testing.assert_array_equal(found, COLOUR[..., [0, 0, 0, 1]])
    if layout == "contig":
        np.testing.assert_array_equal(found, pillow(tmp_path / "a.tif", "RGBA"))


def test_colours_multiplied_by_alpha_are_divided_by_it(tmp_path: Path) -> None:
    alpha = COLOUR[..., 3:].astype(int)
    stored = np.concatenate([COLOUR[..., :3] * alpha // 255, alpha], -1).astype("u1")
    path = written(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    found = np.asarray(read_image(path).data)
    np.testing.assert_array_equal(found[..., 3], stored[..., 3])
    assert np.abs(found.astype(int) - pillow(path, "RGBA")).max() <= 1  # Pillow truncates
    opaque = stored.copy()
    opaque[..., 3] = 255
    path = written(tmp_path / "b.tif", opaque, photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_array_equal(read_image(path).data, opaque)


def test_samples_that_are_no_colours_are_channels(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", COLOUR[..., :3].astype("u2"), photometric="minisblack", planarconfig="contig")
    with tifffile.TiffFile(path) as file:
        assert file.series[0].axes == "YXS"
    assert read_image(path).axes == "YXC"
    path = written(tmp_path / "b.tif", COLOUR, photometric="rgb", extrasamples=["unassalpha"])
    assert read_image(path).axes == "YXS"
    mixed = np.concatenate([COLOUR, COLOUR[..., :1]], -1)
    path = written(tmp_path / "c.tif", mixed, photometric="rgb", extrasamples=["unspecified", "unassalpha"])
    with pytest.raises(UnreadableImageError, match="transparency next to"):
        read_image(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("samples", [0, 3])
def test_pixels_are_turned_as_orientation_says(orientation: int, samples: int, tmp_path: Path) -> None:
    tags: dict[str, Any] = {"resolution": (5000, 2500), "resolutionunit": "CENTIMETER"}
    tags["extratags"] = [(274, 3, 1, orientation, True)]
    colour = written(tmp_path / "colour.tif", COLOUR[..., :3], photometric="rgb", **tags)
    with Pillow.open(colour) as file:  # Pillow turns colour right, but not uncompressed grey
        expected = np.asarray(ImageOps.exif_transpose(file))[..., : samples or None]
    if not samples:
        colour, expected = written(tmp_path / "grey.tif", COLOUR[..., 0], **tags), expected[..., 0]
    image = read_image(colour)
    np.testing.assert_array_equal(image.data, expected)
    np.testing.assert_array_equal(image.data[5:20:2, 3:-4], expected[5:20:2, 3:-4])
    assert image.pixel_size == pytest.approx((2.0, 4.0) if orientation > 4 else (4.0, 2.0))


def test_coarser_levels_are_turned_too(tmp_path: Path) -> None:
    large = RANDOM.integers(0, 256, (96, 64), dtype="u1")
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        options = {"photometric": "miniswhite", "tile": (16, 16), "extratags": [(274, 3, 1, 6, True)]}
        file.write(large, subifds=1, metadata=None, **options)
        file.write(large[::2, ::2], subfiletype=1, **options)
    [(_, [fine, coarse])] = read_pyramids(tmp_path / "a.tif")
    np.testing.assert_array_equal(fine.data, np.rot90(255 - large, -1))
    np.testing.assert_array_equal(coarse.data, np.rot90(255 - large[::2, ::2], -1))


@pytest.mark.parametrize("model", ["minisblack", "miniswhite"])
def test_pixels_of_one_bit_are_black_and_white(model: str, tmp_path: Path) -> None:
    """As in PNG: scanned pages are often stored so."""
    bits = np.random.default_rng(0).integers(0, 2, (20, 27)).astype(bool)
    tifffile.imwrite(tmp_path / "a.tif", bits, photometric=model)
    with Pillow.open(tmp_path / "a.tif") as other:
        expected = np.asarray(other.convert("L"))
    image = read_image(tmp_path / "a.tif")
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(np.asarray(image.data), expected)


def test_a_fourth_sample_that_is_no_alpha_is_a_channel(tmp_path: Path) -> None:
    """As red, green, blue and near infrared."""
    bands = np.random.default_rng(0).integers(0, 9000, (20, 24, 4)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", bands, photometric="rgb", extrasamples=["unspecified"])
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "YXC"
    np.testing.assert_array_equal(np.asarray(image.data), bands)
