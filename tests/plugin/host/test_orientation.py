"""Sagittal, coronal and oblique volumes: napari slices them, they lie where nibabel puts them."""

from itertools import permutations, product

import nibabel
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_superres import read_image, upscale
from napari_superres.io.lazy import reorder_axes
from napari_superres.plugin.host.layers import guess_layer_axes, to_image, to_layer
from napari_superres.plugin.host.orientation import empty_share, lay_along_world
from napari_superres.plugin.host.reader import read
from napari_superres.plugin.host.writer import write_layer

SHAPE, CENTRE = (14, 17, 11), (5.3, 9.1, 4.2)
TILTS = {"straight": np.eye(3), "oblique": nibabel.eulerangles.euler2mat(0.12, -0.17, 0.21)}


def affine_of(order, signs, tilt):
    """Return a matrix whose array axes lie along the world axes `order`, in nibabel's convention.

    As in a scanner, the world's origin lies in the volume: napari cuts oblique volumes where they cross its axes.
    """
    linear = TILTS[tilt] @ (np.eye(3)[:, order] * signs) * [1.0, 1.2, 3.0]
    return nibabel.affines.from_matvec(linear, [1.0, -0.7, 0.4] - linear @ CENTRE)


PLACES = [
    (order, signs, tilt) for order, tilt in product(permutations(range(3)), TILTS) for signs in ((1, 1, 1), (-1, 1, -1))
]


@pytest.fixture(params=PLACES, ids=lambda p: f"{''.join('RAS'[i] for i in p[0])}{'-' if p[1][0] < 0 else '+'}{p[2]}")
def path(request, tmp_path):
    grid = np.indices(SHAPE)
    blob = np.exp(-sum((g - c) ** 2 / s for g, c, s in zip(grid, CENTRE, (9, 12, 5), strict=True)))
    path = tmp_path / "head.nii"
    image = nibabel.Nifti1Image((1000 * blob).astype(np.float32), affine_of(*request.param))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


def world_of_blob(path):
    """Return where nibabel puts the blob, in napari's order: Z, Y and X of left-posterior-superior."""
    image = nibabel.load(path)
    return np.array([-1, -1, 1] * (image.affine @ [*centroid(image.dataobj), 1])[:3])[::-1]


def centroid(data):
    weight = np.asarray(data, dtype=float)
    return np.array([(g * weight).sum() / weight.sum() for g in np.indices(weight.shape)])


def shown(viewer, point):
    viewer.dims.set_point(range(3), point)
    return float(np.asarray(viewer.layers[0]._slice.image.raw).mean())


def test_it_lies_where_nibabel_puts_it_and_every_slider_moves_through_it(path):
    viewer = ViewerModel()
    (layer,) = (viewer.add_layer(Layer.create(*made)) for made in read(path))
    where = world_of_blob(path)
    np.testing.assert_allclose(layer.data_to_world(centroid(layer.data)), where, atol=1e-3)
    reach = layer.extent.world[1] - layer.extent.world[0]
    for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        viewer.dims.order = order
        step = np.zeros(3)
        step[order[0]] = 0.35 * reach[order[0]]
        assert shown(viewer, where) > 2 * shown(viewer, where + step)
    viewer.dims.ndisplay = 3
    assert np.asarray(viewer.layers[0]._slice.image.raw).ndim == 3


@pytest.mark.parametrize("place", [(0, 0, 0), (60, -20, 15)])
@pytest.mark.parametrize("tilt", [(0, 0, 0), (15, 10, 0), (-8, 3, 20)])
def test_the_places_without_a_slice_are_counted_as_napari_shows_them(place, tilt, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("napari.utils.notifications.show_info", told.append)
    linear = nibabel.eulerangles.euler2mat(*np.radians(tilt)) @ np.diag([2.0, 1.0, 1.5])
    affine = nibabel.affines.from_matvec(linear, place - linear @ [10, 15, 12])
    stored = nibabel.Nifti1Image(np.ones((20, 30, 24), np.uint8), affine)
    stored.header.set_xyzt_units("mm")
    nibabel.save(stored, tmp_path / "a.nii")
    viewer = ViewerModel()
    (layer,) = (viewer.add_layer(Layer.create(*made)) for made in read(tmp_path / "a.nii"))
    empty = []
    for axis in range(3):
        viewer.dims.order = (axis, *(a for a in range(3) if a != axis))
        steps = viewer.dims.nsteps[axis]
        seen = 0
        for step in range(steps):
            viewer.dims.set_current_step(axis, step)
            seen += bool(np.asarray(layer._slice.image.raw).max())
        empty.append(1 - seen / steps)
    share = empty_share(lay_along_world([read_image(tmp_path / "a.nii")])[0])
    assert share == pytest.approx(max(empty), abs=0.06)
    assert [f"{share:.0%} of the places" in text for text in told] == ([True] if any(tilt) else [])


def test_the_way_back_is_exact(path, tmp_path):
    (layer,) = (Layer.create(*made) for made in read(path))
    image, stored = reorder_axes(to_image(layer), "ZYX"), read_image(path)
    np.testing.assert_array_equal(image.data, stored.data)
    np.testing.assert_allclose(image.affine, stored.affine, atol=1e-12)
    assert (image.space, dict(image.units)) == (stored.space, dict(stored.units))
    write_layer(str(tmp_path / "again.nii"), *layer.as_layer_data_tuple()[:2])
    again, first = nibabel.load(tmp_path / "again.nii"), nibabel.load(path)
    np.testing.assert_array_equal(np.asarray(again.dataobj), np.asarray(first.dataobj))
    np.testing.assert_allclose(again.affine, first.affine, atol=1e-5)


@pytest.mark.parametrize("model", ["bicubic-x2", "bicubic-x3x1x2"])
def test_a_result_lies_on_it_in_2d_and_3d(path, model):
    viewer = ViewerModel()
    (layer,) = (viewer.add_layer(Layer.create(*made)) for made in read(path))
    image = to_image(layer)
    result = viewer.add_layer(Layer.create(*to_layer(upscale(image, model), image, layer, name="result")))
    assert guess_layer_axes(result) == image.axes
    where = world_of_blob(path)
    np.testing.assert_allclose(result.data_to_world(centroid(result.data)), where, atol=0.05)
    for ndisplay in (2, 3):
        viewer.dims.ndisplay = ndisplay
        viewer.dims.set_point(range(3), where)
        for one in (layer, result):
            assert np.isfinite(np.asarray(one._slice.image.raw)).all()
        ends = [
            np.array(
                one._transforms.simplified.set_slice(viewer.dims.displayed)(
                    np.asarray(one.world_to_data(where))[list(viewer.dims.displayed)]
                )
            )
            for one in (layer, result)
        ]
        np.testing.assert_allclose(*ends, atol=0.3)


def test_models_see_the_slices_as_they_were_recorded(path):
    (layer,) = (Layer.create(*made) for made in read(path))
    by_layer, by_file = upscale(to_image(layer), "bicubic-x2"), upscale(read_image(path), "bicubic-x2")
    np.testing.assert_allclose(reorder_axes(by_layer, "ZYX").data, by_file.data, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(reorder_axes(by_layer, "ZYX").affine, by_file.affine, atol=1e-9)


def test_time_and_channels_keep_their_places(tmp_path):
    data = np.random.default_rng(0).integers(0, 99, (5, 6, 7, 4, 2)).astype(np.int16)
    stored = nibabel.Nifti1Image(data, affine_of((1, 2, 0), (1, 1, 1), "oblique"))
    stored.header.set_xyzt_units("mm", "sec")
    nibabel.save(stored, tmp_path / "a.nii")
    layers = [Layer.create(*made) for made in read(tmp_path / "a.nii")]
    assert [layer.data.shape for layer in layers] == [(4, 6, 5, 7)] * 2
    for channel, layer in enumerate(layers):
        image = reorder_axes(to_image(layer), "TZYX")
        np.testing.assert_array_equal(image.data, data[..., channel].T)
        np.testing.assert_allclose(image.affine, read_image(tmp_path / "a.nii").affine, atol=1e-12)
