"""`stream_file`: from a file of any size to an OME-Zarr, started or resumed."""

import json
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np

from napari_superres import io
from napari_superres.atomic import is_disk_error
from napari_superres.core.image import Image
from napari_superres.errors import OutputError, OutputExistsError
from napari_superres.inference.engine.global_statistics import GlobalStatistics
from napari_superres.inference.engine.sweep import Counts
from napari_superres.inference.images import Progress, prepare
from napari_superres.inference.options import ModelChoice, ReadingOptions, UpscaleOptions
from napari_superres.inference.planning.estimate import check_disk, estimate
from napari_superres.inference.planning.plan import Plan, plan_record
from napari_superres.inference.planning.upscale_run import UpscaleRun
from napari_superres.inference.provenance import chunk_notes, join_records, make_record, package_version, run_notes
from napari_superres.inference.stream.boxes import Job, tiled_for
from napari_superres.inference.stream.journal import FORMAT, Journal
from napari_superres.inference.stream.workers import Executor
from napari_superres.models.model import Model

_PASSES_GUESSED = 3
SETTINGS = ("precision", "tta", "scale", "region", "channels", "normalisation", "told")
"""What of a plan decides the pixels, apart from rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An input file.

    Attributes
    ----------
    path, reading
        Where it is, and the options of `read_image` for it.
    image
        Its image, read lazily.
    identity
        How the record of a result identifies it: digest, series, and its name where names may be published.
    """

    path: Path
    reading: ReadingOptions
    image: Image
    identity: Mapping[str, Any]


def stream_file(
    source: Source,
    target: Path,
    model: ModelChoice,
    executor: Executor,
    options: UpscaleOptions,
    *,
    resume: bool,
    overwrite: bool,
) -> Generator[Progress, None, None]:
    """Compute a result box by box into an OME-Zarr, which appears at `target` when it is complete.

    Parameters
    ----------
    source, target, model
        Input, output and model.
    executor
        Computes the boxes.
    options
        As for `upscale`.
    resume
        Continue an unfinished run of the same input, model and settings, if there is one.
    overwrite
        Replace the target, and delete an unfinished run.

    Raises
    ------
    OutputExistsError
        If an unfinished run exists and neither `resume` nor `overwrite` is given, or if it was another run.
    OutputError
        If the disk is too small, full or fails. Finished boxes are kept.
    SuperResError
        As `upscale` and `read_image`.
    """
    # Absolute, because workers may run in another folder.
    with Journal(target.absolute(), forget=overwrite and not resume) as journal:
        if journal.header is not None and not resume:
            if not overwrite:
                raise OutputExistsError(
                    f"an unfinished run of {target.name} exists; {journal.state}.",
                    remedy="Continue it with `resume` or start again with `overwrite`.",
                )
            journal.clear()
        try:
            yield from _run(source, target, model, executor, journal, options)
        except OSError as error:
            if isinstance(error, OutputError) or not is_disk_error(error):
                raise
            raise OutputError(
                f"{target} could not be written: {error.strerror or error}; {journal.state}.",
                remedy="Free space or repair the disk, and continue with `resume`.",
            ) from error


def _run(
    source: Source, target: Path, model: ModelChoice, executor: Executor, journal: Journal, options: UpscaleOptions
) -> Iterator[Progress]:
    header = journal.header
    if header is None:
        job, notes = _new_job(source, target, model, executor, journal, options)
    else:
        job, notes = _resumed_job(source, model, journal, header, options), ()
    started = {
        **_identity(source, job.run),
        "asked": _requested(options),
        "threads": job.threads,
        "boxes": len(job.boxes),
    }
    if header is not None:
        _check_same(journal, started)
    meter = _Meter(_outline(source.image, job.run), job, (*job.run.doubts, *notes))
    yield meter.step()
    if header is None:
        job = replace(job, statistics=(yield from _statistics(job, executor, meter)))
        journal.save_statistics(job.statistics)
        journal.begin(started)
    yield from _compute(job, executor, journal, meter)
    yield _finish(source, target, journal, job, meter)


def _new_job(
    source: Source, target: Path, model: ModelChoice, executor: Executor, journal: Journal, options: UpscaleOptions
) -> tuple[Job, tuple[str, ...]]:
    """Create the target of a new run; return its job, and notes on the disk."""
    run = prepare(source.image, model, options)
    notes = check_disk(target.parent, estimate(run, zarr=True).disk_bytes)
    volume = len(run.plans[0].work_axes) == 3
    outline, apart = _outline(source.image, run), len(run.parts) > 1
    boxes = io.ZarrTarget.create(journal.result, outline, volume=volume, apart=apart).boxes()
    run = run.with_plans([tiled_for(plan, boxes) for plan in run.plans])
    none = (None,) * len(run.parts)
    return Job(source.path, source.reading, run, none, journal.result, tuple(boxes), executor.threads), notes


def _resumed_job(
    source: Source, model: ModelChoice, journal: Journal, header: Mapping[str, Any], options: UpscaleOptions
) -> Job:
    """Return the job of an unfinished run."""
    _check_version(journal)
    run = prepare(source.image, model, _adopted(options, header), measure=False)
    pinned = zip(run.plans, header["plans"], strict=False)
    run = run.with_plans([replace(p, tile=tuple(h["tile"]), batch=h["batch"]) for p, h in pinned])
    output = io.ZarrTarget.open(journal.result, source.image.axes)
    boxes = output.boxes()
    # Boxes that were lost from the disk since are computed again.
    journal.lines = [line for line in journal.lines if output.is_stored(boxes[line["box"]])]
    statistics = journal.load_statistics(len(run.parts))
    return Job(source.path, source.reading, run, statistics, journal.result, tuple(boxes), header["threads"])


def _statistics(
    job: Job, executor: Executor, meter: "_Meter"
) -> Generator[Progress, None, tuple[GlobalStatistics | None, ...]]:
    """Return the global statistics of each part, None for models that do not need them."""
    plans = job.run.plans
    tasks = [(p, i) for p, plan in enumerate(plans) if plan.needs_passes for i in range(len(plan.planes()))]
    meter.total += sum(_PASSES_GUESSED * len(plans[p].tiles()) for p, _ in tasks)
    statistics: list[GlobalStatistics | None] = [None] * len(plans)
    for step in executor.run(job, "find_statistics", tasks) if tasks else ():
        if step.note:
            yield meter.step(step.note)
            continue
        part, plane = step.arguments
        meter.shares[part, plane] = step.share * _PASSES_GUESSED * len(plans[part].tiles())
        yield meter.step()
        old = statistics[part]
        if step.result is not None:
            statistics[part] = step.result if old is None else old.join(step.result)
    return tuple(statistics)


def _compute(job: Job, executor: Executor, journal: Journal, meter: "_Meter") -> Iterator[Progress]:
    """Compute the boxes that are not in the journal, and enter them."""
    finished = {line["box"] for line in journal.lines}
    for index in finished:
        meter.shares[index,] = meter.weight(index)
    meter.start()
    missing = [(i,) for i in range(len(job.boxes)) if i not in finished]
    for step in executor.run(job, "compute", missing) if missing else ():
        if step.note:
            yield meter.step(step.note)
            continue
        (index,) = step.arguments
        meter.shares[index,] = step.share * meter.weight(index)
        if step.result is not None:
            journal.add(step.result)
        yield meter.step()


def _finish(source: Source, target: Path, journal: Journal, job: Job, meter: "_Meter") -> Progress:
    """Write the record of the run, complete the result, and move both into place."""
    records: list[dict[str, Any]] = []
    notes: list[str] = []
    for number, (model, plan, _) in enumerate(job.run.parts):
        counts = Counts()
        for line in journal.lines:
            if job.part_number(job.boxes[line["box"]]) == number:
                counts.add(Counts(**line["counts"]))
        statistics = job.statistics[number]
        counts.statistics = {} if statistics is None else statistics.summary
        records.append(make_record(source.image, model, plan, counts))
        notes += run_notes(counts, plan, model.card)
    bad = sorted({name for line in journal.lines for name in line["bad_chunks"]})
    record = with_identity(join_records(records), source.identity, bad)
    record |= {"threads": job.threads, "boxes": len(job.boxes)}
    outline = meter.image.replace(metadata={**meter.image.metadata, "provenance": record})
    io.ZarrTarget.open(journal.result, outline.axes).finish(outline)
    io.put_in_place(journal.result, target, record)
    journal.remove()
    meter.image = outline.replace(data=io.read_image(target).data)
    return meter.step(*notes, *chunk_notes(bad), finished=True)


def with_identity(record: dict[str, Any], identity: Mapping[str, Any], bad_chunks: Sequence[str]) -> dict[str, Any]:
    """Return a record with the identity of the input file, and the chunks of it that were filled."""
    known = {**record["input"], **identity}
    if bad_chunks:
        known["bad_chunks"] = list(bad_chunks)
    return {**record, "input": known}


class _Meter:
    """Measures the progress of a run, in tiles."""

    def __init__(self, image: Image, job: Job, notes: tuple[str, ...]) -> None:
        self.image = image
        self.total = float(job.run.total)
        self.shares: dict[tuple[int, ...], float] = {}
        pixels = [prod(b.stop - b.start for b in box) for box in job.boxes]
        self._weights: list[float] = [self.total * p / sum(pixels) for p in pixels]
        self._started_at, self._done_before = time.monotonic(), 0.0
        self._notes = notes

    def weight(self, box: int) -> float:
        """Return a box's share of the tiles."""
        return self._weights[box]

    def start(self) -> None:
        """Measure the speed from now on: what is finished by now was computed by an earlier run."""
        self._started_at, self._done_before = time.monotonic(), sum(self.shares.values())

    def step(self, *notes: str, finished: bool = False) -> Progress:
        """Return the present state, with new notes."""
        self._notes += notes
        done = self.total if finished else sum(self.shares.values())
        seconds, computed = time.monotonic() - self._started_at, done - self._done_before
        remaining = seconds * (self.total - done) / computed if computed > 0 else None
        return Progress(int(done + 1e-6), round(self.total), self.image, None, seconds, remaining, self._notes)


def _outline(image: Image, run: UpscaleRun) -> Image:
    """Return the result as an image without memory for its pixels."""
    return run.result_of(image, np.broadcast_to(np.zeros((), image.dtype), run.shape))


def pixel_settings(model: Model, plan: Plan) -> dict[str, Any]:
    """Return the settings that decide the pixels of a run, apart from rounding, as plain values."""
    record = plan_record(plan)
    settings = {"name": model.card.name, "sha256": model.sha256, **{k: record[k] for k in SETTINGS}}
    return dict(json.loads(json.dumps(settings)))


def _identity(source: Source, run: UpscaleRun) -> dict[str, Any]:
    image = source.image
    names = ("batch", "device", "precision", "max_passes")
    return {
        "version": package_version("napari-superres-torch"),
        "settings": [pixel_settings(model, plan) for model, plan, _ in run.parts],
        "input": {
            **source.identity,
            "state": io.file_state(source.path),
            "axes": image.axes,
            "shape": list(image.shape),
            "dtype": str(image.dtype),
            "units": dict(image.units),
            "affine": image.affine.tolist(),
        },
        "plans": [{"tile": list(plan.tile), **{n: getattr(plan, n) for n in names}} for plan in run.plans],
    }


def _requested(options: UpscaleOptions) -> dict[str, Any]:
    """Return the options that were given and decide how a result is computed, as plain values."""
    names = ("tile", "batch", "device", "max_passes")
    given: Mapping[str, Any] = options
    return dict(json.loads(json.dumps({k: given[k] for k in names if given.get(k, "auto") != "auto"})))


def _adopted(options: UpscaleOptions, header: Mapping[str, Any]) -> UpscaleOptions:
    """Return the options with those of the unfinished run where none are given; tiles are pinned later."""
    started = {k: header["plans"][0][k] for k in ("batch", "device", "precision", "max_passes")}
    given = {k: v for k, v in options.items() if v != "auto"}
    return cast("UpscaleOptions", {**started, **given, "tile": "auto"})


def _check_version(journal: Journal) -> None:
    header = journal.header or {}
    here = package_version("napari-superres-torch")
    if header.get("format") != FORMAT or header.get("version") != here:
        raise OutputExistsError(
            f"the unfinished run of {journal.target.name} was started by version {header.get('version')} (journal "
            f"{header.get('format')}), and this is {here} (journal {FORMAT}).",
            remedy="Finish it with that version, or start again with `overwrite`.",
        )


def _check_same(journal: Journal, now: Mapping[str, Any]) -> None:
    """Refuse to continue a run of another input, model or settings."""
    header, name = journal.header or {}, journal.target.name
    causes = {
        "input": "another input, or the input changed since",
        "settings": _difference(header, now),
        "boxes": "another shape",
    }
    for key, cause in causes.items():
        if header.get(key) != json.loads(json.dumps(now[key])):
            raise OutputExistsError(
                f"the unfinished run of {name} was started with {cause}.",
                remedy="Repeat what it was started with, or start again with `overwrite`.",
            )
    started = header["plans"][0]
    others = [k for k, v in now["asked"].items() if v not in (header["asked"].get(k), started[k])]
    if others:
        raise OutputExistsError(
            f"the unfinished run of {name} was started with other settings ({', '.join(others)}).",
            remedy="Leave these out to continue it as it was started, or start again with `overwrite`.",
        )


def _difference(header: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return which settings of an unfinished run differ from those of now."""
    started = header.get("settings") or []
    if len(started) != len(now["settings"]):
        return "other models"
    differing = {k for old, new in zip(started, now["settings"], strict=True) for k in new if old.get(k) != new[k]}
    if differing & {"name", "sha256"}:
        return "another model"
    return f"other settings ({', '.join(sorted(differing))})"
