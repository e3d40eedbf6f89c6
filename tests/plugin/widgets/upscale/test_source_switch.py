"""A source does not show through its result or preview, and is visible again afterwards."""

import numpy as np
import pytest
from helpers.upscaling import LONG, pixels, run

from napari_superres.plugin.widgets.compare.widget import CompareWidget

pytestmark = pytest.mark.gui


@pytest.fixture
def channels(viewer, widget):
    """Two channels that the canvas adds up, the upper one chosen."""
    lower = viewer.add_image(pixels(), name="lower", blending="additive", colormap="green")
    upper = viewer.add_image(pixels(seed=1), name="upper", blending="additive", colormap="red")
    assert widget.layer.value is upper
    widget.model.value = "nearest-x2"  # its result looks as its source does
    return lower, upper


def canvas(viewer):
    return viewer.screenshot(size=(240, 300), flash=False).astype(int)


def test_the_canvas_does_not_show_the_sum_of_source_and_result(viewer, widget, qtbot, channels):
    lower, upper = channels
    viewer.window.resize(900, 700)
    viewer.window._qt_window.show()
    qtbot.waitUntil(lambda: min(viewer.window._qt_viewer.canvas.size) > 100)
    viewer.reset_view()
    before = canvas(viewer)
    run(widget, qtbot)
    result = viewer.layers["upper [nearest-x2]"]
    assert (result.visible, upper.visible, lower.visible) == (True, False, True)
    difference = np.abs(canvas(viewer) - before)
    assert np.mean(difference > 20) < 0.02
    assert widget.source_switch.isVisibleTo(widget)
    widget.source_switch.setChecked(False)
    assert upper.visible
    assert np.mean(np.abs(canvas(viewer) - before) > 20) > 0.1
    widget.source_switch.setChecked(True)
    assert not upper.visible
    assert widget.layer.value is upper


@pytest.mark.parametrize("end", ["remove", "hide", "blend", "close", "cancel"])
def test_the_source_is_shown_again(viewer, widget, qtbot, channels, end, pause):
    _, upper = channels
    if end == "cancel":
        go_on = pause(after=1)
        widget.run.click()
        qtbot.waitUntil(lambda: not upper.visible, timeout=LONG)
        widget.run.click()
        go_on.set()
        qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    else:
        run(widget, qtbot)
        assert not upper.visible
    if end == "remove":
        viewer.layers.remove("upper [nearest-x2]")
    elif end == "hide":
        viewer.layers["upper [nearest-x2]"].visible = False
    elif end == "blend":
        viewer.layers["upper [nearest-x2]"].blending = "opaque"
    elif end == "close":
        viewer.window.remove_dock_widget(widget)
    assert upper.visible
    assert not widget.source_switch.isVisibleTo(widget)


def test_a_preview_among_channels_replaces_its_source(viewer, widget, qtbot, channels):
    lower, upper = channels
    widget.preview.setChecked(True)
    qtbot.waitUntil(lambda: widget.preview.layer is not None and not upper.visible, timeout=LONG)
    assert widget.preview.layer.blending == "additive"
    assert lower.visible
    widget.preview.setChecked(False)
    assert upper.visible


def test_a_preview_over_one_image_leaves_its_surroundings_visible(viewer, widget, qtbot):
    layer = viewer.add_image(pixels(), blending="additive")
    widget.preview.setChecked(True)
    qtbot.waitUntil(lambda: widget.preview.layer is not None, timeout=LONG)
    assert layer.visible
    assert widget.preview.layer.blending == "translucent_no_depth"


def test_opaque_results_leave_their_source_visible(viewer, widget, qtbot):
    layer = viewer.add_image(pixels())
    run(widget, qtbot)
    assert layer.visible
    assert not widget.source_switch.isVisibleTo(widget)


def test_what_the_user_shows_stays_visible(viewer, widget, qtbot, channels):
    _, upper = channels
    run(widget, qtbot)
    upper.visible = True
    viewer.layers["upper [nearest-x2]"].opacity = 0.5
    assert upper.visible


def test_a_curtain_changes_nothing(viewer, widget, qtbot, channels, dock):
    lower, upper = channels
    run(widget, qtbot)
    result = viewer.layers["upper [nearest-x2]"]
    compare = dock(CompareWidget)
    compare.result.value, compare.lr.value = result, upper
    compare.visual.partner.value = "input"
    before = [layer.visible for layer in viewer.layers]
    compare.visual.blink.setChecked(True)
    assert [lower.visible, upper.visible, result.visible] == [False, False, True]
    compare.visual.blink.setChecked(False)
    assert [layer.visible for layer in viewer.layers] == before
    viewer.layers.remove(result)
    assert upper.visible
