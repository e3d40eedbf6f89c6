"""Conditions on a report for pipelines: ``psnr>bicubic+1``, ``ssim>=0.9``, ``fluo-x2:psnr>lanczos``, ``answers``."""

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan

from napari_superres.errors import SettingsError
from napari_superres.evaluation.metrics.score import Row
from napari_superres.evaluation.reporting.findings import Findings
from napari_superres.evaluation.reporting.report import COLUMNS
from napari_superres.evaluation.reporting.verdict import each_once

_OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_FORM = re.compile(r"(?:(?P<who>[^:<>=]+):)?\s*(?P<metric>\w+)\s*(?P<sign>>=|<=|>|<)\s*(?P<limit>.+?)\s*")
_NOT_NUMBERS = ("image", "candidate", "channel")

_LISTED = 5
"""Answers that are listed where a gate is not met."""

ANSWERS, STRICT = "answers", "strict"
"""Gates on the answers of a report: none may be no; with the second, none may be doubtful either."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition and whether it was met.

    Attributes
    ----------
    text
        The condition as it was given.
    passed
        Whether every candidate that it concerns meets it.
    values
        The measured values and the limit, in words.
    """

    text: str
    passed: bool
    values: str


def check_gate(text: str, rows: Sequence[Row]) -> Gate:
    """Check a condition on the means over images, or on the row of a single image.

    Parameters
    ----------
    text
        ``[CANDIDATE:]METRIC > LIMIT``, also ``>=``, ``<``, ``<=``. METRIC is a column of the report. LIMIT is a number;
        or a candidate, whose metric is taken; or a candidate plus or minus a number. Without CANDIDATE, the condition
        concerns the result or, if there is none, every model.
    rows
        Rows of a report.

    Raises
    ------
    SettingsError
        If the text has another form, or names an unknown column or candidate.
    """
    form, overall = parse_gate(text), _overall(rows)
    metric = form["metric"]
    who = [form["who"].strip()] if form["who"] else [n for n, r in overall.items() if r["role"] == "judged"]
    who = [_full_name(n, overall) for n in who]
    if missing := [n for n in who if n not in overall]:
        raise SettingsError(
            f"gate {text!r}: unknown candidate {missing[0]!r}.", remedy=f"Candidates: {', '.join(overall)}."
        )
    if not overall or not who:
        raise SettingsError(f"gate {text!r}: nothing was measured.", remedy="Give a reference scan.")
    limit = _limit(form["limit"], metric, overall, text)
    compare = _OPERATORS[form["sign"]]
    values = {n: float(overall[n][metric]) for n in who}
    listed = ", ".join(f"{n} {v:.6g}" for n, v in values.items())
    return Gate(text, all(compare(v, limit) for v in values.values()), f"{metric} of {listed}; limit {limit:.6g}")


def check_answers(findings: Mapping[str, Findings], *, unjudged: Sequence[str] = (), strict: bool = False) -> Gate:
    """Check the answers of a report: none may be no, one at least must be yes, and every file must have some.

    Parameters
    ----------
    findings
        Findings of a report, by image.
    unjudged
        Files without an answer.
    strict
        Whether an answer that is doubtful counts as no.
    """
    denied = ("no", "doubtful") if strict else ("no",)
    answers = each_once({image: found.answers for image, found in findings.items()})
    bad = [f"{image}: {answer.question} {answer.state}" for image, answer in answers if answer.state in denied]
    bad += [f"{name}: not judged" for name in unjudged]
    known = sum(answer.state == "yes" for _, answer in answers)
    listed = "; ".join(bad[:_LISTED]) + (f"; and {len(bad) - _LISTED} more" if len(bad) > _LISTED else "")
    unknown = sum(answer.state == "not measurable" for _, answer in answers)
    values = listed or f"{known} of {len(answers)} answers are yes, {unknown} are not known"
    return Gate(STRICT if strict else ANSWERS, not bad and known > 0, values)


def check_names(texts: Sequence[str], candidates: Sequence[str]) -> None:
    """Raise the error that `check_gate` would raise, before anything is computed.

    Parameters
    ----------
    texts
        Conditions, without the gates on answers.
    candidates
        Names of all candidates that can be in the report.

    Raises
    ------
    SettingsError
        If a condition has another form, or names an unknown metric or candidate.
    """
    row = {"channel": "all", "image": "", "role": "judged"} | dict.fromkeys(COLUMNS[3:], nan)
    for text in texts:
        check_gate(text, [{**row, "candidate": name} for name in candidates])


def parse_gate(text: str) -> re.Match[str]:
    """Return the parts of a condition.

    Raises
    ------
    SettingsError
        If it has another form, or names an unknown metric.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise SettingsError(
            f"a gate must have the form METRIC>LIMIT, got {text!r}.",
            remedy="Write, for example, psnr>bicubic+1, ssim>=0.9 or answers.",
        )
    if form["metric"] not in COLUMNS or form["metric"] in _NOT_NUMBERS:
        known = ", ".join(c for c in COLUMNS if c not in _NOT_NUMBERS)
        raise SettingsError(f"gate {text!r}: unknown metric {form['metric']!r}.", remedy=f"Metrics: {known}.")
    return form


def _overall(rows: Sequence[Row]) -> dict[str, Row]:
    """Return one row per candidate: the mean over images, or the row of a single image."""
    overall: dict[str, Row] = {}
    for row in rows:
        if row["channel"] == "all" and (row["candidate"] not in overall or row["image"] == "mean"):
            overall[row["candidate"]] = row
    return overall


def _full_name(name: str, overall: dict[str, Row]) -> str:
    """Return a candidate's name in the rows, which says if its input was simulated."""
    return next((n for n in overall if n in (name, f"{name} (simulated input)")), name)


def _limit(text: str, metric: str, overall: dict[str, Row], gate: str) -> float:
    number = _number(text)
    if number is not None and isfinite(number):
        return number
    short = {name.removesuffix(" (simulated input)"): name for name in overall} | {name: name for name in overall}
    for name in sorted(short, key=len, reverse=True):  # names may contain '-' as well
        rest = text.removeprefix(name).replace(" ", "")
        if text.startswith(name) and (not rest or (rest[0] in "+-" and _number(rest) is not None)):
            return float(overall[short[name]][metric]) + (_number(rest) or 0.0)
    raise SettingsError(
        f"gate {gate!r}: the limit {text!r} is neither a number nor a candidate plus or minus a number.",
        remedy=f"Candidates: {', '.join(overall)}.",
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
