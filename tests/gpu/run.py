"""Run the GPU suite: ``python tests/gpu/run.py OUT [--minutes 9] [--wheels DIR] [--tiny]``.

OUT gets gpu.json and gpu.log, written as the sections go on. The run ends by itself when the time is over. Exit code: 0
if every case that ran passed, 1 if one failed, 2 if there is no GPU and ``--tiny`` was not given.
"""

import argparse
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from gpu import starting
from gpu.report import Report, describe_gpu

_SECTIONS = ("networks", "tiles", "pipeline", "shortage", "precision", "speed")
_SHARE_OF_CHECKS = 0.55
"""Share of the time after which the checks stop: the rest is for the speed."""

_LAST_SECONDS = 5.0
_SHORTEST_S = 60.0


def main(arguments: list[str] | None = None) -> int:
    """Run the sections and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the results")
    parser.add_argument("--minutes", type=float, default=9.0, help="time for all of it (9)")
    parser.add_argument("--wheels", type=Path, help="folder of wheels of libraries that are not installed")
    parser.add_argument("--tiny", action="store_true", help="small images, few models; also without a GPU")
    parser.add_argument("--device", default="", help="cuda, cuda:1, cpu; the first GPU by default")
    parser.add_argument("--sections", nargs="+", default=_SECTIONS, choices=_SECTIONS, help="only these")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    options.out.mkdir(parents=True, exist_ok=True)
    done = starting.prepare(options.out.resolve(), options.wheels)
    import torch

    device = options.device or ("cuda:0" if torch.cuda.is_available() else "cpu")
    if device == "cpu" and not options.tiny:
        print("No GPU was found. To try the way on the CPU, set --tiny.", file=sys.stderr)
        return 2
    report = Report(options.out, _facts(device, options), options.sections)
    watch = threading.Timer(max(_SHORTEST_S, began + 60 * options.minutes - time.monotonic()), _end, [report])
    watch.daemon = True
    watch.start()
    for line in (*done, f"on {report.document['machine'].get('gpu', 'the CPU')}, torch {torch.__version__}"):
        report.say(line)
    for name in options.sections:
        share = 1.0 if name == "speed" else _SHARE_OF_CHECKS
        end = began + 60 * options.minutes * share - _LAST_SECONDS
        _run_section(report, name, device, tiny=options.tiny, left=lambda end=end: end - time.monotonic())
    watch.cancel()
    return _sum_up(report)


def _end(report: Report) -> None:
    """End the process in the middle of a case, when the time is over; a GPU cannot be interrupted otherwise."""
    report.say("the time is over in the middle of a case")
    os._exit(_sum_up(report))


def _sum_up(report: Report) -> int:
    """Say and save what passed, and return the exit code."""
    report.save()
    summary = report.document["summary"]
    report.say(f"{summary['passed']} passed, failed: {', '.join(summary['failed']) or 'none'}")
    report.say(f"unfinished sections: {', '.join(summary['unfinished']) or 'none'}")
    return 1 if summary["failed"] else 0


def _facts(device: str, options: argparse.Namespace) -> dict[str, Any]:
    from napari_superres import __version__
    from napari_superres.inference.measure.bench import describe_machine

    machine = describe_machine([device]) | describe_gpu(device)
    settings = {"device": device, "tiny": options.tiny, "minutes": options.minutes, "sections": [*options.sections]}
    return {"version": __version__, "machine": machine, "settings": settings}


def _run_section(report: Report, name: str, device: str, *, tiny: bool, left: Callable[[], float]) -> None:
    """Run the cases of a section until the time is over; a section that cannot begin is a failed case."""
    from importlib import import_module

    from gpu.cases import Case, Settings

    report.begin(name)
    finished = True
    try:
        cases: Iterable[Case] = import_module(f"gpu.{name}").cases(Settings(device, tiny))
        for case in cases:
            if left() <= 0:
                finished = False
                break
            report.add(name, _result(case))
    except Exception as error:  # noqa: BLE001 - the other sections go on
        problem = f"{type(error).__name__}: {error}"
        report.add(name, {"name": f"{name} itself", "passed": False, "seconds": 0.0, "problem": problem})
    report.end(name, finished=finished)


def _result(case: Any) -> dict[str, Any]:
    """Run a case, and return its figures, or its error."""
    start = time.monotonic()
    try:
        facts = case.run()
    except Exception as error:  # noqa: BLE001 - what is found out is whether it fails
        facts = {"passed": False, "problem": f"{type(error).__name__}: {error}"[:500]}
        facts["traceback"] = traceback.format_exc().splitlines()[-12:]
    return {"name": case.name, **facts, "seconds": round(time.monotonic() - start, 2)}


if __name__ == "__main__":
    sys.exit(main())
