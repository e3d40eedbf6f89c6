"""Opening and saving keep place, pixel size, units and names."""

import numpy as np
import pytest
from napari.layers import Labels, Layer

from napari_superres import Image, read_image, write_image
from napari_superres.errors import LossyWriteError, OutputError, UnreadableImageError
from napari_superres.io import list_samples
from napari_superres.io.omezarr import layout
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.host.reader import get_reader, image_layers, read
from napari_superres.plugin.host.samples import sample_layers
from napari_superres.plugin.host.writer import write_layer, write_layers


def image_of(axes="ZYX", shape=(3, 10, 12), **options):
    rng = np.random.default_rng(0)
    options = {"pixel_size": [2.0, 0.5, 0.25][-sum(a in "ZYX" for a in axes) :]} | options
    return Image.from_array(rng.integers(0, 999, shape).astype(np.uint16), axes, **options)


def layers_of(path):
    return [Layer.create(*made) for made in get_reader(path)(path)]


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".nii.gz", ".nrrd", ".mha"])
def test_a_saved_layer_opens_unchanged(tmp_path, suffix):
    source = Layer.create(
        np.random.default_rng(0).integers(0, 999, (3, 10, 12)).astype(np.uint16),
        {"scale": (2.0, 0.5, 0.25), "translate": (-1.0, 2.5, 4.0), "units": ("micrometer",) * 3, "name": "cells"},
    )
    path = tmp_path / f"cells{suffix}"
    assert write_layer(str(path), *source.as_layer_data_tuple()[:2]) == [str(path)]
    (made,) = layers_of(path)
    assert made.name == "cells"
    np.testing.assert_array_equal(np.asarray(made.data), source.data)
    for index in ((0, 0, 0), (2, 9, 11)):
        unit = 1e-3 if str(made.units[-1]) == "millimeter" else 1.0
        np.testing.assert_allclose(np.array(made.data_to_world(index)) / unit, source.data_to_world(index), rtol=1e-5)


def test_rotated_layer_needs_a_format_that_holds_it(tmp_path):
    source = Layer.create(np.zeros((9, 10), np.float32), {"rotate": 20, "scale": (0.5, 0.5), "units": "micrometer"})
    data, attributes, _ = source.as_layer_data_tuple()
    with pytest.raises(OutputError, match=r"rotation.*\.nrrd"):
        write_layer(str(tmp_path / "a.ome.tif"), data, attributes)
    assert list(tmp_path.iterdir()) == []
    write_layer(str(tmp_path / "a.nrrd"), data, attributes)
    (made,) = layers_of(tmp_path / "a.nrrd")
    unit = 1e-3 if str(made.units[-1]) == "millimeter" else 1.0
    np.testing.assert_allclose(np.array(made.data_to_world((3, 7))) / unit, source.data_to_world((3, 7)), rtol=1e-6)


def test_a_moved_and_rotated_layer_is_refused_by_a_format_without_rotation(tmp_path):
    place = {"scale": (2.0, 0.5, 0.25), "translate": (-1.0, 2.5, 4.0), "units": ("micrometer",) * 3}
    moved = Layer.create(np.zeros((3, 9, 10), np.uint16), place)
    path = tmp_path / "a.ome.tif"
    write_layer(str(path), *moved.as_layer_data_tuple()[:2])
    (made,) = layers_of(path)
    np.testing.assert_allclose(made.data_to_world((0, 0, 0)), (-1.0, 2.5, 4.0))
    before = path.read_bytes()
    rotated = Layer.create(np.ones((3, 9, 10), np.uint16), {**place, "rotate": (20.0, 0.0, 0.0)})
    for write in (
        lambda: write_layer(str(path), *rotated.as_layer_data_tuple()[:2]),
        lambda: write_layers(str(path), [rotated.as_layer_data_tuple(), rotated.as_layer_data_tuple()]),
    ):
        with pytest.raises(
            OutputError, match=r"^\.ome\.tif cannot hold the rotation .*Write \.nii\.gz, \.nrrd"
        ) as error:
            write()
        assert isinstance(error.value.__cause__, LossyWriteError)
        assert path.read_bytes() == before


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_colour_layers_keep_their_place(tmp_path, suffix):
    pixels = np.random.default_rng(0).integers(0, 255, (9, 10, 3)).astype(np.uint8)
    place = {"scale": (0.5, 0.25), "translate": (2.0, -3.0), "units": ("micrometer",) * 2, "rgb": True}
    path = tmp_path / f"a{suffix}"
    write_layer(str(path), *Layer.create(pixels, place).as_layer_data_tuple()[:2])
    (made,) = layers_of(path)
    assert made.rgb
    np.testing.assert_array_equal(np.asarray(made.data), pixels)
    np.testing.assert_allclose(made.scale, (0.5, 0.25))
    np.testing.assert_allclose(made.data_to_world((0, 0)), (2.0, -3.0))


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_the_finest_level_of_a_multiscale_layer_is_saved(tmp_path, suffix):
    image = image_of("CYX", (2, 700, 600), origin=(3.0, -2.0), channel_names=("DNA", "actin"))
    layers = layers_of(write_image(image, tmp_path / "cells.ome.zarr"))
    assert all(layer.multiscale for layer in layers)
    one, both = tmp_path / f"one{suffix}", tmp_path / f"both{suffix}"
    write_layer(str(one), *layers[1].as_layer_data_tuple()[:2])
    write_layers(str(both), [layer.as_layer_data_tuple() for layer in layers])
    for path, pixels in ((one, image.data[1]), (both, image.data)):
        saved = read_image(path)
        np.testing.assert_array_equal(np.asarray(saved.data), pixels)
        np.testing.assert_allclose(saved.affine, image.affine)
        assert saved.units["X"] == "micrometer"


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
@pytest.mark.parametrize("labels", ["tyx", "zyx", "tzyx"])
def test_axis_labels_become_the_axes_of_the_file(tmp_path, suffix, labels):
    units = tuple("second" if a == "t" else "micrometer" for a in labels)
    scale = tuple({"t": 30.0, "z": 2.0, "y": 0.5, "x": 0.25}[a] for a in labels)
    data = np.zeros((2, 3, 9, 10)[-len(labels) :], np.uint16)
    source = Layer.create(data, {"axis_labels": tuple(labels), "scale": scale, "units": units})
    path = tmp_path / f"a{suffix}"
    write_layer(str(path), *source.as_layer_data_tuple()[:2])
    assert read_image(path).axes == labels.upper()
    (made,) = layers_of(path)
    assert made.axis_labels == tuple(labels)
    np.testing.assert_allclose(made.scale, scale)
    assert tuple(str(unit) for unit in made.units) == units


def test_oblique_volume_opens_with_its_orientation(tmp_path):
    turn = np.deg2rad(20)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]]) @ np.diag(
        [3.0, 0.5, 0.5]
    )
    affine[:3, 3] = [10, -20, 30]
    image = Image.from_array(np.zeros((4, 8, 9), np.int16), "ZYX", affine=affine, unit="millimeter", space="LPS")
    write_image(image, tmp_path / "head.nii.gz")
    (layer,) = layers_of(tmp_path / "head.nii.gz")
    np.testing.assert_allclose(layer.scale, [3.0, 0.5, 0.5], rtol=1e-5)
    np.testing.assert_allclose(layer.data_to_world((1, 2, 3)), (affine @ [1, 2, 3, 1])[:3], rtol=1e-5)
    back = to_image(layer)
    np.testing.assert_allclose(back.affine, affine, atol=1e-4)
    assert back.space == "LPS"


def test_channels_become_layers_and_one_file_again(tmp_path):
    image = image_of("TCYX", (2, 3, 10, 12), channel_names=("DNA", "actin", "tubulin"))
    write_image(image, tmp_path / "cells.ome.zarr")
    layers = layers_of(tmp_path / "cells.ome.zarr")
    assert [layer.name for layer in layers] == ["DNA - cells", "actin - cells", "tubulin - cells"]
    assert len({layer.colormap.name for layer in layers}) == 3
    assert {layer.blending for layer in layers} == {"additive"}
    assert all(not isinstance(layer.data, np.ndarray) for layer in layers), "a lazy file was read"
    for channel, layer in enumerate(layers):
        np.testing.assert_array_equal(np.asarray(layer.data), np.asarray(image.data)[:, channel])
        np.testing.assert_allclose(layer.scale[-2:], [0.5, 0.25])
    path = tmp_path / "again.ome.tif"
    write_layers(str(path), [layer.as_layer_data_tuple() for layer in layers])
    again = read_image(path)
    assert again.axes.replace("Z", "") == "TCYX"
    assert again.channel_names == tuple(layer.name for layer in layers)
    np.testing.assert_array_equal(np.asarray(again.data), np.asarray(image.data))


def test_layers_that_differ_are_not_one_file(tmp_path):
    near = Layer.create(np.zeros((9, 10), np.uint8), {"name": "near"})
    far = Layer.create(np.zeros((9, 10), np.uint8), {"name": "far", "translate": (0, 5)})
    with pytest.raises(OutputError, match="'far'"):
        write_layers(str(tmp_path / "both.ome.tif"), [x.as_layer_data_tuple() for x in (near, far)])


def test_saving_replaces_the_file_that_napari_asked_about(tmp_path):
    path = tmp_path / "a.ome.tif"
    for value in (1, 2):
        layer = Layer.create(np.full((9, 10), value, np.uint8), {})
        write_layer(str(path), *layer.as_layer_data_tuple()[:2])
    assert np.asarray(read_image(path).data).max() == 2


def test_colour_and_unknown_pixel_size(tmp_path):
    rgb = Image.from_array(np.zeros((9, 10, 3), np.uint8), "YXS")
    write_image(rgb, tmp_path / "a.ome.tif")
    (layer,) = layers_of(tmp_path / "a.ome.tif")
    assert layer.rgb
    assert {str(u) for u in layer.units} == {"pixel"}
    samples_first = Image.from_array(np.zeros((3, 9, 10), np.uint8), "SYX")
    (made,) = image_layers(samples_first, "x")
    assert made[0].shape == (9, 10, 3)


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_a_png_of_16_bits_keeps_them(samples, tmp_path):
    """napari's own reader drops eight of them where there are several samples."""
    import imagecodecs

    data = np.random.default_rng(0).integers(0, 2**16, (9, 10, samples)).astype(np.uint16).squeeze()
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    (layer,) = layers_of(tmp_path / "a.png")
    shown = data[..., [0, 0, 0, 1]] if samples == 2 else data
    assert (layer.name, layer.rgb, layer.data.dtype) == ("a", samples > 1, np.uint16)
    np.testing.assert_array_equal(np.asarray(layer.data), shown)


def test_the_reader_claims_only_files_that_napari_reads_incompletely(tmp_path):
    assert get_reader("a.ome.tif") is read
    assert get_reader(tmp_path / "a.nii.gz") is read
    assert get_reader(["a.OME.TIFF"]) is read
    for claimed in ("a.tif", "a.png", "A.TIFF", "a.nhdr", "a.IMA", "a.mrc", "a.rec", "A.MHA", "a.MHD", "a.dicom"):
        assert get_reader(claimed) is read, claimed
    for other in ("a.jpg", "a.bmp", "a.npy", "nii", ["a.nrrd", "b.nrrd"], []):
        assert get_reader(other) is None, other
    assert get_reader(tmp_path) is None
    write_image(image_of(), tmp_path / "named.zarr")
    assert get_reader(str(tmp_path / "named.zarr")) is read
    import zarr

    zarr.save(str(tmp_path / "plain.zarr"), np.zeros((4, 4)))
    assert get_reader(str(tmp_path / "plain.zarr")) is None


def test_damaged_file_is_one_clear_line(tmp_path):
    path = tmp_path / "a.ome.tif"
    path.write_bytes(b"II*\0 nothing that follows")
    with pytest.raises(UnreadableImageError, match=r"a\.ome\.tif"):
        read(path)


@pytest.mark.parametrize("name", [entry["name"] for entry in list_samples()])
def test_samples_are_pairs_on_one_field(name):
    reference, low = (Layer.create(*made) for made in sample_layers(name))
    assert not reference.visible
    entry = next(e for e in list_samples() if e["name"] == name)
    fine = [entry["scale"] * 5.0 + (entry["scale"] - 1) / 2] * 2
    coarse_point = np.array(low.data_to_world((*[1] * (low.ndim - 2), 5.0, 5.0)))
    fine_point = np.array(reference.data_to_world((*[1] * (low.ndim - 2), *fine)))
    pixel = abs(low.scale[-1])
    assert np.abs(coarse_point - fine_point).max() < 0.05 * pixel


def test_missing_chunks_of_a_zarr_are_zero_and_damaged_chunks_are_errors(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "_LEAST_BOX_PIXELS", 1)  # a file for each channel
    image = image_of("CYX", (2, 10, 12))
    path = write_image(image, tmp_path / "a.ome.zarr")
    (path / "0/c/0/0/0").unlink()
    (path / "0/c/1/0/0").write_bytes(b"\0" * 99)
    (first, *_), (second, *_) = read(path)
    assert not np.asarray(first).any()
    with pytest.raises(UnreadableImageError, match=r"0/c/1/0/0 .*(damaged|cut off)"):
        np.asarray(second)


def test_label_images_open_as_labels(tmp_path):
    labels = np.zeros((3, 10, 12), np.uint16)
    labels[1, 2:5, 3:7] = 7
    path = tmp_path / "cells.ome.zarr"
    write_image(Image.from_array(labels, "ZYX", pixel_size=(2, 0.5, 0.25), metadata={"labels": True}), path)
    (layer,) = layers_of(path)
    assert isinstance(layer, Labels)
    np.testing.assert_array_equal(np.asarray(layer.data), labels)
    np.testing.assert_allclose(layer.data_to_world((1, 2, 3)), (2, 1, 0.75))
