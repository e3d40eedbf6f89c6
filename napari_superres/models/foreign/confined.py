"""Files of other programs are read, built and measured in a process of its own, within limits of time and memory.

What such a file holds may never end, fill the memory or crash. Here that ends a child process and becomes a
`ModelFileError`. Begin with `convert_confined`. The child is ``child``. It sends JSON only: pickles from a process in
which a stranger's file was opened could run code in this one.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from time import monotonic
from typing import Any

import psutil

from napari_superres import errors
from napari_superres.errors import ModelFileError, SuperResError
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.graph.wishes import UNSAID, Wishes

STEP_S = 120.0
"""Longest time that one step may take: reading a file, building its network, or one pass."""

_START_S = 300.0
_PATIENCE, _LEAST_USE = 4, 0.002
"""A step that waits this many times longer, and uses less than this share of a processor meanwhile, sleeps.

A computer that is busy with other things gives it more.
"""

_LONGEST_PATIENCE = 100

_BYTES_PER_S = 10**7
"""Speed of the slowest disk: each step may take as much longer as reading the file from it takes."""

_POLL_S = 0.05

FILE_TIMES, READING_BYTES, RUNNING_BYTES = 6, 2**27, 2**29
"""Memory: this many times the file's size, and this much for reading it and for the first passes of the network."""

_MEASURING_SHARE = 0.75
"""Share of the free memory for measuring a network after it ran on small images within these bounds."""

_LARGEST_FACTOR = 128
Report = Callable[[str, float], None]
_REMEDY = "Do not use this file."
_CHILD = "napari_superres.models.foreign.child"


def convert_confined(
    path: Path, into: Path, *, trusted: bool, wishes: Wishes = UNSAID, report: Report | None = None
) -> ModelCard:
    """Convert a file or package of another program; see `convert.convert`.

    Parameters
    ----------
    path
        The file, or the folder of a package.
    into
        Model file of this program to write.
    trusted
        Whether the user allows the model to run if it is a program.
    wishes
        What the user says about a bare graph, and whether a halo is assumed.
    report
        Called with what is done and the share of it; an error that it raises ends the child.

    Returns
    -------
    ModelCard
        Card of the model, measured.

    Raises
    ------
    ModelFileError
        If the file cannot be converted, takes too much time or memory, or crashes.
    UntrustedModelError, MissingExtraError
        As `convert.convert`.
    """
    is_package = path.is_dir() or path.suffix.lower() == ".zip"
    libraries: tuple[str, ...] = ("bioimageio.spec", "onnxruntime", "onnx") if is_package else ("spandrel",)
    if path.suffix.lower() == ".onnx":
        libraries = ("onnxruntime", "onnx")
    arguments = {
        "path": str(path.resolve()),
        "into": str(into.resolve()),
        "trusted": trusted,
        "wishes": wishes.to_json(into.parent),
    }
    return _run(path, "convert", libraries, arguments, report)


def measure_confined(path: Path) -> ModelCard:
    """Measure the network of a model file whose architecture is another program's; see `measure_card.measure_card`.

    Parameters
    ----------
    path
        The model file. The caller has checked that it may run if it is a program.

    Raises
    ------
    ModelFileError
        As `convert_confined`.
    """
    return _run(path, "measure", (), {"path": str(path.resolve())})


@contextmanager
def kept_child() -> Iterator[None]:
    """Use one child for everything in the block, because starting one takes seconds."""
    with _Child() as child:
        _kept.append(child)
        try:
            yield
        finally:
            _kept.remove(child)


_kept: "list[_Child]" = []


def _run(
    path: Path, task: str, libraries: Sequence[str], arguments: Mapping[str, Any], report: Report | None = None
) -> ModelCard:
    """Return the card that a task makes; try larger images if the network crashes on the smallest ones."""
    name, size, factor = path.name, _size(path), 1
    with _kept[-1] if _kept else _Child() as child:
        while True:
            try:
                request = {"task": task, "factor": factor, "libraries": libraries, "arguments": arguments}
                return ModelCard.from_json(child.run(name, request, size, report))
            except _CrashError as error:
                if error.factor is None or 2 * error.factor > _LARGEST_FACTOR:
                    raise ModelFileError(error.message, remedy=error.remedy) from error
                factor = 2 * error.factor


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


class _CrashError(ModelFileError):
    """The child died; `factor` is the one whose small images it tried, None if it did something else."""

    factor: int | None = None


@dataclass(slots=True)
class _Progress:
    """What the child does, and what it may use for it."""

    file_bytes: int
    most_bytes: float = READING_BYTES
    pid: int = 0
    base_bytes: int = 0
    step: str = "starting"
    factor: int | None = None
    since: float = 0.0
    share: float = 0.0
    used: float = 0.0

    def update(self, message: Mapping[str, Any]) -> None:
        """Note a message of the child."""
        self.since, self.used = monotonic(), _processor_s(self.pid)
        if "pid" in message:
            self.pid, self.base_bytes, self.step = int(message["pid"]), int(message["memory"]), "reading it"
        if "step" in message:
            self.step = str(message["step"])[:100]
        if "share" in message:
            self.share = min(1.0, max(self.share, float(message["share"])))
        if "factor" in message:
            self.factor = int(message["factor"])
        if message.get("stage") == "running":
            self.most_bytes = RUNNING_BYTES
        if message.get("stage") == "measuring":
            self.factor = None
            self.most_bytes = max(self.most_bytes, _MEASURING_SHARE * psutil.virtual_memory().available)

    def excess(self) -> str:
        """Return which limit is exceeded, as the end of a sentence; empty if none is."""
        seconds = (STEP_S if self.pid else _START_S) + self.file_bytes / _BYTES_PER_S
        waited = monotonic() - self.since
        if waited > seconds:
            used = _processor_s(self.pid) - self.used
            sleeps = waited > _PATIENCE * seconds and used < _LEAST_USE * waited
            if used > seconds or sleeps or waited > _LONGEST_PATIENCE * seconds:
                return f"{self.step} takes more than {seconds:.0f} seconds, and may never end"
        most = FILE_TIMES * self.file_bytes + self.most_bytes
        if self.pid and _memory(self.pid) - self.base_bytes > most:
            return f"{self.step} takes more than {most / 1e9:.1f} GB of memory"
        return ""


class _Child:
    """The process, which works on one file after the other."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._messages: Queue[dict[str, Any]] = Queue()
        self._lock = threading.Lock()
        self._users = 0

    def __enter__(self) -> "_Child":
        self._users += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._users -= 1
        if not self._users:
            self._close()

    def run(self, name: str, request: Mapping[str, Any], size: int, report: Report | None = None) -> str:
        """Return the result of a request.

        Raises
        ------
        SuperResError
            The error of the task, or a `ModelFileError` if it exceeds a limit.
        _CrashError
            If the process that works on it dies.
        """
        with self._lock:
            try:
                return self._run(name, request, size, report)
            except BaseException as error:
                if not isinstance(error, SuperResError):
                    self._close()
                raise

    def _run(self, name: str, request: Mapping[str, Any], size: int, report: Report | None) -> str:
        try:
            self._send({**request, "owner": os.getpid()})
        except OSError as error:
            raise ModelFileError(f"{name} cannot be opened: its process cannot be started ({error}).") from error
        progress = _Progress(size, since=monotonic())
        outcome: dict[str, Any] = {}
        message: dict[str, Any] = {}
        excess = ""
        while "ended" not in message:
            message = {}
            with suppress(Empty):
                message = self._messages.get(timeout=_POLL_S)
                progress.update(message)
                if report is not None and ("share" in message or "step" in message):
                    report(progress.step, progress.share)
            if "result" in message or "error" in message:
                outcome = message
            if not excess and (excess := progress.excess()):
                self._kill(progress.pid)
        if excess and "result" not in outcome:
            raise ModelFileError(f"{name} was stopped: {excess}.", remedy=_REMEDY)
        if "error" in outcome:
            raise _error(name, *outcome["error"])
        if "result" in outcome:
            return str(outcome["result"])
        cause = _cause(message["ended"])
        crash = _CrashError(f"{name} was closed: {progress.step} ended the process ({cause}).", remedy=_REMEDY)
        crash.factor = progress.factor
        raise crash

    def _send(self, request: Mapping[str, Any]) -> None:
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _start(self) -> None:
        self._close()
        # The child finds the modules that this process finds, and looks for none in the current folder.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self._messages = Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=environment,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        threading.Thread(target=_listen, args=(self._process, self._messages), daemon=True).start()

    def _kill(self, pid: int) -> None:
        with suppress(psutil.NoSuchProcess):
            if pid:
                psutil.Process(pid).kill()
            elif self._process is not None:
                self._process.kill()

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children():
                child.kill()
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def _listen(process: "subprocess.Popen[str]", messages: "Queue[dict[str, Any]]") -> None:
    """Pass on what the child says, and that it ended."""
    assert process.stdout is not None
    with suppress(ValueError, OSError):
        for line in process.stdout:
            message = json.loads(line)
            if isinstance(message, dict):
                messages.put(message)
    messages.put({"ended": process.wait()})


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _processor_s(pid: int) -> float:
    """Return the seconds of the processor that the busiest thread of a process has used."""
    try:
        process = psutil.Process(pid)
        with suppress(psutil.AccessDenied):  # macOS shows the threads of no other process.
            return max((t.user_time + t.system_time for t in process.threads()), default=0.0)
        times = process.cpu_times()
    except (psutil.Error, ValueError):
        return 0.0
    return float(times.user + times.system) / max(1, psutil.cpu_count(logical=False) or 1)


def _error(name: str, kind: str, message: str, remedy: str) -> SuperResError:
    """Return the error that a task raised."""
    known = getattr(errors, str(kind), None)
    if isinstance(known, type) and issubclass(known, SuperResError):
        return known(str(message), remedy=str(remedy))
    return ModelFileError(f"{name} cannot be used: {message}.")


def _cause(code: Any) -> str:
    """Return why a process ended, by its exit code."""
    with suppress(ValueError, TypeError):
        return signal.Signals(-code).name
    return f"exit code {code}"
