"""The button that refines the chosen model on the chosen layer, from the click to the model that is offered."""

import threading
from importlib import import_module

import numpy as np
import pytest
from scipy import ndimage

from napari_superres.core.image import Image
from napari_superres.models import find_card, list_models
from napari_superres.plugin.widgets.upscale.learning.adapting import can_adapt, psf_in_micrometres
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget

pytestmark = pytest.mark.gui

LONG = 300_000
adapt = import_module("napari_superres.training.adapt")


@pytest.fixture
def noisy(viewer):
    rng = np.random.default_rng(0)
    truth = 400 * ndimage.gaussian_filter(rng.random((192, 160)), 2.0)
    return viewer.add_image(rng.poisson(truth).astype(np.uint16), name="Cells, day 3")


@pytest.fixture
def widget(dock, noisy, qtbot):
    widget = dock(UpscaleWidget)
    widget.model.value = "photo-x2"
    qtbot.waitUntil(widget.adapting.button.isEnabled, timeout=LONG)
    return widget


@pytest.fixture
def few_steps(monkeypatch):
    """Train for a second: what is tried here is the road, not the network."""
    real = adapt.iter_train
    monkeypatch.setattr(adapt, "iter_train", lambda *a, **o: real(*a, **{**o, "minutes": None, "steps": 2}))


def adapted():
    return {card.name for card in list_models() if card.name.startswith("adapted")}


def gains(monkeypatch, gain, error):
    monkeypatch.setattr(adapt, "estimate_gain", lambda *_, **__: (gain, error))


def test_it_is_offered_where_it_can_work(viewer, widget, noisy):
    assert not widget.adapting.isHidden()
    assert widget.adapting.minutes.value == 3
    for model in ("bicubic-x2", "mri3d-z2", "movie-x2"):
        widget.model.value = model
        assert widget.adapting.isHidden()
    widget.layer.value = viewer.add_image(np.zeros((100, 160), np.float32))
    widget.model.value = "photo-x2"
    assert widget.adapting.isHidden()  # too few rows
    colours = Image.from_array(np.zeros((192, 160, 3), np.uint8), "YXS")
    assert not can_adapt(colours, find_card("photo-x2"))


@pytest.mark.usefixtures("few_steps")
def test_a_better_model_is_offered_for_the_layer(viewer, widget, noisy, qtbot, monkeypatch):
    gains(monkeypatch, 0.8, 0.1)
    widget.adapting.button.click()
    assert widget.is_running
    assert widget.run.text() == "Cancel"
    assert not widget.adapting.button.isEnabled()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    name = widget.model.value
    assert name.startswith("adapted-cells-day-3")
    assert widget.adapting.verdict.text().startswith("The adapted model is 0.80 dB, give or take 0.10 dB, better")
    assert list(viewer.layers) == [noisy]
    assert name in adapted()
    widget.layer.value = viewer.add_image(np.asarray(noisy.data) + 1, name="other")
    widget.layer.value = noisy
    assert widget.model.value == name  # it was chosen for this layer


@pytest.mark.usefixtures("few_steps")
def test_a_model_that_is_not_better_is_not_kept(widget, qtbot, monkeypatch):
    gains(monkeypatch, 0.1, 0.1)
    before = adapted()
    widget.adapting.button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert widget.model.value == "photo-x2"
    assert "Keep photo-x2" in widget.adapting.verdict.text()
    assert widget.status.text() == "The model was kept as it is."
    assert adapted() == before


def test_cancelling_ends_it(widget, qtbot, monkeypatch):
    before = adapted()
    begun, released, real = threading.Event(), threading.Event(), adapt.iter_train

    def waiting(*args, **options):
        begun.set()
        released.wait()
        yield from real(*args, **options)

    monkeypatch.setattr(adapt, "iter_train", waiting)
    widget.adapting.button.click()
    qtbot.waitUntil(begun.is_set)
    widget.run.click()
    released.set()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert widget.run.text() == "Run"
    assert adapted() == before


def test_a_constant_layer_is_refused_in_words(viewer, widget, qtbot, told):
    widget.layer.value = viewer.add_image(np.full((192, 160), 7, np.uint16), name="dark")
    widget.model.value = "photo-x2"
    qtbot.waitUntil(widget.adapting.button.isEnabled)
    widget.adapting.button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert "image has one intensity everywhere" in told.pop()


def test_a_known_blur_is_told_in_micrometres():
    image = Image.from_array(np.zeros((192, 160), np.float32), "YX", pixel_size=0.2)
    assert psf_in_micrometres(3.0, image, find_card("fluo-x2")) == pytest.approx({"Y": 0.3, "X": 0.3})
    assert psf_in_micrometres(0.0, image, find_card("fluo-x2")) is None
