"""Make an image to train on, and run trainings with the Train widget."""

import threading

import numpy as np

LONG = 120_000


def picture(shape=(160, 90), seed=0):
    """Return blobs of all sizes, 16 bit."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).random(shape)
    values = sum(gaussian_filter(noise, s) * s for s in (1, 2, 4))
    values = (values - values.min()) / np.ptp(values)
    return (100 + 4000 * values**3).astype(np.uint16)


def run(widget, qtbot):
    widget.run.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)


def begun(widget, qtbot):
    """Start a long training and wait until it learns."""
    widget.minutes.value = 60
    widget.run.click()
    qtbot.waitUntil(lambda: "left" in widget.status.text(), timeout=LONG)
    assert training_threads()


def training_threads():
    return [thread for thread in threading.enumerate() if thread.name == "training"]
