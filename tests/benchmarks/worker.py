"""One engine in a process of its own that stays alive between runs and works only when told to."""

import ctypes
import gc
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil

REFERENCE = "raw whole"


@dataclass(frozen=True, slots=True)
class Task:
    """What a process measures.

    Attributes
    ----------
    network, engine
        By name.
    tuned
        Whether the allocator is set as our command line sets it, or left as torch's users have it.
    size
        Edge of the plane.
    folder
        Where the whole-image output lies, that others are compared with.
    compared
        Whether the first run's result is compared with it.
    """

    network: str
    engine: str
    tuned: bool
    size: int
    folder: Path
    compared: bool


class Worker:
    """The process of a task, seen from outside."""

    def __init__(self, task: Task) -> None:
        self.task = task
        # A fresh interpreter: peak memory of a forked one would count its parent's.
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, task), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, what: str) -> dict[str, Any]:
        """Return the figures of one run, or what went wrong as ``{"problem": ...}``."""
        try:
            self.pipe.send(what)
            return self.pipe.recv()
        except (EOFError, OSError):
            return {"problem": "the process died, probably for lack of memory"}

    def stop(self) -> None:
        """End the process."""
        with suppress(OSError):
            self.pipe.close()
        self.process.join(10)
        if self.process.is_alive():
            self.process.kill()


def _serve(pipe: Connection, task: Task) -> None:
    with suppress(EOFError, KeyboardInterrupt):
        bench: _Bench | None = None
        while True:
            what = pipe.recv()
            try:
                bench = bench or _Bench(task)
                pipe.send(bench.first() if what == "first" else bench.timed())
            except ModuleNotFoundError as error:
                pipe.send({"problem": f"{str(error.name).partition('.')[0]} is not installed"})
            except Exception as error:  # noqa: BLE001 - a peer that fails is a row of the table, not the end of it
                pipe.send({"problem": f"{type(error).__name__}: {error}"})


class _Bench:
    """What a process holds: the network, the engine, the plane."""

    def __init__(self, task: Task) -> None:
        from engines import make_engine, make_plane, needed_bytes
        from networks import make_model

        from napari_superres.inference.machine.memory import tune_allocator

        if task.tuned:
            tune_allocator()
        self.task = task
        model = make_model(task.network)
        self.engine, self.plane = make_engine(task.engine, model), make_plane(task.size)
        needed, free = needed_bytes(model, self.plane), psutil.virtual_memory().available
        if task.engine == REFERENCE and needed > free:
            raise MemoryError(f"one pass needs about {needed / 1e9:.0f} GB and {free / 1e9:.0f} GB are free")

    def timed(self) -> dict[str, float]:
        """Return wall and CPU seconds of one run."""
        wall, busy = time.perf_counter(), time.process_time()
        self.engine.run(self.plane)
        return {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - busy}

    def first(self) -> dict[str, Any]:
        """Return the figures of the first run, its peak of memory and, where asked for, its errors."""
        task = self.task
        kept = task.folder / f"{task.network}_{task.engine.replace(' ', '-')}.npy" if task.compared else None
        before = _forget_peak()
        wall, busy = time.perf_counter(), time.process_time()
        result = self.engine.run(self.plane, kept)
        figures: dict[str, Any] = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - busy}
        figures["precision"] = getattr(self.engine, "precision", "fp32")
        peak = _memory("VmHWM")
        figures["peak_mb"] = None if before is None or peak is None else (peak - before) / 1e6
        if kept is None:
            return figures
        if hasattr(self.engine, "floats"):
            np.save(kept, self.engine.floats(self.plane))
        np.save(kept.with_suffix(".pixels.npy"), result)
        return figures | _errors(kept, task.folder / f"{task.network}_{REFERENCE.replace(' ', '-')}.npy")


def _errors(found: Path, reference: Path) -> dict[str, float]:
    """Compare a result with the whole-image output: before rounding relative to its range, and in pixels."""
    if not reference.exists():
        return {}
    true = np.load(reference)
    error = float(np.abs(np.load(found) - true).max() / np.ptp(true))
    pixels, there = (np.load(path.with_suffix(".pixels.npy")).astype(np.int32) for path in (found, reference))
    off = np.abs(pixels - there)
    return {"max_relative_error": error, "max_levels": int(off.max()), "differing": float((off > 0).mean())}


def _forget_peak() -> int | None:
    """Give freed memory back, forget the peak that imports left, and return what is held; None if not Linux."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _memory("VmRSS")


def _memory(name: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))
