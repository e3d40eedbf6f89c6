"""The history of speeds, a JSON file per machine, threads and version, and the table made from it.

``python -m helpers.tables.performance [FILE ...]`` takes results of ``make bench`` and ``make gpu`` into the history,
and writes the table.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.tables import ROOT, write_table

FOLDER = ROOT / "docs" / "performance"
PAGE = FOLDER / "index.md"
NAME = "speeds"
_ALONE = ("raw whole", "network alone")
_MACHINE = (
    "processor",
    "gpu",
    "cores",
    "threads",
    "gpu_memory_gb",
    "capability",
    "driver",
    "cuda",
    "cudnn",
    "system",
    "python",
    "torch",
    "load_average",
    "date",
    "peers",
)
"""What is kept of a machine: nothing that names a computer or a person."""

Document = Mapping[str, Any]


def keep(document: Document, folder: Path = FOLDER) -> Path:
    """Write a result into the history, in place of an earlier one of the same machine, threads and version."""
    machine = {k: v for k, v in document["machine"].items() if k in _MACHINE}
    kept = {**document, "machine": machine}
    path = folder / f"{_slug(_told(document))}_{document['version']}.json"
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return path


def chip(document: Document) -> str:
    """Return the name of the GPU, or of the processor where there is none."""
    machine = document["machine"]
    return str(machine.get("gpu") or machine["processor"])


def _told(document: Document) -> str:
    """Return the name of the GPU, or of the processor with its threads."""
    machine = document["machine"]
    return chip(document) + ("" if machine.get("gpu") else f", {_count(machine['threads'], 'thread')}")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def table(folder: Path = FOLDER) -> str:
    """Return the table of all files of the history, a line per machine, version, network and precision."""
    lines = [
        "| machine | version, date | network | precision | superres | alone | fastest other | superres / other |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        lines += [f"| {' | '.join(cells)} |" for cells in _lines(document)]
    return "\n".join(lines) + "\n"


def _lines(document: Document) -> Iterable[Sequence[str]]:
    machine = document["machine"]
    # On a GPU the clock counts. On processors CPU time does, which other programs disturb less.
    unit = "megapixels_per_second" if machine.get("gpu") else "megapixels_per_cpu_second"
    rows = [row for row in document["rows"] if row.get(unit)]
    for network, precision in dict.fromkeys((r["network"], r["precision"]) for r in rows if _is_ours(r)):
        # On processors, the others compute in 32 bits whatever superres chooses.
        comparable = {precision} if machine.get("gpu") else {precision, "fp32"}
        of = [r for r in rows if r["network"] == network and r["precision"] in comparable]
        speeds = {r["engine"]: r[unit] for r in of if not _is_ours(r)}
        ours = max(r[unit] for r in of if _is_ours(r) and r["precision"] == precision)
        alone = next((speeds.pop(name) for name in _ALONE if name in speeds), None)
        best = max(speeds, key=lambda name: speeds[name], default="")
        yield (
            _told(document),
            f"{document['version']}, {machine['date'][:10]}",
            network,
            precision,
            f"{ours:.2f}",
            "" if alone is None else f"{alone:.2f}",
            f"{best} {speeds[best]:.2f}" if best else "",
            f"{ours / speeds[best]:.2f}" if best else "",
        )


def _is_ours(row: Mapping[str, Any]) -> bool:
    return str(row["engine"]).startswith("ours")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


if __name__ == "__main__":
    for file in sys.argv[1:]:
        print(keep(json.loads(Path(file).read_text(encoding="utf-8"))))
    write_table(PAGE, NAME, table())
