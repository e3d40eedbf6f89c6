"""Where output goes: results to stdout, everything else to stderr.

Every message passes `as_flags` here, because the package below names settings as Python does.
"""

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from napari_superres.cli.wording import as_flags
from napari_superres.errors import OutputError

if TYPE_CHECKING:
    from napari_superres.inference import Progress as Step
    from napari_superres.training import TrainingStep

_HIDDEN = "rich_proxied_file"


class Messages:
    """The stream of messages. If it dies, on a full disk for example, messages are lost and the work goes on."""

    def write(self, text: str) -> int:
        """Write a text, or lose it."""
        try:
            return self._stream().write(text)
        except OSError:
            _silence(self._stream())
            return len(text)

    def flush(self) -> None:
        """Flush what was written, or lose it."""
        try:
            self._stream().flush()
        except OSError:
            _silence(self._stream())

    def __getattr__(self, name: str) -> Any:
        # rich asks for the stream that its own replacement of stderr hides: that would circumvent this class.
        if name == _HIDDEN:
            raise AttributeError(name)
        return getattr(self._stream(), name)

    @staticmethod
    def _stream() -> IO[str]:
        return cast(IO[str], getattr(sys.stderr, _HIDDEN, sys.stderr))


def _silence(stream: IO[str]) -> None:
    """Discard what is written to a stream from now on, and what is in its buffer, which Python writes at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


messages = Console(file=cast(IO[str], Messages()), soft_wrap=True, highlight=False, markup=False)


def result(text: str) -> None:
    """Print a result to stdout."""
    _write(as_flags(text))


def document(value: Any) -> None:
    """Print a value to stdout as JSON, for other programs: its texts stay as they are."""
    _write(json.dumps(value, indent=2))


def _write(text: str) -> None:
    if sys.stdout is None:
        raise OutputError("the results cannot be printed: stdout is closed.")
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except OSError as error:
        _silence(sys.stdout)
        if isinstance(error, BrokenPipeError):
            # The program that reads the results, such as `head`, has closed the pipe: that is no error.
            sys.exit(0)
        raise OutputError(f"the results cannot be printed: {error.strerror}.") from error


def say(text: str, *, quiet: bool = False) -> None:
    """Print a message to stderr."""
    if not quiet:
        messages.print(as_flags(text))


def warn(notes: Iterable[str]) -> None:
    """Print each note on a result once, as a line on stderr."""
    for note in dict.fromkeys(notes):
        say(f"warning: {note}")


@contextmanager
def python_warnings() -> Iterator[None]:
    """Print each Python warning for users once, on stderr, without its place in the code, while the block runs."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, UserWarning):
            warn([str(message)])

    with warnings.catch_warnings():
        warnings.simplefilter("once", UserWarning)
        warnings.showwarning = show
        yield


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[str, "Step"], None]]:
    """Yield a function that shows a run's progress: as a bar on a terminal, as a line per tenth elsewhere."""
    if quiet:
        yield lambda _label, _step: None
        return
    if not messages.is_terminal:
        yield _Lines()
        return
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %")
    with Progress(*columns, TimeRemainingColumn(), console=messages) as bars:
        tasks: dict[str, Any] = {}

        def show(label: str, step: "Step") -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=step.total)
            bars.update(tasks[label], completed=step.done, total=step.total)

        yield show


@contextmanager
def training_bar(*, quiet: bool) -> Iterator[Callable[["TrainingStep"], None] | None]:
    """Yield a function that shows a training's progress: as a bar on a terminal, as a line per tenth elsewhere."""
    if quiet:
        yield None
        return
    if not messages.is_terminal:
        last = -1

        def line(step: "TrainingStep") -> None:
            nonlocal last
            if int(10 * step.share) > last:
                last = int(10 * step.share)
                say(f"{10 * last} %, {_scores(step)}, {_clock(step.remaining)} left")

        yield line
        return
    columns = BarColumn(), TextColumn("{task.percentage:3.0f} %  {task.description}")
    with Progress(*columns, console=messages) as bars:
        task = bars.add_task("starting", total=1.0)
        yield lambda step: bars.update(
            task, completed=step.share, description=f"{_scores(step)}, {_clock(step.remaining)} left"
        )


def _scores(step: "TrainingStep") -> str:
    score = f", validation {step.scores[-1]:.2f} dB (best {max(step.scores):.2f})" if step.scores else ""
    return f"step {step.step}, loss {step.loss:.4g}{score}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


class _Lines:
    """Progress as plain lines, for logs."""

    def __init__(self) -> None:
        self.last: tuple[str, int] = ("", -1)

    def __call__(self, label: str, step: "Step") -> None:
        tenth = 10 * step.done // max(step.total, 1)
        if (label, tenth) != self.last:
            self.last = (label, tenth)
            say(f"{label}: {10 * tenth} %")
