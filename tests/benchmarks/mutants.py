"""Measure how many small faults the quick tests find: mutation testing of a sample of `core` and `inference`.

A mutant is a copy of the program with one fault: another operator, number, condition or return value. The tests that
ran its line, by the contexts of a coverage run, must fail. ``make mutants`` writes what it found to
``build/mutants/mutants.json`` and goes on there when it was stopped. Each mutant runs in a fork of a process that has
imported the libraries but nothing of the program, so that it takes seconds.

The method is of DeMillo, Lipton and Sayward 1978, doi:10.1109/C-M.1978.218136.
"""

import argparse
import ast
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "mutants"
COPY = BUILD / "copy"
FOLDERS = ("napari_superres/core", "napari_superres/inference")
TESTS = ("tests/core", "tests/inference", "tests/storage")
QUICK = "not slow and not docs and not gui"
# Only a GPU runs it.
LEFT_OUT = {"napari_superres/inference/machine/cuda_pipeline.py"}
LIBRARIES = ("scipy.ndimage", "skimage.metrics", "torch", "tifffile", "zarr", "nibabel", "dask.array", "distributed")
# Seconds. The tests of a mutant are the shortest that ran its line, as far as they fit.
TESTS_PER_MUTANT, PATIENCE = 90.0, 60.0

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "//",
    ast.Pow: "*",
    ast.BitAnd: "|",
    ast.BitOr: "&",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault.

    Attributes
    ----------
    file, line
        Where it is.
    start, end
        Bytes of the file that are replaced.
    old, new
        The replaced text and what replaces it.
    """

    file: str
    line: int
    start: int
    end: int
    old: str
    new: str


def find_mutants(file: str, text: str) -> Iterator[Mutant]:
    """Yield every mutant of a file. Annotations, messages, and code for type checkers have none."""
    source, starts = text.encode(), [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def span(node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    def change(node: ast.expr, new: str, place: tuple[int, int] | None = None) -> Mutant:
        start, end = place or span(node)
        return Mutant(file, node.lineno, start, end, source[start:end].decode(), new)

    def between(left: ast.expr, right: ast.expr, new: str) -> Mutant:
        """Return a mutant of the operator between two operands; brackets around them stay."""
        start, end = span(left)[1], span(right)[0]
        middle = source[start:end].decode()
        operator = middle.strip(" ()\n")
        at = start + middle.index(operator)
        return change(left, new, (at, at + len(operator.encode())))

    for node in _code(ast.parse(text)):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            yield between(node.left, node.comparators[0], _COMPARISONS[type(node.ops[0])])
        elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            yield between(node.left, node.right, _ARITHMETIC[type(node.op)])
        elif isinstance(node, ast.BoolOp):
            yield between(node.values[0], node.values[1], "or" if isinstance(node.op, ast.And) else "and")
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
            yield change(node, f"({source[slice(*span(node.operand))].decode()})")
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield change(node, str(not node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            yield change(node, f"({node.value!r} + 1)")
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            yield change(node.test, f"(not ({source[slice(*span(node.test))].decode()}))")
        elif isinstance(node, ast.Return) and not (node.value is None or _is_none(node.value)):
            yield change(node.value, "None")


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below this one that compute something."""
    for name, field in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_params", "decorator_list"):
            continue
        for child in field if isinstance(field, list) else [field]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr | ast.Raise):
                continue
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.keyword) and child.arg == "strict":  # of `zip`: for mistakes that nobody made yet
                continue
            yield child
            yield from _code(child)


def measure_coverage() -> None:
    """Run the quick tests once in the copy and keep which of them ran which line, and how long each took.

    All must pass there, or they would kill every mutant.
    """
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", QUICK, "--cov-context=test", "--cov-report="]
    command += [f"--cov={folder.replace('/', '.')}" for folder in FOLDERS]
    command += [f"--junitxml={BUILD / 'junit.xml'}", *TESTS]
    variables = {**os.environ, "COVERAGE_FILE": str(BUILD / ".coverage"), "PYTHONPATH": str(COPY)}
    subprocess.run([sys.executable, *command], cwd=COPY, env=variables, check=True)


class Choice:
    """Which tests ran a line, and how long they take."""

    def __init__(self) -> None:
        from coverage import CoverageData

        self._data = CoverageData(str(BUILD / ".coverage"))
        self._data.read()
        self._files = {str(Path(f).relative_to(COPY)): f for f in self._data.measured_files()}
        self._lines: dict[str, dict[int, list[str]]] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        for case in ElementTree.parse(BUILD / "junit.xml").iter("testcase"):
            module = case.get("classname", "").replace(".", "/") + ".py"
            self._seconds[f"{module}::{case.get('name')}"] += float(case.get("time", 0))

    def tests_of(self, mutant: Mutant) -> tuple[list[str], float]:
        """Return the tests that ran the line of a mutant, shortest first, and the seconds that they take."""
        if mutant.file not in self._files:
            return [], 0.0
        if mutant.file not in self._lines:
            self._lines[mutant.file] = self._data.contexts_by_lineno(self._files[mutant.file])
        lines = self._lines[mutant.file]
        contexts = set(lines.get(mutant.line, ()))
        if contexts <= {""}:  # a line that runs when the file is imported, such as a limit
            contexts = {context for found in lines.values() for context in found}
        tests = sorted({c.partition("|")[0] for c in contexts if c}, key=lambda test: self._seconds[test])
        chosen, total = [], 0.0
        for test in tests:
            total += self._seconds[test]
            if chosen and total > TESTS_PER_MUTANT:
                break
            chosen.append(test)
        return chosen, total


def try_mutant(mutant: Mutant, tests: list[str], seconds: float) -> str:
    """Return what the tests say of a mutant in the copy of the checkout: killed, timeout or survived.

    Raises
    ------
    RuntimeError
        If the tests do not even run with sound files.
    """
    path = COPY / mutant.file
    sound = path.read_bytes()
    path.write_bytes(sound[: mutant.start] + mutant.new.encode() + sound[mutant.end :])
    try:
        code = _run(tests, seconds)
    finally:
        path.write_bytes(sound)
    # Anything but failed tests may be a fault of this script; a file that cannot be imported is one of the mutant.
    if code not in (None, 0, 1) and _run(tests, seconds) != 0:
        raise RuntimeError(f"the tests do not run: see {BUILD / 'log'}")
    return "timeout" if code is None else "killed" if code else "survived"


def _run(tests: list[str], seconds: float) -> int | None:
    """Run tests in a fork and return the exit code of pytest; None if they took far longer than before."""
    if not (child := os.fork()):
        code = 70
        try:
            os.setpgid(0, 0)
            with (BUILD / "log").open("w") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            import pytest

            # Libraries were imported before pytest could look into them.
            quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
            code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xvfb", *quiet, *tests]))
        finally:
            os._exit(code)
    deadline = time.monotonic() + PATIENCE + 4 * seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def make_copy() -> None:
    """Copy the checkout. A fault must not meet an older compiled file, so none is copied."""
    shutil.rmtree(COPY, ignore_errors=True)
    left_out = ("__pycache__", ".git", ".venv", "build", "dist", "results", "_build")
    shutil.copytree(ROOT, COPY, ignore=shutil.ignore_patterns(*left_out))


def main() -> None:
    """Try a sample of mutants, those not yet tried, and print which survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="try the survivors again, after tests were added")
    options = parser.parse_args()
    make_copy()
    if options.again or not (BUILD / "junit.xml").exists():
        measure_coverage()
    files = [p.relative_to(ROOT).as_posix() for f in FOLDERS for p in sorted((ROOT / f).rglob("*.py"))]
    every = [m for f in files if f not in LEFT_OUT for m in find_mutants(f, (ROOT / f).read_text(encoding="utf-8"))]
    sample = random.Random(options.seed).sample(every, min(options.count, len(every)))
    record = BUILD / "mutants.json"
    known = json.loads(record.read_text()) if record.exists() else []
    done = {json.dumps(k["mutant"]): k["outcome"] for k in known if not (options.again and k["outcome"] == "survived")}
    choice = Choice()
    for library in LIBRARIES:
        import_module(library)
    os.environ["PYTHONPATH"], os.environ["PYTHONDONTWRITEBYTECODE"] = str(COPY), "1"
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(COPY), str(COPY / "tests")]
    os.chdir(COPY)
    if _run(choice.tests_of(sample[0])[0], TESTS_PER_MUTANT) != 0:
        raise RuntimeError(f"the tests fail without a fault: see {BUILD / 'log'}")
    for number, mutant in enumerate(sample):
        key = json.dumps(asdict(mutant))
        if key not in done:
            tests, seconds = choice.tests_of(mutant)
            done[key] = try_mutant(mutant, tests, seconds) if tests else "survived"
            print(f"{number + 1}/{len(sample)} {done[key]} {mutant.file}:{mutant.line} {mutant.old} -> {mutant.new}")
            sys.stdout.flush()
            record.write_text(json.dumps([{"mutant": json.loads(k), "outcome": o} for k, o in done.items()], indent=1))
    outcomes = [done[json.dumps(asdict(m))] for m in sample]
    killed = len(outcomes) - outcomes.count("survived")
    print(f"{killed} of {len(sample)} killed ({killed / len(sample):.0%}), of {len(every)} mutants in all")
    shutil.rmtree(COPY)


if __name__ == "__main__":
    main()
