"""The Compare widget in real viewers, through its own controls."""

import numpy as np
import pytest

import napari_superres
from napari_superres import evaluation
from napari_superres.plugin.compare_widget import CompareWidget
from napari_superres.plugin.layers import to_image, to_layer

pytestmark = pytest.mark.gui

LONG = 60_000


@pytest.fixture
def widget(dock):
    return dock(CompareWidget)


@pytest.fixture
def scene(viewer, blob):
    """Input, result and reference of one field, rotated and in micrometers."""
    from napari.layers import Layer

    fine = (blob((48, 60), (20, 33), 4.0) * 1000 + np.random.default_rng(0).random((48, 60)) * 50).astype(np.float32)
    coarse = fine.reshape(24, 2, 30, 2).mean(axis=(1, 3))
    low = viewer.add_image(coarse, name="cells", scale=(0.4, 0.4), rotate=15, units="micrometer")
    image = to_image(low)
    made = napari_superres.upscale(image, "bicubic-x2")
    result = viewer.add_layer(Layer.create(*to_layer(made, image, low, name="cells [bicubic-x2]")))
    reference = viewer.add_layer(Layer.create(*to_layer(made.replace(data=fine), image, low, name="reference")))
    reference.metadata.pop("provenance", None)
    return low, result, reference


def press(button, widget, qtbot):
    button.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)


def cells(table):
    columns = [table.horizontalHeaderItem(c).text() for c in range(table.columnCount())]
    rows = [table.verticalHeaderItem(r).text() for r in range(table.rowCount())]
    return {(r, c): table.item(i, j).text() for i, r in enumerate(rows) for j, c in enumerate(columns)}


def test_numbers_are_those_of_python(scene, widget, qtbot):
    low, result, reference = scene
    assert (widget.result.value, widget.reference.value, widget.lr.value) == (result, reference, low)
    press(widget.measure, widget, qtbot)
    report = evaluation.evaluate(to_image(result), to_image(reference), lr=to_image(low), data_range="reference-range")
    assert widget.report.rows == report.rows
    shown = cells(widget.table)
    for row in report.rows:
        assert shown["PSNR (dB)", row["candidate"]] == f"{row['psnr']:.2f}"
        assert shown["SSIM aligned", row["candidate"]] == f"{row['ssim_aligned']:.4f}"
        assert shown["r", row["candidate"]] == f"{row['pearson']:.4f}"
    assert {"result", "bicubic"} == {row["candidate"] for row in report.rows}
    assert "microscopy" in widget.notes.text()
    assert "reference-range" in widget.notes.text()


def test_report_goes_to_the_clipboard(scene, widget, qtbot):
    from qtpy.QtWidgets import QApplication

    press(widget.measure, widget, qtbot)
    widget.copy.click()
    assert QApplication.clipboard().text().startswith("image,candidate")


@pytest.mark.parametrize("kind", ["difference", "SSIM"])
def test_maps_lie_on_the_result(scene, viewer, widget, qtbot, kind):
    _, result, reference = scene
    press(widget.difference if kind == "difference" else widget.ssim, widget, qtbot)
    made = viewer.layers[-1]
    assert made.name == f"{kind} of {result.name}"
    for point in ((0, 0), (47, 59), (11, 30)):
        np.testing.assert_allclose(made.data_to_world(point), result.data_to_world(point), atol=1e-9)
    if kind == "difference":
        expected = evaluation.difference_map(to_image(result), to_image(reference)).data
        low, high = made.contrast_limits
        assert low == -high < 0
    else:
        expected = evaluation.ssim_map(to_image(result), to_image(reference), data_range="reference-range").data
        assert list(made.contrast_limits) == [0, 1]
        assert made.colormap.name == "viridis"
    np.testing.assert_array_equal(made.data, expected)


def test_images_that_do_not_fit_are_explained(scene, viewer, widget, qtbot, told):
    widget.reference.value = viewer.add_image(np.zeros((9, 9, 9), np.float32), name="other", units="micrometer")
    press(widget.measure, widget, qtbot)
    assert len(told) == 1
    assert widget.report is None
    assert widget.measure.isEnabled()


def test_one_layer_is_not_compared_with_itself(scene, widget):
    widget.reference.value = widget.result.value
    assert not widget.measure.isEnabled()
    assert "same layer" in widget.status.text()


def test_layers_come_and_go(scene, viewer, widget):
    viewer.layers.clear()
    assert not widget.measure.isEnabled()
    viewer.add_image(np.zeros((9, 9), np.float32))
    assert not widget.measure.isEnabled()


def test_deleting_the_result_during_the_work_ends_cleanly(scene, viewer, widget, qtbot, told):
    _, result, _ = scene
    widget.ssim.click()
    viewer.layers.remove(result)
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert len(viewer.layers) == 2
    assert told == []
