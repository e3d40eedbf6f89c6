"""A result lies where its source lies, whatever the transform of the layer."""

import os

import numpy as np
import pytest
import tifffile
from napari.layers import Image as ImageLayer
from napari.layers import Layer

from napari_superres.core.grid import crop_affine, upscale_affine
from napari_superres.errors import AxesError, DataTypeError, GridError, UnreadableImageError
from napari_superres.plugin.host import reader
from napari_superres.plugin.host.layers import guess_layer_axes, is_guess, to_image, to_layer

_TURN = np.deg2rad(25.0)
_AFFINE_2D = [[0.9, 0.2, 3.0], [-0.1, 1.1, 5.0], [0, 0, 1]]
_OBLIQUE = np.eye(4)
_OBLIQUE[:3, :3] = [[1, 0, 0], [0, np.cos(_TURN), -np.sin(_TURN)], [0, np.sin(_TURN), np.cos(_TURN)]]
_OBLIQUE[:3, 3] = [-40.0, 12.0, 7.5]

PLANES = {
    "plain": {},
    "placed": {"scale": [0.1, 0.2], "translate": [5.0, -7.0]},
    "rotated": {"scale": [0.1, 0.25], "rotate": 33.0, "translate": [1.0, 2.0]},
    "sheared": {"scale": [0.5, 0.7], "shear": [0.4], "rotate": 12.0},
    "lower shear": {"scale": [0.5, 0.7], "shear": [[1.0, 0.0], [0.3, 1.0]]},
    "mirrored": {"scale": [-0.5, 0.7], "translate": [3.0, 4.0]},
    "affine": {"affine": _AFFINE_2D, "scale": [0.3, 0.4], "rotate": 10.0},
}
VOLUMES = {
    "plain": {},
    "rotated": {"scale": [2.0, 0.5, 0.7], "rotate": (10, 20, 30)},
    "sheared": {"scale": [2.0, 0.5, 0.7], "shear": [0.1, 0.2, 0.3], "translate": [1, 2, 3]},
    "oblique": {"scale": [3.0, 0.5, 0.5], "affine": _OBLIQUE},
    "mirrored": {"scale": [3.0, -0.5, 0.5], "affine": _OBLIQUE},
}


def centroid(data, offset=0.0):
    weight = np.asarray(data, dtype=float) - offset
    return np.array([(g * weight).sum() / weight.sum() for g in np.indices(weight.shape)])


def finer(image, model):
    from napari_superres import upscale

    return upscale(image, model)


def drift(source, result, data_before, data_after):
    """Return how far a blob's centroid moved, in pixels of the source."""
    before = np.array(source.data_to_world(centroid(data_before)))
    after = np.array(result.data_to_world(centroid(data_after)))
    pixel = np.linalg.norm(
        np.array(source.data_to_world(np.ones(source.ndim))) - source.data_to_world(np.zeros(source.ndim))
    )
    return np.linalg.norm(after - before) / pixel


@pytest.mark.parametrize("place", PLANES.values(), ids=PLANES)
@pytest.mark.parametrize("model", ["bicubic-x2", "lanczos-x3"])
def test_blob_stays_in_plane(blob, place, model):
    data = blob((31, 40), (13.3, 22.1))
    source = ImageLayer(data, **place)
    image = to_image(source)
    made = Layer.create(*to_layer(finer(image, model), image, source, name="x"))
    assert drift(source, made, data, made.data) < 0.05


@pytest.mark.parametrize("place", VOLUMES.values(), ids=VOLUMES)
@pytest.mark.parametrize("model", ["bicubic-x2", "bicubic-x2x3x1"])
def test_blob_stays_in_volume(blob, place, model):
    data = blob((15, 21, 24), (6.2, 9.4, 12.7))
    source = ImageLayer(data, **place)
    image = to_image(source, "ZYX")
    made = Layer.create(*to_layer(finer(image, model), image, source, name="x"))
    assert drift(source, made, data, made.data) < 0.05


@pytest.mark.parametrize("axes", ["TYX", "CYX", "YXT", "TCYX", "TCZYX", "YTX"])
def test_other_axes_stay_as_they_are(axes):
    shape = [{"T": 2, "C": 3, "Z": 4}.get(a, 12) for a in axes]
    place = {"scale": np.linspace(0.5, 1.5, len(axes)), "translate": np.arange(len(axes))}
    source = ImageLayer(np.random.default_rng(1).random(shape).astype(np.float32), **place)
    image = to_image(source, axes)
    made = Layer.create(*to_layer(finer(image, "nearest-x2"), image, source, name="x"))
    for point in np.random.default_rng(2).random((5, len(axes))) * 10:
        fine = [2 * p + 0.5 if a in "YX" else p for p, a in zip(point, axes, strict=True)]
        np.testing.assert_allclose(made.data_to_world(fine), source.data_to_world(point), atol=1e-9)
    others = [i for i, a in enumerate(axes) if a not in "YX"]
    np.testing.assert_array_equal(made.scale[others], source.scale[others])


def test_display_settings_units_and_labels_are_copied():
    source = ImageLayer(
        np.random.default_rng(0).random((5, 12, 12)).astype(np.float32),
        scale=[1, 0.2, 0.2],
        units=("second", "micrometer", "micrometer"),
        axis_labels=("t", "y", "x"),
        contrast_limits=(0.1, 0.7),
        colormap="magma",
        gamma=0.8,
        blending="additive",
        opacity=0.6,
        interpolation2d="cubic",
        metadata={"space": None, "note": 1},
    )
    image = to_image(source)
    assert image.axes == "TYX"
    assert image.metadata["time_step"] == 1.0
    made = Layer.create(*to_layer(finer(image, "bicubic-x2"), image, source, name="x"))
    for key in ("units", "axis_labels", "contrast_limits", "gamma", "blending", "opacity", "interpolation2d"):
        assert getattr(made, key) == getattr(source, key), key
    assert made.colormap.name == "magma"
    assert made.metadata["note"] == 1
    assert made.metadata["provenance"]["model"]["name"] == "bicubic-x2"


def test_clipping_planes_cut_the_same_place():
    source = ImageLayer(
        np.zeros((8, 12, 12), np.float32),
        experimental_clipping_planes=[{"position": (3.0, 5.0, 6.0), "normal": (0.5, 0.5, 0.7), "enabled": True}],
    )
    image = to_image(source)
    made = Layer.create(*to_layer(finer(image, "nearest-x2x3x1"), image, source, name="x"))
    old, new = source.experimental_clipping_planes[0], made.experimental_clipping_planes[0]
    for point in np.random.default_rng(0).random((20, 3)) * 8:
        side = np.dot(point - np.array(old.position), old.normal)
        fine = np.array(made.world_to_data(source.data_to_world(point)))
        assert side * np.dot(fine - np.array(new.position), new.normal) >= 0


def test_a_region_of_an_image_is_placed_on_it():
    source = ImageLayer(np.zeros((20, 30), np.float32), scale=[0.1, 0.2], rotate=20, translate=[4, 5])
    image = to_image(source)
    part = image.replace(
        data=np.zeros((8, 10), np.float32), affine=upscale_affine(crop_affine(image.affine, [3, 7]), [2, 2])
    )
    made = Layer.create(*to_layer(part, image, source, name="x"))
    np.testing.assert_allclose(made.data_to_world((0.5, 0.5)), source.data_to_world((3, 7)), atol=1e-9)


def test_image_that_is_not_parallel_is_refused():
    source = ImageLayer(np.zeros((20, 30), np.float32))
    image = to_image(source)
    with pytest.raises(GridError, match="parallel"):
        to_layer(image.replace(affine=np.array(_AFFINE_2D)), image, source, name="x")


@pytest.mark.parametrize(
    ("shape", "labels", "axes"),
    [
        ((9, 9), None, "YX"),
        ((4, 9, 9), None, "ZYX"),
        ((2, 4, 9, 9), None, "TZYX"),
        ((2, 3, 4, 9, 9), None, "TCZYX"),
        ((2, 9, 9), ("t", "y", "x"), "TYX"),
        ((9, 2, 9), ("Y", "Time", "x"), "YTX"),
        ((2, 9, 9), ("channel", "y", "x"), "CYX"),
        ((2, 9, 9), ("a", "y", "x"), "ZYX"),
    ],
)
def test_axes_are_guessed(shape, labels, axes):
    assert guess_layer_axes(ImageLayer(np.zeros(shape, np.float32), axis_labels=labels, rgb=False)) == axes


def test_axes_that_nobody_named_are_a_guess():
    plain, labelled = (ImageLayer(np.zeros((4, 9, 9), np.float32), axis_labels=x) for x in (None, ("t", "y", "x")))
    assert is_guess(plain, "ZYX")
    assert not is_guess(plain, "TYX")
    assert not is_guess(labelled, "TYX")
    assert not is_guess(ImageLayer(np.zeros((9, 9), np.float32)), "YX")
    assert is_guess(
        ImageLayer(np.zeros((4, 9, 9)), axis_labels=("z", "y", "x"), metadata={"axes_guessed": True}), "ZYX"
    )


def test_colour_layers_have_samples():
    layer = ImageLayer(np.zeros((9, 10, 3), np.uint8), rgb=True)
    assert to_image(layer).axes == "YXS"
    with pytest.raises(AxesError, match="must be S"):
        to_image(layer, "ZYX")
    with pytest.raises(AxesError, match="Use C in"):
        to_image(ImageLayer(np.zeros((9, 10, 3), np.float32), rgb=False), "YXS")


def test_pixels_are_an_unknown_size():
    image = to_image(ImageLayer(np.zeros((9, 9), np.float32), scale=[0.5, 0.5]))
    assert not image.has_pixel_size
    nanometers = to_image(ImageLayer(np.zeros((9, 9), np.float32), scale=[5, 5], units="nm"))
    assert dict(nanometers.units) == {"Y": "nanometer", "X": "nanometer"}
    assert nanometers.pixel_size == (5.0, 5.0)


def test_multiscale_gives_its_finest_level():
    levels = [np.zeros((40, 40), np.float32), np.zeros((20, 20), np.float32)]
    assert to_image(ImageLayer(levels, multiscale=True)).shape == (40, 40)


def test_dask_is_not_computed():
    import dask.array as da

    data = da.zeros((4, 2000, 2000), chunks=(1, 1000, 1000), dtype=np.uint16)
    assert to_image(ImageLayer(data, contrast_limits=(0, 1))).data is data


def test_layers_that_cannot_be_images_say_why():
    with pytest.raises(DataTypeError, match="bool"):
        to_image(ImageLayer(np.zeros((9, 9), bool)))
    with pytest.raises(AxesError, match="got 6"):
        to_image(ImageLayer(np.zeros((1, 1, 1, 1, 9, 9), np.float32), rgb=False))
    with pytest.raises(AxesError, match="3 letters"):
        to_image(ImageLayer(np.zeros((5, 9, 9), np.float32)), "YX")


@pytest.mark.parametrize("part", [np.s_[:], np.s_[1:3]], ids=["map", "part of a map"])
def test_a_mapped_layer_whose_file_is_cut_off_is_an_error(part, tmp_path):
    """Reading the map would end napari with SIGBUS."""
    path, data = tmp_path / "pixels", np.random.default_rng(0).integers(0, 99, (4, 64, 64)).astype(np.uint16)
    data.tofile(path)
    layer = ImageLayer(np.memmap(path, np.uint16, "r", 0, data.shape)[part], contrast_limits=(0, 99))
    image = to_image(layer)
    np.testing.assert_array_equal(np.asarray(image.data), data[part])
    os.truncate(path, 9000)
    with pytest.raises(UnreadableImageError, match="the file ends before its pixels do"):
        np.asarray(image.data[1])


def test_a_layer_of_a_file_that_is_cut_off_is_an_error(tmp_path):
    path = tmp_path / "cells.ome.tif"
    tifffile.imwrite(path, np.zeros((4, 64, 64), np.uint16), photometric="minisblack", metadata={"axes": "ZYX"})
    ((data, _, _),) = reader.read(path)
    np.asarray(data[0])
    os.truncate(path, 14000)
    with pytest.raises(UnreadableImageError, match="the file ends before its pixels do"):
        np.asarray(data[3])
