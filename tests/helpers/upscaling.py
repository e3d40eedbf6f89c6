"""Helpers for tests of Super-resolve: random pixels and a run to its end."""

import numpy as np

LONG = 60_000


def pixels(shape=(40, 50), seed=0):
    return (np.random.default_rng(seed).random(shape) * 1000).astype(np.uint16)


def run(widget, qtbot):
    widget.run.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
