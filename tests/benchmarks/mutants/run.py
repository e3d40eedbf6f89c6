"""Measure how many small faults the quick tests find: mutation testing of a sample of `core` and `inference`.

A mutant is a copy of the program with one fault: another operator, number, condition or return value. Some of the tests
that run its line must fail. ``make mutants`` writes what it found to ``build/mutants/mutants.json`` and goes on there
when it was stopped. Each mutant runs in a fork of a process that has imported the libraries but nothing of the program,
and meets the quickest tests of its line first, so that it takes seconds.

Which tests run which line is measured once for each file of tests, and again only after the file, or a file of the
program that it runs, was changed.

``equivalent.toml`` names the mutants that no user can tell from the program, with the reason. They are not counted.

The method is of DeMillo, Lipton and Sayward 1978, doi:10.1109/C-M.1978.218136.
"""

import argparse
import ast
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
BUILD = ROOT / "build" / "mutants"
COPY = BUILD / "copy"
FOLDERS = ("napari_superres/core", "napari_superres/inference")
TESTS = ("tests/core", "tests/inference")
QUICK = "not slow and not docs and not gui"
# Only a GPU runs it.
LEFT_OUT = {"napari_superres/inference/machine/cuda_pipeline.py"}
SETTINGS = tomllib.loads(Path(__file__).with_name("equivalent.toml").read_text(encoding="utf-8"))
# Seconds. The tests of a mutant are the quickest that run its line, as far as they fit; a file of tests is measured
# for so long, and what it did not reach by then is not among the tests of a mutant.
TESTS_PER_MUTANT, TESTS_PER_SURVIVOR, PATIENCE, MEASURE_FILE = 15.0, 120.0, 30.0, 45.0

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


class Watch:
    """Plug-in of pytest that keeps which lines each test runs, and how long the test takes.

    Attributes
    ----------
    seconds
        Of each test that passed, by its name.
    """

    def __init__(self) -> None:
        from coverage import Coverage

        folders = [str(COPY / folder) for folder in FOLDERS]
        self._coverage = Coverage(data_file=None, config_file=False, source=folders)
        self._end = time.monotonic() + MEASURE_FILE
        self.seconds: dict[str, float] = {}
        self._coverage.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Count the lines for this test from here on."""
        self._coverage.switch_context(nodeid)
        self.seconds[nodeid] = 0.0

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add the time of a part of a test; forget tests that fail without a fault."""
        if not report.passed:
            self.seconds.pop(report.nodeid, None)
        elif report.nodeid in self.seconds:
            self.seconds[report.nodeid] += report.duration

    def pytest_runtest_teardown(self, item: Any) -> None:
        """End when the time is over."""
        if time.monotonic() > self._end:
            item.session.shouldstop = "enough"

    def record(self, test_file: str) -> dict[str, Any]:
        """Return the digests of the files, the seconds of the tests, and the tests of each line."""
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {}
        for file in data.measured_files():
            contexts = {str(n): [c for c in found if c] for n, found in data.contexts_by_lineno(file).items()}
            lines[Path(file).relative_to(COPY).as_posix()] = contexts
        digests = {name: _digest(name) for name in (test_file, *lines)}
        return {"digests": digests, "seconds": self.seconds, "lines": lines}


def _digest(name: str) -> str:
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def measure_file(test_file: str) -> Path | None:
    """Return the file that says which tests of this file run which lines; measure that if it is not known.

    Returns
    -------
    Path | None
        None if the tests do not end.
    """
    path = BUILD / "lines" / (test_file.replace("/", ".") + ".json")
    if path.exists():
        known: dict[str, str] = json.loads(path.read_text())["digests"]
        if all((ROOT / name).exists() and _digest(name) == digest for name, digest in known.items()):
            return path

    def measure() -> int:
        watch = Watch()
        code = _pytest(["-m", QUICK, test_file], watch)
        path.write_text(json.dumps(watch.record(test_file)))
        return code

    path.parent.mkdir(exist_ok=True)
    begin = time.monotonic()
    code = _fork(measure, 5 * MEASURE_FILE)
    print(f"{test_file}: {time.monotonic() - begin:.0f} s, exit code {code}", flush=True)
    return path if path.exists() else None


class Choice:
    """Which tests run a line, and how long they take."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[int, set[str]]] = {}
        self._seconds: dict[str, float] = {}
        files = [p for folder in TESTS for p in (ROOT / folder).rglob("test_*.py")]
        for file in sorted(files, key=lambda p: p.stat().st_size):
            if path := measure_file(file.relative_to(ROOT).as_posix()):
                self._add(json.loads(path.read_text()))

    def _add(self, measured: dict[str, Any]) -> None:
        self._seconds |= measured["seconds"]
        for file, lines in measured["lines"].items():
            for line, tests in lines.items():
                known = self._lines.setdefault(file, {}).setdefault(int(line), set())
                known.update(test for test in tests if test in measured["seconds"])

    def tests_of(self, mutant: Mutant, limit: float) -> tuple[list[str], float]:
        """Return the tests that run the line of a mutant, quickest first, as far as they take ``limit`` seconds."""
        lines = self._lines.get(mutant.file, {})
        tests = lines.get(mutant.line, set())
        if not tests:  # a line that runs when the file is imported, such as a limit
            tests = {test for found in lines.values() for test in found}
        # Names break ties, so that a sample is the same on every run.
        chosen, total = [], 0.0
        for test in sorted(tests, key=lambda test: (self._seconds[test], test)):
            total += self._seconds[test]
            if chosen and total > limit:
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
        code = _fork(lambda: _pytest(["-x", *tests]), PATIENCE + 4 * seconds)
    finally:
        path.write_bytes(sound)
    # Anything but failed tests may be a fault of this script; a file that cannot be imported is one of the mutant.
    if code not in (None, 0, 1) and _fork(lambda: _pytest(["-x", *tests]), PATIENCE + 4 * seconds) != 0:
        raise RuntimeError(f"the tests do not run: see {BUILD / 'log'}")
    return "timeout" if code is None else "killed" if code else "survived"


def _pytest(options: list[str], *plugins: object) -> int:
    """Run tests in this process and return the exit code."""
    import pytest
    from hypothesis import settings

    # The same examples on each run, and no limit of time: the machine may be busy.
    settings.register_profile("mutants", deadline=None, derandomize=True, database=None)
    settings.load_profile("mutants")
    # Libraries were imported before pytest could look into them.
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    left_out = [
        f"-pno:{name}" for name in ("cacheprovider", "xvfb", "pytest-qt", "napari", "napari-plugin-engine", "npe2")
    ]
    return int(pytest.main(["-q", *left_out, *quiet, *options], plugins=list(plugins)))


def _fork(work: Callable[[], int], seconds: float) -> int | None:
    """Do work in a fork and return its exit code; None if it takes longer than these seconds."""
    if not (child := os.fork()):
        code = 70
        try:
            os.setpgid(0, 0)
            with (BUILD / "log").open("w") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            code = work()
        finally:
            os._exit(code)
    deadline = time.monotonic() + seconds
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


def reason_of(mutant: Mutant) -> str | None:
    """Return why no user can tell a mutant from the program, if that is known."""
    line = (ROOT / mutant.file).read_text(encoding="utf-8").splitlines()[mutant.line - 1]
    for known in SETTINGS["equivalent"]:
        if mutant.file.endswith(known["file"]) and known["line"] in line and mutant.old == known["old"]:
            return str(known["reason"])
    return None


def main() -> None:
    """Try a sample of mutants, those not yet tried, and print which survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="try the survivors again, with more tests")
    options = parser.parse_args()
    make_copy()
    os.environ["PYTHONPATH"], os.environ["PYTHONDONTWRITEBYTECODE"] = str(COPY), "1"
    sys.dont_write_bytecode = True
    sys.path[:] = [str(COPY), str(COPY / "tests"), *(p for p in sys.path if Path(p).resolve() != ROOT)]
    os.chdir(COPY)
    for library in SETTINGS["libraries"]:
        import_module(library)
    choice = Choice()
    files = [p.relative_to(ROOT).as_posix() for f in FOLDERS for p in sorted((ROOT / f).rglob("*.py"))]
    every = [m for f in files if f not in LEFT_OUT for m in find_mutants(f, (ROOT / f).read_text(encoding="utf-8"))]
    sample = random.Random(options.seed).sample(every, min(options.count, len(every)))
    record = BUILD / "mutants.json"
    known = json.loads(record.read_text()) if record.exists() else []
    done = {json.dumps(k["mutant"]): k["outcome"] for k in known if not (options.again and k["outcome"] == "survived")}
    for number, mutant in enumerate(sample):
        key = json.dumps(asdict(mutant))
        if key not in done:
            limit = TESTS_PER_SURVIVOR if options.again else TESTS_PER_MUTANT
            tests, seconds = choice.tests_of(mutant, limit)
            begin = time.monotonic()
            done[key] = try_mutant(mutant, tests, seconds) if tests else "survived"
            place = f"{mutant.file}:{mutant.line} {mutant.old} -> {mutant.new}"
            tried = f"{len(tests)} tests, {time.monotonic() - begin:.0f} s"
            print(f"{number + 1}/{len(sample)} {done[key]} {place} ({tried})", flush=True)
            record.write_text(json.dumps([{"mutant": json.loads(k), "outcome": o} for k, o in done.items()], indent=1))
    report(sample, done, len(every))
    shutil.rmtree(COPY)


def report(sample: list[Mutant], done: dict[str, str], count: int) -> None:
    """Print how many mutants of the sample were killed, and those that survived."""
    survivors = [m for m in sample if done[json.dumps(asdict(m))] == "survived"]
    reasons = {m: reason for m in survivors if (reason := reason_of(m))}
    for m in survivors:
        print(f"survived {m.file}:{m.line} {m.old} -> {m.new}{': ' + reasons[m] if m in reasons else ''}")
    killed, counted = len(sample) - len(survivors), len(sample) - len(reasons)
    print(f"{killed} of {counted} killed ({killed / counted:.0%}); {len(reasons)} more are equivalent; {count} in all")


if __name__ == "__main__":
    main()
