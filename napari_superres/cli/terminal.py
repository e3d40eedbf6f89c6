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
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from napari_superres.cli.wording import as_flags

if TYPE_CHECKING:
    from napari_superres.inference import Progress as Step
    from napari_superres.training import TrainingStep

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
    """What is stderr now. If it cannot be written any more, messages are lost, but the work goes on."""

    def write(self, text: str) -> int:
        """Write a text, or nothing if that fails."""
        self._try(lambda stderr: stderr.write(text))
        return len(text)

    def flush(self) -> None:
        """Send what was written."""
        self._try(lambda stderr: stderr.flush())

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)

    def _try(self, use: Callable[[IO[str]], object]) -> None:
        if sys.stderr is None:  # It was closed before the program began.
            return
        try:
            use(sys.stderr)
        except (OSError, ValueError):  # ValueError: it was closed meanwhile.
            with suppress(OSError, ValueError):
                _close(sys.stderr.fileno())


def make_console() -> Console:
    """Return a console that prints messages to stderr as they are."""
    log: Any = _Log()
    return Console(file=log, soft_wrap=True, highlight=False, markup=False, emoji=False)


messages = make_console()


def result(*lines: str) -> None:
    """Print a result to stdout, each argument as a line."""
    _write("\n".join(harmless(as_flags(line)) for line in lines))


def document(value: Any) -> None:
    """Print a value to stdout as JSON, for other programs: its texts stay as they are, in ASCII."""
    _write(json.dumps(value, indent=2))


def _write(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The program that reads the results, such as `head`, has closed the pipe: that is no error.
        _close(sys.stdout.fileno())
        sys.exit(0)


def _close(number: int) -> None:
    """Send what is left for an output to nowhere: Python would fail to write it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


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
def progress_bar(*, quiet: bool) -> Iterator[Callable[[str, "Step"], None]]:
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

        def show(label: str, step: "Step") -> None:
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
