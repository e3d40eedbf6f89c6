"""Where output goes: results to stdout, everything else to stderr; and what it looks like there.

Every message passes `as_flags` here, because the package below names settings as Python does. Every text passes
`harmless`, because names of files and channels and the fields of cards come from strangers, and a terminal obeys
control characters: they can clear the screen, change its title, or hide what was printed before.
"""

import json
import logging
import os
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from napari_superres.cli.wording import as_flags
from napari_superres.errors import OutputError

if TYPE_CHECKING:
    from napari_superres.training import TrainingStep

_HIDDEN = "rich_proxied_file"


class Step(Protocol):
    """Progress of anything that is done in equal steps."""

    @property
    def done(self) -> int:
        """Steps done."""

    @property
    def total(self) -> int:
        """All steps."""


_OBEYED = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that a terminal obeys or cannot print: control characters, halves of pairs, ends of lines."""

_REORDERS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Classes of characters that show a text in another order: they can make ``exe.gnp`` look like ``png.exe``."""


def harmless(text: str) -> str:
    """Return a text in one line, with its control characters spelled out."""
    if text.isprintable():
        return text
    return "".join(_spelled_out(c) for c in text)


def _spelled_out(c: str) -> str:
    obeyed = c != "\t" and (unicodedata.category(c) in _OBEYED or unicodedata.bidirectional(c) in _REORDERS)
    return c.encode("unicode_escape").decode() if obeyed else c


class _Log:
    """The stream of messages. If it dies, on a full disk for example, messages are lost and the work goes on."""

    def write(self, text: str) -> int:
        """Write a text, or lose it."""
        self._try(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush what was written, or lose it."""
        self._try(lambda stream: stream.flush())

    def __getattr__(self, name: str) -> Any:
        # rich asks for the stream that its own replacement of stderr hides: that would circumvent this class.
        if name == _HIDDEN:
            raise AttributeError(name)
        return getattr(self._stream(), name)

    def _try(self, use: Callable[[IO[str]], object]) -> None:
        try:
            use(self._stream())
        except (OSError, ValueError):  # ValueError: it was closed meanwhile.
            _silence(self._stream())

    @staticmethod
    def _stream() -> IO[str]:
        return cast(IO[str], getattr(sys.stderr, _HIDDEN, sys.stderr))


def _silence(stream: IO[str]) -> None:
    """Discard what is written to a stream from now on, and what is in its buffer, which Python writes at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def make_console() -> Console:
    """Return a console that prints messages to stderr as they are."""
    return Console(file=cast(IO[str], _Log()), soft_wrap=True, highlight=False, markup=False, emoji=False)


messages = make_console()


def result(*lines: str) -> None:
    """Print a result to stdout, each argument as a line."""
    _write("\n".join(harmless(as_flags(line)) for line in lines))


def document(value: Any) -> None:
    """Print a value to stdout as JSON, for other programs: its texts stay as they are, in ASCII."""
    _write(json.dumps(value, indent=2))


def _write(text: str) -> None:
    if sys.stdout is None:
        raise OutputError("the results cannot be printed: stdout is closed.")
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()
    except OSError as error:
        _silence(sys.stdout)
        if isinstance(error, BrokenPipeError):
            # The program that reads the results, such as `head`, has closed the pipe: that is no error.
            sys.exit(0)
        raise OutputError(f"the results cannot be printed: {error.strerror}.") from error


def say(text: str, *, quiet: bool = False) -> None:
    """Print a message to stderr, in one line."""
    if not quiet:
        messages.print(harmless(as_flags(text)))


def warn(notes: Iterable[str]) -> None:
    """Print each note on a result once, as a line on stderr."""
    for note in dict.fromkeys(notes):
        say(f"warning: {note}")


class _Records(logging.Handler):
    """Prints what libraries log where no program listens to them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record as a message."""
        say(record.getMessage())


@contextmanager
def python_messages() -> Iterator[None]:
    """Print what Python and libraries report on stderr as messages while the block runs.

    Warnings for users are printed once, without their place in the code.
    """

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, UserWarning):
            warn([str(message)])

    before = logging.lastResort
    with warnings.catch_warnings():
        warnings.simplefilter("once", UserWarning)
        warnings.showwarning = show
        logging.lastResort = _Records(logging.WARNING)
        try:
            yield
        finally:
            logging.lastResort = before


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[str, Step], None]]:
    """Yield a function that shows a run's progress: as a bar on a terminal, as a line per tenth elsewhere."""
    if quiet:
        yield lambda _label, _step: None
        return
    if not messages.is_terminal:
        yield _Lines()
        return
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:3.0f} %")
    with Progress(*columns, TimeRemainingColumn(), console=messages) as bars:
        tasks: dict[str, Any] = {}

        def show(label: str, step: Step) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(harmless(label), total=step.total)
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
    columns = BarColumn(), TextColumn("{task.percentage:3.0f} %  {task.description}", markup=False)
    with Progress(*columns, console=messages) as bars:
        task = bars.add_task("starting", total=1.0)
        yield lambda step: bars.update(
            task, completed=step.share, description=f"{_scores(step)}, {_clock(step.remaining)} left"
        )


@contextmanager
def share_bar() -> Iterator[Callable[[str, float], None]]:
    """Yield a function that shows what is done and the share of it: a bar with the time left, or nothing elsewhere."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bars:
        task = bars.add_task("opening it", total=1.0)
        yield lambda step, share: bars.update(task, description=harmless(step), completed=share)


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

    def __call__(self, label: str, step: Step) -> None:
        tenth = 10 * step.done // max(step.total, 1)
        if (label, tenth) != self.last:
            self.last = (label, tenth)
            say(f"{label}: {10 * tenth} %")
