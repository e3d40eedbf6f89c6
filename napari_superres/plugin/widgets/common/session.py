"""The jobs of a panel, and its ear on the viewer's layers: both end with it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.viewer import Viewer

_LAYER_EVENTS = ("inserted", "removed", "reordered", "renamed")


class Session:
    """What must end with a panel: jobs in threads and the ear on the viewer's layers.

    It is no Qt object, so that it can still be asked when the panel's Qt part is gone.

    Parameters
    ----------
    viewer
        napari viewer.
    changed
        Called when layers come, go, move or are renamed.
    """

    def __init__(self, viewer: "Viewer", changed: Callable[[], None]) -> None:
        self._events = viewer.layers.events
        self._changed: Callable[[], None] | None = changed
        self._jobs: list[Job] = []
        for name in _LAYER_EVENTS:
            getattr(self._events, name).connect(self._told)

    def add(self, job: Job) -> None:
        """Start a job as soon as those before it have ended.

        One at a time: threads of napari's that overlap mix up the process's warning filters.
        """
        job.over = self._next
        self._jobs.append(job)
        if len(self._jobs) == 1:
            job.start()

    def forget(self, job: Job | None) -> None:
        """Drop a job: it stops and tells nobody anything any more."""
        if job is not None:
            job.drop()
            self._jobs = [j for j in self._jobs if j is not job or j.is_started]

    def _next(self, ended: Job) -> None:
        self._jobs = [job for job in self._jobs if job is not ended]
        if self._jobs and not self._jobs[0].is_started:
            self._jobs[0].start()

    def close(self) -> None:
        """Stop all jobs and listen to nothing any more."""
        for job in self._jobs:
            job.drop()
        self._jobs.clear()
        if self._changed is not None:
            self._changed = None
            for name in _LAYER_EVENTS:
                getattr(self._events, name).disconnect(self._told)

    def _told(self, event: Any = None) -> None:
        del event
        if self._changed is not None:
            self._changed()
