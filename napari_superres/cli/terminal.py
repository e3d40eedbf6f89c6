"""Where output goes: results to stdout, everything else to stderr."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from napari_superres.inference import Progress as Step
    from napari_superres.training import TrainingStep

messages = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def result(text: str) -> None:
    """Print a result to stdout."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the results has closed; nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def say(text: str, *, quiet: bool = False) -> None:
    """Print a message to stderr."""
    if not quiet:
        messages.print(text)


def show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print a warning as one line; those not meant for users are left out."""
    if issubclass(category, UserWarning):
        say(f"warning: {message}")


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[str, "Step"], None]]:
    """Give a function that shows a run's progress: a bar on a terminal, a line per tenth elsewhere."""
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
    """Give a function that shows how far a training is: a bar on a terminal, a line per tenth elsewhere."""
    if quiet:
        yield None
        return
    if not messages.is_terminal:
        last = -1

        def line(step: "TrainingStep") -> None:
            nonlocal last
            if int(10 * step.share) > last:
                last = int(10 * step.share)
                say(f"{10 * last} %, {_words(step)}, {_clock(step.remaining)} left")

        yield line
        return
    columns = BarColumn(), TextColumn("{task.percentage:3.0f} %  {task.description}")
    with Progress(*columns, console=messages) as bars:
        task = bars.add_task("begins", total=1.0)
        yield lambda step: bars.update(
            task, completed=step.share, description=f"{_words(step)}, {_clock(step.remaining)} left"
        )


def _words(step: "TrainingStep") -> str:
    score = f", validation {step.scores[-1]:.2f} dB (best {max(step.scores):.2f})" if step.scores else ""
    return f"step {step.step}, loss {step.loss:.4g}{score}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


class _Lines:
    """Plain progress for logs."""

    def __init__(self) -> None:
        self.last: tuple[str, int] = ("", -1)

    def __call__(self, label: str, step: "Step") -> None:
        tenth = 10 * step.done // max(step.total, 1)
        if (label, tenth) != self.last:
            self.last = (label, tenth)
            say(f"{label}: {10 * tenth} %")


def hear_warnings() -> None:
    """Print each warning once, on stderr, without its place in the code."""
    warnings.simplefilter("once", UserWarning)
    warnings.showwarning = show_warning
