"""One computation in a thread: its steps arrive on the GUI thread, it stops when asked, errors are one line."""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from traceback import format_exception
from typing import Any

from napari.qt.threading import GeneratorWorker, create_worker

from napari_superres.errors import SuperResError, SuperResWarning
from napari_superres.plugin.host.labels import window_text

Steps = Callable[[], Generator[Any, None, None]]

_SHORTEST_PAUSE = 0.05  # seconds between two steps that are told: enough for a bar, too few to slow the window


class Job:
    """A generator running in a thread of napari's pool.

    Callbacks run on the GUI thread, and never after `drop`; only `over`, which a `Session` sets to be told
    that the thread has ended, always.

    Parameters
    ----------
    steps
        Makes the generator; it is made, run and closed in the thread.
    stepped
        Is given what the generator yields: always the last of it, otherwise at most twenty a second.
    failed
        Is given the message of an error; of one that nobody thought of it names the log.
    ended
        Is told that the thread has ended: True if the generator ran to its end.
    doing
        What it is, "training of cells", where a window should not be closed without a question.
    """

    def __init__(
        self,
        steps: Steps,
        *,
        stepped: Callable[[Any], None] | None = None,
        failed: Callable[[str], None] | None = None,
        ended: Callable[[bool], None] | None = None,
        doing: str = "",
    ) -> None:
        self.over: Callable[[Job], None] | None = None
        self.is_started = False
        self._stop = threading.Event()
        self._steps, self._doing = steps, doing
        self._stepped, self._failed, self._ended = stepped, failed, ended
        self._complete = self._delivering = False
        self._waiting: deque[tuple[str, Any]] = deque()
        self._worker: _Worker | None = None

    def start(self) -> None:
        """Begin."""
        self.is_started = True
        if self._doing:  # napari asks before it closes on a worker that it made, and calls it by its function
            function = _Named(_told)
            function.name = self._doing
            worker = create_worker(function, self._steps, self._stop, _worker_class=_Worker)
        else:
            worker = _Worker(_told, self._steps, self._stop)
        worker.yielded.connect(self._receive)
        worker.warned.connect(self._warned)
        worker.finished.connect(self._finish)
        self._worker = worker
        worker.start()

    @property
    def is_cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def cancel(self) -> None:
        """Ask it to stop after the step it is at."""
        self._stop.set()

    def drop(self) -> None:
        """Ask it to stop, and tell nobody anything any more: its owner is going away."""
        self._stepped = self._failed = self._ended = None
        self._stop.set()

    def _receive(self, item: tuple[str, Any]) -> None:
        self._waiting.append(item)
        self._deliver()

    def _warned(self, details: tuple[Any, ...]) -> None:
        # Only what is meant for people; libraries warn about themselves.
        if isinstance(details[0], SuperResWarning):
            self._receive(("warning", str(details[0])))

    def _finish(self) -> None:
        self._worker = None
        self._waiting.append(("end", None))
        self._deliver()

    def _deliver(self) -> None:
        """Tell one thing after the other: napari's progress bar lets new events in while it is drawn."""
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._waiting:
                self._tell(*self._waiting.popleft())
        finally:
            self._delivering = False

    def _tell(self, kind: str, value: Any) -> None:
        if kind == "step" and self._stepped is not None:
            self._stepped(value)
        elif kind == "failure" and self._failed is not None:
            self._failed(value)
        elif kind == "complete":
            self._complete = True
        elif kind == "warning" and self._stepped is not None:
            _show_warning(value)
        elif kind == "end":
            try:
                if self._ended is not None:
                    self._ended(self._complete)
            finally:  # whatever went wrong with its owner, those that wait begin
                if self.over is not None:
                    self.over(self)


class _Worker(GeneratorWorker):
    """A worker whose generator ends by itself when napari asks for it, instead of being left as it is."""

    def __init__(self, function: Callable[..., Any], steps: Steps, stop: threading.Event, **options: Any) -> None:
        super().__init__(function, steps, stop, **options)
        self._halt = stop

    def quit(self) -> None:
        self._halt.set()


class _Named(partial):  # type: ignore[type-arg]
    """A function that is told by a name."""

    name = ""

    def __str__(self) -> str:
        return self.name


def _show_warning(message: str) -> None:
    from napari.utils import notifications

    notifications.show_warning(window_text(message))


def _told(steps: Steps, stop: threading.Event) -> Generator[tuple[str, Any], None, None]:
    """Yield what a generator yields, not too often, until it ends or is stopped; then how it ended."""
    try:
        with closing(steps()) as generator:
            yield from _thinned(generator, stop)
    except SuperResError as error:
        yield "failure", str(error)
    except MemoryError:
        yield "failure", "there is not enough memory. Choose a smaller image or close other programs."
    except Exception as error:  # noqa: BLE001 - a fault of ours: said in a line, kept whole where it can be reported
        yield "failure", _logged(error)
    else:
        if not stop.is_set():
            yield "complete", None


def _logged(error: Exception) -> str:
    """Write an error nobody thought of to the log, and return what to say of it."""
    from platformdirs import user_log_path

    said = f"this should not have happened: {type(error).__name__}: {str(error)[:200]}."
    path = user_log_path("napari-superres") / "errors.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC).isoformat(timespec='seconds')}\n{''.join(format_exception(error))}\n")
    except OSError:
        return f"{said} Please report it."
    return f"{said} Please report it with the end of {path}."


def _thinned(generator: Iterator[Any], stop: threading.Event) -> Iterator[tuple[str, Any]]:
    told, waiting = -_SHORTEST_PAUSE, None
    for value in generator:
        if stop.is_set():
            return
        waiting = value
        if time.monotonic() - told >= _SHORTEST_PAUSE:
            yield "step", value
            told, waiting = time.monotonic(), None
    if waiting is not None and not stop.is_set():
        yield "step", waiting
