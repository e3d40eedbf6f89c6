"""The command ``python -m napari_superres.training.campaign``."""

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path

from napari_superres.errors import SuperResError
from napari_superres.training.campaign.run import run_campaign

_FAILED, _STOPPED = 1, 143


def main(arguments: list[str] | None = None) -> int:
    """Run a campaign and return its exit code: 0, 1 if a training failed, 143 if it was stopped."""
    parser = argparse.ArgumentParser(prog="python -m napari_superres.training.campaign", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the results; those of an earlier run are continued")
    parser.add_argument(
        "--data", type=Path, default=Path("campaign.zip"), help="folder of images, or packed file (campaign.zip)"
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="time for all trainings (8)")
    parser.add_argument("--tiny", action="store_true", help="tiny networks and a few steps, to try the way")
    options = parser.parse_args(arguments)
    stopped, began = threading.Event(), time.monotonic()

    def stop(*_: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        outcome = run_campaign(
            options.out,
            options.data,
            minutes=options.minutes,
            tiny=options.tiny,
            stop=stopped.is_set,
            show=lambda line: print(line, flush=True),  # noqa: T201 - the command's output
        )
    except SuperResError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command's output
        return _FAILED
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if outcome.broken and not stopped.is_set():
        _start_again(options, options.minutes - (time.monotonic() - began) / 60)
    print(f"unfinished: {', '.join(outcome.unfinished) or 'none'}")  # noqa: T201 - the command's output
    return _STOPPED if stopped.is_set() else _FAILED if outcome.errors else 0


def _start_again(options: argparse.Namespace, minutes: float) -> None:
    """Replace this process by a new one, for which the GPU works again, for the rest of the time."""
    print("starting again, because the GPU may refuse all further work", flush=True)  # noqa: T201 - the command's output
    words = [str(options.out), "--data", str(options.data), "--minutes", f"{minutes:.2f}", *["--tiny"] * options.tiny]
    os.execv(sys.executable, [sys.executable, "-m", "napari_superres.training.campaign", *words])


if __name__ == "__main__":
    sys.exit(main())
