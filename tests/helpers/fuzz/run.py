"""The process that watches: it gives cases to a worker, and ends and replaces the worker if a case goes wrong."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import psutil

SECONDS = 5.0
"""Time of the processor that a case may take."""

_WAIT_S = 60.0
"""Time on the clock after which a case that computes nothing has failed. Busy machines are slow."""

BAD = ("foreign", "large", "killed", "hang")
"""Outcomes that are failures."""

FATAL = ("large", "killed", "hang")
"""Outcomes after which the process is gone, busy, or so large that the next outcome would tell little."""


class Worker:
    """A process that reads damaged files."""

    def __init__(self) -> None:
        environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "BLOSC_NTHREADS": "1", "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "helpers.fuzz.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._lines: Queue[str] = Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        if not self._lines.get():
            assert self._process.stderr is not None
            raise RuntimeError(f"sound files cannot be read: {self._process.stderr.read()[-2000:]}")

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def run(self, case: str) -> dict[str, Any]:
        """Return the outcome of a case, named as `worker` says. After one of `FATAL`, the worker must be replaced."""
        assert self._process.stdin is not None
        before = self._seconds()
        self._process.stdin.write(f"{case}\n")
        self._process.stdin.flush()
        waited = 0.0
        while True:
            try:
                line = self._lines.get(timeout=1.0)
                break
            except Empty:
                waited += 1.0
                if self._seconds() - before > SECONDS or waited > _WAIT_S:
                    return {"outcome": "hang", "error": f"{self._seconds() - before:.1f} s of the processor"}
        if not line:
            return {"outcome": "killed", "error": f"by signal {-self._process.wait()}"}
        answer: dict[str, Any] = json.loads(line)
        if answer["outcome"] not in BAD and answer["seconds"] > SECONDS:
            answer |= {"outcome": "hang", "error": f"{answer['seconds']:.1f} s of the processor"}
        return answer

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _seconds(self) -> float:
        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)


def run_cases(seed: int, indices: Iterable[int], worker: Worker | None = None) -> Iterator[dict[str, Any]]:
    """Yield the outcome of each case, with its number; `worker` is a process to begin with."""
    process = worker or Worker()
    try:
        for index in indices:
            answer = process.run(f"{seed} {index}")
            if answer["outcome"] in FATAL:
                process.end()
                process = Worker()
            yield {"index": index, **answer}
    finally:
        if process is not worker:
            process.end()
