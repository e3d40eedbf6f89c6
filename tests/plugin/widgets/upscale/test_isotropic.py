"""The button that makes a stack of thick slices isotropic, from the click to the new layer."""

import threading

import numpy as np
import pytest
from helpers.scenes.thick_slices import make_specimen, make_stack

from napari_superres import upscale
from napari_superres.models import list_models
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.widgets.upscale.learning.isotropic import is_anisotropic
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget
from napari_superres.plugin.worker import learn as worker_learn
from napari_superres.training.isotropic import learn

pytestmark = pytest.mark.gui

LONG = 300_000


@pytest.fixture
def thick(viewer):
    stack = make_stack(make_specimen((45, 60, 58)))
    return viewer.add_image(np.asarray(stack.data), scale=(3, 1, 1), units="micrometer", name="Mouse brain, left")


@pytest.fixture
def widget(dock):
    return dock(UpscaleWidget)


@pytest.fixture
def few_steps(monkeypatch):
    """Learn in a second, and let any gain be enough: what is tried here is the road, not the network."""
    real = learn.fit
    monkeypatch.setattr(learn, "fit", lambda *args, **options: real(*args, **options, steps=3))
    monkeypatch.setattr(learn, "LEAST_GAIN", -99.0)


def test_it_is_offered_for_thick_slices_only(viewer, widget, thick):
    assert not widget.isotropic.isHidden()
    assert widget.isotropic.button.text() == "Make isotropic"
    assert is_anisotropic(to_image(thick))
    for shape, scale in (((15, 60, 58), (1, 1, 1)), ((60, 58), (1, 1)), ((15, 60, 58), (30, 1, 1))):
        other = viewer.add_image(np.zeros(shape, np.float32), scale=scale, units="micrometer")
        widget.layer.value = other
        assert widget.isotropic.isHidden()
    widget.layer.value = viewer.add_image(np.zeros((15, 60, 58), np.float32), scale=(3, 1, 1))  # of unknown size
    assert widget.isotropic.isHidden()


@pytest.mark.usefixtures("few_steps")
def test_the_stack_is_learnt_from_and_computed(viewer, widget, thick, qtbot, monkeypatch):
    loaded = []
    monkeypatch.setattr(worker_learn, "load_triton", lambda: loaded.append(1))
    widget.isotropic.button.click()
    assert widget.is_running
    assert not widget.isotropic.button.isEnabled()
    assert widget.run.text() == "Cancel"
    name = "isotropic-mouse-brain-left"
    qtbot.waitUntil(lambda: f"{thick.name} [{name}]" in viewer.layers and not widget.is_running, timeout=LONG)
    result = viewer.layers[f"{thick.name} [{name}]"]
    assert result.data.shape == (45, 60, 58)
    np.testing.assert_allclose(result.scale, 1)
    np.testing.assert_array_equal(result.data, upscale(to_image(thick), name).data)
    assert "predicted_gain" in result.metadata["provenance"]["model"]["learnt_from_the_image"]
    assert "the truth than interpolation" in widget.isotropic.verdict.text()
    assert widget.model.value == name
    assert name in {card.name for card in list_models()}
    assert widget.isotropic.button.isEnabled()
    assert loaded == [1]  # without it, torch's optimiser ends the program where Mesa draws


def test_a_training_that_was_cut_short_is_refused_in_words(viewer, widget, thick, qtbot, told, monkeypatch):
    real = learn.fit
    monkeypatch.setattr(learn, "fit", lambda *args, **options: real(*args, **options, steps=1))
    widget.isotropic.button.click()
    qtbot.waitUntil(lambda: not widget.is_running)
    assert "Set more “Minutes”" in told.pop()
    assert list(viewer.layers) == [thick]
    assert widget.status.text() == "Nothing was learnt."


def test_cancelling_ends_it(viewer, widget, thick, qtbot, monkeypatch):
    begun, released, real = threading.Event(), threading.Event(), learn.fit

    def waiting(*args, **options):
        begun.set()
        released.wait()
        return real(*args, **options)

    monkeypatch.setattr(learn, "fit", waiting)
    widget.isotropic.button.click()
    qtbot.waitUntil(begun.is_set)
    widget.run.click()
    assert widget.run.text() == "Cancelling…"
    released.set()
    qtbot.waitUntil(lambda: not widget.is_running)
    assert list(viewer.layers) == [thick]
    assert widget.run.text() == "Run"
