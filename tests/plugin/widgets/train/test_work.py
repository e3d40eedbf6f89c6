"""Trainings by the Train widget in real viewers, with seconds of budget: made, kept, cancelled, closed, replaced."""

import sys

import numpy as np
import pytest
from helpers.scenes.beads import bead_positions, record_beads
from helpers.widgets.train_runs import LONG, begun, picture, run, training_threads

from napari_superres import Image, degrade, read_image, write_image
from napari_superres.models import find_card, list_models
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.train.state import BEADS, NOISY_LAYERS, PAIRS, REPEATS, STACK
from napari_superres.plugin.widgets.train.widget import TrainWidget

pytest.importorskip("lightning", reason="training needs Lightning")
pytestmark = pytest.mark.gui


def test_a_model_is_made_and_is_in_the_list_at_once(viewer, widget, qtbot, tmp_path):
    viewer.add_image(picture(), scale=(0.1, 0.1), units="micrometer", name="cells")  # checked: it is the only one
    widget.license.setCurrentText("CC0-1.0")
    changes = []

    def note():
        changes.append(1)

    library.changed.connect(note)
    run(widget, qtbot)
    library.changed.disconnect(note)
    assert len(changes) == 1
    card = next(c for c in list_models() if c.name == "mine")
    assert (card.architecture, card.scale, card.license, card.modality) == ("espcn", (2, 2), "CC0-1.0", "fluorescence")
    assert card.training.startswith("layers: ")
    assert card.pixel_size == pytest.approx((0.2, 0.2))
    assert find_card(tmp_path / "mine.safetensors").training == card.training
    scores = card.scores["validation"]
    assert f"{scores['psnr']:.2f} dB, bicubic {scores['bicubic_psnr']:.2f} dB" in widget.status.text()
    assert "in the library as mine" in widget.status.text()
    assert widget.curves.bicubic == pytest.approx(scores["bicubic_psnr"])
    assert len(widget.curves.loss.y) > 1
    assert max(widget.curves.score.y) == scores["psnr"]
    assert widget.examples.has_picture == (True, True, True)
    qtbot.waitUntil(lambda: "mine" in widget.start.choices, timeout=LONG)
    assert widget.run.text() == "Run"
    assert widget.keep.isHidden()


def test_stop_and_keep_the_best(viewer, widget, qtbot):
    viewer.add_image(picture(), name="cells")
    begun(widget, qtbot)
    assert widget.run.text() == "Cancel"
    assert not widget.source.isEnabled()
    widget.keep.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert "Done" in widget.status.text()
    assert "mine" in [c.name for c in list_models()]
    assert widget.source.isEnabled()


@pytest.mark.slow
def test_cancel_keeps_nothing(viewer, widget, qtbot, tmp_path):
    viewer.add_image(picture(), name="cells")
    begun(widget, qtbot)
    widget.run.click()
    assert widget.run.text() == "Cancelling…"
    qtbot.waitUntil(lambda: not widget.is_running)
    assert widget.status.text() == "Cancelled: no model was made."
    assert training_threads() == []
    assert [p.name for p in tmp_path.iterdir()] == []


def test_closing_the_dock_ends_training_at_once(viewer, widget, qtbot, tmp_path):
    viewer.add_image(picture(), name="cells")
    begun(widget, qtbot)
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: training_threads() == [])
    qtbot.wait(300)
    assert [p.name for p in tmp_path.iterdir()] == []


@pytest.mark.slow
def test_closing_the_viewer_ends_training(make_napari_viewer, qtbot, tmp_path):
    viewer = make_napari_viewer()
    widget = TrainWidget(viewer)
    viewer.window.add_dock_widget(widget)
    qtbot.waitUntil(lambda: widget.is_ready, timeout=LONG)
    viewer.add_image(picture(), name="cells")
    widget.network.value = "espcn"
    widget.output.line.setText(str(tmp_path / "mine"))
    begun(widget, qtbot)
    viewer.close()
    qtbot.waitUntil(lambda: training_threads() == [])


def test_without_lightning_the_extra_is_named_and_the_widget_goes_on(viewer, widget, qtbot, told, monkeypatch):
    viewer.add_image(picture(), name="cells")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "napari_superres.training.running.loop", None)
        run(widget, qtbot)
    assert len(told) == 1
    assert "napari-superres-torch[train]" in told.pop()
    assert "see the notification" in widget.status.text()
    run(widget, qtbot)
    assert "Done" in widget.status.text()


@pytest.mark.slow
def test_a_model_of_the_library_is_replaced_when_so_answered(viewer, widget, qtbot, answers):
    asked, given = answers
    viewer.add_image(picture())
    run(widget, qtbot)
    widget.output.line.setText(str(widget.output.path.with_name("mine")))
    widget.network.value = "fsrcnn"
    given.append(True)
    run(widget, qtbot)
    assert "the model mine of the library" in asked.pop()
    assert [c.architecture for c in list_models() if c.name == "mine"] == ["fsrcnn"]


@pytest.mark.slow
def test_volumes_are_made_of_thick_slices(viewer, widget, qtbot):
    viewer.add_image(np.stack([picture((60, 50), seed=i) for i in range(2)] * 12), name="stack")
    widget.scale.value = (2, 1, 1)
    assert {kind.kind for kind in widget.degradation.kind.choices} == {"slices"}
    widget.degradation.kind.value = widget.degradation.kind.choices[1]
    assert widget.degradation.settings == {"kind": "slices", "noise": [0, 0.05]}
    assert widget.output.line.text().endswith("mine.safetensors")
    run(widget, qtbot)
    assert find_card("mine").scale == (2, 1, 1)
    widget.scale.value = (2, 2)
    assert "slices" not in {kind.kind for kind in widget.degradation.kind.choices}


@pytest.mark.slow
def test_pairs_are_registered(viewer, widget, qtbot, tmp_path, told):
    for i in range(3):
        high = Image.from_array(picture((120, 120), seed=i), "YX")
        for folder, image in (("high", high), ("low", degrade(high, 2, kernel="gaussian"))):
            (tmp_path / folder).mkdir(exist_ok=True)
            values = np.roll(image.data, 6, axis=0) if folder == "low" else image.data
            write_image(image.replace(data=values, metadata={}), tmp_path / folder / f"{i}.tif")
    widget.source.kind.value = PAIRS
    widget.source.high.line.setText(str(tmp_path / "high"))
    widget.source.low.line.setText(str(tmp_path / "low"))
    assert widget.degradation.isHidden()
    run(widget, qtbot)
    message = told.pop()
    assert "low-resolution pixels apart" in message
    assert message.endswith("set “Register pairs”.")
    widget.source.register.setChecked(True)
    run(widget, qtbot)
    assert "high with low, registered" in find_card("mine").training


def test_noisy_layers_are_enough_to_learn_to_denoise(viewer, widget, qtbot):
    noisy = np.random.default_rng(0).poisson(picture((300, 120)) / 40).astype(np.uint16)
    viewer.add_image(noisy, name="noisy")
    widget.source.kind.value = NOISY_LAYERS
    widget.scale.value = (1, 1)
    assert widget.degradation.isHidden()
    run(widget, qtbot)
    card = find_card("mine")
    assert card.scale == (1, 1)
    assert card.modality == ""


@pytest.mark.slow
def test_repeats_are_learnt_from(widget, qtbot, tmp_path):
    random = np.random.default_rng(0)
    for i in range(3):
        for folder in ("first", "second"):
            (tmp_path / folder).mkdir(exist_ok=True)
            noisy = random.poisson(picture((120, 120), seed=i) / 40).astype(np.uint16)
            write_image(Image.from_array(noisy, "YX"), tmp_path / folder / f"{i}.tif")
    widget.source.kind.value = REPEATS
    widget.scale.value = (1, 1)
    widget.source.high.line.setText(str(tmp_path / "first"))
    widget.source.low.line.setText(str(tmp_path / "second"))
    run(widget, qtbot)
    assert find_card("mine").scale == (1, 1)


def test_a_stack_and_beads_lead_elsewhere(viewer, widget, qtbot, told, tmp_path):
    widget.source.kind.value = STACK
    assert "Make isotropic" in widget.source.hint.text()
    assert widget.run.isHidden()
    assert widget.beads.isHidden()
    widget.source.kind.value = BEADS
    assert not widget.beads.isHidden()
    assert widget.run.isHidden()
    widget.beads.button.click()
    assert "layer of beads" in told.pop()
    random, shape = np.random.default_rng(0), (1, 150, 150)
    places = bead_positions(random, 20, shape)
    beads = record_beads(random, places, (0, 1.6, 1.6), photons=2000, shape=shape, background=1.0)
    viewer.add_image(beads[0].astype(np.uint16), scale=(0.1, 0.1), units="micrometer", name="beads")
    widget.beads.output.line.setText(str(tmp_path / "psf.ome.tif"))
    widget.beads.button.click()
    qtbot.waitUntil(widget.beads.button.isEnabled)
    assert "FWHM X: 0.37" in widget.beads.text.text()
    assert read_image(tmp_path / "psf.ome.tif").pixel_size == pytest.approx((0.1, 0.1))
    widget.beads.button.click()
    assert "exists" in told.pop()
