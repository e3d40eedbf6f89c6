"""The guided tour points at real controls, and ends."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QWidget

from napari_superres.plugin.host.docks import PLUGIN, SUPER_RESOLVE, dock_of, find_control, open_widget
from napari_superres.plugin.widgets.tour.pointer import Pointer
from napari_superres.plugin.widgets.tour.steps import STEPS

pytestmark = pytest.mark.gui


@pytest.fixture
def tour(viewer, qtbot):
    """The tour at its first step, in a window that is shown."""
    viewer.window._qt_window.resize(1280, 720)
    viewer.window._qt_window.show()
    qtbot.waitExposed(viewer.window._qt_window)
    tour = open_widget(viewer, "Guided tour")
    qtbot.waitUntil(lambda: tour.text.text() == STEPS[0].text)
    yield tour
    widget = open_widget(viewer, SUPER_RESOLVE)
    qtbot.waitUntil(lambda: widget.is_ready)
    for one in (tour, widget):
        viewer.window.remove_dock_widget(one)
        one.deleteLater()


def pointer(viewer):
    return next(iter(viewer.window._qt_window.findChildren(Pointer)), None)


def test_it_opens_a_sample_and_points_at_the_control_of_each_step(viewer, qtbot, tour):
    assert {layer.source.sample for layer in viewer.layers} == {(PLUGIN, "nuclei")}
    widget = open_widget(viewer, SUPER_RESOLVE)
    window = viewer.window._qt_window
    for number, step in enumerate(STEPS, start=1):
        qtbot.waitUntil(lambda step=step: tour.text.text() == step.text)
        assert tour.count.text() == f"{number} of {len(STEPS)}"
        assert tour.next.accessibleDescription() == step.text
        control = find_control(widget, step.control)
        assert control is not None, step.control

        def is_framed(control=control):
            seen = control.visibleRegion().boundingRect()
            seen.moveTopLeft(control.mapTo(window, seen.topLeft()))
            frame = pointer(viewer)
            is_above = frame is [w for w in window.children() if isinstance(w, QWidget)][-1]
            return is_above and not seen.isEmpty() and frame.isVisible() and frame.geometry().contains(seen)

        qtbot.waitUntil(is_framed)
        dock_of(widget).raise_()
        qtbot.waitUntil(is_framed)
        qtbot.mouseClick(tour.next, Qt.MouseButton.LeftButton)
    assert not tour.isVisible()
    qtbot.waitUntil(lambda: pointer(viewer) is None)


@pytest.mark.parametrize("where", ["tour", "control", "canvas"])
def test_escape_ends_it_wherever_the_focus_is(viewer, qtbot, tour, where):
    widget = open_widget(viewer, SUPER_RESOLVE)
    place = {
        "tour": tour.next,
        "control": find_control(widget, "Run"),
        "canvas": viewer.window._qt_window._qt_viewer.canvas.native,
    }
    qtbot.keyClick(place[where], Qt.Key.Key_Escape)
    assert not tour.isVisible()
    qtbot.waitUntil(lambda: pointer(viewer) is None)
    # Once it is over, Escape is napari's again; from the menu, the tour begins again.
    qtbot.keyClick(place["control"], Qt.Key.Key_Escape)
    tour.text.setText("")
    dock_of(tour).show()
    qtbot.waitUntil(lambda: tour.text.text() == STEPS[0].text)


def test_the_frame_goes_with_its_control(viewer, qtbot, tour):
    viewer.add_image(np.zeros((20, 30), np.float32))
    frame = pointer(viewer)
    dock = dock_of(open_widget(viewer, SUPER_RESOLVE))
    qtbot.waitUntil(frame.isVisible)
    dock.hide()
    qtbot.waitUntil(lambda: not frame.isVisible())
    dock.show()
    qtbot.waitUntil(frame.isVisible)
    assert QApplication.focusWidget() is None or frame is not QApplication.focusWidget()
