"""For all trainings of a few steps."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def patient():
    """A few steps bring nothing yet: nobody stops early."""
    module = pytest.importorskip("napari_superres.training.lightning_module", reason="training needs Lightning")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PATIENCE", 1000)
        yield
