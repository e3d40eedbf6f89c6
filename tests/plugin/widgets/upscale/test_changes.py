"""Super-resolve while layers are added, changed or removed, and with mixed units."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from helpers.upscaling import LONG, pixels, run

import napari_superres
from napari_superres import Image, read_image, write_image
from napari_superres.cli import main
from napari_superres.errors import SettingsError
from napari_superres.plugin.host.samples import sample_layers
from napari_superres.plugin.widgets.upscale.state import SHAPE, SLICE
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

pytestmark = pytest.mark.gui


def previews(viewer):
    return [layer for layer in viewer.layers if layer.name.startswith("preview of")]


def lies_on(made, source):
    """Whether the first pixels' corners are one in the world, also of volumes."""
    half = np.full(source.ndim, -0.5)
    np.testing.assert_allclose(made.data_to_world(half), source.data_to_world(half), atol=1e-6)
    end = np.array(source.data.shape[: source.ndim]) - 0.5
    fine = np.array(made.data.shape[: made.ndim]) - 0.5
    np.testing.assert_allclose(made.data_to_world(fine), source.data_to_world(end), atol=1e-6)


def test_resampling_to_the_pixel_size_of_training_is_offered(viewer, widget, qtbot):
    """The new layer lies on the old one and is chosen; nothing is resampled without a click."""
    stack = viewer.add_image(pixels((3, 40, 60)), name="head", scale=(3, 0.4, 0.4), units="mm", rotate=20)
    fitting = viewer.add_image(pixels((20, 24), 1), name="fits", scale=(1, 1), units="mm")
    widget.layer.value, widget.model.value = fitting, "mri-x2"
    assert widget.resample.isHidden()
    widget.layer.value = stack
    widget.model.value = "mri-x2"
    assert not widget.resample.isHidden()
    assert widget.resample.text() == "Resample to pixels of 0.8203 millimeter"
    qtbot.waitUntil(lambda: "are not those of the training" in widget.fitness.line.text())
    assert "superres" not in widget.fitness.line.text()
    count = len(viewer.layers)
    widget.resample.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == count + 1, timeout=LONG)
    made = viewer.layers["head (0.8203 millimeter)"]
    assert widget.layer.value is made
    assert made.data.shape == (3, 20, 29)
    np.testing.assert_allclose(made.scale, (3, 0.8203, 0.8203))
    half = np.full(3, -0.5)
    np.testing.assert_allclose(made.data_to_world(half), stack.data_to_world(half), atol=1e-6)
    assert widget.resample.isHidden()
    assert "outside" not in widget.notice.text()
    widget.layer.value = stack
    widget.model.value = "bicubic-x2"
    assert widget.resample.isHidden()


def test_the_preview_follows_the_chosen_layer(viewer, widget, qtbot):
    first = viewer.add_image(pixels(), name="A", scale=(0.5, 0.5), rotate=30, translate=(7, 9), colormap="magenta")
    second = viewer.add_image(pixels((30, 60), 1), name="B", units="nm", colormap="green")
    colour = viewer.add_image(pixels((20, 24, 3), 2).astype(np.uint8), name="C", rgb=True)
    stack = viewer.add_image(pixels((3, 20, 24), 3), name="D", scale=(2, 1, 1))
    widget.preview.setChecked(True)
    for layer in (first, second, colour, stack, second):
        widget.layer.value = layer
        name = f"preview of {layer.name}"
        qtbot.waitUntil(lambda name=name: [p.name for p in previews(viewer)] == [name], timeout=LONG)
        (made,) = previews(viewer)
        expected = layer.data if layer is not stack else layer.data[viewer.dims.current_step[0]][None]
        qtbot.waitUntil(lambda made=made, n=expected.size: made.data.size == 4 * n, timeout=LONG)
        if layer is not stack:
            lies_on(made, layer)
        assert (made.units, made.rgb) == (layer.units, layer.rgb)
        if not layer.rgb:
            assert made.colormap.name == layer.colormap.name
    second.rotate, second.translate, second.colormap = 20, (100, 200), "red"
    qtbot.waitUntil(lambda: previews(viewer)[0].colormap.name == "red", timeout=LONG)
    lies_on(previews(viewer)[0], second)
    widget.preview.setChecked(False)
    assert previews(viewer) == []
    run(widget, qtbot)
    assert viewer.layers[-1].name != "B"
    assert "Done" in widget.status.text()


def test_one_preview_layer_serves_one_source_after_another(viewer, widget, qtbot, monkeypatch):
    first = viewer.add_image(pixels(), name="A", colormap="magenta", interpolation2d="cubic", blending="additive")
    second = viewer.add_image(2 * pixels((30, 60), 1), name="B", blending="additive", contrast_limits=(0, 3))
    widget.preview.setChecked(True)
    widget.layer.value = first
    qtbot.waitUntil(lambda: [p.name for p in previews(viewer)] == ["preview of A"], timeout=LONG)
    made = widget.preview.layer
    for source in (second, first):
        widget.layer.value = source
        name = f"preview of {source.name}"
        qtbot.waitUntil(lambda name=name: [p.name for p in previews(viewer)] == [name], timeout=LONG)
        qtbot.waitUntil(lambda: widget.preview.text() == "Live preview", timeout=LONG)
        assert widget.preview.layer is made
        assert made.visible
        assert viewer.layers.index(made) == viewer.layers.index(source) + 1
        # B, which is not the lowest, would be added to its preview.
        assert (first.visible, second.visible) == (True, source is first)
        for attribute in ("interpolation2d", "contrast_limits", "contrast_limits_range"):
            assert getattr(made, attribute) == pytest.approx(getattr(source, attribute)), attribute
        assert made.colormap.name == source.colormap.name

    def fail(*_, **__):
        raise SettingsError("no preview of this.")
        yield

    monkeypatch.setattr(tasks, "preview", fail)
    widget.layer.value = second
    qtbot.waitUntil(lambda: "No preview of this." in widget.preview.note.text(), timeout=LONG)
    assert previews(viewer) == []
    assert second.visible


def test_an_error_in_a_callback_does_not_block_the_next_job(viewer, widget, qtbot):
    ended = []

    def steps():
        yield 1

    def fault(_):
        raise ZeroDivisionError

    with qtbot.captureExceptions() as faults:
        widget.session.add(Job(steps, ended=fault))
        widget.session.add(Job(steps, ended=ended.append))
        qtbot.waitUntil(lambda: ended == [True], timeout=LONG)
    assert [kind for kind, *_ in faults] == [ZeroDivisionError]


def begun(viewer, widget, qtbot, count):
    widget.tile.value = "64"
    widget.run.click()
    qtbot.waitUntil(lambda: len(viewer.layers) > count, timeout=LONG)


def test_removing_the_result_ends_the_run(viewer, widget, qtbot, pause):
    go_on = pause(after=5)
    layer = viewer.add_image(pixels((400, 400)))
    begun(viewer, widget, qtbot, 1)
    viewer.layers.pop()
    go_on.set()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert list(viewer.layers) == [layer]
    assert widget.status.text() == "Cancelled. Nothing was added."


def test_a_result_follows_its_moved_source_and_reports_replaced_pixels(viewer, widget, qtbot, pause):
    go_on = pause(after=5)
    layer = viewer.add_image(pixels((400, 400)), scale=(0.5, 0.5))
    before = layer.data
    begun(viewer, widget, qtbot, 1)
    layer.translate, layer.rotate = (30, 40), 15
    layer.data = pixels((400, 400), 5)
    go_on.set()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    made = viewer.layers[-1]
    lies_on(made, layer)
    expected = napari_superres.upscale(before, "bicubic-x2", axes="YX").data
    np.testing.assert_array_equal(made.data, expected)
    assert "were replaced during the run" in widget.status.text()


def test_the_record_of_a_kept_part_is_marked_as_incomplete(viewer, widget, qtbot, pause):
    go_on = pause(after=5)
    viewer.add_image(pixels((400, 400)))
    begun(viewer, widget, qtbot, 1)
    widget.keep.click()
    go_on.set()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    record = viewer.layers[-1].metadata["provenance"]
    assert (record["complete"], record["model"]["name"]) == (False, "bicubic-x2")
    run(widget, qtbot)
    assert "complete" not in viewer.layers[1].metadata["provenance"]


def test_shapes_and_slices_in_other_units(viewer, widget, qtbot):
    other = viewer.add_image(pixels((9, 30, 30), 1), scale=(500, 100, 100), units="nm", name="nanometers")
    layer = viewer.add_image(pixels((9, 30, 30)), scale=(1, 0.2, 0.2), units="um", name="micrometers")
    corners = [[600, 1000], [600, 2000], [1600, 2000], [1600, 1000]]  # pixels 3 to 8 and 5 to 10
    viewer.add_shapes([np.array(corners)], units="nm")
    assert str(viewer.layers.extent.units[0]) == "nanometer"
    widget.layer.value = layer
    widget.model.value = "bicubic-x2"
    widget.region.kind.value = SHAPE
    run(widget, qtbot)
    made = next(one for one in viewer.layers if one.name == "micrometers [bicubic-x2]")
    assert made.data.shape == (9, 12, 12)
    np.testing.assert_allclose(made.data_to_world((0, -0.5, -0.5)), layer.data_to_world((0, 2.5, 4.5)))
    viewer.dims.set_point(0, 4000)
    widget.region.kind.value = SLICE
    run(widget, qtbot)
    made = next(one for one in viewer.layers if one.name == "micrometers [bicubic-x2] [1]")
    assert made.translate[0] == pytest.approx(4.0)
    assert other in viewer.layers


def test_the_input_of_a_sample_is_chosen_and_channels_are_counted(viewer, widget, qtbot, tmp_path):
    from napari.layers import Layer

    for layer in sample_layers("nuclei"):
        viewer.add_layer(Layer.create(*layer))
    assert widget.layer.value.name == "nuclei LR"
    viewer.layers.clear()
    path = tmp_path / "cells.ome.tif"
    write_image(Image.from_array(pixels((3, 24, 30)), "CYX", pixel_size=0.5), path)
    viewer.open(path, plugin="napari-superres-torch")
    assert widget.channels.all.text() == "All 3 channels"
    assert not widget.channels.isHidden()
    viewer.layers.pop()
    assert widget.channels.all.text() == "All 2 channels"


def test_run_stays_in_view(viewer, widget):
    from qtpy.QtWidgets import QScrollArea

    area = widget.findChild(QScrollArea)
    assert area.isAncestorOf(widget.card)
    assert not any(area.isAncestorOf(w) for w in (widget.run, widget.keep, widget.bar, widget.status))


def copied(button):
    from qtpy.QtWidgets import QApplication

    button.click()
    return QApplication.clipboard().text()


def test_copied_command_and_script_contain_the_corrections(viewer, widget, qtbot, tmp_path, monkeypatch, told):
    monkeypatch.chdir(tmp_path)
    write_image(Image.from_array(pixels((3, 24, 30)), "ZYX"), tmp_path / "a.tif")
    (layer,) = viewer.open(str(tmp_path / "a.tif"), plugin="napari")
    widget.axes.value = "TYX"
    widget.pixel_size.size.value, widget.pixel_size.unit.value = 0.3, "micrometer"
    widget.pixel_size.button.click()
    widget.model.value = "nearest-x2"
    words = shlex.split(copied(widget.copy_command))
    assert words[words.index("--axes") + 1] == "TYX"
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit, match="0"):
        main()
    Path(words[words.index("-o") + 1]).rename("by_command.ome.tif")
    by_command = read_image("by_command.ome.tif")
    exec(compile(copied(widget.copy_python), "script", "exec"), {})
    by_script = read_image("a_nearest-x2.ome.tif")
    run(widget, qtbot)
    for made in (by_command, by_script):
        assert (made.axes, made.pixel_size) == ("TYX", pytest.approx((0.15, 0.15)))
        np.testing.assert_array_equal(made.data[...], viewer.layers[-1].data)
    layer.data = layer.data[:, ::-1]
    assert told == []
    widget.copy_command.click()
    assert "no longer equal those of its file" in told.pop()
    script = copied(widget.copy_python)
    space = {"viewer": viewer}
    (tmp_path / "a_nearest-x2.ome.tif").unlink()
    exec(compile(script, "script", "exec"), space)
    assert space["image"].units["X"] == "micrometer"
    np.testing.assert_array_equal(space["result"].data[:, ::-2, ::2], np.asarray(by_script.data)[:, 1::2, ::2])


def test_a_sample_can_be_copied(viewer, widget, tmp_path):
    from napari.layers import Layer

    for layer in sample_layers("nuclei-stack"):
        viewer.add_layer(Layer.create(*layer))
    words = shlex.split(copied(widget.copy_command))
    assert words[2].endswith("nuclei-stack_lr.ome.tif")
    assert "--pixel-size" not in words
