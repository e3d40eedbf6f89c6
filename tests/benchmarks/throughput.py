"""`superres bench` for the benchmark's own networks, those without shipped weights included.

python tests/benchmarks/throughput.py [--models NAME ...] [--device cuda --precision fp16 --size 4096]
"""

import argparse
import sys
from pathlib import Path

from networks import NETWORKS, make_model

from napari_superres.inference.machine.memory import tune_allocator
from napari_superres.inference.measure.bench import describe_machine, iter_throughput, to_json, to_markdown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=NETWORKS, metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--size", type=int, default=1024, help="edge of the plane; volumes have about as many pixels")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    options = parser.parse_args()
    tune_allocator()
    machine, rows = describe_machine([options.device]), []
    for row in iter_throughput(
        [make_model(name) for name in options.models],
        devices=[options.device],
        precision=options.precision,
        size=options.size,
        repeats=options.repeats,
    ):
        rows.append(row)
        print(f"{row.model}: {row.efficiency:.2f} of the network alone", file=sys.stderr, flush=True)
    print(to_markdown(machine, rows))
    if options.json:
        options.json.write_text(to_json(machine, rows), encoding="utf-8")


if __name__ == "__main__":
    main()
