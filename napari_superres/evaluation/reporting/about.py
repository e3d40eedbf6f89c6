"""Who, what and when: what a report is about, and one line on each of many files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from napari_superres.evaluation.reporting.questions import Answer


@dataclass(frozen=True, slots=True)
class ModelRuns:
    """Results of many that were made by one model, or by the same models together.

    Attributes
    ----------
    record
        Provenance record of one of them.
    name
        Name of that one.
    count
        Number of results.
    """

    record: Mapping[str, Any]
    name: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Who, what and when.

    Attributes
    ----------
    files
        Names of the files by their role, such as ``"result"``; of medical images a digest.
    command
        Command that made the report; empty if a script did.
    software
        Name and version of the program.
    time_utc
        When it was made, in ISO form.
    record
        Provenance record of the judged result, of many the first; None if it has none.
    many
        Of many results: those of each model, the most frequent first.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    software: str = ""
    time_utc: str = ""
    record: Mapping[str, Any] | None = None
    many: Sequence[ModelRuns] = ()

    @property
    def runs(self) -> Sequence[ModelRuns]:
        """The results with records, by model."""
        return self.many or ([] if self.record is None else [ModelRuns(self.record)])

    def to_dict(self) -> dict[str, Any]:
        """Return this as JSON holds it, with the models of the records instead of the whole."""
        models = [{k: m.get(k) for k in ("name", "version", "sha256")} for m in models_of(self.runs)]
        facts = {"command": self.command, "software": self.software, "time_utc": self.time_utc}
        return {"files": dict(self.files), **facts, "models": models}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSummary:
    """One file of many that have no reference.

    Attributes
    ----------
    name
        Name of the result, or of the input where there is no result.
    status
        ``"done"``, ``"skipped"`` (finished before) or ``"failed"``.
    message
        Why it failed; else empty.
    model
        Name and version of the model, and the start of its sha256; empty if not recorded.
    difference
        Largest difference between the result and its input over blocks of pixels, as a share of the contrast, which the
        run measured; None if the record has none.
    answers
        Answers that need no reference.
    warnings
        What the user should know, in sentences.
    thumbnails
        Small pictures as data URIs, by name.
    """

    name: str
    status: str = "done"
    message: str = ""
    model: str = ""
    difference: float | None = None
    answers: Sequence[Answer] = ()
    warnings: Sequence[str] = ()
    thumbnails: Mapping[str, str] = field(default_factory=dict)

    @property
    def severity(self) -> tuple[int, int, float]:
        """What orders files: by their worst answer, warnings and difference; those without a result come last."""
        states = {answer.state for answer in self.answers}
        worst = next((i for i, s in enumerate(("no", "doubtful", "not measurable"), 1) if s in states), 4)
        known = self.difference if self.difference is not None else 0.0
        return (5 if self.status == "failed" else worst, -len(self.warnings), -known)

    def to_dict(self) -> dict[str, Any]:
        """Return this as JSON holds it, without pictures; answers are among the findings."""
        names = ("name", "status", "message", "model", "difference")
        return {**{n: getattr(self, n) for n in names}, "warnings": list(self.warnings)}


def recorded_models(record: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Return the facts of each model in a record."""
    if not isinstance(record, Mapping):
        return []
    parts = record.get("per_channel") or [record]
    return _each_once(p["model"] for p in parts if isinstance(p, Mapping) and isinstance(p.get("model"), Mapping))


def models_of(runs: Sequence[ModelRuns]) -> list[Mapping[str, Any]]:
    """Return the facts of each model in several records."""
    return _each_once(model for run in runs for model in recorded_models(run.record))


def by_model(records: Mapping[str, Mapping[str, Any] | None]) -> list[ModelRuns]:
    """Return the results of each model, the most frequent first, from the records by the names of the results."""
    groups: dict[tuple[Any, ...], ModelRuns] = {}
    for name, record in records.items():
        if record is not None and (models := recorded_models(record)):
            key = tuple((str(m.get("name")), str(m.get("sha256"))) for m in models)
            known = groups.get(key)
            groups[key] = ModelRuns(record, name) if known is None else replace(known, count=known.count + 1)
    return sorted(groups.values(), key=lambda runs: -runs.count)


def _each_once(models: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({(str(m.get("name")), str(m.get("sha256"))): m for m in models}.values())


def model_line(model: Mapping[str, Any]) -> str:
    """Return name, version and the start of the digest of a model."""
    digest = f", sha256 {str(model['sha256'])[:12]}" if model.get("sha256") else ""
    return f"{model.get('name', '?')} version {model.get('version', '?')}{digest}"


def computed_problem(record: Mapping[str, Any] | None, who: str) -> str:
    """Return a warning if an image that should be a recording was itself computed by a model; else an empty text."""
    names = ", ".join(str(m.get("name", "?")) for m in recorded_models(record))
    if not names:
        return ""
    return (
        f"the {who} was itself computed by the model {names}, as its record says: it is no recording, so agreement "
        "with it proves nothing. Give the recorded image"
    )
