"""Files of a hundred gigabytes: opening reads only metadata, viewing only the visible chunks."""

import itertools
import tracemalloc

import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Layer

from napari_superres import Image, read_image, write_image
from napari_superres.io.omezarr.array import ZarrArray
from napari_superres.io.tiff.array import TiffArray
from napari_superres.plugin.host import reader
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.host.reader import read

MB = 2**20
HUNDRED_GB = 10**11
SAMPLED = 3 * 1024**2
"""Pixels of a channel that its contrast is taken from."""

TILE = np.arange(1024 * 1024, dtype=np.uint16).reshape(1024, 1024)


def sparse_tiff(path, shape, axes="ZYX"):
    """Write an OME-TIFF of which the first tile alone is in the file; the others count as zeros."""
    planes = int(np.prod(shape[:-2])) * -(-shape[-2] // 1024) * -(-shape[-1] // 1024)
    tifffile.imwrite(
        path,
        itertools.chain([TILE], itertools.repeat(None, planes - 1)),
        shape=shape,
        dtype="uint16",
        tile=(1024, 1024),
        bigtiff=True,
        ome=True,
        metadata={"axes": axes, "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.5},
    )
    return path


def sparse_zarr(path, shapes, axes="czyx"):
    """Write an OME-Zarr with the shapes of its levels and one chunk of the finest, filled with 5."""
    group = zarr.open_group(str(path), mode="w")
    kinds = {"t": "time", "c": "channel"}
    for number, shape in enumerate(shapes):
        made = group.create_array(
            str(number), shape=shape, dtype="uint16", chunks=(*[1] * (len(shape) - 2), 512, 512), compressors=None
        )
        if number == 0:
            made[(*[0] * (len(shape) - 2), slice(512), slice(512))] = 5
    scale = [1.0] * (len(axes) - 3) + [2.0, 0.5, 0.25]
    datasets = []
    for number, shape in enumerate(shapes):
        factor = np.rint(np.divide(shapes[0], shape))
        step = {"type": "scale", "scale": (np.array(scale) * factor).tolist()}
        datasets.append({"path": str(number), "coordinateTransformations": [step]})
    named = [
        {"name": a, "type": kinds[a]} if a in kinds else {"name": a, "type": "space", "unit": "micrometer"}
        for a in axes
    ]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": named, "datasets": datasets}]}
    return path


@pytest.fixture
def boxes(monkeypatch):
    """Keep the shapes of all parts that are read of files."""
    found = []
    for kind in (TiffArray, ZarrArray):

        def recorded(self, box, read_box=kind.read_box):
            found.append(tuple(-(-(b.stop - b.start) // (b.step or 1)) for b in box))
            return read_box(self, box)

        monkeypatch.setattr(kind, "read_box", recorded)
    return found


def pixels_of(layer):
    """Return the finest level of layer data."""
    return layer[0][0] if isinstance(layer[0], list) else layer[0]


def count(boxes):
    return sum(int(np.prod(box)) for box in boxes)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (sparse_tiff, (2000, 5000, 5000)),
        (sparse_tiff, (1, 224_000, 224_000)),
        (sparse_zarr, [(4, 500, 5000, 5000)]),
        (sparse_zarr, [(4, 500, 5000 >> i, 5000 >> i) for i in range(4)]),
    ],
    ids=["tiff stack", "tiff plane", "zarr", "zarr with levels"],
)
def test_opening_reads_a_sample_and_a_crop_only_the_chunks_it_touches(make, shape, tmp_path, boxes):
    is_tiff = make is sparse_tiff
    suffix = ".ome.tif" if is_tiff else ".ome.zarr"
    # Modules that are imported on the way are not counted.
    np.asarray(pixels_of(read(make(tmp_path / f"small{suffix}", (1, 9, 9) if is_tiff else [(1, 1, 9, 9)]))[0]))
    boxes.clear()
    path = make(tmp_path / f"large{suffix}", shape)
    assert np.prod(shape if is_tiff else shape[0], dtype=np.int64) * 2 >= HUNDRED_GB
    tracemalloc.start()
    try:
        layers = read(path)
        assert count(boxes) <= SAMPLED * (1 if is_tiff else shape[0][0]), "more than is needed for the contrast"
        boxes.clear()
        data = pixels_of(layers[0])
        crop = np.asarray(data[(*[0] * (data.ndim - 2), slice(10, 110), slice(20, 220))])
        assert tracemalloc.get_traced_memory()[1] < 50 * MB
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(crop, TILE[10:110, 20:220] if is_tiff else 5)
    assert count(boxes) <= 2048 * 2048


def test_a_crop_of_a_tiff_reads_one_tile(tmp_path, monkeypatch):
    path = sparse_tiff(tmp_path / "stack.ome.tif", (2000, 5000, 5000))
    ((data, _, _),) = read(path)
    taken = []
    plain = tifffile.FileHandle.read

    def recorded(self, *arguments):
        found = plain(self, *arguments)
        taken.append(len(found))
        return found

    monkeypatch.setattr(tifffile.FileHandle, "read", recorded)
    assert np.asarray(data[0, :100, :100]).max() == TILE[:100, :100].max()
    # The tile and, once, where the tiles of the 2000 planes lie.
    assert TILE.nbytes <= sum(taken) < TILE.nbytes + 4 * MB


def test_levels_are_one_layer_per_channel_on_the_grid_of_the_finest(tmp_path):
    rng = np.random.default_rng(0)
    image = Image.from_array(
        rng.integers(0, 999, (2, 3, 1301, 1100)).astype(np.uint16),
        "CZYX",
        pixel_size=(2.0, 0.5, 0.25),
        origin=(-1.0, 2.5, 4.0),
        channel_names=("DNA", "actin"),
    )
    layers = [Layer.create(*made) for made in read(write_image(image, tmp_path / "cells.ome.zarr"))]
    assert [layer.name for layer in layers] == ["DNA - cells", "actin - cells"]
    for channel, layer in enumerate(layers):
        assert layer.multiscale
        assert layer.metadata["channel"] == channel
        assert [level.shape for level in layer.data] == [(3, 1301, 1100), (3, 650, 550), (3, 325, 275)]
        assert layer.axis_labels == ("z", "y", "x")
        assert {str(unit) for unit in layer.units} == {"micrometer"}
        np.testing.assert_allclose(layer.data_to_world((0, 0, 0)), image.origin)
        np.testing.assert_allclose(layer.scale, image.pixel_size)
        back = to_image(layer)
        np.testing.assert_allclose(back.affine, image.affine)
        np.testing.assert_array_equal(np.asarray(back.data[1]), image.data[channel, 1])
        coarse = image.data[channel, :, :1300].reshape(3, 650, 2, 550, 2).mean((2, 4))
        np.testing.assert_array_equal(np.asarray(layer.data[1]), np.rint(coarse))


def test_colour_with_levels(tmp_path):
    image = Image.from_array(np.zeros((700, 600, 3), np.uint8), "YXS", pixel_size=0.5)
    (made,) = read(write_image(image, tmp_path / "a.ome.zarr"))
    layer = Layer.create(*made)
    assert layer.rgb
    assert [level.shape for level in layer.data] == [(700, 600, 3), (350, 300, 3)]
    np.testing.assert_allclose(layer.scale, (0.5, 0.5))


def test_layers_of_several_series_have_the_number_of_their_series(tmp_path):
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    root.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    for name in ("0", "1"):
        sparse_zarr(tmp_path / "a.zarr" / name, [(2, 2, 800, 800), (2, 2, 400, 400)])
    layers = read(tmp_path / "a.zarr")
    assert [(k["metadata"].get("series"), k["metadata"]["channel"]) for _, k, _ in layers] == [
        (None, 0),
        (None, 1),
        (1, 0),
        (1, 1),
    ]
    assert all(isinstance(data, list) and len(data) == 2 for data, _, _ in layers)


def test_damaged_chunks_of_coarser_levels_are_empty_and_those_of_the_finest_errors(tmp_path):
    image = Image.from_array(np.ones((700, 600), np.uint16), "YX")
    path = write_image(image, tmp_path / "a.ome.zarr")
    for level in "01":
        (path / level / "c/0/0").write_bytes(b"\0" * 99)
    ((levels, _, _),) = read(path)
    assert not np.asarray(levels[1]).any()
    with pytest.raises(OSError, match=r"0/c/0/0"):
        np.asarray(levels[0])


def test_planes_without_levels_are_shown_by_every_nth_pixel(tmp_path):
    path = sparse_tiff(tmp_path / "a.ome.tif", (2, 9000, 8000))
    ((levels, keywords, _),) = read(path)
    assert keywords["multiscale"]
    assert keywords.get("visible", True)
    assert [level.shape for level in levels] == [(2, 9000, 8000), *((2, 9000 >> i, 8000 >> i) for i in (1, 2, 3))]
    for i, level in enumerate(levels):
        step = 2**i
        np.testing.assert_array_equal(np.asarray(level[0, : 1024 // step, : 1024 // step]), TILE[::step, ::step])
    layer = Layer.create(levels, keywords, "image")
    np.testing.assert_allclose(layer.scale, (0.5, 0.2, 0.1))
    assert to_image(layer).shape == (2, 9000, 8000)


@pytest.mark.parametrize(("axes", "shape"), [("YX", (50, 37)), ("TCYX", (2, 2, 40, 61)), ("SYX", (3, 33, 47))])
def test_every_nth_pixel_equals_that_of_the_whole_plane(axes, shape, tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "_LARGEST_SHOWN", 1000)
    monkeypatch.setattr(reader, "_OVERVIEW", 100)
    monkeypatch.setattr(reader, "_READ", 16)
    pixels = np.random.default_rng(0).integers(0, 999, shape).astype(np.uint16)
    path = write_image(Image.from_array(pixels, axes), tmp_path / "a.ome.zarr")
    layers = reader.image_layers(read_image(path), "a")
    for channel, (levels, _, _) in enumerate(layers):
        whole = {"YX": pixels, "TCYX": pixels[:, channel % 2], "SYX": np.moveaxis(pixels, 0, -1)}[axes]
        assert len(levels) >= 3
        for i, level in enumerate(levels):
            step = 2**i
            wanted = whole[::step, ::step] if axes != "TCYX" else whole[:, ::step, ::step]
            np.testing.assert_array_equal(np.asarray(level), wanted)
            np.testing.assert_array_equal(np.asarray(level[-1, -3:-1]), wanted[-1, -3:-1])


def test_smaller_planes_without_levels_are_one_array(tmp_path):
    ((data, keywords, _),) = read(sparse_tiff(tmp_path / "a.ome.tif", (3, 8000, 8000)))
    assert data.shape == (3, 8000, 8000)
    assert not keywords["multiscale"]


def test_viewer_reads_the_coarsest_level_and_then_what_is_zoomed_to(tmp_path, viewer, qtbot, boxes):
    path = sparse_zarr(tmp_path / "a.ome.zarr", [(1, 500, 10_000 >> i, 10_000 >> i) for i in range(5)])
    viewer.window.show()
    (layer,) = viewer.open(str(path), plugin="napari-superres-torch")
    assert layer.multiscale
    qtbot.wait(50)
    # Coarse levels are taken a few times, for the thumbnail too; a plane of the finest has 1e8 pixels.
    assert count(boxes) < 1e7
    boxes.clear()
    viewer.dims.set_point(0, 0)
    viewer.scene.camera.center = (0, 64.0, 32.0)
    viewer.scene.camera.zoom *= 60
    qtbot.waitUntil(lambda: layer.data_level == 0)
    assert layer.get_value((0, 64.0, 32.0), world=True) == (0, 5)
    assert count(boxes) < 2e7


def test_viewer_shows_large_planes_without_levels_in_little_memory(tmp_path, viewer, qtbot):
    path = sparse_tiff(tmp_path / "a.ome.tif", (1, 20_000, 20_000))
    tracemalloc.start()
    try:
        (layer,) = viewer.open(str(path), plugin="napari-superres-torch")
        qtbot.wait(50)
        assert tracemalloc.get_traced_memory()[1] < 200 * MB  # the plane is 800 MB
    finally:
        tracemalloc.stop()
    assert layer.visible
    assert layer.contrast_limits[1] > 0, "nothing of the plane was read"


def test_very_large_planes_are_hidden_with_a_message(tmp_path, viewer, qtbot, told, boxes):
    path = sparse_tiff(tmp_path / "slide.ome.tif", (1, 224_000, 224_000))
    (layer,) = viewer.open(str(path), plugin="napari-superres-torch")
    qtbot.wait(50)
    assert not layer.visible
    assert count(boxes) <= SAMPLED
    assert any("slide" in message and "224000 x 224000" in message for message in told)
