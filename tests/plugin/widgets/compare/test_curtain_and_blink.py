"""Curtain and blinking switched on and off in real viewers: what they show and hide, and all as before in the end."""

import numpy as np
import pytest
from helpers.widgets.curtain_layers import LONG, curtain_of, lies_on, pair, ramp

from napari_superres.plugin.widgets.compare.blink import KEY

pytestmark = [pytest.mark.gui, pytest.mark.slow]


def visibilities(viewer):
    return {layer.name: layer.visible for layer in viewer.layers}


@pytest.fixture
def scene(viewer, widget):
    result, reference = pair(viewer, widget, ramp(40, 60), ramp(40, 60)[::-1])
    reference.visible = False
    other = viewer.add_image(ramp(40, 60), name="other")
    viewer.layers.selection.active = other
    return result, reference, other


def test_everything_is_as_before_in_the_end(viewer, widget, scene):
    for name in ("curtain", "blink"):
        check_restored(viewer, widget, scene, name)


def check_restored(viewer, widget, scene, name):
    before, selected = visibilities(viewer), set(viewer.layers.selection)
    chosen = widget.result.choices
    button = getattr(widget.visual, name)
    button.setChecked(True)
    assert not scene[2].visible
    assert widget.result.choices == chosen
    assert set(viewer.layers.selection) == selected
    callbacks = list(viewer.mouse_drag_callbacks)
    button.setChecked(False)
    assert list(visibilities(viewer).items()) == list(before.items())
    assert set(viewer.layers.selection) == selected
    assert len(viewer.mouse_drag_callbacks) == len(callbacks) - (name == "curtain")
    assert not widget.visual.caption.isVisibleTo(widget)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["curtain", "blink"])
def test_a_layer_that_is_removed_ends_it(viewer, widget, scene, qtbot, name):
    button = getattr(widget.visual, name)
    for gone in (1, 0):
        before = visibilities(viewer)
        button.setChecked(True)
        viewer.layers.remove(scene[gone])
        qtbot.waitUntil(lambda: not button.isChecked())
        del before[scene[gone].name]
        assert visibilities(viewer) == before
        if gone:
            widget.reference.value = scene[2]


@pytest.mark.slow
def test_all_layers_can_be_removed(viewer, widget, scene, qtbot):
    widget.visual.curtain.setChecked(True)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: not widget.visual.curtain.isChecked())
    assert not widget.visual.curtain.isEnabled()
    assert len(viewer.layers) == 0


def test_closing_the_widget_ends_it(viewer, widget, scene):
    before = visibilities(viewer)
    widget.visual.curtain.setChecked(True)
    viewer.window.remove_dock_widget(widget)
    assert visibilities(viewer) == before
    assert not [f for f in viewer.mouse_drag_callbacks if "Curtain" in f.__qualname__]


@pytest.mark.slow
def test_another_choice_is_followed(viewer, widget, scene):
    result, _, other = scene
    widget.visual.curtain.setChecked(True)
    widget.reference.value = other
    assert widget.visual.curtain.isChecked()
    assert (other.visible, result.visible) == (True, False)


def test_there_is_no_curtain_in_3d(viewer, widget, qtbot):
    pair(viewer, widget, ramp(5, 20, 30), ramp(5, 20, 30))
    before = visibilities(viewer)
    widget.visual.curtain.setChecked(True)
    viewer.dims.ndisplay = 3
    qtbot.waitUntil(lambda: not widget.visual.curtain.isChecked())
    assert "2-D" in widget.visual.caption.text()
    assert visibilities(viewer) == before
    widget.visual.curtain.setChecked(True)
    assert not widget.visual.curtain.isChecked()


@pytest.mark.slow
def test_beside_the_interpolation_of_the_input(viewer, widget, qtbot):
    import napari_superres
    from napari_superres.plugin.host.layers import to_image

    low = viewer.add_image(ramp(20, 30), name="low", scale=(2, 2), rotate=10, units="micrometer")
    fine = viewer.add_image(ramp(40, 60), name="result", scale=(1, 1), rotate=10, units="micrometer")
    fine.translate = low.data_to_world((-0.25, -0.25))
    widget.result.value, widget.lr.value = fine, low
    before = visibilities(viewer)
    widget.visual.partner.value = "interpolation"
    widget.visual.curtain.setChecked(True)
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    made = viewer.layers["interpolation of low"]
    np.testing.assert_array_equal(made.data, napari_superres.upscale(to_image(low), "bicubic-x2").data)
    lies_on(made, fine)
    assert made not in widget.result.choices
    widget.visual.curtain.setChecked(False)
    assert visibilities(viewer) == before
    widget.visual.blink.setChecked(True)
    assert not widget.is_running  # it is kept
    assert made in viewer.layers
    widget.visual.blink.setChecked(False)
    assert visibilities(viewer) == before


@pytest.mark.slow
def test_an_input_that_does_not_fit_is_explained(viewer, widget, qtbot, told):
    pair(viewer, widget, ramp(40, 60), ramp(40, 60))
    widget.lr.value = viewer.add_image(ramp(17, 23), name="low", units="micrometer")
    widget.visual.partner.value = "interpolation"
    widget.visual.curtain.setChecked(True)
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert len(told) == 1
    assert not widget.visual.curtain.isChecked()


def test_the_two_blink_and_are_stepped_by_hand(viewer, widget, scene, qtbot):
    result, reference, _ = scene
    widget.visual.interval.value = 0.2
    widget.visual.blink.setChecked(True)
    assert (result.visible, reference.visible) == (True, False)
    assert "result" in widget.visual.caption.text()
    qtbot.waitUntil(lambda: reference.visible)
    assert not result.visible
    qtbot.waitUntil(lambda: result.visible)
    press = next(told for key, told in viewer.keymap.items() if str(key) == "Shift+B")
    shown = result.visible
    press(viewer)
    assert (result.visible, reference.visible) == (not shown, shown)
    qtbot.wait(500)  # the clock stands still
    assert (result.visible, reference.visible) == (not shown, shown)
    widget.visual.blink.setChecked(False)
    assert "Shift+B" not in {str(key) for key in viewer.keymap}


@pytest.mark.slow
def test_in_the_widget_that_the_menu_opens(viewer, qtbot):
    """There the viewer is given behind a proxy."""
    result = viewer.add_image(ramp(40, 60), name="result")
    reference = viewer.add_image(ramp(40, 60)[::-1], name="reference")
    before = visibilities(viewer)
    _, widget = viewer.window.add_plugin_dock_widget("napari-superres-torch", "Compare")
    widget.result.value, widget.reference.value = (
        next(c for c in widget.result.choices if c.name == layer.name) for layer in (result, reference)
    )
    for button in (widget.visual.curtain, widget.visual.blink):
        button.setChecked(True)
        assert visibilities(viewer) != before
    assert not widget.visual.curtain.isChecked()  # one of the two at a time
    assert [layer.name for layer in viewer.layers] == ["result", "reference"]
    assert (result.visible, reference.visible) == (True, False)
    widget.visual.curtain.setChecked(True)
    np.testing.assert_array_equal(curtain_of(viewer).data, result.data[:, :30])
    viewer.layers.remove(curtain_of(viewer))
    qtbot.waitUntil(lambda: not widget.visual.curtain.isChecked())
    widget.profile.draw.click()
    widget.profile.line.add_lines([np.array([[3.0, 3.0], [20.0, 40.0]])])
    qtbot.waitUntil(lambda: widget.plot.drawing is not None, timeout=LONG)
    assert set(widget.plot.drawing.curves) == {"result", "reference"}
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()


def test_the_key_is_none_of_napari_s():
    from napari.utils.key_bindings import coerce_keybinding
    from napari.utils.shortcuts import default_shortcuts

    ours = coerce_keybinding(KEY)
    assert ours not in {key for keys in default_shortcuts.values() for key in keys}
