"""Make an image to train on, and run trainings with the Train widget."""

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_superres.plugin.widgets.train.widget import TrainWidget

LONG = 120_000


def picture(shape: tuple[int, int] = (160, 90), seed: int = 0) -> NDArray[np.uint16]:
    """Return blobs of all sizes, 16 bit."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).random(shape)
    values = np.sum([gaussian_filter(noise, s) * s for s in (1, 2, 4)], axis=0)
    values = (values - values.min()) / np.ptp(values)
    grey_levels: NDArray[np.uint16] = (100 + 4000 * values**3).astype(np.uint16)
    return grey_levels


def run(widget: "TrainWidget", qtbot: Any) -> None:
    """Train to the end."""
    widget.run.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)


def begun(widget: "TrainWidget", qtbot: Any) -> None:
    """Start a long training and wait until it learns."""
    widget.minutes.value = 60
    widget.run.click()
    qtbot.waitUntil(lambda: "left" in widget.status.text(), timeout=LONG)
    assert training_threads()


def training_threads() -> list[threading.Thread]:
    """Return the threads that train."""
    return [thread for thread in threading.enumerate() if thread.name == "training"]
