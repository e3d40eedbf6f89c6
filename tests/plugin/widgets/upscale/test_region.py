"""Super-resolve: regions, growing results, the live preview, the run as a command and a script."""

import shlex

import numpy as np
import pytest
from helpers.upscaling import LONG, pixels, run

import napari_superres
from napari_superres import Image, read_image, write_image
from napari_superres.cli import main
from napari_superres.plugin.host import field
from napari_superres.plugin.widgets.upscale import widget as upscale_widget
from napari_superres.plugin.widgets.upscale.state import SHAPE, SLICE, VISIBLE
from napari_superres.plugin.worker import tasks

pytestmark = pytest.mark.gui


def look(viewer, qtbot, zoom, y, x):
    """Move the camera of a window, and wait until it is drawn, because only then napari knows what is visible."""
    viewer.window.show()
    field.camera(viewer).zoom *= zoom
    field.camera(viewer).center = (0, y, x)
    layer = viewer.layers[0]
    nearest = np.minimum((y, x), np.subtract(layer.data.shape, 1))
    qtbot.waitUntil(lambda: np.abs(layer.corner_pixels.mean(axis=0) - nearest).max() < 3)


def whole(layer, axes="YX", model="bicubic-x2"):
    return napari_superres.upscale(Image.from_array(layer.data, axes), model).data


def test_shape_gives_that_part_of_the_whole_result(viewer, widget, qtbot):
    layer = viewer.add_image(pixels((3, 40, 50)), scale=(2, 0.5, 0.5), translate=(0, 10, 20), rotate=(0, 0, 30))
    widget.axes.value = "TYX"
    corners = [layer.data_to_world((0, y, x)) for y, x in ((5, 8), (5, 30), (20, 30), (20, 8))]
    viewer.add_shapes([np.array(corners)], shape_type="polygon")
    widget.layer.value = layer
    widget.region.kind.value = SHAPE
    run(widget, qtbot)
    result = viewer.layers[viewer.layers.index(layer) + 1]
    np.testing.assert_array_equal(result.data, whole(layer, "TYX")[:, 10:42, 16:62])
    np.testing.assert_allclose(result.data_to_world((1, 0.5, 0.5)), layer.data_to_world((1, 5, 8)), atol=1e-9)


def test_a_region_is_drawn_after_one_press(viewer, widget, qtbot):
    widget.region.draw.click()  # without a layer
    layer = viewer.add_image(pixels((3, 40, 50)), scale=(2, 0.5, 0.5), units=("um",) * 3, name="cells")
    widget.region.draw.click()
    shapes = viewer.layers["region of cells"]
    assert (widget.region.kind.value, widget.region.shapes.value, shapes.mode) == (SHAPE, shapes, "add_rectangle")
    assert widget.layer.value is layer
    assert viewer.layers.extent.units is not None
    shapes.add_rectangles(np.array([[5, 8], [20, 30]]))
    assert widget.region.roi(layer, "ZYX") == {"Y": (5, 21), "X": (8, 31)}


def test_current_slice_lies_on_its_own_frame(viewer, widget, qtbot):
    layer = viewer.add_image(pixels((4, 3, 20, 24)), scale=(5, 2, 1, 1))
    viewer.dims.set_current_step(0, 2)
    viewer.dims.set_current_step(1, 1)
    widget.region.kind.value = SLICE
    run(widget, qtbot)
    result = viewer.layers[1]
    assert result.data.shape == (1, 1, 40, 48)
    np.testing.assert_array_equal(result.data[0, 0], whole(layer, "TZYX")[2, 1])
    np.testing.assert_allclose(result.data_to_world((0, 0, 0.5, 0.5)), layer.data_to_world((2, 1, 0, 0)), atol=1e-9)


def test_visible_field_is_what_the_camera_shows(viewer, widget, qtbot):
    layer = viewer.add_image(pixels((400, 500)))
    look(viewer, qtbot, 8, 120, 330)
    box = field.visible_box(viewer, layer, "YX")
    assert all(0 < stop - start < 400 for start, stop in box.values())
    assert abs(sum(box["Y"]) / 2 - 120) < 3
    assert abs(sum(box["X"]) / 2 - 330) < 3
    widget.region.kind.value = VISIBLE
    run(widget, qtbot)
    (y0, y1), (x0, x1) = box["Y"], box["X"]
    np.testing.assert_array_equal(viewer.layers[1].data, whole(layer)[2 * y0 : 2 * y1, 2 * x0 : 2 * x1])
    look(viewer, qtbot, 1, 10_000, 10_000)
    widget.run.click()
    assert not widget.is_running


def test_a_missing_shape_is_reported_at_once(viewer, widget, qtbot, told):
    viewer.add_image(pixels())
    widget.region.kind.value = SHAPE
    widget.run.click()
    assert not widget.is_running
    assert "No shape is drawn" in told.pop()


def test_result_grows_from_the_middle_of_the_view(viewer, widget, qtbot, monkeypatch, pause):
    layer = viewer.add_image(pixels((400, 400)))
    look(viewer, qtbot, 10, 350, 60)
    widget.tile.value = "64"
    go_on, regions = pause(after=15), []
    original = upscale_widget.tasks.upscale

    def noted(*arguments, **options):
        for step in original(*arguments, **options):
            if step.region is not None:
                regions.append(step.region)
            yield step

    monkeypatch.setattr(upscale_widget.tasks, "upscale", noted)
    widget.run.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=LONG)
    assert widget.is_running
    growing = viewer.layers[1]
    assert viewer.layers.selection.active is layer
    (y, x) = regions[0]
    assert y.start <= 700 < y.stop
    assert x.start <= 120 < x.stop
    as_input = growing.data == layer.data.repeat(2, axis=0).repeat(2, axis=1)
    assert 0.1 < as_input.mean() < 0.99  # where nothing is done yet
    go_on.set()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    np.testing.assert_array_equal(growing.data, whole(layer))
    assert growing in viewer.layers
    assert viewer.layers.selection.active is growing
    assert growing.metadata["provenance"]["model"]["name"] == "bicubic-x2"


@pytest.mark.parametrize("keep", [True, False])
def test_the_finished_part_is_kept_only_on_request(viewer, widget, qtbot, pause, keep):
    layer = viewer.add_image(pixels((300, 300)))
    widget.tile.value = "64"
    go_on = pause(after=12)
    widget.run.click()
    qtbot.waitUntil(lambda: not widget.keep.isHidden(), timeout=LONG)
    (widget.keep if keep else widget.run).click()
    go_on.set()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    if keep:
        assert viewer.layers[1].name.endswith("(unfinished)")
        kept = viewer.layers[1].data
        assert 0.01 < np.mean(kept == whole(layer)) < 0.99
        np.testing.assert_array_equal(kept[kept != 0], whole(layer)[kept != 0])
        assert "The finished part is in" in widget.status.text()
    else:
        assert list(viewer.layers) == [layer]


def shown(viewer):
    return next((layer for layer in viewer.layers if layer.name.startswith("preview of")), None)


def test_the_preview_follows_settings_and_data_until_it_is_switched_off(viewer, widget, qtbot):
    layer = viewer.add_image(pixels((60, 70)), scale=(0.5, 0.5))
    widget.preview.setChecked(True)
    qtbot.waitUntil(lambda: shown(viewer) is not None, timeout=LONG)
    preview = shown(viewer)
    qtbot.waitUntil(lambda: np.array_equal(preview.data, whole(layer)), timeout=LONG)
    assert preview not in widget.layer.choices
    assert viewer.layers.selection.active is layer
    widget.model.value = "nearest-x3"
    qtbot.waitUntil(lambda: shown(viewer).data.shape == (180, 210), timeout=LONG)
    for seed in (1, 2, 3):  # a camera
        layer.data = pixels((60, 70), seed)
    qtbot.waitUntil(lambda: np.array_equal(shown(viewer).data, whole(layer, model="nearest-x3")), timeout=LONG)
    layer.data[:] = 7  # in place, as streams do
    layer.refresh()
    qtbot.waitUntil(lambda: bool(np.all(shown(viewer).data == 7)), timeout=LONG)
    widget.preview.setChecked(False)
    assert list(viewer.layers) == [layer]
    assert not widget.is_running


def test_the_preview_shows_the_middle_of_the_visible_field(viewer, widget, qtbot):
    viewer.add_image(pixels((1200, 1300)))
    widget.preview.setChecked(True)
    qtbot.waitUntil(lambda: shown(viewer) is not None, timeout=LONG)
    first = shown(viewer)
    assert max(first.data.shape) <= 2 * 384
    look(viewer, qtbot, 6, 200, 200)

    def is_there():
        centre = shown(viewer).data_to_world(np.array(shown(viewer).data.shape) / 2)
        np.testing.assert_allclose(centre, (200, 200), atol=3)

    qtbot.waitUntil(is_there)
    widget.run.click()  # the preview makes way for the result
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    widget.preview.setChecked(False)
    assert len(viewer.layers) == 2


def test_the_preview_follows_a_view_that_is_drawn_late(viewer, widget, qtbot, monkeypatch):
    """On a busy machine napari draws long after the camera has moved, and only then tells what is visible."""
    viewer.add_image(pixels((1200, 1300)))
    widget.preview.setChecked(True)
    qtbot.waitUntil(lambda: shown(viewer) is not None)
    seen = {"Y": (500, 700), "X": (500, 700)}
    monkeypatch.setattr(field, "visible_box", lambda *_: dict(seen))
    field.camera(viewer).zoom *= 6
    qtbot.waitUntil(lambda: np.allclose(shown(viewer).translate, 500, atol=1))
    assert not widget.preview._timer.isActive()
    seen.update(Y=(100, 300), X=(100, 300))  # it is drawn
    qtbot.waitUntil(lambda: np.allclose(shown(viewer).translate, 100, atol=1))
    qtbot.waitUntil(lambda: not widget.preview._looking.isActive())


@pytest.mark.parametrize("region", [SLICE, "whole layer"])
def test_command_and_script_compute_the_same_pixels(viewer, widget, qtbot, tmp_path, monkeypatch, region):
    from qtpy.QtWidgets import QApplication

    monkeypatch.chdir(tmp_path)
    image = Image.from_array(pixels((2, 3, 30, 34)), "CZYX", pixel_size=[2, 0.5, 0.5])
    write_image(image, tmp_path / "my stack.ome.tif")
    viewer.open(str(tmp_path / "my stack.ome.tif"), plugin="napari-superres-torch")
    layer = next(one for one in viewer.layers if one.metadata["channel"] == 1)
    viewer.dims.set_current_step(0, 2)
    widget.layer.value = layer
    widget.model.value = "bicubic-x2"
    widget.chooser.choose_by_hand()  # also if it was shown already
    widget.region.kind.value = region
    widget.tile.value = "64"
    run(widget, qtbot)
    ours = np.asarray(viewer.layers[viewer.layers.index(layer) + 1].data)
    widget.copy_command.click()
    words = shlex.split(QApplication.clipboard().text())
    assert words[:2] == ["superres", "upscale"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit, match="0"):
        main()
    theirs = read_image(tmp_path / words[words.index("-o") + 1])
    np.testing.assert_array_equal(np.asarray(theirs.data).squeeze(), ours.squeeze())
    name = tmp_path / words[words.index("-o") + 1]
    name.rename(tmp_path / "by_command.ome.tif")  # The script writes to the same name.
    widget.copy_python.click()
    script = QApplication.clipboard().text()
    exec(compile(script, "script", "exec"), {})
    np.testing.assert_array_equal(np.asarray(read_image(name).data).squeeze(), ours.squeeze())


def test_layer_without_a_file_has_a_script_for_the_console(viewer, widget, told, tmp_path, monkeypatch):
    from qtpy.QtWidgets import QApplication

    layer = viewer.add_image(pixels(), name="it's mine")
    widget.copy_command.click()
    assert "was not read from one" in told.pop()
    widget.copy_python.click()
    script = QApplication.clipboard().text()
    space = {"viewer": viewer}
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "script", "exec"), space)
    np.testing.assert_array_equal(space["result"].data, whole(layer))


@pytest.mark.parametrize(
    ("shape", "axes", "roi", "kept"),
    [
        ((40, 50), "YX", {"Y": (2, 30), "X": (5, 50)}, np.s_[2:30, 5:50]),
        ((2, 3, 24, 30), "TCYX", {"T": (1, 2), "Y": (0, 9)}, np.s_[1:2, :, 0:9]),
        ((24, 30, 3), "YXS", {"X": (3, 21)}, np.s_[:, 3:21]),
    ],
)
def test_a_preview_shows_the_input_where_nothing_is_computed_yet(shape, axes, roi, kept):
    data = pixels(shape)
    options = {"roi": roi, "tile": 17}
    images = [
        step.image.data.copy()
        for step in tasks.preview(Image.from_array(data, axes), "fsrcnn-x2", options, {"Y": 10, "X": 10})
    ]
    repeated = data[kept]
    for axis in "YX":
        repeated = repeated.repeat(2, axis=axes.index(axis))
    np.testing.assert_array_equal(images[0], repeated)
    assert np.mean(images[1] == repeated) > 0.2  # one window of several
    whole_result = napari_superres.upscale(Image.from_array(data, axes), "fsrcnn-x2", **options)
    np.testing.assert_array_equal(images[-1], whole_result.data)
