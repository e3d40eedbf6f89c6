"""A computation in a thread that reports to the GUI thread and can be cancelled."""

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

_SHORTEST_PAUSE = 0.05  # seconds between two reported steps; more of them would slow down the window


class Job:
    """A generator that runs in a thread of napari's pool.

    The callbacks run on the GUI thread, and never after `drop`. Only `over`, which a `Session` sets, is called in any
    case.

    Parameters
    ----------
    steps
        Returns the generator. It is created, run and closed in the thread.
    stepped
        Called with the values that the generator yields, at most twenty per second, and always with the last one.
    failed
        Called with the message of an error. For an unexpected error, the message names the log file.
    ended
        Called when the thread has ended: True if the generator ran to its end.
    doing
        Description such as "training of cells". With one, napari asks before it closes the window during the job.

    Attributes
    ----------
    over
        Called with the job when its thread has ended, even after `drop`.
    is_started
        Whether `start` was called.
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
        """Start the thread."""
        self.is_started = True
        if self._doing:  # napari asks about the workers that it created, and names them by their function.
            function = _NamedFunction(_run_steps)
            function.name = self._doing
            worker = create_worker(function, self._steps, self._stop, _worker_class=_Worker)
        else:
            worker = _Worker(_run_steps, self._steps, self._stop)
        worker.yielded.connect(self._receive)
        worker.warned.connect(self._warned)
        worker.finished.connect(self._finish)
        self._worker = worker
        worker.start()

    @property
    def is_cancelled(self) -> bool:
        """Whether the job was asked to stop."""
        return self._stop.is_set()

    def cancel(self) -> None:
        """Stop after the current step."""
        self._stop.set()

    def drop(self) -> None:
        """Stop after the current step, and call no callback any more."""
        self._stepped = self._failed = self._ended = None
        self._stop.set()

    def _receive(self, item: tuple[str, Any]) -> None:
        self._waiting.append(item)
        self._deliver()

    def _warned(self, details: tuple[Any, ...]) -> None:
        # Warnings of other libraries are not meant for users.
        if isinstance(details[0], SuperResWarning):
            self._receive(("warning", str(details[0])))

    def _finish(self) -> None:
        self._worker = None
        self._waiting.append(("end", None))
        self._deliver()

    def _deliver(self) -> None:
        """Pass reports on one by one, because napari's progress bar processes new events while it is drawn."""
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._waiting:
                self._report(*self._waiting.popleft())
        finally:
            self._delivering = False

    def _report(self, kind: str, value: Any) -> None:
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
            finally:  # The next job starts even if the callback fails.
                if self.over is not None:
                    self.over(self)


class _Worker(GeneratorWorker):
    """A worker whose generator is closed when napari asks it to quit."""

    def __init__(self, function: Callable[..., Any], steps: Steps, stop: threading.Event, **options: Any) -> None:
        super().__init__(function, steps, stop, **options)
        self._halt = stop

    def quit(self) -> None:
        self._halt.set()


class _NamedFunction(partial):  # type: ignore[type-arg]
    """A function with a name for users."""

    name = ""

    def __str__(self) -> str:
        return self.name


def _show_warning(message: str) -> None:
    from napari.utils import notifications

    notifications.show_warning(window_text(message))


def _run_steps(steps: Steps, stop: threading.Event) -> Generator[tuple[str, Any], None, None]:
    """Yield the values of a generator, not too often, until it ends or is stopped; then report how it ended."""
    try:
        with closing(steps()) as generator:
            yield from _limit_rate(generator, stop)
    except SuperResError as error:
        yield "failure", str(error)
    except MemoryError:
        yield "failure", "there is not enough memory. Use a smaller image or close other programs."
    except Exception as error:  # noqa: BLE001 - a bug of ours: the user gets one line and the log all of it
        yield "failure", _log(error)
    else:
        if not stop.is_set():
            yield "complete", None


def _log(error: Exception) -> str:
    """Write an unexpected error to the log and return a message for the user."""
    from platformdirs import user_log_path

    message = f"this should not have happened: {type(error).__name__}: {str(error)[:200]}."
    path = user_log_path("napari-superres") / "errors.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC).isoformat(timespec='seconds')}\n{''.join(format_exception(error))}\n")
    except OSError:
        return f"{message} Please report it."
    return f"{message} Please report it with the end of {path}, without the names of files in it."


def _limit_rate(generator: Iterator[Any], stop: threading.Event) -> Iterator[tuple[str, Any]]:
    reported, waiting = -_SHORTEST_PAUSE, None
    for value in generator:
        if stop.is_set():
            return
        waiting = value
        if time.monotonic() - reported >= _SHORTEST_PAUSE:
            yield "step", value
            reported, waiting = time.monotonic(), None
    if waiting is not None and not stop.is_set():
        yield "step", waiting
