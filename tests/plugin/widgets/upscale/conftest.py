"""The Super-resolve widget with interpolation chosen."""

import pytest

from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget


@pytest.fixture(name="widget")
def upscale_widget_of_bicubic(dock):
    found = dock(UpscaleWidget)
    found.model.value = "bicubic-x2"
    return found
