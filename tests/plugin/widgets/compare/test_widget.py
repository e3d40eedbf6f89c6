"""The Compare widget in real viewers, through its own controls."""

from math import isnan

import numpy as np
import pytest

import napari_superres
from napari_superres import evaluation
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import to_image, to_layer
from napari_superres.plugin.widgets.compare.widget import CompareWidget

pytestmark = pytest.mark.gui

LONG = 60_000


@pytest.fixture
def widget(dock):
    return dock(CompareWidget)


@pytest.fixture
def scene(viewer, blob):
    """Noisy input, result and reference of one field, rotated and in micrometers; the reference lies 1.4 pixels off."""
    from napari.layers import Layer

    random = np.random.default_rng(0)
    texture = random.random((96, 128)) * 50
    fine, moved = (
        (blob((96, 128), (40, 66 + x), 4.0) * 1000 + blob((96, 128), (60, 30 + x), 9.0) * 600 + texture)
        for x in (0.0, 1.4)
    )
    coarse = fine.reshape(48, 2, 64, 2).mean(axis=(1, 3)) + random.normal(0, 10, (48, 64))
    low = viewer.add_image(coarse.astype(np.float32), name="cells", scale=(0.4, 0.4), rotate=15, units="micrometer")
    image = to_image(low)
    made = napari_superres.upscale(image, "bicubic-x2")
    result = viewer.add_layer(Layer.create(*to_layer(made, image, low, name="cells [bicubic-x2]")))
    true = made.replace(data=moved.astype(np.float32))
    reference = viewer.add_layer(Layer.create(*to_layer(true, image, low, name="reference")))
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


def of_python(scene, **options):
    low, result, reference = scene
    options = {"lr": to_image(low), "name": result.name, **options}
    return evaluation.evaluate(to_image(result), to_image(reference), **options)


def column(row):
    name = row["candidate"].replace(", ", ",\n")
    return f"{name}\nbaseline" if row["role"] == "baseline" else name


def plain(label):
    """What a person reads of a label with rich text."""
    from qtpy.QtGui import QTextDocument

    document = QTextDocument()
    document.setHtml(label.text())
    return document.toPlainText()


def test_numbers_are_those_of_python(scene, widget, qtbot):
    low, result, reference = scene
    assert (widget.result.value, widget.reference.value, widget.lr.value) == (result, reference, low)
    press(widget.measure, widget, qtbot)
    report = of_python(scene)
    assert widget.report_view.report.rows == report.rows
    shown = cells(widget.report_view.table)
    for row in report.rows:
        assert shown["PSNR (dB)", column(row)] == f"{row['psnr']:.2f}"
        assert shown["SSIM aligned", column(row)] == f"{row['ssim_aligned']:.4f}"
        assert shown["HFEN", column(row)] == f"{row['hfen']:.4f}"
        assert shown["MS-SSIM", column(row)] == ("-" if isnan(row["ms_ssim"]) else f"{row['ms_ssim']:.4f}")
        assert shown["r", column(row)] == f"{row['pearson']:.4f}"
    assert {c for _, c in shown} >= {"result", "bicubic\nbaseline", "lanczos\nbaseline"}
    assert "microscopy" in widget.report_view.conditions.text()
    assert "reference-percentile" in widget.report_view.conditions.text()


def test_answers_are_those_of_python(scene, widget, qtbot):
    press(widget.measure, widget, qtbot)
    (found,) = of_python(scene).findings.values()
    answers = widget.verdict_view.answers
    assert not any(window_text(answer.reason) in plain(answers) for answer in found.answers)
    answers.linkActivated.emit("1")
    assert [window_text(a.reason) in plain(answers) for a in found.answers[:3]] == [False, True, False]
    answers.linkActivated.emit("1")
    assert window_text(found.answers[1].reason) not in plain(answers)
    answers.linkActivated.emit("all")
    text = plain(answers)
    for answer in found.answers:
        assert f"{answer.question} {answer.state}" in text
        assert window_text(answer.reason) in text
    states = [answer.state for answer in found.answers]
    assert {"yes", "no"} < set(states)
    for colour, mark, state in (("#dd4a40", "■", "no"), ("#2a8f45", "●", "yes")):
        assert answers.text().count(colour) == text.count(mark) == states.count(state)
    assert "--" not in text
    assert widget.verdict_view.title.text() == "cells [bicubic-x2] against reference"
    assert answers.isVisibleTo(widget)


def test_the_reference_is_registered_when_asked(scene, widget, qtbot):
    press(widget.measure, widget, qtbot)
    before = widget.report_view.report
    widget.register.setChecked(True)
    press(widget.measure, widget, qtbot)
    assert widget.report_view.report.rows == of_python(scene, register=True).rows
    assert widget.report_view.report.rows[0]["psnr"] > before.rows[0]["psnr"] + 1
    (unregistered,) = (r for r in widget.report_view.report.rows if r["candidate"] == "result, not registered")
    assert unregistered["psnr"] == pytest.approx(before.rows[0]["psnr"], abs=0.5)
    assert "result,\nnot registered" in {c for _, c in cells(widget.report_view.table)}


def test_the_table_is_read_by_scrolling_in_a_narrow_dock(scene, viewer, widget, qtbot):
    viewer.window._qt_window.show()
    widget.setFixedWidth(900)
    widget.register.setChecked(True)
    press(widget.measure, widget, qtbot)
    for section in widget.sections.values():
        section.expand()
    table = widget.report_view.table
    qtbot.waitUntil(lambda: table.width() > 700)
    assert table.horizontalScrollBar().maximum() == 0
    widget.setFixedWidth(350)
    qtbot.waitUntil(lambda: table.horizontalScrollBar().maximum() > 0)
    qtbot.waitUntil(lambda: table.width() <= 350 and table.viewport().height() >= table.verticalHeader().length())
    for at in range(table.columnCount()):
        assert table.sizeHintForColumn(at) <= table.columnWidth(at) <= 120
    # The narrowest dock, less its scroll bar, cuts nothing off.
    qtbot.waitUntil(lambda: widget.body.parentWidget().minimumSizeHint().width() <= 250 - 15)
    for label in (widget.verdict_view.answers, widget.report_view.conditions):
        qtbot.waitUntil(
            lambda label=label: label.width() <= 350 and label.height() >= label.heightForWidth(label.width())
        )


def test_report_goes_to_the_clipboard(scene, widget, qtbot):
    from qtpy.QtWidgets import QApplication

    press(widget.measure, widget, qtbot)
    widget.report_view.copy.click()
    assert QApplication.clipboard().text().startswith("image,candidate")


def lies_on(made, layer, corners):
    for point in corners:
        np.testing.assert_allclose(made.data_to_world(point), layer.data_to_world(point), atol=1e-9)
    np.testing.assert_allclose(made.scale, layer.scale, atol=1e-12)
    np.testing.assert_allclose(made.translate, layer.translate, atol=1e-9)
    assert made.units == layer.units


@pytest.mark.parametrize("kind", ["difference", "SSIM", "agreement"])
def test_maps_lie_on_the_result(scene, viewer, widget, qtbot, kind):
    _, result, reference = scene
    press(widget.maps[kind], widget, qtbot)
    made = viewer.layers[-1]
    lies_on(made, result, ((0, 0), (95, 127), (11, 30)))
    pair = to_image(result), to_image(reference)
    low, high = made.contrast_limits
    if kind == "difference":
        expected = evaluation.difference_map(*pair).data
        assert low == -high < 0
    elif kind == "SSIM":
        expected = evaluation.ssim_map(*pair).data
        assert (low, high) == (0, 1)
        assert made.colormap.name == "viridis"
    else:
        expected = evaluation.local_agreement(*pair).data
        assert (low, high) == (np.nanmin(expected), np.nanmax(expected))
        assert made.colormap.map(0.0).sum() > made.colormap.map(1.0).sum()  # fine detail is bright
    assert made.name == f"{kind}{' (µm)' if kind == 'agreement' else ''} of {result.name}"
    np.testing.assert_array_equal(made.data, expected)


def test_residual_lies_on_the_input(scene, viewer, widget, qtbot):
    low, result, _ = scene
    press(widget.maps["residual"], widget, qtbot)
    made = viewer.layers[-1]
    assert made.name == f"residual (sigma) of {low.name}"
    lies_on(made, low, ((0, 0), (47, 63), (11, 30)))
    expected = evaluation.check_consistency(to_image(result), to_image(low)).residual.data
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(made.data, expected)
    assert list(made.contrast_limits) == [-6, 6]
    assert made.colormap.name == "PiYG"


def test_a_residual_without_measurable_noise_is_explained(scene, viewer, widget, qtbot, told, blob):
    low, _, _ = scene
    low.data = blob((48, 64), (20, 33), 4.0)
    press(widget.maps["residual"], widget, qtbot)
    assert len(told) == 1
    assert "noise" in told[0]
    assert len(viewer.layers) == 3


def test_an_empty_map_of_agreement_is_explained(scene, viewer, widget, qtbot, told):
    _, result, reference = scene
    reference.data = np.random.default_rng(5).random(result.data.shape).astype(np.float32)
    press(widget.maps["agreement"], widget, qtbot)
    assert len(told) == 1
    assert "no block" in told[0]
    assert len(viewer.layers) == 3


@pytest.mark.parametrize("kind", ["difference", "agreement"])
def test_maps_are_of_the_registered_reference_when_asked(scene, viewer, widget, qtbot, kind):
    _, result, reference = scene
    widget.register.setChecked(True)
    press(widget.maps[kind], widget, qtbot)
    made = viewer.layers[-1]
    np.testing.assert_allclose(made.scale, result.scale, atol=1e-12)
    found = evaluation.register(to_image(result), to_image(reference))
    assert abs(found.pixels[1]) == pytest.approx(1.4, abs=0.3)
    assert made.data.shape == found.result.shape
    if kind == "difference":
        np.testing.assert_array_equal(made.data, evaluation.difference_map(found.result, found.reference).data)
    else:
        lost = np.isnan(found.reference.data)
        assert np.isnan(made.data[lost]).all()
        assert np.isfinite(made.data[~lost]).any()


def test_maps_of_colours_and_of_channels(viewer, widget, qtbot, blob):
    field = blob((64, 80), (30, 40), 6.0) * 200
    noise = np.random.default_rng(1).normal(0, 4, (2, 32, 40))
    true = np.stack([field, field[::-1] + 5])
    coarse = (true.reshape(2, 32, 2, 40, 2).mean(axis=(2, 4)) + noise).astype(np.float32)
    low = viewer.add_image(coarse, name="two", axis_labels=("c", "y", "x"), scale=(1, 2, 2))
    made = napari_superres.upscale(to_image(low), "bicubic-x2")
    reference = viewer.add_image(true.astype(np.float32), name="reference", axis_labels=("c", "y", "x"))
    result = viewer.add_image(made.data, name="result", axis_labels=("c", "y", "x"), translate=(0, -0.5, -0.5))
    reference.translate = result.translate
    widget.result.value, widget.reference.value, widget.lr.value = result, reference, low
    press(widget.maps["agreement"], widget, qtbot)
    agreement = viewer.layers[-1]
    press(widget.maps["residual"], widget, qtbot)
    residual = viewer.layers[-1]
    assert agreement.name == "agreement (pixel) of result"
    lies_on(agreement, result, ((0, 0, 0), (1, 63, 79)))
    lies_on(residual, low, ((0, 0, 0), (1, 31, 39)))
    images = [to_image(layer) for layer in (result, reference, low)]
    for c in range(2):
        np.testing.assert_array_equal(agreement.data[c], evaluation.local_agreement(*images[:2], channel=c).data)
        expected = evaluation.check_consistency(images[0], images[2], channel=c).residual.data
        np.testing.assert_array_equal(residual.data[c], expected)
    colours = [np.stack([v[0]] * 3, axis=-1).clip(0, 255).astype(np.uint8) for v in (result.data, true)]
    widget.result.value, widget.reference.value = (viewer.add_image(v, rgb=True) for v in colours)
    press(widget.maps["agreement"], widget, qtbot)
    made = next(layer for layer in viewer.layers if layer.name.startswith("agreement"))
    assert made.data.shape == (64, 80)


def test_sections_are_closed_at_first_and_out_of_the_way_of_the_tab_key(scene, viewer, widget, qtbot):
    viewer.window._qt_window.show()
    contents = {"Maps": widget.maps["SSIM"], "Curves": widget.spectra, "Options": widget.register}
    assert widget.visual.isVisibleTo(widget)
    assert widget.profile.isVisibleTo(widget)
    press(widget.measure, widget, qtbot)
    contents["All numbers"] = widget.report_view
    for title, section in widget.sections.items():
        assert not contents[title].isVisibleTo(widget)
        section.toggleButton().click()
        assert contents[title].isVisibleTo(widget)
        assert title in section.text()
    order, at = [], widget.measure
    while at is not widget.measure or not order:
        order.append(at)
        at = at.nextInFocusChain()
    controls = [
        widget.measure,
        widget.maps["residual"],
        widget.spectra.correlation,
        widget.spectra.spectra,
        widget.report_view.copy,
        widget.visual.curtain,
        widget.visual.blink,
        widget.visual.grid,
        widget.visual.same_contrast,
        widget.visual.position,
        widget.profile.draw,
        widget.profile.normalise,
    ]
    assert [c for c in order if c in controls] == controls
    assert all(c.toolTip() for c in controls)


def test_what_is_missing_disables_what_needs_it(scene, viewer, widget):
    low, result, _ = scene
    buttons = {"measure": widget.measure, **widget.maps}
    more = widget.visual.curtain, widget.visual.blink, widget.profile.draw, widget.spectra.correlation
    assert all(b.isEnabled() for b in (*buttons.values(), *more))
    widget.lr.value = None
    with_input = ["residual", "disagreement", "error bar"]
    assert [n for n, b in buttons.items() if not b.isEnabled()] == with_input
    widget.lr.value = result
    assert not widget.maps["residual"].isEnabled()
    widget.lr.value, widget.reference.value = low, result
    assert [n for n, b in buttons.items() if b.isEnabled()] == ["measure", *with_input]
    assert [b.isEnabled() for b in more] == [True, True, True, False]
    assert widget.visual.partner.value == "interpolation"


def test_images_that_do_not_fit_are_explained(scene, viewer, widget, qtbot, told):
    widget.reference.value = viewer.add_image(np.zeros((9, 9, 9), np.float32), name="other", units="micrometer")
    press(widget.measure, widget, qtbot)
    assert len(told) == 1
    assert widget.report_view.report is None
    assert widget.measure.isEnabled()


def test_one_layer_is_not_compared_with_itself(scene, widget):
    widget.reference.value = widget.result.value
    assert not widget.maps["difference"].isEnabled()
    assert "same layer" in widget.status.text()


def test_layers_come_and_go(scene, viewer, widget):
    viewer.layers.clear()
    assert not widget.measure.isEnabled()
    viewer.add_image(np.zeros((9, 9), np.float32))
    assert not widget.measure.isEnabled()


def test_deleting_the_result_during_the_work_ends_cleanly(scene, viewer, widget, qtbot, told):
    _, result, _ = scene
    widget.maps["SSIM"].click()
    viewer.layers.remove(result)
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert len(viewer.layers) == 2
    assert told == []
