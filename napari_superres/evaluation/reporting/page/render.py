"""Fill the template of the page.

Settings and functions in texts, which stand in backticks, are shown as code.
"""

from importlib.resources import files
from typing import TYPE_CHECKING

from napari_superres.errors import spelled
from napari_superres.evaluation.reporting.page import contents, figures
from napari_superres.evaluation.reporting.verdict import next_step

if TYPE_CHECKING:
    from napari_superres.evaluation.reporting.report import Report

MARKS = {"yes": "✓", "no": "✗", "doubtful": "!", "not measurable": "?"}
WORDS = {"yes": "yes", "no": "no", "doubtful": "doubtful", "not measurable": "not known"}
_LEVELS = {"failed": "✗", "doubtful": "!", "open": "?", "passed": "✓"}

_DETAILED, _DRAWN = 30, 3
"""Images whose reasons are listed, and whose maps and curves are drawn: the worst ones. Of many files, one is drawn."""

_BLIND = (
    "Structure finer than the point-spread function of the input, such as one line drawn as two: the input cannot deny "
    "it.",
    "Whether the image shows what you want to know: no number tells that.",
)


def render(report: "Report") -> str:
    """Return the page of a report."""
    from jinja2 import Environment

    folder = files("napari_superres.evaluation.reporting.page")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["code"] = _with_code
    template = environment.from_string((folder / "template.html").read_text(encoding="utf-8"))
    questions, rows = contents.matrix(report)
    listed = sorted(report.files, key=lambda file: file.severity)
    states = [file.status for file in listed]
    return template.render(
        style=_safe((folder / "style.css").read_text(encoding="utf-8")),
        marks=MARKS,
        words=WORDS,
        levels=_LEVELS,
        next_step=next_step,
        verdict=contents.verdict_of(report),
        about=contents.about_lines(report),
        cards=contents.cards(report),
        several=len(report.findings) > 1,
        files=listed,
        counts=contents.counted({s: states.count(s) for s in ("done", "skipped", "failed")}),
        questions=questions,
        rows_of_answers=[] if listed else rows,
        detailed=rows[:_DETAILED],
        tables=contents.short_tables(report.rows),
        objects=contents.objects_table(report),
        denoising=contents.denoising_line(report.rows),
        comparisons=report.verdicts(),
        unknowns=contents.unknowns(report),
        blind=_BLIND,
        methods=contents.methods_of(report),
        gallery=_gallery(report, [name for name, _ in rows[: 1 if listed else _DRAWN]]),
        conventions=report.conventions,
        notes=[*report.notes, *(report.objects.notes() if report.objects else ())],
        failures=report.failures,
        appendix=list(contents.appendix(report.rows)) if report.rows else [],
    )


def _gallery(report: "Report", names: list[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return titles of sections, each with captions and pictures as data URIs."""
    sections = [("Over all images", pictures)] if (pictures := figures.of_rows(report.rows)) else []
    for name in names:
        if report.findings[name].maps:
            sections.append((f"Maps and curves: {name}", figures.of_findings(report.findings[name])))
    if report.calibration is not None:
        sections.append(("Error bars", figures.of_calibration(report.calibration)))
    return sections


def _safe(text: str) -> str:
    from markupsafe import Markup

    return Markup(text)


def _with_code(text: str) -> str:
    """Return a text as HTML, with its settings and functions as code."""
    from markupsafe import Markup, escape

    # Escaped first: only the tags that are added here are tags.
    return Markup(
        spelled(
            str(escape(text)),
            lambda name, value: f"<code>{name}{f'={value}' if value else ''}</code>",
            lambda name: f"<code>{name}()</code>",
        )
    )
