"""The history of speeds: a file per machine, threads and version, and their table; nothing names a computer."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.tables import read_table
from helpers.tables.performance import FOLDER, NAME, PAGE, keep, table

ROWS = [
    {"network": "a-x2", "engine": "ours", "precision": "bf16", "megapixels_per_cpu_second": 8.0},
    {"network": "a-x2", "engine": "raw whole", "precision": "fp32", "megapixels_per_cpu_second": 4.2},
    {"network": "a-x2", "engine": "MONAI 256", "precision": "fp32", "megapixels_per_cpu_second": 2.0},
    {"network": "a-x2", "engine": "dask", "precision": "fp32", "megapixels_per_cpu_second": 2.5},
    {"network": "b-x2", "engine": "ours", "precision": "fp32", "megapixels_per_cpu_second": 3.0},
    {"network": "b-x2", "engine": "dask", "problem": "dask is not installed"},
]


def document(rows: list[dict[str, Any]], **machine: Any) -> dict[str, Any]:
    facts = {"processor": "Some (R) Chip 9", "threads": 2, "date": "2026-11-30T12:00:00+00:00", "node": "my-laptop"}
    return {"version": "1.2.0", "machine": facts | machine, "rows": rows}


def test_the_page_shows_the_history():
    assert read_table(PAGE, NAME) == table(), "run: make tables"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_files_are_named_by_their_machine_and_version(path: Path, tmp_path: Path):
    kept = keep(json.loads(path.read_text(encoding="utf-8")), tmp_path)
    assert kept.name == path.name
    assert kept.read_text(encoding="utf-8") == path.read_text(encoding="utf-8")


def test_a_processor_is_compared_with_the_fastest_other_in_cpu_time(tmp_path: Path):
    path = keep(document(ROWS), tmp_path)
    assert path.name == "some-r-chip-9-2-threads_1.2.0.json"
    assert "my-laptop" not in path.read_text(encoding="utf-8")
    first, second = table(tmp_path).splitlines()[2:]
    told = "Some (R) Chip 9, 2 threads | 1.2.0, 2026-11-30"
    assert first == f"| {told} | a-x2 | bf16 | 8.00 | 4.20 | dask 2.50 | 3.20 |"
    assert second == f"| {told} | b-x2 | fp32 | 3.00 |  |  |  |"


def test_a_gpu_is_compared_at_the_same_precision_by_the_clock(tmp_path: Path):
    speeds = {
        ("ours", "fp16"): 900.0,
        ("MONAI 512", "fp16"): 300.0,
        ("ours", "fp32"): 300.0,
        ("MONAI 512", "fp32"): 200.0,
    }
    rows = [
        {"network": "a-x2", "device": "cuda:0", "engine": e, "precision": p, "megapixels_per_second": s}
        for (e, p), s in speeds.items()
    ]
    path = keep(document(rows, gpu="NVIDIA H200"), tmp_path)
    assert path.name == "nvidia-h200_1.2.0.json"
    assert [line.split(" | ")[-1].rstrip(" |") for line in table(tmp_path).splitlines()[2:]] == ["3.00", "1.50"]
