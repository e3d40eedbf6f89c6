"""Where the curtain lies and which pixels it shows, in real viewers, through the Compare widget's own controls."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.widgets.curtain_layers import curtain_of, lies_on, pair, ramp

pytestmark = [pytest.mark.gui, pytest.mark.slow]

PLACES = {
    "plain": {},
    "anisotropic": {"scale": (0.5, 0.2), "translate": (3.0, -7.0)},
    "rotated": {"scale": (0.5, 0.2), "rotate": 30, "translate": (3.0, -7.0)},
    "sheared": {"scale": (0.3, 0.3), "rotate": -20, "shear": [0.4]},
    "affine": {"scale": (0.5, 0.2), "affine": np.array([[0.9, 0.2, 4.0], [-0.3, 1.1, 2.0], [0, 0, 1]])},
}


def test_the_left_part_lies_on_the_result_wherever_that_lies(viewer, widget, qtbot):
    for place in PLACES.values():
        viewer.layers.clear()
        qtbot.wait(50)  # Mesa crashes if it never draws without layers
        result, reference = pair(viewer, widget, ramp(40, 60), ramp(40, 60)[::-1], **place)
        result.contrast_limits, result.colormap = (10, 900), "magma"
        widget.visual.curtain.setChecked(True)
        made = curtain_of(viewer)
        lies_on(made, result)
        np.testing.assert_array_equal(made.data, result.data[:, :30])
        assert (made.units, list(made.contrast_limits), made.colormap.name) == (result.units, [10, 900], "magma")
        assert (made.visible, reference.visible, result.visible) == (True, True, False)
        widget.visual.position.setValue(250)
        np.testing.assert_array_equal(made.data, result.data[:, :15])
        lies_on(made, result)
        widget.visual.curtain.setChecked(False)


@pytest.mark.slow
def test_it_follows_the_slider_and_what_is_done_to_the_result(viewer, widget):
    result, _ = pair(viewer, widget, ramp(40, 60), ramp(40, 60))
    widget.visual.curtain.setChecked(True)
    made = curtain_of(viewer)
    assert widget.visual.position.value() == 500
    widget.visual.position.setValue(0)
    assert not made.visible
    widget.visual.position.setValue(1000)
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
    widget.visual.curtain.setChecked(True)
    widget.visual.position.setValue(250)
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
    widget.visual.curtain.setChecked(True)
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
    widget.visual.curtain.setChecked(True)
    made = curtain_of(viewer)
    assert made.rgb
    np.testing.assert_array_equal(made.data, left[:, :15])


@pytest.mark.slow
def test_layers_with_other_pixels_keep_them(viewer, widget):
    low = viewer.add_image(ramp(20, 30), name="low", scale=(2, 2), units="micrometer")
    result = viewer.add_image(ramp(40, 60), name="result", translate=(-0.5, -0.5), units="micrometer")
    viewer.reset_view()
    widget.result.value, widget.lr.value = result, low
    widget.visual.partner.value = "input"
    widget.visual.curtain.setChecked(True)
    lies_on(curtain_of(viewer), result)
    assert low.visible


@pytest.mark.slow
def test_planes_that_are_not_in_memory_are_read_once(viewer, widget):
    import zarr

    pair(viewer, widget, zarr.array(ramp(3, 40, 60), chunks=(1, 16, 16)), ramp(3, 40, 60))
    viewer.dims.set_current_step(0, 2)
    widget.visual.curtain.setChecked(True)
    made = curtain_of(viewer)
    np.testing.assert_array_equal(made._data_view, ramp(3, 40, 60)[2, :, :30])
    read = made.data._planes
    (plane,) = read.values()
    widget.visual.position.setValue(800)
    np.testing.assert_array_equal(made._data_view, ramp(3, 40, 60)[2, :, :48])
    assert next(iter(read.values())) is plane
    viewer.dims.set_current_step(0, 0)
    np.testing.assert_array_equal(made._data_view, ramp(3, 40, 60)[0, :, :48])


@pytest.mark.slow
def test_of_a_large_plane_only_what_is_seen_is_cut(viewer, widget, qtbot):
    large = np.lib.stride_tricks.as_strided(ramp(1, 4096), (4096, 4096), (0, 4))
    result, _ = pair(viewer, widget, large, large, contrast_limits=(0, 4096))
    widget.visual.curtain.setChecked(True)
    made = curtain_of(viewer)
    step = int(made.data[0, 1] - made.data[0, 0])
    assert step >= 2
    assert max(made.data.shape) <= 2 * max(viewer.canvas.size)
    lies_on(made, result, (step, step))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (1000, 3000), 4.0
    qtbot.waitUntil(lambda: not made.visible)  # the line is left of what is seen
    widget.visual.position.setValue(500)
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
    widget.visual.curtain.setChecked(True)
    made = curtain_of(viewer)
    step = int(made.data[0, 1] - made.data[0, 0])
    assert step > 2
    lies_on(made, result, (step, step))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (1000, 2048), 4.0
    qtbot.waitUntil(lambda: made.data[0, 1] - made.data[0, 0] == 1)


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
    widget.visual.curtain.setChecked(True)
    made = curtain_of(viewer)
    at = [result.data_to_world((20, x - 0.5)) for x in (30, 35, 45)]
    assert drag(viewer, *at)
    assert made.data.shape[1] == 45
    qtbot.waitUntil(lambda: widget.visual.position.value() == 750)
    assert not drag(viewer, *at)  # far from the line now
    assert made.data.shape[1] == 45
    shapes = viewer.add_shapes()
    shapes.mode = "add_line"
    assert not drag(viewer, *at[::-1])
    assert made.data.shape[1] == 45
