"""Real viewers under a virtual display, on software OpenGL, without a GPU, as root too."""

import gc
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

# Read by Mesa when the first canvas is made.
os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")
# Root may not own the runtime folder of a login session.
os.environ.setdefault("NO_AT_BRIDGE", "1")

_HERE = Path(__file__).parent

# What the host itself says about itself; nothing of ours is allowed here.
_HOST_WARNINGS = (
    "ignore:Non-orthogonal slicing is being requested:UserWarning",
    "ignore:Public access to Window.qt_viewer is deprecated:FutureWarning",
)


def pytest_collection_modifyitems(items):
    for item in items:
        if _HERE in item.path.parents:
            for text in _HOST_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(text))


@pytest.fixture
def viewer(make_napari_viewer):
    """A viewer that ends without leaving threads or panels of ours behind."""
    viewer = make_napari_viewer()
    yield viewer
    viewer.close()
    _no_jobs_left()


@pytest.fixture
def dock(viewer, qtbot):
    """Put a widget into the viewer's dock, wait until torch is there, and check that it goes away."""
    import weakref

    made = []

    def dock(kind):
        widget = kind(viewer)
        viewer.window.add_dock_widget(widget, name=kind.__name__)
        if hasattr(widget, "_ready"):
            qtbot.waitUntil(lambda: widget.is_ready, timeout=60_000)
        made.append(weakref.ref(widget))
        return widget

    yield dock
    for reference in made:
        widget = reference()
        if widget is not None:
            viewer.window.remove_dock_widget(widget)
            widget.deleteLater()
            del widget
    qtbot.wait(50)
    gc.collect()
    assert not [r for r in made if r() is not None], "a panel is still referred to after its dock was closed"


@pytest.fixture
def told():
    """Messages of napari's notifications during the test."""
    from napari.utils.notifications import notification_manager

    records = []

    def keep(notification):
        records.append(notification.message)

    notification_manager.notification_ready.connect(keep)
    yield records
    notification_manager.notification_ready.disconnect(keep)


@pytest.fixture
def blob():
    """Make an image with one Gaussian blob at an index, any number of axes."""

    def blob(shape, centre, sigma=2.0):
        grids = np.meshgrid(*(np.arange(n, dtype=float) for n in shape), indexing="ij")
        return np.exp(-sum((g - c) ** 2 for g, c in zip(grids, centre, strict=True)) / (2 * sigma**2)).astype(np.float32)

    return blob


def _no_jobs_left():
    end = time.monotonic() + 30
    while time.monotonic() < end and any(t.name.startswith("superres") for t in threading.enumerate()):
        time.sleep(0.02)
    from superqt.utils._qthreading import WorkerBase

    WorkerBase.await_workers(30_000)
