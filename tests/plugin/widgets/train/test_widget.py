"""The Train widget's controls in real viewers: images, instrument, model to refine, file."""

import numpy as np
import pytest
from helpers.widgets.train_runs import LONG, picture, run

from napari_superres import Image, degrade
from napari_superres.plugin.widgets.train import widget as train_widget
from napari_superres.plugin.widgets.train.state import FOLDER
from napari_superres.plugin.widgets.train.widget import TrainWidget

pytest.importorskip("lightning", reason="training needs Lightning")
pytestmark = pytest.mark.gui


def test_what_is_missing_is_said(viewer, widget, qtbot, told, tmp_path, answers):
    asked, given = answers
    widget.run.click()
    assert "Check at least one high-resolution layer" in told.pop()
    viewer.add_image(picture())
    widget.source.kind.value = FOLDER
    widget.source.high.line.setText(str(tmp_path / "nowhere"))
    widget.run.click()
    assert "nowhere" in told.pop()
    widget.source.high.line.setText(str(tmp_path))
    for name in ("my model", "fluo-x2"):
        widget.output.line.setText(str(tmp_path / name))
        widget.run.click()
        assert f"{name} cannot be its name" in told.pop()
    widget.output.line.setText(str(tmp_path / "mine"))
    run(widget, qtbot)
    assert "holds no image" in told.pop()
    (tmp_path / "mine.safetensors").write_bytes(b"precious")
    given.append(False)
    widget.run.click()
    assert not widget.is_running
    assert "mine.safetensors" in asked.pop()
    assert (tmp_path / "mine.safetensors").read_bytes() == b"precious"
    assert told == []


def test_pictures_show_what_the_degradation_does(viewer, widget, qtbot, monkeypatch):
    shown = []
    monkeypatch.setattr(widget.degradation.pictures, "show_pictures", shown.append)
    viewer.add_image(picture(), name="sharp")
    qtbot.waitUntil(lambda: len(shown) and shown[-1][0] is not None, timeout=LONG)
    high, low, real = shown[-1]
    assert (high.shape, low.shape, real) == ((96, 90), (48, 45), None)
    viewer.add_image(picture(seed=1), name="blurred")
    widget.degradation.real.value = viewer.layers["blurred"]
    widget.degradation.ranges["photons"].value = (1e7, 1e7)
    widget.degradation.ranges["read_noise"].value = (0, 0)
    widget.degradation.ranges["psf_sigma"].value = (4, 4)
    qtbot.waitUntil(lambda: shown[-1][2] is not None, timeout=LONG)
    high, low, real = shown[-1]
    assert real.shape == low.shape
    means = high.reshape(48, 2, 45, 2).mean((1, 3))
    assert low.std() < 0.7 * means.std(), "a wide PSF takes contrast"


def test_fit_measures_the_instrument(viewer, widget, qtbot):
    sharp = Image.from_array(picture((512, 512)).astype(np.float32) - 100, "YX")
    seen = degrade(sharp, 2, kernel="gaussian", psf_sigma=1.5, photons=200, read_noise=2.0)
    assert not widget.degradation.fit.isEnabled()
    viewer.add_image(sharp.data, name="sharp")
    viewer.add_image(seen.data, name="seen")
    widget.degradation.real.value = viewer.layers["seen"]
    widget.degradation.fit.click()
    qtbot.waitUntil(lambda: "Measured" in widget.degradation.caption.text(), timeout=LONG)
    found = widget.degradation.settings
    assert found["kind"] == "optics"
    assert found["psf_sigma"] == pytest.approx([1.5 / 1.2, 1.5 * 1.2], rel=0.1)
    low, high = found["photons"]
    assert low < 155 < high, "with 200 in the brightest pixel, the 99.9 percentile has 155"
    assert "grey levels per electron" in widget.degradation.caption.text()
    viewer.layers.remove("sharp")
    viewer.layers[0].data = np.ones((32, 32), np.uint16)
    widget.degradation.fit.click()
    qtbot.waitUntil(lambda: "hold no noise" in widget.degradation.caption.text(), timeout=LONG)


@pytest.mark.slow
def test_refining_a_shipped_model_fills_in_what_it_was_trained_with(viewer, widget):
    widget.start.value = "em-x4"
    assert not widget.network.enabled
    assert widget.scale.value == (4, 4)
    assert widget.degradation.settings == {  # it is told all strengths: those of usual scans are taken
        "kind": "optics",
        "psf": "gaussian",
        "psf_sigma": [0.6, 1.4],
        "photons": [40, 1000],
        "read_noise": [0, 2],
    }
    widget.start.value = "mri-x2"
    assert widget.degradation.settings == {"kind": "kspace", "noise": [0, 0.05]}
    widget.start.value = "espcn-x3"
    assert widget.scale.value == (3, 3)
    assert widget.degradation.settings == {"kind": "bicubic"}
    widget.start.value = ""
    assert widget.network.enabled
    viewer.add_image(picture())
    widget.start.value = "em-x4"
    task = widget._ask_for_task()
    arguments = {"blocks": 8, "features": 32, "tail": "direct", "evidence": True, "conditions": 3}
    assert (task.start, task.network, task.arguments) == ("em-x4", "edsr", arguments)


@pytest.mark.slow
def test_the_file_that_is_suggested_is_free(viewer, dock, monkeypatch, tmp_path):
    monkeypatch.setattr(train_widget.Path, "home", lambda: tmp_path)
    (tmp_path / "my-cells-x2.safetensors").touch()
    widget = dock(TrainWidget)
    layer = viewer.add_image(picture(), name="my cells")
    assert widget.output.path == tmp_path / "my-cells-x2-2.safetensors"
    widget.scale.value = (4, 4)
    assert widget.output.path.name == "my-cells-x4.safetensors"
    widget.output.line.setText("own")
    layer.name = "other"
    assert widget.output.line.text() == "own"


@pytest.mark.slow
def test_layers_keep_their_checks(viewer, widget):
    first = viewer.add_image(picture(), name="first")
    assert [layer.name for layer in widget.source._checked_layers()] == ["first"]
    second = viewer.add_image(picture(), name="second")
    viewer.add_labels(np.zeros((20, 20), int))
    assert widget.source.list.count() == 2
    widget.source.check(second)
    first.name = "renamed"
    assert [layer.name for layer in widget.source._checked_layers()] == ["second", "renamed"]
    viewer.layers.remove(second)
    assert [layer.name for layer in widget.source._checked_layers()] == ["renamed"]


def test_controls_have_tooltips_fit_and_follow_each_other(viewer, widget):
    own = [
        *widget.source.controls,
        *widget.degradation.controls,
        widget.start.native,
        widget.network.native,
        widget.scale.native,
        widget.goal.native,
        widget.minutes.native,
        widget.output.line,
        widget.output.button,
        widget.license,
        widget.run,
        widget.keep,
        widget.bar,
        widget.curves,
        widget.examples,
    ]
    assert all(control.toolTip() for control in own)
    for kind in widget.degradation.kind.choices:
        widget.degradation.kind.value = kind
        assert max(w.minimumSizeHint().width() for w in widget._inputs) <= 274, kind.label
    chain, at = [], widget.source.kind.native
    for _ in range(1000):
        chain.append(at)
        at = at.nextInFocusChain()
        if at is widget.source.kind.native:
            break
    places = [
        chain.index(w)
        for w in (widget.source.list, widget.degradation.fit, widget.start.native, widget.goal.native, widget.run)
    ]
    assert places == sorted(places)


def test_a_goal_sets_the_minutes_and_they_the_goal(widget):
    widget.goal.value = 30.0
    assert widget.minutes.value == 30.0
    widget.minutes.value = 7.0
    assert widget.goal.value == 0.0
    widget.minutes.value = 2.0
    assert widget.goal.value == 2.0
