"""Curtain and blinking in real viewers, through the Compare widget's own controls."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_superres.plugin.compare_widget import CompareWidget
from napari_superres.plugin.curtain import KEY

pytestmark = pytest.mark.gui

LONG = 60_000
PLACES = {
    "plain": {},
    "anisotropic": {"scale": (0.5, 0.2), "translate": (3.0, -7.0)},
    "rotated": {"scale": (0.5, 0.2), "rotate": 30, "translate": (3.0, -7.0)},
    "sheared": {"scale": (0.3, 0.3), "rotate": -20, "shear": [0.4]},
    "affine": {"scale": (0.5, 0.2), "affine": np.array([[0.9, 0.2, 4.0], [-0.3, 1.1, 2.0], [0, 0, 1]])},
}


@pytest.fixture
def widget(dock):
    return dock(CompareWidget)


def pair(viewer, widget, left, right, **place):
    """Add a result and a reference below it, and choose them."""
    reference = viewer.add_image(right, name="reference", units=["micrometer"] * left.ndim, **place)
    result = viewer.add_image(left, name="result", units=["micrometer"] * left.ndim, **place)
    viewer.reset_view()
    widget.result.value, widget.reference.value, widget.lr.value = result, reference, None
    return result, reference


def ramp(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def curtain_of(viewer):
    (layer,) = (layer for layer in viewer.layers if layer.name.startswith("curtain: "))
    return layer


def lies_on(made, layer, factor=(1, 1), start=(0, 0)):
    """Whether pixels of a layer are where whole blocks of pixels of another are."""
    for index in ((0, 0), (3, 2)):
        source = [s + i * f + (f - 1) / 2 for s, i, f in zip(start, index, factor, strict=True)]
        np.testing.assert_allclose(made.data_to_world(index), layer.data_to_world(source), atol=1e-9)


def test_the_left_part_lies_on_the_result_wherever_that_lies(viewer, widget, qtbot):
    for place in PLACES.values():
        viewer.layers.clear()
        qtbot.wait(50)  # Mesa crashes if it never draws without layers
        result, reference = pair(viewer, widget, ramp(40, 60), ramp(40, 60)[::-1], **place)
        result.contrast_limits, result.colormap = (10, 900), "magma"
        widget.look.curtain.setChecked(True)
        made = curtain_of(viewer)
        lies_on(made, result)
        np.testing.assert_array_equal(made.data, result.data[:, :30])
        assert (made.units, list(made.contrast_limits), made.colormap.name) == (result.units, [10, 900], "magma")
        assert (made.visible, reference.visible, result.visible) == (True, True, False)
        widget.look.position.setValue(250)
        np.testing.assert_array_equal(made.data, result.data[:, :15])
        lies_on(made, result)
        widget.look.curtain.setChecked(False)


@pytest.mark.slow
def test_it_follows_the_slider_and_what_is_done_to_the_result(viewer, widget):
    result, _ = pair(viewer, widget, ramp(40, 60), ramp(40, 60))
    widget.look.curtain.setChecked(True)
    made = curtain_of(viewer)
    assert widget.look.position.value() == 500
    widget.look.position.setValue(0)
    assert not made.visible
    widget.look.position.setValue(1000)
    assert made.visible
    np.testing.assert_array_equal(made.data, result.data)
    result.contrast_limits = (20, 500)
    assert list(made.contrast_limits) == [20, 500]
    result.scale = (2.0, 3.0)
    lies_on(made, result)
    result.data = result.data + 7
    np.testing.assert_array_equal(made.data, result.data)


def test_what_is_seen(viewer, widget, qtbot):
    viewer.window._qt_window.resize(1200, 700)
    viewer.window._qt_window.show()
    ones = np.ones((60, 80), np.float32)
    result, reference = pair(viewer, widget, ones, ones, scale=(0.5, 0.5), rotate=90, contrast_limits=(0, 1))
    result.colormap, reference.colormap = "red", "green"
    widget.look.curtain.setChecked(True)
    widget.look.position.setValue(250)
    qtbot.wait(200)
    shot = viewer.screenshot(flash=False)[..., :3].astype(int)
    red, green = (np.argwhere(np.all(np.abs(shot - colour) < 30, axis=-1)) for colour in ((255, 0, 0), (0, 255, 0)))
    assert len(red) / len(green) == pytest.approx(20 / 60, rel=0.05)
    across = np.subtract(result.data_to_world((0, 1)), result.data_to_world((0, 0)))
    assert (green.mean(axis=0) - red.mean(axis=0)) @ across > 0
    assert abs((green.mean(axis=0) - red.mean(axis=0)) @ across[::-1]) < 3


@pytest.mark.slow
def test_a_stack_follows_the_slider_of_its_slices(viewer, widget):
    result, _ = pair(viewer, widget, ramp(5, 20, 30), ramp(5, 20, 30), scale=(2, 1, 1))
    widget.look.curtain.setChecked(True)
    made = curtain_of(viewer)
    for z in (1, 4):
        viewer.dims.set_current_step(0, z)
        np.testing.assert_array_equal(made._data_view, result.data[z, :, :15])


@pytest.mark.slow
def test_colours(viewer, widget):
    left = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    reference = viewer.add_image(left[::-1], name="reference", rgb=True)
    result = viewer.add_image(left, name="result", rgb=True)
    viewer.reset_view()
    widget.result.value, widget.reference.value = result, reference
    widget.look.curtain.setChecked(True)
    made = curtain_of(viewer)
    assert made.rgb
    np.testing.assert_array_equal(made.data, left[:, :15])


@pytest.mark.slow
def test_layers_with_other_pixels_keep_them(viewer, widget):
    low = viewer.add_image(ramp(20, 30), name="low", scale=(2, 2), units="micrometer")
    result = viewer.add_image(ramp(40, 60), name="result", translate=(-0.5, -0.5), units="micrometer")
    viewer.reset_view()
    widget.result.value, widget.lr.value = result, low
    widget.look.beside.value = "input"
    widget.look.curtain.setChecked(True)
    lies_on(curtain_of(viewer), result)
    assert low.visible


@pytest.mark.slow
def test_planes_that_are_not_in_memory_are_read_once(viewer, widget):
    import zarr

    pair(viewer, widget, zarr.array(ramp(3, 40, 60), chunks=(1, 16, 16)), ramp(3, 40, 60))
    viewer.dims.set_current_step(0, 2)
    widget.look.curtain.setChecked(True)
    made = curtain_of(viewer)
    np.testing.assert_array_equal(made._data_view, ramp(3, 40, 60)[2, :, :30])
    read = made.data._planes
    (plane,) = read.values()
    widget.look.position.setValue(800)
    np.testing.assert_array_equal(made._data_view, ramp(3, 40, 60)[2, :, :48])
    assert next(iter(read.values())) is plane
    viewer.dims.set_current_step(0, 0)
    np.testing.assert_array_equal(made._data_view, ramp(3, 40, 60)[0, :, :48])


@pytest.mark.slow
def test_of_a_large_plane_only_what_is_seen_is_cut(viewer, widget, qtbot):
    large = np.lib.stride_tricks.as_strided(ramp(1, 4096), (4096, 4096), (0, 4))
    result, _ = pair(viewer, widget, large, large, contrast_limits=(0, 4096))
    widget.look.curtain.setChecked(True)
    made = curtain_of(viewer)
    step = int(made.data[0, 1] - made.data[0, 0])
    assert step >= 2
    assert max(made.data.shape) <= 2 * max(viewer.canvas.size)
    lies_on(made, result, (step, step))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (1000, 3000), 4.0
    qtbot.waitUntil(lambda: not made.visible)  # the line is left of what is seen
    widget.look.position.setValue(500)
    assert made.visible
    assert made.data[0, 1] - made.data[0, 0] == 1
    start = np.rint(result.world_to_data(made.data_to_world((0, 0)))).astype(int)
    assert made.data[0, 0] == start[1]
    assert made.data[0, -1] == 2999
    half = np.array(viewer.canvas.size) / 8
    assert np.all(start <= np.array([1000, 3000]) - half)
    assert start[0] + made.data.shape[0] >= 1000 + half[0]
    assert max(made.data.shape) < 1000


@pytest.mark.slow
def test_of_a_multiscale_layer_the_level_that_suits_is_cut(viewer, widget, qtbot):
    fine = np.lib.stride_tricks.as_strided(ramp(1, 4096), (4096, 4096), (0, 4))
    levels = [fine[:: 2**i, :: 2**i] for i in range(4)]
    reference = viewer.add_image(fine, name="reference", contrast_limits=(0, 4096))
    result = viewer.add_image(levels, name="result", multiscale=True, contrast_limits=(0, 4096))
    viewer.reset_view()
    widget.result.value, widget.reference.value = result, reference
    widget.look.curtain.setChecked(True)
    made = curtain_of(viewer)
    step = int(made.data[0, 1] - made.data[0, 0])
    assert step > 2
    lies_on(made, result, (step, step))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (1000, 2048), 4.0
    qtbot.waitUntil(lambda: made.data[0, 1] - made.data[0, 0] == 1)


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
    button = getattr(widget.look, name)
    button.setChecked(True)
    assert not scene[2].visible
    assert widget.result.choices == chosen
    assert set(viewer.layers.selection) == selected
    callbacks = list(viewer.mouse_drag_callbacks)
    button.setChecked(False)
    assert list(visibilities(viewer).items()) == list(before.items())
    assert set(viewer.layers.selection) == selected
    assert len(viewer.mouse_drag_callbacks) == len(callbacks) - (name == "curtain")
    assert not widget.look.shown.isVisibleTo(widget)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["curtain", "blink"])
def test_a_layer_that_is_removed_ends_it(viewer, widget, scene, qtbot, name):
    button = getattr(widget.look, name)
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
    widget.look.curtain.setChecked(True)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: not widget.look.curtain.isChecked())
    assert not widget.look.curtain.isEnabled()
    assert len(viewer.layers) == 0


def test_closing_the_widget_ends_it(viewer, widget, scene):
    before = visibilities(viewer)
    widget.look.curtain.setChecked(True)
    viewer.window.remove_dock_widget(widget)
    assert visibilities(viewer) == before
    assert not [f for f in viewer.mouse_drag_callbacks if "Curtain" in f.__qualname__]


@pytest.mark.slow
def test_another_choice_is_followed(viewer, widget, scene):
    result, _, other = scene
    widget.look.curtain.setChecked(True)
    widget.reference.value = other
    assert widget.look.curtain.isChecked()
    assert (other.visible, result.visible) == (True, False)


def drag(viewer, *points):
    """Press, move and release the mouse in the canvas at points of the world."""
    from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks

    handled = []
    event = SimpleNamespace(dims_displayed=list(viewer.dims.displayed), modifiers=[], is_dragging=False)
    for point, told, kind in zip(
        [points[0], *points[1:], points[-1]],
        [mouse_press_callbacks, *[mouse_move_callbacks] * (len(points) - 1), mouse_release_callbacks],
        ["mouse_press", *["mouse_move"] * (len(points) - 1), "mouse_release"],
        strict=True,
    ):
        event.position, event.type, event.handled = point, kind, False
        told(viewer, event)
        handled.append(event.handled)
    return any(handled)


def test_the_line_is_dragged_in_the_canvas(viewer, widget, qtbot):
    place = PLACES["sheared"]
    result, _ = pair(viewer, widget, ramp(40, 60), ramp(40, 60), **place)
    widget.look.curtain.setChecked(True)
    made = curtain_of(viewer)
    at = [result.data_to_world((20, x - 0.5)) for x in (30, 35, 45)]
    assert drag(viewer, *at)
    assert made.data.shape[1] == 45
    qtbot.waitUntil(lambda: widget.look.position.value() == 750)
    assert not drag(viewer, *at)  # far from the line now
    assert made.data.shape[1] == 45
    shapes = viewer.add_shapes()
    shapes.mode = "add_line"
    assert not drag(viewer, *at[::-1])
    assert made.data.shape[1] == 45


def test_there_is_no_curtain_in_3d(viewer, widget, qtbot):
    pair(viewer, widget, ramp(5, 20, 30), ramp(5, 20, 30))
    before = visibilities(viewer)
    widget.look.curtain.setChecked(True)
    viewer.dims.ndisplay = 3
    qtbot.waitUntil(lambda: not widget.look.curtain.isChecked())
    assert "2-D" in widget.look.shown.text()
    assert visibilities(viewer) == before
    widget.look.curtain.setChecked(True)
    assert not widget.look.curtain.isChecked()


@pytest.mark.slow
def test_beside_the_interpolation_of_the_input(viewer, widget, qtbot):
    import napari_superres
    from napari_superres.plugin.layers import to_image

    low = viewer.add_image(ramp(20, 30), name="low", scale=(2, 2), rotate=10, units="micrometer")
    fine = viewer.add_image(ramp(40, 60), name="result", scale=(1, 1), rotate=10, units="micrometer")
    fine.translate = low.data_to_world((-0.25, -0.25))
    widget.result.value, widget.lr.value = fine, low
    before = visibilities(viewer)
    widget.look.beside.value = "interpolation"
    widget.look.curtain.setChecked(True)
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    made = viewer.layers["interpolation of low"]
    np.testing.assert_array_equal(made.data, napari_superres.upscale(to_image(low), "bicubic-x2").data)
    lies_on(made, fine)
    assert made not in widget.result.choices
    widget.look.curtain.setChecked(False)
    assert visibilities(viewer) == before
    widget.look.blink.setChecked(True)
    assert not widget.is_running  # it is kept
    assert made in viewer.layers
    widget.look.blink.setChecked(False)
    assert visibilities(viewer) == before


@pytest.mark.slow
def test_an_input_that_does_not_fit_is_explained(viewer, widget, qtbot, told):
    pair(viewer, widget, ramp(40, 60), ramp(40, 60))
    widget.lr.value = viewer.add_image(ramp(17, 23), name="low", units="micrometer")
    widget.look.beside.value = "interpolation"
    widget.look.curtain.setChecked(True)
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert len(told) == 1
    assert not widget.look.curtain.isChecked()


def test_the_two_blink_and_are_stepped_by_hand(viewer, widget, scene, qtbot):
    result, reference, _ = scene
    widget.look.interval.value = 0.2
    widget.look.blink.setChecked(True)
    assert (result.visible, reference.visible) == (True, False)
    assert "result" in widget.look.shown.text()
    qtbot.waitUntil(lambda: reference.visible)
    assert not result.visible
    qtbot.waitUntil(lambda: result.visible)
    press = next(told for key, told in viewer.keymap.items() if str(key) == "Shift+B")
    shown = result.visible
    press(viewer)
    assert (result.visible, reference.visible) == (not shown, shown)
    qtbot.wait(500)  # the clock stands still
    assert (result.visible, reference.visible) == (not shown, shown)
    widget.look.blink.setChecked(False)
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
    for button in (widget.look.curtain, widget.look.blink):
        button.setChecked(True)
        assert visibilities(viewer) != before
    assert not widget.look.curtain.isChecked()  # one of the two at a time
    assert [layer.name for layer in viewer.layers] == ["result", "reference"]
    assert (result.visible, reference.visible) == (True, False)
    widget.look.curtain.setChecked(True)
    np.testing.assert_array_equal(curtain_of(viewer).data, result.data[:, :30])
    viewer.layers.remove(curtain_of(viewer))
    qtbot.waitUntil(lambda: not widget.look.curtain.isChecked())
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
