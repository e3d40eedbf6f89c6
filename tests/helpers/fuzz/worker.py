"""The process that reads damaged files.

It reads lines from its input, seed and number of a case or the name of a bomb, and answers each with a line of JSON.

What libraries print goes nowhere: answers have a handle of their own.
"""

import json
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_superres.errors import SuperResError
from napari_superres.limits import COPIES, SPARE_BYTES

BOMB = "bomb "
"""Before the name of a bomb."""

MOST_BYTES = COPIES * SPARE_BYTES + 2**26
"""Growth of the process that is allowed while it reads: the rule, for files that are far smaller than its spare, and
what libraries need for themselves."""


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    from helpers.fuzz.bombs import bomb
    from helpers.fuzz.case import write_case, write_files
    from helpers.fuzz.kinds import KINDS, use_image

    use: Callable[[Path], None]

    warnings.simplefilter("ignore")
    samples = {kind.name: kind.samples() for kind in KINDS}
    with tempfile.TemporaryDirectory(prefix="superres-fuzz-") as name:
        folder = Path(name) / "case"
        for kind in KINDS:
            # Libraries are imported, and threads started, before anything is measured. Sound files must be read.
            for sample in samples[kind.name]:
                folder.mkdir()
                write_files(folder, sample.files)
                kind.use(folder / sample.main)
                shutil.rmtree(folder)
        os.dup2(nothing, 2)
        print(json.dumps({"ready": _memory()}), file=answers, flush=True)
        for line in sys.stdin:
            folder.mkdir()
            if line.startswith(BOMB):
                hostile, use = bomb(line.removeprefix(BOMB).rstrip("\n")), use_image
                write_files(folder, hostile.files)
                path = folder / hostile.main
            else:
                seed, index = map(int, line.split())
                kind = KINDS[index % len(KINDS)]
                use, path = kind.use, write_case(kind, samples[kind.name], seed, index, folder)
            print(json.dumps(_outcome(use, path)), file=answers, flush=True)
            shutil.rmtree(folder, ignore_errors=True)


def _outcome(use: Any, path: Path) -> dict[str, Any]:
    before, started = _memory(), time.process_time()
    error, where = "", ""
    try:
        use(path)
        outcome = "read"
    except SuperResError as caught:
        outcome, error = "refused", f"{type(caught).__name__}: {caught}"
        if "\n" in error or _has_memory_error(caught):
            outcome, where = "foreign", "".join(traceback.format_exception(caught))[-3000:]
    except BaseException as caught:  # noqa: BLE001 - whatever comes is reported
        outcome, error = "foreign", f"{type(caught).__name__}: {caught}"
        where = traceback.format_exc()[-3000:]
    after = _memory()
    # The largest size so far tells of this case only if the case enlarged it.
    growth = after["VmPeak"] - before["VmSize"] if after["VmPeak"] > before["VmPeak"] else 0
    if growth > MOST_BYTES and outcome != "foreign":
        outcome = "large"
    return {
        "outcome": outcome,
        "error": error[:600],
        "where": where,
        "bytes": growth,
        "seconds": time.process_time() - started,
    }


def _has_memory_error(error: BaseException | None) -> bool:
    """Return whether an allocation that failed is behind an error."""
    while error is not None:
        if isinstance(error, MemoryError) or "llocat" in str(error):
            return True
        error = error.__cause__
    return False


def _memory() -> dict[str, int]:
    """Return the present and the largest size of the process in bytes; zeros where the system does not tell."""
    found = {"VmPeak": 0, "VmSize": 0}
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return found
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) * 1024
    return found


if __name__ == "__main__":
    main()
