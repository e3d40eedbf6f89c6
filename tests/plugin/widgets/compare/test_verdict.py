"""The verdict of Compare, with and without a reference; maps and their colours; what is chosen first."""

import numpy as np
import pytest
from qtpy.QtGui import QTextDocument

import napari_superres
from napari_superres import evaluation
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import to_image, to_layer

pytestmark = pytest.mark.gui

LONG = 60_000


@pytest.fixture
def scene(viewer, widget, blob):
    """Noisy input, its result and a reference."""
    from napari.layers import Layer

    random = np.random.default_rng(0)
    fine = blob((96, 128), (40, 66), 4.0) * 1000 + random.random((96, 128)) * 50
    coarse = fine.reshape(48, 2, 64, 2).mean(axis=(1, 3)) + random.normal(0, 10, (48, 64))
    low = viewer.add_image(coarse.astype(np.float32), name="cells", scale=(0.4, 0.4), units="micrometer")
    image = to_image(low)
    made = napari_superres.upscale(image, "bicubic-x2")
    result = viewer.add_layer(Layer.create(*to_layer(made, image, low, name="cells [bicubic-x2]")))
    true = made.replace(data=fine.astype(np.float32), metadata={})
    reference = viewer.add_layer(Layer.create(*to_layer(true, image, low, name="reference")))
    assert (widget.result.value, widget.reference.value, widget.lr.value) == (result, reference, low)
    return low, result, reference


def press(button, widget, qtbot):
    button.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)


def plain(label):
    document = QTextDocument()
    document.setHtml(label.text())
    return document.toPlainText()


def test_the_verdict_is_one_line(scene, widget, qtbot):
    low, result, reference = map(to_image, scene)
    press(widget.measure, widget, qtbot)
    report = evaluation.evaluate(result, reference, lr=low, name=scene[1].name)
    judged = report.rows[0]["psnr"]
    best = max(row["psnr"] for row in report.rows if row["role"] == "baseline")
    lines = plain(widget.verdict_view.verdict).splitlines()
    numbers = f"{judged:.1f} dB, best classical {best:.1f}: {judged - best:+.1f}"
    assert lines == [numbers, window_text(report.verdict().sentence)]


def test_a_result_is_judged_without_a_reference(scene, viewer, widget, qtbot, told):
    low, result, reference = scene
    viewer.layers.remove(reference)
    assert (widget.result.value, widget.reference.value, widget.lr.value) == (result, None, low)
    assert widget.status.isHidden()
    assert not widget.register.isEnabled()
    press(widget.measure, widget, qtbot)
    assert told == []
    report = evaluation.evaluate(to_image(result), None, lr=to_image(low), name=result.name)
    assert widget.verdict_view.title.text() == f"{result.name} against cells, its input"
    assert window_text(report.verdict().sentence) in plain(widget.verdict_view.verdict)
    (found,) = report.findings.values()
    widget.verdict_view.answers.linkActivated.emit("all")
    for answer in found.answers:
        assert window_text(answer.reason) in plain(widget.verdict_view.answers)
    assert widget.next_steps.save.isEnabled()
    press(widget.maps["residual"], widget, qtbot)
    assert viewer.layers[-1].name == "residual (sigma) of cells"


def test_the_reference_is_never_a_result_or_a_map(scene, viewer, widget, qtbot):
    low, result, reference = scene
    press(widget.maps["difference"], widget, qtbot)
    other = viewer.add_image(result.data, name="cells [other]", metadata={"provenance": {}})
    viewer.layers.remove(reference)
    assert widget.reference.value is None
    viewer.layers.selection.active = other
    assert (widget.result.value, widget.reference.value) == (other, None)
    viewer.layers.selection.active = result
    assert (widget.result.value, widget.reference.value, widget.lr.value) == (result, None, low)


def test_edits_in_place_change_the_interpolation(scene, widget, qtbot):
    made = []
    widget._interpolation.request(made.append)
    qtbot.waitUntil(lambda: len(made) == 1, timeout=LONG)
    widget._interpolation.request(made.append)
    assert made[1] is made[0]
    scene[0].data[:9] = 0
    widget._interpolation.request(made.append)
    qtbot.waitUntil(lambda: len(made) == 3, timeout=LONG)
    assert np.abs(made[2].data[:16] - made[0].data[:16]).max() > 10


def test_the_verdict_is_scrolled_to_the_first_time(scene, viewer, widget, qtbot):
    from qtpy.QtWidgets import QScrollArea

    viewer.window._qt_window.show()
    widget.setFixedHeight(200)
    bar = widget.findChild(QScrollArea).verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    press(widget.measure, widget, qtbot)
    qtbot.waitUntil(lambda: 0 < bar.value() == min(bar.maximum(), widget.verdict_view.y()))


def test_one_map_at_a_time_with_its_colours(scene, viewer, widget, qtbot):
    press(widget.maps["difference"], widget, qtbot)
    count, made = len(viewer.layers), viewer.layers[-1]
    low, high = made.contrast_limits
    assert widget.colour_bar.text == f"{low:.3g} to {high:.3g}: {made.name}"
    made.contrast_limits = (-3, 5)
    assert widget.colour_bar.accessibleName() == f"Colour bar, -3 to 5: {made.name}"
    viewer.layers.move(len(viewer.layers) - 1, 1)
    press(widget.maps["SSIM"], widget, qtbot)
    assert len(viewer.layers) == count
    assert viewer.layers[1].name == f"SSIM of {scene[1].name}"
    assert "0 to 1" in widget.colour_bar.text
    viewer.layers.pop(1)
    assert widget.colour_bar.isHidden()
