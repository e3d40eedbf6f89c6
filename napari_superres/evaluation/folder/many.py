"""`report_files`: one page on many results without references, the worst first."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError, SuperResError
from napari_superres.evaluation.images import NO_REFERENCE, about_now, examine_alone
from napari_superres.evaluation.pairing import pair_results
from napari_superres.evaluation.registration.match import crop_spatial
from napari_superres.evaluation.registration.scale import scale_of
from napari_superres.evaluation.reporting.about import (
    FileSummary,
    by_model,
    computed_problem,
    model_line,
    recorded_models,
)
from napari_superres.evaluation.reporting.findings import Findings
from napari_superres.evaluation.reporting.page.drawing import thumbnails
from napari_superres.evaluation.reporting.report import Report

_MOST_PIXELS, _EDGE = 1 << 22, 1024
"""Pixels of an input from which only a part of it is examined, and the edge of that part in Y and X."""

_DETAILED = 8
"""Files whose findings keep their pictures: the worst ones."""


@dataclass(frozen=True, slots=True)
class BatchFile:
    """A result and its input.

    Attributes
    ----------
    name
        What the report calls it.
    result
        File of the result; None if there is none.
    source
        File of the input; None if it is not known.
    status, message, notes
        What became of it in the batch, why it failed, and what the user should know of the run.
    """

    name: str
    result: Path | None
    source: Path | None
    status: str = "done"
    message: str = ""
    notes: tuple[str, ...] = ()


def report_files(files: Sequence[BatchFile], *, reading: Mapping[str, Any] | None = None) -> Report:
    """Compare each of many results with its input, and return one report on all.

    Parameters
    ----------
    files
        Results with their inputs.
    reading
        Options of `read_image` for the inputs.

    Returns
    -------
    Report
        ``files`` holds a line per file and ``findings`` the answers; pictures of the worst files only. Of large images,
        a part in the middle is examined, and a warning says so.
    """
    summaries: list[FileSummary] = []
    findings: dict[str, Findings] = {}
    records: dict[str, Mapping[str, Any] | None] = {}
    for file in files:
        summary, found, records[file.name] = _examine(file, reading or {})
        summaries.append(summary)
        if found is not None:
            findings[file.name] = found
            _keep_worst(findings, summaries)
    first = next((record for record in records.values() if record is not None), None)
    about = replace(about_now(None), record=first, many=by_model(records))
    conventions = {"compared with": "the input of each result only"}
    return Report([], conventions, (NO_REFERENCE,), findings=findings, about=about, files=summaries)


def files_of(sr_dir: Path, lr_dir: Path | None) -> list[BatchFile]:
    """Return the results of a folder with their inputs; the file of a result that has none says so.

    Raises
    ------
    UnreadableImageError
        If a folder is missing or holds no image.
    """
    pairs = pair_results(sr_dir, lr_dir)
    return [BatchFile(name, result, source, notes=_missing(source, lr_dir)) for name, result, source in pairs]


def _missing(source: Path | None, lr_dir: Path | None) -> tuple[str, ...]:
    if source is not None:
        return ()
    where = "set `lr_dir`" if lr_dir is None else f"there is none of this name in {lr_dir}"
    return (f"it was not compared with its input: {where}",)


def _examine(
    file: BatchFile, reading: Mapping[str, Any]
) -> tuple[FileSummary, Findings | None, Mapping[str, Any] | None]:
    """Return the line on a file, its findings, and the record of the result."""
    from napari_superres.io import read_image

    summary = FileSummary(name=file.name, status=file.status, message=file.message, warnings=file.notes)
    lr, result, found, record = None, None, None, None
    pictures: dict[str, str] = {}
    warnings = list(file.notes)
    try:
        if file.source is not None:
            lr = read_image(file.source, **reading).with_nan()
            warnings += [p for p in [computed_problem(lr.metadata.get("provenance"), "input")] if p]
        if file.status != "failed" and file.result is not None:
            result = read_image(file.result).with_nan()
            known = result.metadata.get("provenance")
            record = known if isinstance(known, Mapping) else None
        pictures = thumbnails({n: i for n, i in (("input", lr), ("result", result)) if i is not None})
        if lr is not None and result is not None:
            found, sampled = _compare(result, lr)
            warnings += sampled
    except (SuperResError, OSError, ValueError) as error:
        # The report tells of every other file, whatever happens to one.
        summary = replace(summary, status="failed", message=str(error).splitlines()[0])
    warnings += _warnings_of(record)
    summary = replace(
        summary,
        model="; ".join(model_line(m) for m in recorded_models(record)),
        difference=_difference(record),
        answers=() if found is None else found.answers,
        warnings=tuple(dict.fromkeys(warnings)),
        thumbnails=pictures,
    )
    return summary, found, record


def _compare(result: Image, lr: Image) -> tuple[Findings, list[str]]:
    """Return the findings on a result, or on its middle part if it is large, and what to say of that."""
    notes = []
    if prod(lr.shape) > _MOST_PIXELS and (scale := scale_of(result, lr)) is not None:
        same_field = all(result.size(a) == lr.size(a) * scale[a] for a in result.spatial)
        if not same_field or result.spatial != lr.spatial:
            raise EvaluationError("it is too large to be examined at once, and shows only a part of its input.")
        lr, result = _middle_part(lr, scale, 1), _middle_part(result, scale, 0)
        notes.append(f"only a part of {' x '.join(map(str, lr.shape))} pixels ({lr.axes}) in the middle was examined")
    found, _ = examine_alone(result, lr)
    return found, notes


def _middle_part(image: Image, scale: Mapping[str, int], coarse: int) -> Image:
    """Return the part in the middle, of at most `_EDGE` input pixels along Y and X and 8 planes, of input or result."""
    starts, sizes = [], []
    for axis in image.spatial:
        factor = 1 if coarse else scale[axis]
        whole = image.size(axis) // factor
        size = min(whole, _EDGE if axis in "YX" else 8)
        starts.append((whole - size) // 2 * factor)
        sizes.append(size * factor)
    first = tuple(slice(0, 1) if a == "T" else slice(None) for a in image.axes)
    if "T" in image.axes:
        image = image.replace(data=image.data[first])
    part = {a: slice(s, s + n) for a, s, n in zip(image.spatial, starts, sizes, strict=True)}
    data = np.asarray(image.data[tuple(part.get(a, slice(None)) for a in image.axes)])
    # The values are read once; the grid is that of the part.
    empty = image.replace(data=np.broadcast_to(np.zeros((), data.dtype), image.shape))
    return crop_spatial(empty, starts, sizes).replace(data=data)


def _warnings_of(record: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what the record of a run warned of."""
    if record is None:
        return
    parts = record.get("per_channel") or [record]
    for part in parts:
        with suppress(AttributeError, TypeError):
            yield from (str(doubt) for doubt in part.get("doubts") or ())


def _difference(record: Mapping[str, Any] | None) -> float | None:
    if record is None:
        return None
    parts = record.get("per_channel") or [record]
    known = []
    for part in parts:
        with suppress(AttributeError, TypeError, KeyError, ValueError):
            known.append(float(part["consistency"]["difference"]))
    return max(known, default=None)


def _keep_worst(findings: dict[str, Findings], summaries: Sequence[FileSummary]) -> None:
    """Drop the pictures of all but the worst files: those of hundreds would fill the memory and the page."""
    worst = sorted((s for s in summaries if s.name in findings), key=lambda s: s.severity)[:_DETAILED]
    kept = {s.name for s in worst}
    for name, found in findings.items():
        if name not in kept and (found.maps or found.pictures):
            findings[name] = replace(found, maps={}, spectra={}, pictures={}, exhibits={}, consistency=None)
