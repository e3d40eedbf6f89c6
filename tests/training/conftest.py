"""Fixtures for short trainings."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def patient():
    """Never stop early: a few steps do not improve the score yet."""
    module = pytest.importorskip("napari_superres.training.running.lightning_module", reason="training needs Lightning")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PATIENCE", 1000)
        yield
