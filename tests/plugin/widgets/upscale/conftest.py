"""The Super-resolve widget with interpolation chosen, and runs that wait for a test."""

import threading
from contextlib import closing

import pytest

from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget
from napari_superres.plugin.worker import tasks


@pytest.fixture(name="widget")
def upscale_widget_of_bicubic(dock):
    found = dock(UpscaleWidget)
    found.model.value = "bicubic-x2"
    return found


@pytest.fixture
def pause(monkeypatch):
    """Return a function that lets runs wait after so many steps until the event that it returns is set.

    Without it, a run that a test wants to meet half done may be over before a busy window looks at it.
    """
    made = []

    def pause(after):
        released, whole = threading.Event(), tasks.upscale
        made.append(released)

        def waiting(*arguments, **options):
            with closing(whole(*arguments, **options)) as steps:
                for number, step in enumerate(steps):
                    yield step
                    while number == after and not released.wait(0.05):
                        yield step  # Of steps in quick succession the window is told only some.

        monkeypatch.setattr(tasks, "upscale", waiting)
        return released

    yield pause
    for released in made:
        released.set()
