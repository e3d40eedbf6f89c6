"""Maps of the Compare widget that run the result's model again: disagreement and error bars."""

import dataclasses
import json
import time
from functools import partial

import numpy as np
import pytest

import napari_superres
from napari_superres import evaluation
from napari_superres.evaluation.uncertainty.calibration import Binding, Calibration
from napari_superres.plugin.host.layers import to_image, to_layer
from napari_superres.plugin.widgets.compare.widget import CompareWidget

pytestmark = [pytest.mark.gui, pytest.mark.slow]
LONG = 120_000


@pytest.fixture
def made(viewer, blob):
    """Make an input and the layer of its result by a model."""
    from napari.layers import Layer

    def made(model, shape=(24, 30), **keywords):
        data = np.broadcast_to(blob((24, 30), (10, 14)) * 900 + 40, shape).astype(np.uint16)
        low = viewer.add_image(data, name="cells", scale=(0.4,) * data.ndim, rotate=15, units="micrometer", **keywords)
        image = to_image(low)
        fine = napari_superres.upscale(image, model)
        name = "cells [model]"
        return low, viewer.add_layer(Layer.create(*to_layer(fine, image, low, name=name)))

    return made


@pytest.fixture
def widget(dock):
    return lambda: dock(CompareWidget)


def press(button, widget, qtbot):
    button.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)


def test_disagreement_is_that_of_python_and_lies_on_the_result(made, viewer, widget, qtbot, told):
    low, result = made("espcn-x2")
    panel = widget()
    assert panel.lr.value is low
    press(panel.maps["disagreement"], panel, qtbot)
    layer = viewer.layers[-1]
    assert (told, layer.name) == ([], "disagreement of cells [model]")
    expected = evaluation.spread(to_image(low), "espcn-x2").deviation.data
    np.testing.assert_array_equal(layer.data, expected)
    assert expected.max() > 0
    for corner in ((0, 0), (47, 59), (11, 30)):
        np.testing.assert_allclose(layer.data_to_world(corner), result.data_to_world(corner))
    assert layer.contrast_limits[0] == 0
    assert layer.colormap.name == "inferno"


def test_error_bars_are_those_of_the_calibration(made, viewer, widget, qtbot, told, tmp_path, monkeypatch):
    low, _ = made("espcn-x2")
    panel = widget()
    found = evaluation.spread(to_image(low), "espcn-x2")
    bars = Calibration(
        alpha=0.2,
        delta=0.1,
        images=9,
        q=2.5,
        lam=None,
        reason="too few",
        epsilon=3.0,
        binding=Binding.of(found),
        curve=((0.5, 0.5),),
        by_intensity=(0.8,) * 4,
        by_spread=(0.8,) * 4,
        mean_width=10.0,
        rank_correlation=0.4,
        notes=(),
    )
    path = tmp_path / "bars.json"
    bars.to_json(path)
    answer = partial(monkeypatch.setattr, "qtpy.QtWidgets.QFileDialog.getOpenFileName")
    answer(lambda *_: ("", ""))
    panel.maps["error bar"].click()
    assert not panel.is_running
    answer(lambda *_: (str(path), ""))
    press(panel.maps["error bar"], panel, qtbot)
    layer = viewer.layers[-1]
    assert (told, layer.name) == ([], "error bar of cells [model]")
    np.testing.assert_allclose(layer.data, 2.5 * (found.deviation.data + 3.0), rtol=1e-6)
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "binding": {**said["binding"], "sha256": ["0" * 64]}}))
    press(panel.maps["error bar"], panel, qtbot)
    assert len(told) == 1
    assert viewer.layers[-1] is layer


def test_colours_give_one_map(made, viewer, widget, qtbot):
    low, _ = made("espcn-x2", (3, 24, 30))
    low_rgb = viewer.add_image(np.moveaxis(np.asarray(low.data), 0, -1).astype(np.uint8), name="photo", rgb=True)
    image = to_image(low_rgb)
    from napari.layers import Layer

    fine = napari_superres.upscale(image, "espcn-x2")
    viewer.add_layer(Layer.create(*to_layer(fine, image, low_rgb, name="photo [espcn-x2]")))
    panel = widget()
    assert panel.lr.value is low_rgb
    press(panel.maps["disagreement"], panel, qtbot)
    assert viewer.layers[-1].data.shape == (48, 60)
    assert not viewer.layers[-1].rgb


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record.clear(), "does not name a single model"),
        (lambda record: record["model"].update(sha256="1" * 64), "is not the model that"),
        (lambda record: record["model"].update(sha256=""), "all its results agree"),
        (lambda record: record["model"].update(name="unheard-of"), "unheard-of"),
        (
            lambda record: record.update(per_channel=[{"model": {"sha256": "1"}}, {"model": {"sha256": "2"}}]),
            "does not name a single model",
        ),
    ],
)
def test_what_cannot_be_run_again_is_explained(made, viewer, widget, qtbot, told, change, said):
    _, result = made("espcn-x2")
    panel = widget()
    change(result.metadata["provenance"])
    press(panel.maps["disagreement"], panel, qtbot)
    assert len(told) == 1
    assert said in told[0]
    assert len(viewer.layers) == 2


def test_it_can_be_cancelled(made, viewer, widget, qtbot, told, monkeypatch):
    made("espcn-x2")
    panel = widget()
    steps = []

    def endless(*_):
        while True:
            steps.append(1)
            time.sleep(0.01)
            yield None

    monkeypatch.setattr("napari_superres.evaluation.iter_spread", endless)
    panel.maps["disagreement"].click()
    qtbot.waitUntil(lambda: len(steps) > 3, timeout=LONG)
    assert panel.measure.text() == "Cancel"
    panel.measure.click()
    qtbot.waitUntil(lambda: not panel.is_running, timeout=LONG)
    assert (told, len(viewer.layers), panel.measure.text()) == ([], 2, "Measure")


def test_notes_of_the_spread_are_shown(made, viewer, widget, qtbot, told, monkeypatch):
    made("espcn-x2")
    panel = widget()
    real = evaluation.iter_spread

    def noted(*args):
        for spread in real(*args):
            yield spread and dataclasses.replace(spread, notes=("The pixels are unusual. Use `resample()`.",))

    monkeypatch.setattr("napari_superres.evaluation.iter_spread", noted)
    press(panel.maps["disagreement"], panel, qtbot)
    assert len(told) == 1
    assert "The pixels are unusual" in told[0]
    assert "`" not in told[0]
