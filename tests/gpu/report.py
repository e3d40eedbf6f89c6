"""One JSON and one log, written as the sections go on, so that a run that is killed leaves what it had."""

import json
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import RLock
from typing import Any

SCHEMA = 1
NAME = "gpu.json"
_SAVED_EVERY_S = 5.0


class Report:
    """The results of a run.

    Parameters
    ----------
    out
        Folder of ``gpu.json`` and ``gpu.log``.
    facts
        Machine, version and settings.
    sections
        Names of the sections to come.
    """

    def __init__(self, out: Path, facts: Mapping[str, Any], sections: Iterable[str] = ()) -> None:
        self._out, self._start, self._saved = out, time.monotonic(), 0.0
        self._lock = RLock()  # The run may be ended by another thread than that of the cases.
        self.document: dict[str, Any] = {"schema": SCHEMA, "kind": "gpu", **facts, "rows": []}
        self.document["sections"] = {name: {"finished": False, "cases": []} for name in sections}
        (out / "gpu.log").write_text("", encoding="utf-8")
        self.save()

    def say(self, line: str) -> None:
        """Print a line and log it."""
        text = f"{time.monotonic() - self._start:6.1f} s  {line}"
        print(text, flush=True)
        with (self._out / "gpu.log").open("a", encoding="utf-8") as log:
            log.write(f"{text}\n")

    def begin(self, section: str) -> None:
        """Begin a section."""
        self.document["sections"][section] = {"finished": False, "cases": []}
        self.say(f"--- {section}")

    def add(self, section: str, case: Mapping[str, Any]) -> None:
        """Add the result of a case to a section."""
        with self._lock:
            self.document["sections"][section]["cases"].append(dict(case))
            self.document["rows"] += case.get("rows", ())
        facts = {k: v for k, v in case.items() if k not in ("name", "passed", "seconds", "rows", "traceback")}
        shown = ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in facts.items())
        self.say(f"{'ok    ' if case['passed'] else 'FAILED'} {case['name']}: {shown} ({case['seconds']:.1f} s)")
        if time.monotonic() - self._saved > _SAVED_EVERY_S:
            self.save()

    def end(self, section: str, *, finished: bool) -> None:
        """End a section, and save what there is."""
        self.document["sections"][section]["finished"] = finished
        self.save()

    def save(self) -> None:
        """Write the JSON; it is replaced as a whole."""
        with self._lock:
            self._save()

    def _save(self) -> None:
        cases = [case for section in self.document["sections"].values() for case in section["cases"]]
        failed = [case["name"] for case in cases if not case["passed"]]
        unfinished = [name for name, section in self.document["sections"].items() if not section["finished"]]
        seconds = round(time.monotonic() - self._start, 1)
        self.document["summary"] = {
            "passed": len(cases) - len(failed),
            "failed": failed,
            "unfinished": unfinished,
            "seconds": seconds,
        }
        partial = self._out / f".{NAME}.partial"
        partial.write_text(json.dumps(self.document, indent=1, default=str) + "\n", encoding="utf-8")
        partial.replace(self._out / NAME)
        self._saved = time.monotonic()


def describe_gpu(device: str) -> dict[str, Any]:
    """Return what figures of a GPU depend on; nothing for a CPU."""
    import torch

    if not device.startswith("cuda"):
        return {}
    properties = torch.cuda.get_device_properties(device)
    return {
        "gpu": properties.name,
        "gpu_memory_gb": round(properties.total_memory / 1e9, 1),
        "capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def _driver() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.partition("\n")[0].strip()
