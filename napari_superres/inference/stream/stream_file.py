"""`stream_file`: from a file of any size to an OME-Zarr, started or resumed."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from napari_superres import io
from napari_superres.core.image import Image
from napari_superres.errors import OutputError, OutputExistsError, UnreadableImageError
from napari_superres.inference.engine.counts import Counts
from napari_superres.inference.engine.global_statistics import GlobalStatistics
from napari_superres.inference.images import Progress, prepare
from napari_superres.inference.options import ModelChoice, UpscaleOptions
from napari_superres.inference.planning.estimate import check_disk, estimate
from napari_superres.inference.provenance import chunk_notes, join_records, make_record, run_notes
from napari_superres.inference.stream.boxes import Job, tiled_for
from napari_superres.inference.stream.journal import Journal
from napari_superres.inference.stream.remote_journal import open_journal
from napari_superres.inference.stream.resume import header_of, is_volume, outline_of, resumed_job
from napari_superres.inference.stream.source import Source
from napari_superres.inference.stream.workers import Executor
from napari_superres.storage.atomic import is_disk_error

_PASSES_GUESSED = 3


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
    with open_journal(target.absolute(), forget=overwrite and not resume) as journal:
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
    is_new = journal.header is None
    if is_new:
        job, notes = _new_job(source, target, model, executor, journal, options)
    else:
        job, notes = resumed_job(source, model, journal, options)
    meter = _Meter(outline_of(source.image, job.run), job, (*job.run.doubts, *notes))
    yield meter.step()
    if is_new:
        job = replace(job, statistics=(yield from _statistics(job, executor, meter)))
        header = header_of(source, job, options)
        source.check_unchanged()
        journal.begin(header, job.statistics)
    yield from _compute(source, job, executor, journal, meter)
    yield _finish(source, target, journal, job, meter)


def _new_job(
    source: Source, target: Path, model: ModelChoice, executor: Executor, journal: Journal, options: UpscaleOptions
) -> tuple[Job, tuple[str, ...]]:
    """Create the target of a new run; return its job, and notes on the disk."""
    run = prepare(source.image, model, options)
    notes = check_disk(target.parent, estimate(run, zarr=True).disk_bytes)
    outline, volume, apart = outline_of(source.image, run), is_volume(run), len(run.parts) > 1
    boxes = io.ZarrTarget.create(journal.result, outline, volume=volume, apart=apart).boxes()
    run = run.with_plans([tiled_for(plan, boxes) for plan in run.plans])
    none = (None,) * len(run.parts)
    return Job(source.path.absolute(), source.reading, run, none, journal.result, tuple(boxes), executor.threads), notes


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


def _compute(
    source: Source, job: Job, executor: Executor, journal: Journal, meter: "_Meter"
) -> Generator[Progress, None, None]:
    """Compute the boxes that are not in the journal, and enter them."""
    for index in journal.lines:
        meter.shares[index,] = meter.weight(index)
    meter.start()
    missing = [(i,) for i in range(len(job.boxes)) if i not in journal.lines]
    unconfirmed: list[int] = []  # entered since the last look at the input
    try:
        for step in executor.run(job, "compute", missing) if missing else ():
            if step.note:
                yield meter.step(step.note)
                continue
            (index,) = step.arguments
            meter.shares[index,] = step.share * meter.weight(index)
            if step.result is not None:
                journal.add(step.result)
                unconfirmed.append(index)
                if source.is_look_due:
                    source.check_unchanged()
                    unconfirmed.clear()
            yield meter.step()
        source.check_unchanged()
    except UnreadableImageError:
        if source.has_changed():
            journal.drop(unconfirmed)
        raise


def _finish(source: Source, target: Path, journal: Journal, job: Job, meter: "_Meter") -> Progress:
    """Write the record of the run, complete the result, and move both into place."""
    records: list[dict[str, Any]] = []
    notes: list[str] = []
    for number, (model, plan, _) in enumerate(job.run.parts):
        counts = Counts()
        for line in journal.lines.values():
            if job.part_number(job.boxes[line["box"]]) == number:
                counts.add(Counts(**line["counts"]))
        statistics = job.statistics[number]
        counts.statistics = {} if statistics is None else statistics.summary
        records.append(make_record(source.image, model, plan, counts))
        notes += run_notes(counts, plan, model.card)
    bad = sorted({name for line in journal.lines.values() for name in line["bad_chunks"]})
    record = with_identity(join_records(records), source.identity(), bad)
    record |= {"threads": job.threads, "boxes": len(job.boxes)}
    outline = meter.image.replace(metadata={**meter.image.metadata, "provenance": record})
    io.ZarrTarget.open(journal.result, outline.axes).finish(outline)
    io.put_in_place(journal.result, target, io.with_state(record, journal.result))
    journal.remove()
    meter.image = outline.replace(data=io.read_with_notes(target).data)
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
