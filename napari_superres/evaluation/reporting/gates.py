"""Conditions on a report for pipelines: ``psnr>bicubic+1``, ``ssim>=0.9``, ``fluo-x2:psnr>lanczos``."""

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass

from napari_superres.errors import SettingsError
from napari_superres.evaluation.metrics.score import Row
from napari_superres.evaluation.reporting.report import COLUMNS

_OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_FORM = re.compile(r"(?:(?P<who>[^:<>=]+):)?\s*(?P<metric>\w+)\s*(?P<sign>>=|<=|>|<)\s*(?P<limit>.+?)\s*")
_NOT_NUMBERS = ("image", "candidate", "channel")


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition and whether it was met.

    Attributes
    ----------
    text
        As it was given.
    passed
        Whether every candidate that it is about meets it.
    found
        What was found, in words.
    """

    text: str
    passed: bool
    found: str


def check_gate(text: str, rows: Sequence[Row]) -> Gate:
    """Check a condition on the means over images (of one image, on its row).

    Parameters
    ----------
    text
        ``[CANDIDATE:]METRIC > LIMIT``, also ``>=``, ``<``, ``<=``. METRIC is a column of the report; LIMIT a number,
        a candidate whose metric is taken, or one with a number added or taken off. Without CANDIDATE it is about the
        result, or where there is none, about every model.
    rows
        Of a report.

    Raises
    ------
    SettingsError
        If the text has another form, or names a column or candidate that is not there.
    """
    form, overall = parse_gate(text), _overall(rows)
    metric = form["metric"]
    who = [form["who"].strip()] if form["who"] else [n for n, r in overall.items() if r["role"] == "judged"]
    who = [_called(n, overall) for n in who]
    if missing := [n for n in who if n not in overall]:
        raise SettingsError(f"gate {text!r}: there is no candidate {missing[0]}. There are: {', '.join(overall)}.")
    if not overall or not who:
        raise SettingsError(f"gate {text!r}: nothing was measured that it could be about. Give a reference scan.")
    limit = _limit(form["limit"], metric, overall, text)
    compare = _OPERATORS[form["sign"]]
    values = {n: float(overall[n][metric]) for n in who}
    found = ", ".join(f"{n} {v:.6g}" for n, v in values.items())
    return Gate(text, all(compare(v, limit) for v in values.values()), f"{metric} of {found}; limit {limit:.6g}")


def parse_gate(text: str) -> re.Match[str]:
    """Return the parts of a condition; so that it is refused before anything is computed.

    Raises
    ------
    SettingsError
        If it has another form, or names a metric that is not there.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise SettingsError(f"a gate is METRIC>LIMIT such as psnr>bicubic+1 or ssim>=0.9, got {text!r}.")
    if form["metric"] not in COLUMNS or form["metric"] in _NOT_NUMBERS:
        known = ", ".join(c for c in COLUMNS if c not in _NOT_NUMBERS)
        raise SettingsError(f"gate {text!r}: there is no metric {form['metric']}. There are: {known}.")
    return form


def _overall(rows: Sequence[Row]) -> dict[str, Row]:
    """Return one row per candidate: the mean over images where there is one."""
    found: dict[str, Row] = {}
    for row in rows:
        if row["channel"] == "all" and (row["candidate"] not in found or row["image"] == "mean"):
            found[row["candidate"]] = row
    return found


def _called(name: str, overall: dict[str, Row]) -> str:
    """Return a candidate's full name: those of a simulated input say so."""
    return next((n for n in overall if n in (name, f"{name} (simulated input)")), name)


def _limit(text: str, metric: str, overall: dict[str, Row], gate: str) -> float:
    number = _number(text)
    if number is not None:
        return number
    short = {name.removesuffix(" (simulated input)"): name for name in overall} | {name: name for name in overall}
    for name in sorted(short, key=len, reverse=True):  # names hold '-' too
        rest = text.removeprefix(name).replace(" ", "")
        if text.startswith(name) and (not rest or (rest[0] in "+-" and _number(rest) is not None)):
            return float(overall[short[name]][metric]) + (_number(rest) or 0.0)
    raise SettingsError(
        f"gate {gate!r}: {text!r} is neither a number nor one of {', '.join(overall)}, with a number added or not."
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
