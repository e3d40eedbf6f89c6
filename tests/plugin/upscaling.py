"""What tests of Super-resolve share: random pixels, the widget with interpolation chosen, a run to its end."""

import numpy as np
import pytest

from napari_superres.plugin.upscale.widget import UpscaleWidget

LONG = 60_000


def pixels(shape=(40, 50), seed=0):
    return (np.random.default_rng(seed).random(shape) * 1000).astype(np.uint16)


@pytest.fixture(name="widget")
def upscale_widget_of_bicubic(dock):
    found = dock(UpscaleWidget)
    found.model.value = "bicubic-x2"
    return found


def run(widget, qtbot):
    widget.run.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
