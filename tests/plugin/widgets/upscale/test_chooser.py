"""The model follows what is known of a layer, the window asks where nothing is known, and says whether it fits."""

import numpy as np
import pytest
from helpers.scenes.dark import blobs

from napari_superres import Image, write_image
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget


@pytest.fixture(autouse=True)
def never_asked():
    """Ask, as for users."""


@pytest.fixture(autouse=True)
def library(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library" / "models"))


@pytest.fixture
def widget(dock):
    return dock(UpscaleWidget)


def grey():
    return np.random.default_rng(0).integers(20, 230, (64, 64)).astype(np.uint8)


def choose(widget, layer):
    widget.layer.value = layer
    return widget.model.value


def answers(widget):
    return {button.text(): button for button in widget.chooser.answers}


def fitness(widget, qtbot, words):
    qtbot.waitUntil(lambda: words in widget.fitness.line.text())
    return widget.fitness.line.text()


def opened(viewer, path):
    (layer,) = viewer.open(path, plugin="napari-superres-torch")
    return layer


def test_the_model_follows_the_layer_with_a_reason(viewer, widget):
    assert choose(widget, viewer.add_image(blobs((64, 64)), units="um", scale=(0.2, 0.2))) == "fluo-x2"
    assert widget.chooser.reason.text().startswith("fluo-x2 for fluorescence: pixels of 0.2 µm")
    assert choose(widget, viewer.add_image(grey(), units="nm", scale=(8, 8))) == "em-x2"
    assert choose(widget, viewer.add_image(grey(), units="mm", metadata={"modality": "CT"})) == "ct-x2"
    assert choose(widget, viewer.add_image(grey(), name="GFP")) == "fluo-x2"


def test_a_choice_by_hand_holds_for_its_layer_only(viewer, widget):
    first = viewer.add_image(grey(), units="nm", scale=(8, 8))
    choose(widget, first)
    widget.model.value = "lanczos-x2"
    assert choose(widget, viewer.add_image(grey(), units="mm")) == "mri-x2"
    assert choose(widget, first) == "lanczos-x2"
    assert not widget.chooser.reason.text()


def test_where_nothing_is_known_the_window_asks_and_does_not_run(viewer, widget):
    layer = viewer.add_image(grey())
    choose(widget, layer)
    assert list(answers(widget)) == ["Electron microscopy", "Photograph", "Fluorescence"]
    assert widget.chooser.reason.text().startswith("What does the image show?")
    assert not widget.run.isEnabled()
    assert widget.fitness.isHidden()
    answers(widget)["Photograph"].click()
    assert (widget.model.value, widget.run.isEnabled(), widget.chooser.answers) == ("photo-x2", True, [])
    choose(widget, viewer.add_image(grey()))
    widget.models.popup.chosen.emit(widget.model.value)  # the model that is shown
    assert widget.run.isEnabled()


def test_an_answer_is_remembered_for_its_folder(viewer, widget, qtbot, tmp_path):
    for name in ("a.tif", "b.tif", "other/c.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_image(Image.from_array(grey(), "YX"), tmp_path / name)
    choose(widget, opened(viewer, tmp_path / "a.tif"))
    assert not widget.run.isEnabled()  # until a thread has looked at the file
    qtbot.waitUntil(lambda: bool(answers(widget)))
    answers(widget)["Electron microscopy"].click()
    choose(widget, opened(viewer, tmp_path / "b.tif"))
    qtbot.waitUntil(lambda: widget.chooser.reason.text().endswith("as you said for this folder"))
    assert (widget.model.value, widget.run.isEnabled()) == ("em-x2", True)
    choose(widget, opened(viewer, tmp_path / "other" / "c.tif"))
    qtbot.waitUntil(lambda: bool(widget.chooser.answers))


def test_models_that_cannot_run_are_grey_with_a_reason(viewer, widget):
    choose(widget, viewer.add_image(grey(), units="nm"))
    native, index = widget.model.native, widget.model.choices.index
    assert not native.model().item(index("movie-x2")).isEnabled()
    assert native.model().item(index("em-x2")).isEnabled()
    choose(widget, viewer.add_image(np.stack([grey()] * 6), units="nm", axis_labels=("t", "y", "x")))
    assert native.model().item(index("movie-x2")).isEnabled()


def test_the_axes_and_the_pixel_size_change_the_choice(viewer, widget):
    choose(widget, viewer.add_image(blobs((6, 64, 64)), units="um", scale=(0.2, 0.2, 0.2)))
    assert widget.model.value == "fluo-x2"
    widget.axes.value = "TYX"
    assert widget.model.value == "movie-x2"


def test_the_line_says_before_a_run_what_does_not_fit_and_a_click_helps(viewer, widget, qtbot, told):
    choose(widget, viewer.add_image(grey(), units="mm", metadata={"modality": "CT"}))
    widget.model.value = "mri-x2"
    assert "the file says CT" in fitness(widget, qtbot, "Does not fit: mri-x2")
    assert widget.fitness.other_model.text() == "Use ct-x2"
    widget.fitness.other_model.click()
    assert widget.model.value == "ct-x2"


def test_hot_pixels_are_found_and_a_robust_range_set(viewer, widget, qtbot):
    hot = blobs((96, 96))
    hot[np.random.default_rng(1).random(hot.shape) < 0.004] = 60_000
    choose(widget, viewer.add_image(hot, units="um", scale=(0.2, 0.2)))
    fitness(widget, qtbot, "hot pixels")
    widget.fitness.robust_range.click()
    low, high = (float(value) for value in widget.intensity_range.value.split(","))
    assert low < high < 10_000
    assert widget.state.options["intensity_range"] == [(low, high)]
    fitness(widget, qtbot, "Fits: fluo-x2")
    assert widget.fitness.robust_range.isHidden()


def test_padding_is_masked_with_one_click(viewer, widget, qtbot):
    padded = blobs((96, 96)).astype(np.int16)
    padded[:20] = -9000
    layer = viewer.add_image(padded, units="um", scale=(0.2, 0.2), name="GFP")
    choose(widget, layer)
    fitness(widget, qtbot, "padding")
    widget.fitness.mask.click()
    assert layer.metadata["no_data"] == (-9000, -9000)
    fitness(widget, qtbot, "Fits: fluo-x2")


def test_dim_slices_get_a_range_of_their_own(viewer, widget, qtbot):
    stack = blobs((8, 96, 96)).astype(float)
    stack[6:] = 100 + 0.05 * (stack[6:] - 100)
    choose(widget, viewer.add_image(stack.astype(np.uint16), units="um", scale=(0.2, 0.2, 0.2)))
    fitness(widget, qtbot, "of the planes")
    viewer.dims.set_point(0, 7 * 0.2)
    widget.fitness.plane_range.click()
    assert float(widget.intensity_range.value.split(",")[1]) < 500


def test_a_range_that_is_no_range_is_said(viewer, widget, qtbot):
    choose(widget, viewer.add_image(blobs((64, 64)), units="um", scale=(0.2, 0.2)))
    widget.intensity_range.value = "12"
    qtbot.waitUntil(lambda: "must be two numbers" in widget.state.estimate)
