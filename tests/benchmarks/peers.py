"""Ours beside its peers, with the same networks on the same plane.

    python tests/benchmarks/peers.py [--size 2048] [--repeats 3] [--models NAME ...] [--quick]

Every engine works in a process of its own that stays alive; runs take turns, one at a time, and medians
count. Peers run with torch's own allocator, as their users have it, and once more with the setting that
our command line makes; ours the other way round. Peak memory is that of a fresh process' first run, less
what it held before. A first run longer than 20 s counts as a repeat: its start is lost in it. `--quick`
takes minutes: a small plane, the engines that most people would use, each as its users have it.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from typing import Any

from engines import engines
from networks import PLANAR
from worker import REFERENCE, Task, Worker

from napari_superres import __version__
from napari_superres.inference.measure.bench import describe_machine, machine_line

SCHEMA = 1
_AREA = 4 / 1e6  # megapixels of the result per pixel of the plane: all networks are x2
_LONG = 20.0
_QUICK = ("ours", "ours bf16", REFERENCE, "MONAI 256", "dask", "Real-ESRGAN rule")
_HEADER = (
    "engine",
    "torch's allocator",
    "our setting",
    "ours / it",
    "ours / it, both set",
    "busy cores",
    "peak MB",
    "error / range",
    "levels",
    "pixels off",
)

Row = dict[str, Any]


def measure(
    network: str, names: Sequence[str], size: int, repeats: int, folder: Path, *, quick: bool = False
) -> list[Row]:
    """Return one row per engine and allocator setting; only the setting that its users have, if quick."""
    rows: list[Row] = []
    workers: list[Worker] = []
    try:
        # The whole-image output comes first: the others are compared with it.
        for name, tuned in product(sorted(names, key=lambda n: n != REFERENCE), (False, True)):
            if quick and tuned != name.startswith("ours"):
                continue
            workers.append(Worker(Task(network, name, tuned, size, folder, compared=tuned == (name == "ours"))))
            first = workers[-1].ask("first")
            rows.append({"network": network, "engine": name, "tuned": tuned, **first})
            rows[-1]["runs"] = [_take(first)] if first.get("seconds", 0) > _LONG else []
            _say(rows[-1], first)
        for _ in range(repeats):
            for worker, row in zip(workers, rows, strict=True):
                if "problem" not in row and len(row["runs"]) < repeats:
                    found = worker.ask("run")
                    _say(row, found)
                    row.update({k: v for k, v in found.items() if k == "problem"})
                    row["runs"] += [_take(found)] if "seconds" in found else []
    finally:
        for worker in workers:
            worker.stop()
    return [_summary(row, size) for row in rows]


def _take(found: Row) -> Row:
    return {k: found[k] for k in ("seconds", "cpu_seconds")}


def _say(row: Row, found: Row) -> None:
    setting = "our setting" if row["tuned"] else "torch's allocator"
    what = found.get("problem") or f"{found['seconds']:.2f} s"
    print(f"{row['network']}, {row['engine']}, {setting}: {what}", file=sys.stderr, flush=True)


def _summary(row: Row, size: int) -> Row:
    """Replace the first run's times by the median and add the speed."""
    row = {k: v for k, v in row.items() if k not in ("seconds", "cpu_seconds")}
    if "problem" in row:
        return row
    seconds, cpu = (statistics.median(run[k] for run in row["runs"]) for k in ("seconds", "cpu_seconds"))
    pixels = size * size * _AREA
    speeds = {"megapixels_per_second": pixels / seconds, "megapixels_per_cpu_second": pixels / cpu}
    return row | {"seconds": seconds, "busy_cores": cpu / seconds, **speeds}


def markdown(rows: Sequence[Row], network: str) -> str:
    """Return the table of one network, the least advantage over each peer below it."""
    mine = {(row["engine"], row["tuned"]): row for row in rows if row["network"] == network}
    best = mine.get(("ours", True), {}).get("megapixels_per_second")
    cells, ratios = [], {}
    for name in dict.fromkeys(row["engine"] for row in rows if row["network"] == network):
        plain, tuned = mine.get((name, False), {}), mine.get((name, True), {})
        ahead = _ratio(best, plain)
        if name not in ("ours", "ours bf16", REFERENCE) and ahead is not None:
            ratios[name] = ahead
        # What its users see: ours comes with the setting, the others without.
        shown = tuned if name.startswith("ours") else plain
        cells.append((name, _speed(plain), _speed(tuned), _two(ahead), _two(_ratio(best, tuned)), *_facts(shown)))
    table = [_HEADER, ("---",) * len(_HEADER), *cells]
    lines = [f"**{network}**", "", *(f"| {' | '.join(row)} |" for row in table)]
    if ratios:
        closest = min(ratios, key=lambda name: ratios[name])
        lines += ["", f"Closest peer: {closest}; ours is {ratios[closest]:.2f} times as fast."]
    return "\n".join(lines) + "\n"


def _ratio(best: float | None, row: Row) -> float | None:
    speed = row.get("megapixels_per_second")
    return best / speed if best and speed else None


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _speed(row: Row) -> str:
    return str(row.get("problem", "")) or (f"{row['megapixels_per_second']:.2f}" if row else "")


def _facts(row: Row) -> tuple[str, ...]:
    """Return the other cells: how undisturbed the runs were, peak memory, errors."""
    forms = {
        "busy_cores": "{:.1f}",
        "peak_mb": "{:.0f}",
        "max_relative_error": "{:.1e}",
        "max_levels": "{}",
        "differing": "{:.3%}",
    }
    return tuple("" if row.get(key) is None else form.format(row[key]) for key, form in forms.items())


def versions() -> dict[str, str | None]:
    """Return the versions of the peers' libraries."""
    found: dict[str, str | None] = {}
    for name in ("monai", "tiler", "dask"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def parse() -> argparse.Namespace:
    """Return the options; ``--quick`` changes the defaults of size and repeats."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, help="edge of the plane; 2048")
    parser.add_argument("--repeats", type=int, help="timed runs of each engine; 3")
    parser.add_argument("--models", nargs="+", default=PLANAR, metavar="NAME", help=", ".join(PLANAR))
    parser.add_argument("--engines", nargs="+", metavar="NAME", help="only these, and ours; all")
    parser.add_argument("--quick", action="store_true", help=f"size 512, one repeat; only {', '.join(_QUICK)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    options = parser.parse_args()
    options.size = options.size or (512 if options.quick else 2048)
    if options.quick and options.engines is None:
        options.engines = [name for name in _QUICK if name in engines(options.size)]
    options.repeats = options.repeats or (1 if options.quick else 3)
    known = engines(options.size)
    if unknown := set(options.engines or ()) - set(known):
        parser.error(f"unknown engines {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    options.engines = [n for n in known if options.engines is None or n in ("ours", *options.engines)]
    return options


def main() -> None:
    options = parse()
    machine = describe_machine() | {"peers": versions()}
    del machine["allocator_tuned"]  # each engine runs both ways
    rows, tables = [], []
    for network in options.models:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(network, options.engines, options.size, options.repeats, Path(folder), quick=options.quick)
        tables.append(markdown(rows, network))
        print(tables[-1], flush=True)
    peers = ", ".join(f"{name} {number or 'not installed'}" for name, number in machine["peers"].items())
    settings = {"size": options.size, "repeats": options.repeats}
    foot = (
        f"Megapixels of the result per second; {options.size} x {options.size} uint16, x2, medians of "
        f"{options.repeats}. {machine_line(machine)}; {peers}.\n"
    )
    print(foot)
    if options.markdown:
        options.markdown.write_text("\n".join([*tables, foot]), encoding="utf-8")
    if options.json:
        document = {"schema": SCHEMA, "kind": "peers", "version": __version__, "machine": machine}
        document |= {"settings": settings, "rows": rows}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
