"""What the page shows of a report: verdict, cards, answers and tables, as plain values for the template."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, isnan
from typing import TYPE_CHECKING, NamedTuple

from napari_superres.evaluation.reporting.about import model_line, recorded_models
from napari_superres.evaluation.reporting.page.columns import APPENDIX, format_value, title
from napari_superres.evaluation.reporting.page.drawing import draw_exhibit
from napari_superres.evaluation.reporting.questions import Answer
from napari_superres.evaluation.reporting.verdict import SEVERITY, Verdict, advice, badness, judge, next_step

if TYPE_CHECKING:
    from napari_superres.evaluation.metrics.score import Row
    from napari_superres.evaluation.reporting.about import ModelRuns
    from napari_superres.evaluation.reporting.paper.methods import Methods
    from napari_superres.evaluation.reporting.report import Report

_CARDS = 8
"""Most cards: each holds pictures. The answers list the rest."""

_CLASSICAL = ("wiener", "richardson-lucy", "non-local-means", "nlm-richardson-lucy", "zero-filling")


class Card(NamedTuple):
    """A check that failed or is doubtful."""

    image: str
    answer: Answer
    place: str
    meaning: str
    remedy: str
    picture: str
    alt: str
    legend: str


class Cell(NamedTuple):
    """A number of a table, and whether it is the best of its column."""

    text: str
    best: bool = False


class Line(NamedTuple):
    """A row of a table."""

    label: str
    role: str
    cells: Sequence[Cell]


class Table(NamedTuple):
    """A table with a caption."""

    caption: str
    columns: Sequence[str]
    lines: Sequence[Line]


def verdict_of(report: "Report") -> Verdict:
    """Return the verdict on a report in one sentence."""
    answers = {name: findings.answers for name, findings in report.findings.items()}
    answers |= {file.name: tuple(file.answers) for file in report.files if file.answers}
    exhibits = {
        (name, question): exhibit
        for name, findings in report.findings.items()
        for question, exhibit in findings.exhibits.items()
    }
    verdict = judge(answers, exhibits)
    missing = len(report.unjudged)
    if missing:
        level = verdict.level if verdict.level in ("failed", "doubtful") else "open"
        return Verdict(level, f"{verdict.sentence} {_files(missing)} could not be judged.")
    return verdict


def about_lines(report: "Report") -> list[tuple[str, str]]:
    """Return who, what and when, as terms and texts."""
    about = report.about
    lines = [(role, name) for role, name in about.files.items()]
    many = len(about.many) > 1
    for runs in about.runs:
        of = f" ({_files(runs.count)})" if many else ""
        lines += [("model", model_line(model) + of) for model in recorded_models(runs.record)]
    if about.record and about.record.get("time_utc") and sum(runs.count for runs in about.many) < 2:
        lines.append(("result computed", str(about.record["time_utc"])))
    facts = {"report made": about.time_utc, "program": about.software, "command": about.command}
    return lines + [(term, text) for term, text in facts.items() if text]


def cards(report: "Report") -> list[Card]:
    """Return a card per failed check, then per doubtful one, the worst first."""
    found = []
    for name, findings in report.findings.items():
        for answer in findings.answers:
            if answer.state in ("no", "doubtful"):
                exhibit = findings.exhibits.get(answer.question)
                found.append((SEVERITY[answer.state], name, answer, exhibit))
    found.sort(key=lambda f: f[0])
    made = []
    for _, name, answer, exhibit in found[:_CARDS]:
        words = advice(answer)
        picture, alt, legend, place = "", "", "", ""
        if exhibit is not None:
            picture, place = draw_exhibit(exhibit), exhibit.place
            alt = f"{', '.join(exhibit.crops)} of the same field; a ring marks the place at {place}"
            legend = "One contrast for all images." + (f" Residual: {exhibit.residual}." if exhibit.residual else "")
        made.append(Card(name, answer, place, words.meaning, words.remedy, picture, alt, legend))
    return made


def matrix(report: "Report") -> tuple[list[str], list[tuple[str, list[Answer | None]]]]:
    """Return the questions, and a row of answers per image, the worst first."""
    groups = {name: list(findings.answers) for name, findings in report.findings.items()}
    questions = list(dict.fromkeys(a.question for group in groups.values() for a in group))
    rows = []
    for name, group in groups.items():
        of = {a.question: a for a in group}
        rows.append((name, [of.get(q) for q in questions]))
    rows.sort(key=lambda row: badness([a for a in row[1] if a]))
    return questions, rows


def unknowns(report: "Report") -> list[tuple[str, str, str, int]]:
    """Return what could not be checked: question, reason, what would help, and in how many images."""
    # A file that was examined has findings, too: it must not count twice.
    groups = [f.answers for f in report.findings.values()]
    groups += [tuple(f.answers) for f in report.files if f.name not in report.findings]
    counts: dict[tuple[str, str, str], int] = {}
    for answer in (a for group in groups for a in group if a.state == "not measurable"):
        key = (answer.question, answer.reason, next_step(answer))
        counts[key] = counts.get(key, 0) + 1
    merged: dict[str, tuple[str, str, str, int]] = {}
    for (question, reason, step), count in counts.items():
        before = merged.get(question)
        merged[question] = (question, reason, step, count + (before[3] if before else 0))
    return list(merged.values())


def short_tables(rows: "Sequence[Row]") -> list[Table]:
    """Return PSNR, SSIM and the gains of each candidate: of the means over images, or of each of a few images."""
    overall = [r for r in rows if r["channel"] == "all"]
    means = [r for r in overall if r["image"] == "mean"]
    images = list(dict.fromkeys(r["image"] for r in overall if r["image"] != "mean"))
    if means:
        return [_short_table(f"Means over {len(images)} images", means)]
    several = len(images) > 1
    return [_short_table(n if several else "", [r for r in overall if r["image"] == n]) for n in images]


def _short_table(caption: str, rows: "Sequence[Row]") -> Table:
    base = next((r["psnr"] for r in rows if r["candidate"].startswith("bicubic") and r["role"] == "baseline"), None)
    classical = [r["psnr"] for r in rows if r["candidate"] in _CLASSICAL and isfinite(r["psnr"])]
    best = max(classical, default=None)
    columns = {
        "PSNR / dB": [r["psnr"] for r in rows],
        "SSIM": [r["ssim"] for r in rows],
        "gain over bicubic / dB": [None if base is None else r["psnr"] - base for r in rows],
        "gain over the best classical method / dB": [None if best is None else r["psnr"] - best for r in rows],
    }
    lines = []
    for i, row in enumerate(rows):
        cells = []
        for name, values in columns.items():
            known = [v for v in values if v is not None and not isnan(v)]
            value = values[i]
            sign = "+" if name.startswith("gain") else ""
            text = "-" if value is None or isnan(value) else format(value, f"{sign}.{4 if name == 'SSIM' else 2}f")
            cells.append(Cell(text, len(known) > 1 and value == max(known)))
        lines.append(Line(row["candidate"], row["role"], cells))
    return Table(caption, list(columns), lines)


def objects_table(report: "Report") -> Table | None:
    """Return the objects that each candidate keeps, loses and invents; None if none were looked for."""
    if report.objects is None:
        return None
    head, *body = report.objects.cells()
    lines = [
        Line(", ".join(cells[:2]), row.role, [Cell(text) for text in cells[2:]])
        for cells, row in zip(body, report.objects.rows, strict=True)
    ]
    return Table("", head[2:], lines)


def denoising_line(rows: "Sequence[Row]") -> str:
    """Return how much of a gain over bicubic interpolation denoising alone gives; empty if it was not measured."""
    overall = [r for r in rows if r["channel"] == "all"]
    shown = [r for r in overall if r["image"] == "mean"] or overall
    if len({r["image"] for r in shown}) != 1:
        return ""
    of = {r["candidate"]: r["psnr"] for r in shown}
    judged = next((r for r in shown if r["role"] == "judged"), None)
    if judged is None or not all(isfinite(of.get(n, float("nan"))) for n in ("bicubic", "non-local-means")):
        return ""
    gain, quiet = judged["psnr"] - of["bicubic"], of["non-local-means"] - of["bicubic"]
    if not isfinite(gain):
        return ""
    return (
        f"Of {gain:+.2f} dB over bicubic interpolation, {quiet:+.2f} dB are reached by denoising the input and "
        f"interpolating it (non-local-means); {gain - quiet:+.2f} dB are more than that."
    )


def appendix(rows: "Sequence[Row]") -> Iterator[Table]:
    """Yield tables with all columns, each narrow enough for a sheet of A4."""
    several = len({r["channel"] for r in rows}) > 1
    for caption, columns in APPENDIX.items():
        lines = []
        for row in rows:
            label = f"{row['image']}, {row['candidate']}" + (f", channel {row['channel']}" if several else "")
            lines.append(Line(label, row.get("role", ""), [Cell(format_value(c, row[c])) for c in columns]))
        yield Table(caption, [title(c) for c in columns], lines)


class MethodsText(NamedTuple):
    """The methods of a paper on the results of one model, and which results these are."""

    scope: str
    methods: "Methods"
    has_own_checklist: bool


def methods_of(report: "Report") -> list[MethodsText]:
    """Return the methods text of each model; empty without records."""
    from napari_superres.errors import EvaluationError
    from napari_superres.evaluation.reporting.paper.methods import write_methods

    answers: Sequence[Answer] = (
        next((f.answers for f in report.findings.values()), ()) if len(report.findings) == 1 else ()
    )
    texts: list[MethodsText] = []
    for runs in report.about.runs:
        try:
            methods = write_methods(runs.record, rows=report.rows, answers=answers)
        except EvaluationError:  # The record is of another program, or damaged.
            continue
        is_new = all(methods.checklist != text.methods.checklist for text in texts)
        texts.append(MethodsText(_scope(report, runs), methods, is_new))
    return texts


def _scope(report: "Report", runs: "ModelRuns") -> str:
    """Return which results a methods text is on; empty if there is one result."""
    if not report.about.many:
        several = len(report.findings) > 1
        return "Of one of these results; the others may have other inputs, settings and models." if several else ""
    names = ", ".join(str(model.get("name", "?")) for model in recorded_models(runs.record))
    if runs.count == 1:
        return f"{names}: 1 file, {runs.name}." if len(report.files) > 1 else ""
    return f"{names}: {runs.count} files. Facts on the input and the settings are those of {runs.name}."


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def counted(states: Mapping[str, int]) -> str:
    """Return counts in words."""
    return ", ".join(f"{n} {state}" for state, n in states.items() if n)
