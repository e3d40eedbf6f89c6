"""How long a function takes on a device: the one stopwatch of all measurements."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch


class Seconds(NamedTuple):
    """Duration of a run.

    Attributes
    ----------
    wall
        Elapsed time.
    cpu
        Time that this process used on all cores together.
    """

    wall: float
    cpu: float


def time_run(run: Callable[[], object], device: str) -> Seconds:
    """Return the duration of a run, until the device has finished it."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def interleaved_medians(runs: Mapping[str, Callable[[], object]], repeats: int, device: str) -> dict[str, Seconds]:
    """Return the median duration of each run. Runs take turns, so that other programs disturb all of them alike."""
    # The first run chooses kernels and the second has its memory: only then all runs are alike.
    for run in (*runs.values(), *runs.values()):
        run()
    rounds = [{name: time_run(run, device) for name, run in runs.items()} for _ in range(repeats)]
    return {
        name: Seconds(*(statistics.median(values) for values in zip(*(r[name] for r in rounds), strict=True)))
        for name in runs
    }
