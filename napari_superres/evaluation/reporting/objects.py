"""What a report says of objects: the table, the bound over images, and whether a result helps to measure them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import inf, isfinite, isnan, nan
from typing import Any

import numpy as np

from napari_superres.evaluation.metrics.objects.detect import MATCH_IOU, Kind
from napari_superres.evaluation.metrics.objects.table import INPUT, REFERENCE, ObjectRow, ObjectSettings, Support
from napari_superres.evaluation.metrics.paired import compare_paired
from napari_superres.evaluation.reporting.questions import Answer, State
from napari_superres.evaluation.uncertainty.conformal import least_images_in_the_mean, risk_threshold

QUESTION = "Does it help my measurement?"

ALPHA = 0.1
"""Share of an image's objects that may be invented, in the mean over images."""

_MIN_IMAGES = 6
"""Images from which they are compared one by one: fewer cannot differ significantly in a sign test."""

_MIN_CEILING = 0.5
"""F1 of the method on the reference itself below which it does not find the objects of the masks."""

_LEVEL = 0.05

_COLUMNS = ("objects", "kept", "merged", "split", "lost", "invented")
_MEASURES = ("f1", "ap50", "ap75", "ap", "area", "intensity")


@dataclass(frozen=True, slots=True)
class ObjectBound:
    """From which support in the input on few objects are invented.

    Attributes
    ----------
    alpha
        Share of an image's objects that may be invented, in the mean over images.
    images
        Number of images that it was found from.
    threshold
        Objects with more support than this count: their mean in the interpolated input above the background, in
        standard deviations of the background. ``-inf`` if all count, ``inf`` if there are too few images.
    counted
        Share of the real objects of the judged result that count.
    """

    alpha: float
    images: int
    threshold: float
    counted: float

    def __str__(self) -> str:
        percent = f"{100 * self.alpha:.0f} %"
        if self.threshold == inf:
            return (
                f"no bound on invented objects: {self.images} images, {least_images_in_the_mean(self.alpha)} needed "
                f"for at most {percent}"
            )
        if self.threshold == -inf:
            which = "all objects of the result count"
        else:
            which = f"count only objects whose contrast in the interpolated input exceeds {self.threshold:.3g} sigma"
        return (
            f"{which}: then at most {percent} of an image's objects are invented, in the mean over images like these "
            f"({self.images}, conformal risk control); {100 * self.counted:.0f} % of the real ones count"
        )


@dataclass(frozen=True, slots=True)
class ObjectFindings:
    """Objects of one or more images.

    Attributes
    ----------
    kind
        Which objects.
    labelled
        Whether masks say where the objects of the reference are; otherwise they were looked for in it.
    rows
        One row per image, candidate and channel.
    bound
        Over images, for the judged result.
    """

    kind: Kind
    labelled: bool
    rows: tuple[ObjectRow, ...]
    bound: ObjectBound

    def answer(self) -> Answer:
        """Answer whether the result helps to measure objects, for the channel where it helps least."""
        channels = dict.fromkeys(row.channel for row in self.rows)
        answers = {c: _answer([r for r in self.rows if r.channel == c]) for c in channels}
        worst = min(answers, key=lambda c: _ORDER[answers[c].state])
        answer = answers[worst]
        return answer if len(channels) == 1 else Answer(QUESTION, answer.state, f"channel {worst}: {answer.reason}")

    def table(self) -> str:
        """Return the rows as aligned plain text, with what the words mean and the bound below."""
        cells = self.cells()
        widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
        left = len(cells[0]) - len(_COLUMNS) - len(_MEASURES)
        lines = [
            "  ".join(t.ljust(w) if i < left else t.rjust(w) for i, (t, w) in enumerate(zip(line, widths, strict=True)))
            for line in cells
        ]
        lines.insert(1, "-" * max(map(len, lines)))
        return "\n".join([*lines, *self.notes()])

    def cells(self) -> list[list[str]]:
        """Return the table as texts, titles first."""
        several = len({row.channel for row in self.rows}) > 1
        head = ["image", "candidate", *(["channel"] if several else []), *_COLUMNS, "F1", "AP50", "AP75", "AP"]
        cells = [[*head, "area", "intensity"]]
        for row in self.rows:
            names = [row.image, row.candidate, *([row.channel] if several else [])]
            counts = [str(getattr(row, name)) for name in _COLUMNS]
            cells.append([*names, *counts, *(_text(getattr(row, name)) for name in _MEASURES)])
        return cells

    def notes(self) -> list[str]:
        """Return what was compared and how, and the bound, in sentences."""
        expected = sum(r.expected for r in self.rows if r.role == "judged")
        whose = "the masks show" if self.labelled else f"the reference shows, where {self.kind} were looked for in it"
        return [
            f"objects: {expected} {whose}; one is kept if an object overlaps it by an intersection over union of at "
            f"least {MATCH_IOU[self.kind]:g}; area and intensity are medians of the ratio to the reference's",
            f"objects: {self.bound}",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it, except for infinite numbers and NaN."""
        rows = []
        for row in self.rows:
            values = {k: v for k, v in asdict(row).items() if k != "found"}
            rows.append({**values, "f1": row.f1})
        bound = {**asdict(self.bound), "text": str(self.bound)}
        return {"kind": self.kind, "labelled": self.labelled, "rows": rows, "bound": bound}


_ORDER: dict[State, int] = {"no": 0, "doubtful": 1, "not measurable": 2, "yes": 3}


def summarise(
    settings: ObjectSettings | None, labelled: bool, rows: Iterable[ObjectRow], supports: Iterable[Support | None]
) -> ObjectFindings | None:
    """Return the findings on the objects of several images; None if none were looked for.

    Parameters
    ----------
    settings
        Which objects; None for none.
    labelled, rows
        As the attributes.
    supports
        For each image, the support of the judged result's objects in the input, and which of them are invented.
    """
    support = [each for each in supports if each is not None]
    if settings is None or not support:
        return None
    scores = [values[invented] for values, invented in support]
    threshold = risk_threshold(scores, [values.size for values, _ in support], ALPHA)
    real = np.concatenate([values[~invented] for values, invented in support])
    counted = float((real > threshold).mean()) if real.size else nan
    return ObjectFindings(settings.kind, labelled, tuple(rows), ObjectBound(ALPHA, len(support), threshold, counted))


def _answer(rows: Sequence[ObjectRow]) -> Answer:
    """Answer the question for one channel of one or more images."""
    judged = [r for r in rows if r.role == "judged"]
    name = judged[0].candidate
    judged = [r for r in judged if r.candidate == name]
    images = [r.image for r in judged]
    # A restoration that was left out of some images cannot be compared over all of them.
    others = [c for c in dict.fromkeys(r.candidate for r in rows if r.role == "baseline") if _images(rows, c) == images]
    if not others or not sum(r.expected for r in judged):
        return Answer(QUESTION, "not measurable", "the reference shows no such objects; try another `detect`")
    by_name = {c: [r for r in rows if r.candidate == c] for c in (*others, REFERENCE, INPUT)}
    ceiling = _f1(by_name[REFERENCE])
    if ceiling < _MIN_CEILING:
        reason = f"the method finds the masks' objects in the reference itself only with an F1 of {ceiling:.2f}"
        return Answer(QUESTION, "not measurable", f"{reason}; try another `detect` or `object_size`")
    base, *classical = others
    best = max(classical, key=lambda c: _f1(by_name[c]), default=base)
    reason = f"{_counts(judged)}; {base}: {_counts(by_name[base])}"
    if best != base:
        reason += f"; {best}, the best classical one: {_counts(by_name[best])}"
    if not isnan(ceiling):
        reason += f"; in the reference itself the method reaches an F1 of {ceiling:.2f}"
    verdict = _compare(judged, by_name[base])
    if verdict < 0:
        return Answer(QUESTION, "no", f"{reason}; measure on the {base} image instead")
    invented, before = (sum(r.invented for r in group) for group in (judged, by_name[base]))
    few = 0 if verdict == 0 else 0.02 * sum(r.expected for r in judged)
    if invented > before + few and (verdict > 0 or _differ(invented, before)):
        more = f"it invents {invented} objects, {base} {before}: check objects that the input does not show"
        return Answer(QUESTION, "doubtful", f"{more}; {reason}")
    if verdict == 0:
        return Answer(QUESTION, "not measurable", f"no difference from {base} can be shown: {reason}")
    if _compare(judged, by_name[best]) < 0:
        return Answer(QUESTION, "doubtful", f"better than {base}, but not as good as {best}: {reason}")
    where = "in this image only" if len(judged) == 1 else f"over {len(judged)} images"
    return Answer(QUESTION, "yes", f"{where}, {reason}")


def _images(rows: Sequence[ObjectRow], candidate: str) -> list[str]:
    return [r.image for r in rows if r.candidate == candidate]


def _compare(rows: Sequence[ObjectRow], others: Sequence[ObjectRow]) -> int:
    """Return 1 if a candidate is significantly better than another one, -1 if it is worse, else 0.

    Over at least 6 images by the F1 of each, otherwise by the objects that only one of the two finds or invents.
    """
    if len(rows) >= _MIN_IMAGES:
        verdict = compare_paired([r.f1 for r in rows], [r.f1 for r in others], names=("", ""), metric="f1").beats
        return {"yes": 1, "no": -1}.get(verdict, 0)
    wins = losses = 0
    for a, b in zip(rows, others, strict=True):
        wins += int((a.found & ~b.found).sum()) + max(0, b.invented - a.invented)
        losses += int((b.found & ~a.found).sum()) + max(0, a.invented - b.invented)
    return 0 if not _differ(wins, losses) else 1 if wins > losses else -1


def _differ(first: int, second: int) -> bool:
    """Return whether two counts differ significantly, by the two-sided sign test."""
    from scipy.stats import binomtest

    return first != second and bool(binomtest(first, first + second).pvalue < _LEVEL)


def _f1(rows: Sequence[ObjectRow]) -> float:
    """Return the F1 of several images together; NaN without objects."""
    total = sum(r.objects + r.expected for r in rows)
    return 2 * sum(r.kept for r in rows) / total if total else nan


def _counts(rows: Sequence[ObjectRow]) -> str:
    names = ("kept", "merged", "split", "lost", "invented")
    kept, merged, split, lost, invented = (sum(getattr(r, n) for r in rows) for n in names)
    text = f"{kept} of {sum(r.expected for r in rows)} objects kept, {lost} lost, {merged} merged, {split} split"
    return f"{text}, {invented} invented (F1 {_f1(rows):.2f})"


def _text(value: float) -> str:
    return f"{value:.3f}" if isfinite(value) else "-"
