"""The entries of a journal, checked before they are used: a file may be damaged, or made by somebody else."""

import json
from dataclasses import asdict
from math import isfinite
from typing import Any, TypedDict, cast

from napari_superres.inference.engine.counts import Counts

FORMAT = 2
"""Changes whenever entries change: a program continues only what has its own format."""

_PLAN = {"tile": [int], "batch": int, "parallel": int, "device": str, "precision": str, "max_passes": int}
_HEADER = {
    "format": int,
    "version": str,
    "result": str,
    "statistics": (str, type(None)),
    "settings": [dict],
    "input": dict,
    "plans": [_PLAN],
    "asked": dict,
    "threads": int,
    "boxes": int,
}
_LINE = {"box": int, "counts": dict, "bad_chunks": [str], "files": dict}
_MOST_THREADS = 4096


class Line(TypedDict):
    """What a journal holds of a finished box.

    Attributes
    ----------
    box
        Its index.
    counts
        `Counts` of the run, as plain values.
    bad_chunks
        Chunks of the input that could not be read and were filled.
    files
        Sha256 of each of its files, by their names in the folder of the result.
    """

    box: int
    counts: dict[str, Any]
    bad_chunks: list[str]
    files: dict[str, str]


def as_header(text: bytes) -> dict[str, Any] | None:
    """Return the header in a line of text; None if it is damaged. That of another format is returned unchecked."""
    header = _parse(text)
    if header is None or header.get("format") != FORMAT:
        return header
    if not _fits(header, _HEADER) or not 0 < len(header["plans"]) == len(header["settings"]):
        return None
    threads = [header["threads"], *(plan["parallel"] for plan in header["plans"])]
    possible = all(0 < n <= _MOST_THREADS for n in threads) and all(plan["batch"] > 0 for plan in header["plans"])
    return header if possible else None


def as_line(text: bytes) -> Line | None:
    """Return the entry of a box in a line of text; None if it is damaged."""
    line = _parse(text)
    if line is None or not _fits(line, _LINE) or line["box"] < 0 or not _are_counts(line["counts"]):
        return None
    return cast("Line", line) if all(isinstance(digest, str) for digest in line["files"].values()) else None


def _parse(text: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _fits(value: Any, form: Any) -> bool:
    """Return whether a value has a type, or the entries of a dictionary or list of types."""
    if isinstance(form, dict):
        return isinstance(value, dict) and all(_fits(value.get(name), inner) for name, inner in form.items())
    if isinstance(form, list):
        return isinstance(value, list) and all(_fits(inner, form[0]) for inner in value)
    return isinstance(value, form) and not isinstance(value, bool)


def _are_counts(values: dict[str, Any]) -> bool:
    counts = asdict(Counts())
    if values.keys() != counts.keys() or any(type(values[name]) is not type(v) for name, v in counts.items()):
        return False
    numbers = [v for v in values.values() if isinstance(v, int | float)]
    return all(n >= 0 if isinstance(n, int) else isfinite(n) for n in numbers) and _fits(values["reduced"], [str])
