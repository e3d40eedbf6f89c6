"""The GPU suite runs from a checkout with few libraries, says what failed, ends in time, and leaves what it had."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gpu import starting
from gpu.cases import Case
from gpu.report import Report
from gpu.run import _SECTIONS, _result

SCRIPT = Path(__file__).with_name("run.py")
# A machine with a GPU may have none of these.
MISSING = [
    "zarr",
    "napari",
    "psutil",
    "filelock",
    "platformdirs",
    "dask",
    "distributed",
    "typer",
    "rich",
    "nibabel",
    "pydicom",
    "SimpleITK",
    "magicgui",
    "yaozarrs",
    "simplejpeg",
    "imagecodecs",
    "jinja2",
    "matplotlib",
    "imageio",
    "spandrel",
    "bioimageio",
    "onnx",
    "onnxruntime",
    "monai",
    "qtpy",
]
WITHOUT = f"""
import runpy, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {MISSING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
sys.path[0] = {str(SCRIPT.parent)!r}
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""


def run_suite(out: Path, *options: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-c", WITHOUT, str(out), "--device", "cpu", *options]
    done = subprocess.run(command, cwd=out.parent, capture_output=True, text=True, timeout=300, check=False)
    assert (out / "gpu.json").is_file(), done.stderr
    return done.returncode, json.loads((out / "gpu.json").read_text(encoding="utf-8"))


def test_all_sections_pass_on_the_cpu_with_few_libraries(tmp_path: Path) -> None:
    code, document = run_suite(tmp_path / "out", "--tiny")
    assert document["summary"]["failed"] == []
    assert document["summary"]["unfinished"] == []
    assert code == 0
    assert [*document["sections"]] == [*_SECTIONS]
    assert all(section["cases"] for section in document["sections"].values())
    assert {row["engine"] for row in document["rows"]} == {"ours", "network alone", "plain loop"}
    assert all(row["megapixels_per_second"] > 0 for row in document["rows"])
    assert document["machine"]["processor"]
    log = (tmp_path / "out" / "gpu.log").read_text(encoding="utf-8")
    assert log.count("  ok  ") == document["summary"]["passed"]


def test_it_ends_when_the_time_is_over(tmp_path: Path) -> None:
    code, document = run_suite(tmp_path / "out", "--tiny", "--minutes", "0")
    assert code == 0
    assert document["summary"]["unfinished"] == [*_SECTIONS]


def test_a_case_that_never_ends_is_ended(tmp_path: Path) -> None:
    """The process ends by itself, and has saved what there was."""
    program = f"""
import sys, threading
sys.path.insert(0, {str(SCRIPT.parents[1])!r})
from gpu import run
run._SHORTEST_S = 0.1
run._run_section = lambda *_, **__: threading.Event().wait()
run.main([{str(tmp_path)!r}, "--tiny", "--device", "cpu", "--minutes", "0"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert document["summary"]["unfinished"] == [*_SECTIONS]


def test_without_a_gpu_it_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(tmp_path), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert "--tiny" in done.stderr


def test_a_case_that_fails_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    def fail() -> dict[str, Any]:
        raise RuntimeError("no such stream")

    report = Report(tmp_path, {"machine": {}})
    report.begin("streams")
    report.add("streams", _result(Case("first", fail)))
    report.add("streams", _result(Case("second", lambda: {"passed": True, "levels": 0})))
    report.end("streams", finished=True)
    document = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert document["summary"]["failed"] == ["first"]
    assert document["summary"]["passed"] == 1
    first, _ = document["sections"]["streams"]["cases"]
    assert first["problem"] == "RuntimeError: no such stream"
    assert "in fail" in "\n".join(first["traceback"])


def test_wheels_in_a_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "carried-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carried_along.py", "VALUE = 7\n")
    for name in ("NAPARI_SUPERRES_MODELS", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    done = starting.prepare(tmp_path / "out", tmp_path)
    assert "wheel carried-1.0-py3-none-any.whl" in done
    import carried_along  # type: ignore[import-not-found]

    assert carried_along.VALUE == 7
