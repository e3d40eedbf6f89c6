"""The jobs of a panel and its connection to the viewer's layers, both of which end with the panel."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.viewer import Viewer

_LAYER_EVENTS = ("inserted", "removed", "reordered", "renamed")


class Session:
    """Runs the jobs of a panel one after another and reports changes of the viewer's layers.

    This is no Qt object, so it can be closed after the Qt part of the panel is gone.

    Parameters
    ----------
    viewer
        napari viewer of the panel.
    changed
        Called when a layer is added, removed, moved or renamed.
    activated
        Called when another layer is selected.
    """

    def __init__(self, viewer: "Viewer", changed: Callable[[], None], activated: Callable[[], None]) -> None:
        self._events, self._active = viewer.layers.events, viewer.layers.selection.events.active
        self._changed: Callable[[], None] | None = changed
        self._activated = activated
        self._active.connect(self._report_active)
        self._jobs: list[Job] = []
        for name in _LAYER_EVENTS:
            getattr(self._events, name).connect(self._report_change)

    def add(self, job: Job) -> None:
        """Start a job as soon as the jobs before it have ended.

        Jobs run one at a time, because overlapping threads of napari mix up the warning filters of the process.
        """
        job.over = self._start_next
        self._jobs.append(job)
        if len(self._jobs) == 1:
            job.start()

    def forget(self, job: Job | None) -> None:
        """Stop a job without calling its callbacks any more."""
        if job is not None:
            job.drop()
            self._jobs = [j for j in self._jobs if j is not job or j.is_started]

    def _start_next(self, ended: Job) -> None:
        self._jobs = [job for job in self._jobs if job is not ended]
        if self._jobs and not self._jobs[0].is_started:
            self._jobs[0].start()

    def close(self) -> None:
        """Stop all jobs and disconnect from the viewer."""
        for job in self._jobs:
            job.drop()
        self._jobs.clear()
        if self._changed is not None:
            self._changed = None
            self._active.disconnect(self._report_active)
            for name in _LAYER_EVENTS:
                getattr(self._events, name).disconnect(self._report_change)

    def _report_change(self, _: Any = None) -> None:
        if self._changed is not None:
            self._changed()

    def _report_active(self, _: Any = None) -> None:
        if self._changed is not None:
            self._activated()
