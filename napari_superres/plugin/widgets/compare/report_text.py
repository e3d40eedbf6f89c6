"""A report as text for the Compare widget: answers, conditions and the names of metrics; without Qt."""

from html import escape
from math import isfinite, isnan, nan
from typing import TYPE_CHECKING, NamedTuple

from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.widgets.common.card_html import link

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari_superres.evaluation import Report
    from napari_superres.evaluation.metrics.score import Row


class Metric(NamedTuple):
    """A line of the table.

    Attributes
    ----------
    key
        Key in a row of the report.
    name
        Name in the table.
    format
        Format of the values.
    more_is_better
        Whether the highest value is the best.
    tooltip
        What it measures.
    """

    key: str
    name: str
    format: str
    more_is_better: bool
    tooltip: str


_METRICS = (
    Metric("psnr", "PSNR (dB)", ".2f", True, "Peak signal-to-noise ratio: the mean squared error in decibels."),
    Metric("ssim", "SSIM", ".4f", True, "Structural similarity: 1 where local means, contrasts and patterns agree."),
    Metric("ms_ssim", "MS-SSIM", ".4f", True, "SSIM over five scales; not measured in images too small for them."),
    Metric("nrmse", "NRMSE", ".4f", False, "Root mean square error divided by the root mean square of the reference."),
    Metric("mae", "MAE", ".4g", False, "Mean absolute error in the unit of the intensities."),
    Metric("hfen", "HFEN", ".4f", False, "High-frequency error norm: relative error of edges and fine detail."),
    Metric("pearson", "r", ".4f", True, "Pearson correlation; not affected by gain and offset."),
)
ALL = "all"
"""Link that shows or hides all reasons."""
# Shapes, because not everybody sees the colours.
_MARKS = {"yes": "●", "no": "■", "doubtful": "▲", "not measurable": "○"}
_ALIGNED = "after the best gain and offset, so that differences in brightness and contrast do not count"
# Contrast of at least 3 : 1 on the panels of napari's dark and light theme.
_COLORS = {"yes": "#2a8f45", "no": "#dd4a40", "doubtful": "#b47700", "not measurable": "#808080"}


def headline(report: "Report") -> str:
    """Return the PSNR of the result and that of the best classical method; empty where they were not measured."""
    rows = [row for row in report.rows if row["channel"] in ("all", report.rows[0]["channel"])]
    overall = [row for row in rows if row["channel"] == "all"] or rows
    judged = next((row["psnr"] for row in overall if row["role"] == "judged"), nan)
    best = max((row["psnr"] for row in overall if row["role"] == "baseline" and isfinite(row["psnr"])), default=nan)
    if isnan(judged):
        return ""
    return f"{judged:.1f} dB" + ("" if isnan(best) else f", best classical {best:.1f}: {judged - best:+.1f}")


def verdict_html(report: "Report") -> str:
    """Return the verdict as rich text: the numbers in one line, then the answers in one sentence."""
    numbers = headline(report)
    sentence = escape(window_text(report.verdict().sentence))
    return f"<b>{numbers}</b><br>{sentence}" if numbers else f"<b>{sentence}</b>"


def answer_count(report: "Report") -> int:
    """Return the number of answers."""
    return sum(len(finding.answers) for finding in report.findings.values())


def answers_html(report: "Report", opened: "Collection[int]") -> str:
    """Return the questions of a report with their answers as rich text: a mark, the answer, a link to its reason.

    Parameters
    ----------
    report
        The report.
    opened
        Numbers of the answers whose reasons are shown. The links are these numbers, and ``all``.
    """
    lines = list[str]()
    for finding in report.findings.values():
        for answer in finding.answers:
            number = len(lines)
            is_open = number in opened
            reason = f"<br>{escape(window_text(answer.reason))}" if is_open else ""
            lines.append(
                f'<tr><td style="color: {_COLORS[answer.state]}">{_MARKS[answer.state]}&nbsp;</td>'
                f"<td>{escape(answer.question)} <b>{answer.state}</b> "
                f"{link(str(number), 'hide' if is_open else 'why?')}{reason}</td></tr>"
            )
    every = "Hide all reasons" if len(opened) == len(lines) else "Show all reasons"
    table = f'<table cellspacing="0" cellpadding="2">{"".join(lines)}</table>'
    return f"{table}{link(ALL, every)}" if lines else ""


def channels_html(channel: str, others: "Sequence[str]") -> str:
    """Return a line that says which channel of a file is judged, with links to the others; empty without others."""
    if not others:
        return ""
    names = ", ".join(link(str(number), name) for number, name in enumerate(others))
    return f"Only the channel {escape(channel)} was judged. Judge another one: {names}"


def conditions_text(report: "Report") -> str:
    """Return how the numbers of a report were computed, and its notes, in lines."""
    rules, lines = report.conventions, list[str]()
    if report.rows:
        lines.append(f"Convention {rules['convention']}: {rules['values']}.")
        lines.append(f"Data range: {rules['data_range']}. Aligned: {_ALIGNED}.")
    return "\n".join([*lines, *(f"{window_text(note)}." for note in report.notes)])


def metrics() -> list[Metric]:
    """Return the lines of the table: the metrics as they are, then those after the best gain and offset."""
    aligned = [
        metric._replace(
            key=f"{metric.key}_aligned", name=f"{metric.name} aligned", tooltip=f"{metric.tooltip} Aligned: {_ALIGNED}."
        )
        for metric in _METRICS
        if metric.key != "pearson"
    ]
    return [*_METRICS, *aligned]


def heading(row: "Row", *, several_channels: bool) -> str:
    """Return a narrow heading in lines: candidate, channel if there are several, and whether it is a baseline."""
    lines = [str(row["candidate"]).replace(", ", ",\n").replace(" (", "\n(")]
    lines += [str(row["channel"])] if several_channels else []
    lines += ["baseline"] if row["role"] == "baseline" else []
    return "\n".join(lines)


def value_text(row: "Row", metric: Metric) -> str:
    """Return the value of a metric in a row; a dash where it was not measured."""
    value = row[metric.key]
    return "-" if isnan(value) else format(value, metric.format)


def is_best(row: "Row", rows: "Sequence[Row]", metric: Metric) -> bool:
    """Whether a row has the best value of its channel; False where all values are equal."""
    values = {r[metric.key] for r in rows if r["channel"] == row["channel"] and not isnan(r[metric.key])}
    return len(values) > 1 and row[metric.key] == (max if metric.more_is_better else min)(values)
