"""Images that are compared by eye have one contrast, with a switch, and their own again afterwards."""

import numpy as np
import pytest
from helpers.widgets.curtain_layers import ramp

pytestmark = pytest.mark.gui

LONG = 60_000


@pytest.fixture
def scene(viewer, widget):
    """Input, result and reference, each with its own contrast."""
    fine = ramp(40, 60).astype(np.float32)
    low = viewer.add_image(fine[::2, ::2], name="cells", scale=(2, 2), translate=(0.5, 0.5), contrast_limits=(0, 7))
    options = {"metadata": {"provenance": {}}, "contrast_limits": (3, 90), "gamma": 0.5, "colormap": "magma"}
    result = viewer.add_image(fine, name="cells [x]", **options)
    reference = viewer.add_image(fine + 1, name="reference", contrast_limits=(0, 1), colormap="green")
    assert (widget.result.value, widget.reference.value, widget.lr.value) == (result, reference, low)
    return low, result, reference


def looks(layer):
    return tuple(layer.contrast_limits), layer.gamma


@pytest.mark.parametrize("name", ["curtain", "blink", "grid"])
def test_one_contrast(viewer, widget, scene, qtbot, name):
    _, result, reference = scene
    before, order = [looks(layer) for layer in scene], list(viewer.layers)
    button = getattr(widget.visual, name)
    button.setChecked(True)
    qtbot.waitUntil(lambda: bool(widget.visual._active), timeout=LONG)
    assert looks(reference) == looks(result) == ((3, 90), 0.5)
    result.contrast_limits = (5, 50)
    assert looks(reference)[0] == (5, 50)
    widget.visual.same_contrast.setChecked(False)
    qtbot.waitUntil(lambda: bool(widget.visual._active), timeout=LONG)
    assert button.isChecked()
    assert looks(reference) == before[2]
    widget.visual.same_contrast.setChecked(True)
    button.setChecked(False)
    result.contrast_limits = (3, 90)
    assert [looks(layer) for layer in scene] == before
    assert list(viewer.layers) == order


def test_the_grid_shows_all_from_the_input_to_the_reference(viewer, widget, scene, qtbot):
    low, *_ = scene
    hidden = viewer.add_image(np.zeros((4, 4)), name="other")
    low.visible = False
    order = list(viewer.layers)
    grid = getattr(viewer, "canvas", viewer).grid
    widget.visual.grid.setChecked(True)
    qtbot.waitUntil(lambda: bool(widget.visual._active), timeout=LONG)
    assert grid.enabled
    cells = {grid.position(i, viewer.layers): layer.name for i, layer in enumerate(viewer.layers) if layer.visible}
    shown = [cells[place] for place in sorted(cells)]
    assert shown == ["cells", "interpolation of cells", "cells [x]", "reference"]
    assert widget.visual.caption.text() == f"Row by row: {', '.join(shown)}."
    widget.visual.blink.setChecked(True)
    assert not grid.enabled
    assert not widget.visual.grid.isChecked()
    widget.visual.blink.setChecked(False)
    assert list(viewer.layers) == order
    assert (low.visible, hidden.visible) == (False, True)


def test_without_a_reference_the_result_is_shown_next_to_the_interpolation(viewer, widget, scene, qtbot):
    viewer.layers.remove("reference")
    assert widget.visual.partner.value == "interpolation"
    widget.visual.blink.setChecked(True)
    qtbot.waitUntil(lambda: bool(widget.visual._active), timeout=LONG)
    widget.visual._switch()
    assert widget.visual.caption.text() == "Shown: interpolation of cells"
    assert looks(viewer.layers["interpolation of cells"]) == looks(scene[1])
