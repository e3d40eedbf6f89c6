"""Scenes of this folder: an isotropic specimen, and the thick slices of it that are recorded."""

import pytest
from helpers.scenes.thick_slices import make_specimen, make_stack

from napari_superres.training.isotropic import learn


@pytest.fixture
def specimen():
    return make_specimen()


@pytest.fixture
def stack(specimen):
    return make_stack(specimen)


@pytest.fixture
def few_steps(monkeypatch):
    """Train in a second: enough to see that everything runs, not that it helps."""
    real = learn.fit
    monkeypatch.setattr(learn, "fit", lambda *args, **options: real(*args, **options, steps=4))
