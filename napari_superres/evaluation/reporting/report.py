"""`Report`: rows, answers and notes of an evaluation, and the conventions that they follow; as JSON, CSV and HTML."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from math import isinf, isnan
from pathlib import Path
from typing import Any

from napari_superres.core.notebook import as_table
from napari_superres.errors import spelled
from napari_superres.evaluation.metrics.paired import Comparison
from napari_superres.evaluation.metrics.score import Row
from napari_superres.evaluation.reporting.about import About, FileSummary
from napari_superres.evaluation.reporting.findings import Findings
from napari_superres.evaluation.reporting.objects import ObjectFindings
from napari_superres.evaluation.reporting.page.columns import COLUMNS, IN_TEXT, format_value, title
from napari_superres.evaluation.reporting.page.contents import verdict_of
from napari_superres.evaluation.reporting.page.render import render
from napari_superres.evaluation.reporting.paper.figure import save_figure
from napari_superres.evaluation.reporting.verdict import Verdict, each_once
from napari_superres.evaluation.uncertainty.calibration import Calibration
from napari_superres.storage.atomic import write_text

__all__ = ["COLUMNS", "Report", "report_schema"]

_SHOWN = 12
"""Scores, and answers, that a notebook shows."""


@dataclass(frozen=True, slots=True)
class Report:
    """Metrics of one or more images, always including the interpolated input.

    Attributes
    ----------
    rows
        One row per image, candidate and channel, with the keys of `COLUMNS`. Channel ``"all"`` is the mean over
        channels, image ``"mean"`` the mean over images. PSNR is in dB, MAE and offset in the reference's intensity
        unit. ``*_aligned`` is measured on ``gain * candidate + offset``. ``invalid`` counts the pixels left out
        because they are not finite, ``constant`` the planes left out because their reference is constant. ``planes``
        holds the metrics of each plane of a stack. NaN: not measurable.
    conventions
        Which values were compared and how, in words.
    notes
        What was assumed or cut off, and what looks wrong, in sentences. Settings stand in backticks.
    failures
        ``{"image", "reason"}`` of each image that could not be compared.
    comparisons
        Each candidate compared with bicubic interpolation, over all images.
    findings
        Measurements beyond metrics, by image; of a folder, with maps only where the result gains least and most over
        interpolation.
    calibration
        Calibration of the error bars, if one was given.
    about
        Who, what and when: files, model, program, command.
    files
        One line on each of many results without references.
    objects
        Objects kept, lost and invented, if they were asked for.
    """

    rows: list[Row]
    conventions: Mapping[str, str]
    notes: Sequence[str] = ()
    failures: Sequence[Mapping[str, str]] = field(default=())
    comparisons: Sequence[Comparison] = ()
    findings: Mapping[str, Findings] = field(default_factory=dict)
    calibration: Calibration | None = None
    about: About = field(default_factory=About)
    files: Sequence[FileSummary] = ()
    objects: ObjectFindings | None = None

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the report as JSON, and write it if a path is given.

        NaN becomes null and an infinite PSNR (equal images) the text ``"inf"``, as JSON has neither. `report_schema`
        describes the document. Texts name settings as Python keywords, without backticks.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        document = {
            "schema": 1,
            "about": _plain(self.about.to_dict()),
            "verdict": _without_backticks(self.verdict().sentence),
            "conventions": dict(self.conventions),
            "notes": [_without_backticks(note) for note in self.notes],
            "rows": [{k: _plain(v) for k, v in row.items()} for row in self.rows],
            "comparisons": [_plain(asdict(c)) for c in self.comparisons],
            "findings": {name: _plain(_document(findings)) for name, findings in self.findings.items()},
            "calibration": None if self.calibration is None else _plain(self.calibration.summary()),
            "files": [_plain(_file(file)) for file in self.files],
            "objects": None if self.objects is None else _plain(self.objects.to_dict()),
            "failures": [{**f, "reason": _without_backticks(f["reason"])} for f in self.failures],
        }
        return _write(json.dumps(document, indent=2, ensure_ascii=False) + "\n", path)

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return the rows as CSV with a header line, and write them if a path is given."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in self.rows:
            writer.writerow(["" if v is None else v for v in (_plain(row[c]) for c in COLUMNS)])
        return _write(out.getvalue(), path)

    def to_html(self, path: str | Path | None = None) -> str:
        """Return one self-contained HTML page, and write it if a path is given."""
        return _write(render(self), path)

    def to_figure(self, path: str | Path) -> None:
        """Write a figure for a paper: input, interpolation, result and reference of the first image at one contrast.

        Parameters
        ----------
        path
            File whose name ends in ``.svg`` or ``.png``.

        Raises
        ------
        EvaluationError
            If no image was examined.
        SettingsError
            If the name ends otherwise.
        OutputError
            If the file cannot be written.
        """
        save_figure(self.findings, self.about, Path(path))

    @property
    def unjudged(self) -> tuple[str, ...]:
        """Names of the files that no answer is about."""
        failed = [failure["image"] for failure in self.failures]
        return tuple(dict.fromkeys([*failed, *(f.name for f in self.files if f.status == "failed" or not f.answers)]))

    def verdict(self) -> Verdict:
        """Return the verdict on everything in one sentence."""
        return verdict_of(self)

    def table(self) -> str:
        """Return the rows as aligned plain text, with answers, conventions and notes below."""
        if not self.rows:
            return "\n".join([self.verdict().sentence, *self._listed_files(), *self._footnotes()])
        usual = {"channel": "all", "constant": 0}
        columns = [c for c in IN_TEXT if c not in usual or any(row[c] != usual[c] for row in self.rows)]
        cells = [[title(c) for c in columns]] + [[format_value(c, row[c]) for c in columns] for row in self.rows]
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        lines = [
            "  ".join(
                text.ljust(w) if c in ("image", "candidate", "channel") else text.rjust(w)
                for c, text, w in zip(columns, line, widths, strict=True)
            ).rstrip()
            for line in cells
        ]
        lines.insert(1, "-" * max(len(line) for line in lines))
        objects = [] if self.objects is None else ["", self.objects.table(), ""]
        return "\n".join([self.verdict().sentence, *lines, *objects, *self._footnotes()])

    def _repr_html_(self) -> str:
        """Show the verdict, the scores over all channels and the answers in a notebook; of many images, the first."""
        rows = [row for row in self.rows if row["channel"] == "all"]
        answers = each_once({name: found.answers for name, found in self.findings.items()})
        scores = [(f"{row['candidate']}, {row['image']}", format_value("psnr", row["psnr"]) + " dB") for row in rows]
        told = [(answer.question, f"{answer.state}: {_without_backticks(answer.reason)}") for _, answer in answers]
        left = len(scores) + len(told) - 2 * _SHOWN
        more = [("and more", "to_html() writes all of it")] if left > 0 else []
        return as_table("Report", [*scores[:_SHOWN], *told[:_SHOWN], *more], lead=self.verdict().sentence)

    def verdicts(self) -> list[str]:
        """Return the comparisons over several images in words; one image decides nothing."""
        return [str(c) for c in self.comparisons if c.images > 1]

    def _listed_files(self) -> list[str]:
        """Return a line per file without a reference, the worst first."""
        lines = []
        for file in sorted(self.files, key=lambda f: f.severity):
            found = [f"{a.question} {a.state}" for a in file.answers]
            lines.append("; ".join([f"{file.name}: {file.message or file.status}", *found, *file.warnings]))
        return lines

    def _footnotes(self) -> list[str]:
        lines = []
        answers = each_once({name: found.answers for name, found in self.findings.items()})
        for name, found in self.findings.items():
            lines += [f"{name}: {found.verdict.sentence}"] if len(self.findings) > 1 else []
            lines += [f"{n}: {i.question} {i.state}: {i.reason}" for n, i in answers if n == name]
        lines += self.verdicts()
        lines += [f"{k}: {v}" for k, v in self.conventions.items()]
        lines += [f"note: {note}" for note in self.notes]
        return lines + [f"not compared: {f['image']}: {f['reason']}" for f in self.failures]


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the document that `Report.to_json` writes."""
    text = (files("napari_superres.evaluation.reporting") / "report.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _plain(value: Any) -> Any:
    """Return a value that JSON and CSV can hold."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if not isinstance(value, float) or not (isnan(value) or isinf(value)):
        return value
    return None if isnan(value) else str(value)


def _document(findings: Findings) -> dict[str, Any]:
    document = findings.to_dict()
    answers = [{**answer, "reason": _without_backticks(answer["reason"])} for answer in document["questions"]]
    return {**document, "questions": answers}


def _file(file: FileSummary) -> dict[str, Any]:
    document = file.to_dict()
    texts = [_without_backticks(warning) for warning in document["warnings"]]
    return {**document, "message": _without_backticks(document["message"]), "warnings": texts}


def _without_backticks(text: str) -> str:
    """Return a text with its settings and functions as Python writes them."""
    return spelled(text, lambda name, value: f"{name}={value}" if value else name, lambda name: f"{name}()")


def _write(text: str, path: str | Path | None) -> str:
    """Write a text if a path is given, and return it."""
    if path is not None:
        write_text(Path(path), text)
    return text
