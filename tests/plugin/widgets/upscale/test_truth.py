"""What the Super-resolve widget says is true now: estimate, status, preview, and which button can be pressed."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from helpers.upscaling import LONG, pixels, run

from napari_superres.errors import SettingsError
from napari_superres.plugin.host.fingerprint import fingerprint
from napari_superres.plugin.widgets.common.parts.made import MAP
from napari_superres.plugin.widgets.upscale.state import SHAPE
from napari_superres.plugin.worker import tasks

pytestmark = pytest.mark.gui


def planned(widget, qtbot):
    qtbot.waitUntil(lambda: "memory" in widget.estimate.text(), timeout=LONG)


def test_the_estimate_counts_frames_and_channels(viewer, widget, qtbot):
    viewer.add_image(pixels((3, 2, 20, 30)), axis_labels=("t", "c", "y", "x"))
    planned(widget, qtbot)
    assert widget.estimate.text().startswith("3 frames of 2 channels, each 20 × 30 to 40 × 60 pixels (28.8 kB).")


def test_the_estimate_of_another_model_is_not_shown(viewer, widget, qtbot):
    viewer.add_image(pixels())
    planned(widget, qtbot)
    widget.model.value = "bicubic-x3"
    assert widget.estimate.text() == "Estimating…"
    planned(widget, qtbot)
    assert "120 × 150" in widget.estimate.text()


def test_a_refused_run_cannot_be_started(viewer, widget, qtbot):
    viewer.add_image(pixels((20, 22)))
    widget.axes.value = "ZYX"
    qtbot.waitUntil(lambda: "must name every array axis" in widget.estimate.text(), timeout=LONG)
    assert not widget.run.isEnabled()
    assert "above" in widget.run.toolTip()
    widget.axes.value = "YX"
    assert widget.run.isEnabled()


def test_a_refusal_ends_with_its_reason(viewer, widget, qtbot):
    """Nobody tells the widget that a shape was drawn."""
    layer = viewer.add_image(pixels())
    shapes = viewer.add_shapes()
    widget.region.kind.value = SHAPE
    qtbot.waitUntil(lambda: not widget.run.isEnabled(), timeout=LONG)
    assert "No shape is drawn" in widget.estimate.text()
    shapes.add_rectangles([[2, 2], [12, 14]])
    qtbot.waitUntil(widget.run.isEnabled, timeout=LONG)
    layer.data = pixels((60, 70))
    assert widget.estimate.text() == "Estimating…"


def test_done_is_not_said_of_a_removed_result(viewer, widget, qtbot):
    viewer.add_image(pixels(), name="cells")
    run(widget, qtbot)
    assert "cells [bicubic-x2]" in widget.status.text()
    viewer.layers.remove("cells [bicubic-x2]")
    assert widget.status.text() == ""
    assert widget.status.isHidden()


def test_the_layer_follows_the_selection(viewer, widget, qtbot):
    first, second = (viewer.add_image(pixels(seed=i)) for i in range(2))
    points = viewer.add_points([[1, 1]])
    for layer in (first, second, first):
        viewer.layers.selection.active = layer
        assert widget.layer.value is layer
    viewer.layers.selection.active = points
    assert widget.layer.value is first
    widget.layer.value = second  # by hand: a preview, which is selected for a moment, does not undo it
    widget.preview.setChecked(True)
    qtbot.waitUntil(lambda: widget.preview.layer is not None, timeout=LONG)
    assert widget.layer.value is second
    widget.preview.setChecked(False)
    viewer.layers.selection.active = points
    widget.layer.value = first
    run(widget, qtbot)
    assert viewer.layers.selection.active is not first  # the result is selected
    assert widget.layer.value is first


def test_a_layer_that_was_selected_before_can_be_selected_again(viewer, widget):
    first, second = (viewer.add_image(pixels(seed=i)) for i in range(2))
    viewer.layers.selection.active = first
    viewer.add_points([[1, 1]])
    widget.layer.value = second
    viewer.layers.selection.active = first
    assert widget.layer.value is first


def test_a_new_layer_is_followed_but_a_map_is_not(viewer, widget):
    widget.layer.value = viewer.add_image(pixels())
    new = viewer.add_image(pixels(seed=1))
    assert widget.layer.value is new
    viewer.add_image(pixels(seed=2), name="SSIM", metadata={MAP: "SSIM"})
    viewer.add_image(pixels(seed=2), name="result", metadata={"provenance": {}})
    assert widget.layer.value is new


def test_the_preview_says_that_it_is_computing(viewer, widget, qtbot):
    viewer.add_image(pixels())
    widget.preview.setChecked(True)
    assert "computing" in widget.preview.text()
    qtbot.waitUntil(lambda: widget.preview.text() == "Live preview", timeout=LONG)
    assert widget.preview.layer is not None


def test_a_preview_that_is_switched_off_is_computed_again_later(viewer, widget, qtbot, monkeypatch):
    released, started, whole = threading.Event(), threading.Event(), tasks.preview

    def wait(*arguments, **options):
        started.set()
        released.wait(LONG / 1000)
        yield from whole(*arguments, **options)

    monkeypatch.setattr(tasks, "preview", wait)
    viewer.add_image(pixels())
    widget.crop.section.collapse(animate=False)
    widget.preview.setChecked(True)
    qtbot.waitUntil(started.is_set, timeout=LONG)
    widget.preview.setChecked(False)
    assert widget.preview.text() == "Live preview"
    released.set()
    widget.preview.setChecked(True)
    qtbot.waitUntil(lambda: widget.preview.layer is not None, timeout=LONG)


def test_the_layer_is_looked_at_until_its_fitness_is_known(viewer, widget, qtbot):
    widget.model.value = "espcn-x2"
    widget.chooser.choose_by_hand()
    viewer.add_image(pixels())
    assert widget.fitness.line.text() == "Looking at the layer…"
    assert not widget.fitness.busy.isHidden()
    qtbot.waitUntil(lambda: "espcn-x2" in widget.fitness.line.text(), timeout=LONG)
    assert widget.fitness.busy.isHidden()
    viewer.add_image(pixels(seed=1))
    assert widget.fitness.line.text() == "Looking at the layer…"


def test_what_a_run_warned_of_is_said_in_full_and_with_the_fitness(viewer, widget, qtbot, monkeypatch):
    warning, whole = "39.8% of the values came out below 0: espcn-x2 may not suit this image.", tasks.upscale

    def warn(*arguments, **options):
        for step in whole(*arguments, **options):
            is_last = step.done == step.total and "provenance" in step.image.metadata
            yield replace(step, notes=(*step.notes, warning)) if is_last else step

    monkeypatch.setattr(tasks, "upscale", warn)
    layer = viewer.add_image(pixels())
    widget.layer.value = layer
    widget.model.value = "espcn-x2"
    qtbot.waitUntil(lambda: "espcn-x2" in widget.fitness.line.text(), timeout=LONG)
    assert "warned" not in widget.fitness.line.text()
    run(widget, qtbot)
    assert warning in widget.status.text()
    qtbot.waitUntil(lambda: f"Its last run warned: {warning}" in widget.fitness.line.text(), timeout=LONG)
    widget.model.value = "fsrcnn-x2"
    qtbot.waitUntil(lambda: "fsrcnn-x2" in widget.fitness.line.text(), timeout=LONG)
    assert "warned" not in widget.fitness.line.text()
    widget.model.value = "espcn-x2"
    qtbot.waitUntil(lambda: warning in widget.fitness.line.text(), timeout=LONG)


def test_the_preview_says_what_is_wrong(viewer, widget, qtbot, monkeypatch):
    def fail(*_, **__):
        raise SettingsError("`tile` is too large.", remedy="Choose a smaller one.")
        yield

    whole = tasks.preview
    monkeypatch.setattr(tasks, "preview", fail)
    viewer.add_image(pixels())
    widget.preview.setChecked(True)
    qtbot.waitUntil(lambda: "Tile size” is too large" in widget.preview.note.text(), timeout=LONG)
    assert widget.preview.note.isVisibleTo(widget)
    monkeypatch.setattr(tasks, "preview", whole)
    widget.preview.ask()
    qtbot.waitUntil(widget.preview.note.isHidden, timeout=LONG)


def test_a_volume_is_previewed_in_3d(viewer, widget, qtbot):
    layer = viewer.add_image(pixels((50, 140, 150)), scale=(2, 1, 1))
    widget.model.value = "nearest-x2"
    viewer.dims.ndisplay = 3
    widget.preview.setChecked(True)
    qtbot.waitUntil(lambda: widget.preview.layer is not None and "computing" not in widget.preview.text(), timeout=LONG)
    made = widget.preview.layer
    planes, rows, columns = slice(9, 41), slice(6, 134), slice(11, 139)  # the middle
    expected = layer.data[planes, rows, columns].repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(made.data, expected)
    np.testing.assert_allclose(made.data_to_world((0, 0.5, 0.5)), layer.data_to_world((9, 6, 11)))
    assert made.blending == "translucent_no_depth"


def test_pixels_that_are_edited_in_place_during_a_run_are_reported(viewer, widget, qtbot, pause):
    go_on = pause(after=5)
    layer = viewer.add_image(pixels((400, 400)))
    widget.tile.value = "64"
    widget.run.click()
    qtbot.waitUntil(lambda: len(viewer.layers) > 1, timeout=LONG)
    layer.data[399, 399] += 1
    go_on.set()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert "were edited during the run" in widget.status.text()


def test_edits_change_the_fingerprint():
    for array in (pixels((40, 50)), pixels((3, 40, 50))[:, ::2], pixels((7,)), np.zeros((2, 3, 4), bool)):
        before = fingerprint(array)
        assert fingerprint(array.copy()) == before
        array.flat[-1] ^= 1
        assert fingerprint(array) != before
    assert fingerprint([1, 2]) is None
    assert fingerprint(np.zeros((0, 3))) is not None


def test_copied_scripts_write_to_names_of_their_own(viewer, widget):
    from qtpy.QtWidgets import QApplication

    viewer.add_image(pixels(), name="my cells: 3/4")
    widget.model.value = "nearest-x2"
    widget.copy_python.click()
    assert "write_image(result, 'my_cells_3_4_nearest-x2.ome.tif')" in QApplication.clipboard().text()
