"""The program and its commands."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from napari_superres import __version__
from napari_superres.cli import bench, demo, evaluate, images, models, own_data, terminal, training, trust, upscale
from napari_superres.errors import SuperResError

_CANCELLED, _TERMINATED = 130, 143
_STDERR = 2


class _Program(TyperGroup):
    """The program; its errors of usage quote arguments, such as names of files, in a harmless form."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the arguments of the program."""
        with _harmless_quotes():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Parse the arguments of a command, and run it."""
        with _harmless_quotes():
            return super().invoke(ctx)


@contextmanager
def _harmless_quotes() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Versions of typer have their errors of usage in different modules; all of them have these two attributes.
        if hasattr(error, "format_message") and isinstance(text := getattr(error, "message", None), str):
            vars(error)["message"] = terminal.harmless(text)
        raise


app = typer.Typer(
    name="superres",
    cls=_Program,
    help="Super-resolution of scientific images. Fine detail is estimated, not measured: not for diagnosis.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("upscale")(upscale.upscale)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(models.app, name="models")
app.command("train")(training.train)
app.command("isotropic")(own_data.isotropic)
app.command("adapt")(own_data.adapt)
app.command("degrade")(images.degrade)
app.command("resample")(images.resample)
app.command("psf")(images.psf)
app.command("info")(images.info)
app.command("check")(models.check)
app.command("resolution")(evaluate.resolution)
app.command("calibrate")(trust.calibrate)
app.command("trust")(trust.trust)
app.command("methods")(trust.methods)
app.command("verify")(trust.verify)
app.command("selftest")(evaluate.selftest)
app.command("bench")(bench.bench)
app.command("demo")(demo.demo)


def _print_version(requested: bool) -> None:
    if requested:
        terminal.result(f"superres {__version__}")
        raise typer.Exit


@app.callback()
def program(
    debug: bool = typer.Option(
        False,
        "--debug",
        help="Print the traceback of an error, which may hold names and paths of medical images. May stand anywhere in "
        "the command.",
    ),
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_print_version, is_eager=True),
) -> None:
    """Declare the options of the program itself; `run` has removed ``--debug`` from the arguments already."""


def run() -> None:
    """Run the program; every error that a user can mend becomes one line on stderr."""
    _open_standard_streams()
    debug = "--debug" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    # Batch systems end a job with SIGTERM, and a lost connection with SIGHUP: as after Ctrl-C, unfinished files must
    # be removed.
    before = {number: signal.signal(number, lambda *_: sys.exit(_TERMINATED)) for number in _ending_signals()}
    hook = sys.excepthook  # Typer sets one of its own.
    try:
        with terminal.python_messages():
            app(arguments)
    except SystemExit as stop:
        if stop.code in (_CANCELLED, _TERMINATED):
            how = "cancelled" if stop.code == _CANCELLED else "terminated"
            terminal.say(f"{how}; finished files are kept. Commands that have --resume continue from there.")
        raise
    except SuperResError as error:
        _fail(f"error: {error}", debug)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a traceback is printed only on request
        _fail(f"unexpected error: {_reason(error, arguments)} (--debug shows where)", debug)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.excepthook = hook


def _open_standard_streams() -> None:
    """Occupy the numbers of closed standard streams: libraries would write their messages into files that get these."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(number, True)
    os.close(number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - open until the program ends


def _ending_signals() -> list[signal.Signals]:
    """Return the signals that end the program: SIGTERM, and that of a closed terminal unless `nohup` ignores it."""
    hangup = [s for s in signal.Signals if s.name == "SIGHUP" and signal.getsignal(s) is signal.SIG_DFL]
    return [signal.SIGTERM, *hangup]


def _reason(error: Exception, arguments: Sequence[str]) -> str:
    """Return what is known of an unexpected error, whose text may hold paths: not if one could be a patient's."""
    from napari_superres.io import is_anonymous

    name = type(error).__name__
    if any(is_anonymous(argument) for argument in arguments):
        return f"{name}: {error.strerror}" if isinstance(error, OSError) and error.strerror else name
    return f"{name}: {error}"


def _fail(line: str, debug: bool) -> None:
    if debug:
        terminal.say(
            "--debug shows names and paths of files, of medical images too: remove them before you share this."
        )
        for text in traceback.format_exc().splitlines():
            terminal.say(text)
    terminal.say(" ".join(line.split()))
    sys.exit(1)
