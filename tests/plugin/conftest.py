"""Fixtures for tests in real viewers, which run on a virtual display with software OpenGL."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from napari_superres.plugin.worker.triton import load_triton

# Read by Mesa when the first canvas is made.
os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")

# Before a driver is loaded, as its LLVM and Triton's do not go together: tests of training follow.
load_triton()

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
def qtbot(qtbot, monkeypatch):
    """Wait for what must happen as long as a busy machine needs; five seconds are the default."""
    for name in ("waitUntil", "waitSignal"):
        monkeypatch.setattr(qtbot, name, partial(getattr(qtbot, name), timeout=120_000))
    return qtbot


@pytest.fixture
def viewer(make_napari_viewer, qtbot):
    """A viewer that leaves no threads and no panels behind."""
    from qtpy.QtCore import QThreadPool
    from qtpy.QtWidgets import QApplication

    from napari_superres.plugin.widgets.common.panel import Panel

    viewer = make_napari_viewer()
    yield viewer
    viewer.close()
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0)
    qtbot.wait(10)
    assert not [w for w in QApplication.allWidgets() if isinstance(w, Panel)], "a panel outlived its viewer"


@pytest.fixture
def dock(viewer, qtbot):
    """Add widgets to the viewer's dock, wait until they are ready, and remove them at the end."""
    made = []

    def dock(kind):
        widget = kind(viewer)
        viewer.window.add_dock_widget(widget, name=kind.__name__)
        qtbot.waitUntil(lambda: getattr(widget, "is_ready", True))
        made.append(widget)
        return widget

    yield dock
    for widget in made:
        if widget.parent() is not None:
            viewer.window.remove_dock_widget(widget)
        widget.deleteLater()


@pytest.fixture
def told():
    """Messages of napari's notifications during a test."""
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
        return np.exp(-sum((g - c) ** 2 for g, c in zip(grids, centre, strict=True)) / (2 * sigma**2)).astype(
            np.float32
        )

    return blob


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch, tmp_path_factory):
    """Let no test find the settings of another one, or of the person who runs it."""
    from napari_superres.plugin.widgets.common.parts import remembered

    folder = tmp_path_factory.mktemp("remembered") / "settings"
    monkeypatch.setattr(remembered, "_file", lambda: folder / "widgets.json")


@pytest.fixture(autouse=True)
def never_asked(monkeypatch):
    """Let arrays that state nothing be run without an answer to what they show: few tests are about the question."""
    from napari_superres.plugin.widgets.upscale.choosing.chooser import ModelChooser

    monkeypatch.setattr(ModelChooser, "is_asking", False)
