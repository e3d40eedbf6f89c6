"""`stream_file`: from a file of any size to an OME-Zarr, begun or gone on with."""

import json
import time
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres import io
from napari_superres.atomic import is_disk_error
from napari_superres.core.image import Image
from napari_superres.errors import OutputError, OutputExistsError, SuperResWarning
from napari_superres.inference.engine.global_statistics import Settled
from napari_superres.inference.engine.sweep import Counts
from napari_superres.inference.images import Progress, finer, joined, make_parts, warn
from napari_superres.inference.planning.estimate import check_disk, estimate
from napari_superres.inference.planning.plan import Plan, plan_record
from napari_superres.inference.provenance import make_record, package_version
from napari_superres.inference.stream.boxes import Job, tiled_for
from napari_superres.inference.stream.journal import FORMAT, Journal
from napari_superres.inference.stream.workers import Workers
from napari_superres.models.model import Model

Parts = tuple[tuple[Model, Plan], ...]

_PASSES_GUESSED = 3
SETTINGS = ("precision", "tta", "scale", "region", "channels", "normalisation")
"""What of a plan decides the pixels, apart from rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An input file.

    Attributes
    ----------
    path, reading
        Where it is, and the options of `read_image` for it.
    image
        What was read of it, lazily.
    identity
        What a result's record says of it: digest, series, and name where names may be told.
    """

    path: Path
    reading: Mapping[str, Any]
    image: Image
    identity: Mapping[str, Any]


def stream_file(
    source: Source, target: Path, model: Any, workers: Workers, *, resume: bool, overwrite: bool, **options: Any
) -> Generator[Progress, None, None]:
    """Compute a result box by box into an OME-Zarr, which appears at `target` when it is complete.

    Parameters
    ----------
    source, target, model
        From what, to where, with what.
    workers
        Who computes.
    resume
        Go on with an unfinished run of the same input, model and settings, if there is one.
    overwrite
        Replace the target, and forget an unfinished run.
    **options
        As in `upscale`.

    Raises
    ------
    OutputExistsError
        If an unfinished run is there and neither `resume` nor `overwrite` is asked for, or it was another run.
    OutputError
        If the disk is too small, full or fails; what is done is kept.
    SuperResError
        As `upscale` and `read_image`.
    """
    # Workers may have been started elsewhere.
    with Journal(target.absolute(), io.stem(target), forget=overwrite and not resume) as journal:
        if journal.header is not None and not resume:
            if not overwrite:
                raise OutputExistsError(
                    f"an unfinished run of {target.name} is there; {journal.state}. "
                    "Go on with it (--resume) or start anew (--overwrite)."
                )
            journal.clear()
        try:
            yield from _run(source, target, model, workers, journal, options)
        except OSError as error:
            if isinstance(error, OutputError) or not is_disk_error(error):
                raise
            raise OutputError(
                f"{target} could not be written: {error.strerror}. Free space or mend the disk and go on with "
                f"--resume; {journal.state}."
            ) from error


def _run(
    source: Source, target: Path, model: Any, workers: Workers, journal: Journal, options: dict[str, Any]
) -> Iterator[Progress]:
    image, header = source.image, journal.header
    if header is None:
        parts = tuple(make_parts(image, model, **options))
        volume = len(parts[0][1].work_axes) == 3
        outline = _outline(image, parts)
        check_disk(target.parent, estimate(image, [p for _, p in parts], zarr=True).disk_bytes)
        output = io.ZarrTarget.create(journal.result, outline, volume=volume)
        boxes = output.boxes()
        parts = tuple((m, tiled_for(p, boxes)) for m, p in parts)
        job = Job(
            source.path, source.reading, parts, (None,) * len(parts), journal.result, tuple(boxes), workers.threads
        )
    else:
        _check_version(journal)
        parts = tuple(make_parts(image, model, **_adopted(options, header)))
        parts = tuple((m, _pinned(p, h)) for (m, p), h in zip(parts, header["plans"], strict=False))
        outline = _outline(image, parts)
        output = io.ZarrTarget.open(journal.result, image.axes)
        boxes = output.boxes()
        # What was lost from the disk since is computed again.
        journal.lines = [line for line in journal.lines if output.is_stored(boxes[line["box"]])]
        settled = journal.load_statistics(len(parts))
        job = Job(source.path, source.reading, parts, settled, journal.result, tuple(boxes), header["threads"])
    begun = {**_identity(source, parts), "asked": _asked(options), "threads": job.threads, "boxes": len(boxes)}
    if header is not None:
        _check_same(journal, begun)
    meter = _Meter(outline, job)
    yield meter.step()
    if header is None:
        settled = yield from _settled(job, workers, meter)
        job = replace(job, settled=settled)
        journal.save_statistics(settled)
        journal.begin(begun)
    yield from _computed(job, workers, journal, meter)
    yield _finished(source, target, journal, job, outline, meter)


def _settled(job: Job, workers: Workers, meter: "_Meter") -> Generator[Progress, None, tuple[Settled | None, ...]]:
    """Return the statistics of the whole image per part, for models that need them."""
    tasks = [(p, i) for p, (_, plan) in enumerate(job.parts) if plan.needs_passes for i in range(len(plan.places()))]
    meter.total += sum(_PASSES_GUESSED * len(job.parts[p][1].tiles()) for p, _ in tasks)
    found: list[Settled | None] = [None] * len(job.parts)
    for (part, place), share, new in workers.run(job, "settle", tasks) if tasks else ():
        meter.shares[part, place] = share * _PASSES_GUESSED * len(job.parts[part][1].tiles())
        yield meter.step()
        old = found[part]
        if new is not None:
            found[part] = new if old is None else old.joined(new)
    return tuple(found)


def _computed(job: Job, workers: Workers, journal: Journal, meter: "_Meter") -> Iterator[Progress]:
    """Compute the boxes that the journal does not name, and name them."""
    done = {line["box"] for line in journal.lines}
    for index in done:
        meter.shares[index,] = meter.weight(index)
    meter.begin()
    todo = [(i,) for i in range(len(job.boxes)) if i not in done]
    for (index,), share, line in workers.run(job, "compute", todo) if todo else ():
        meter.shares[index,] = share * meter.weight(index)
        if line is not None:
            journal.add(line)
        yield meter.step()


def _finished(source: Source, target: Path, journal: Journal, job: Job, outline: Image, meter: "_Meter") -> Progress:
    """Make the record of the run, complete the result, and put both in their place."""
    records = []
    for number, (model, plan) in enumerate(job.parts):
        counts = Counts()
        for line in journal.lines:
            if job.part_of(job.boxes[line["box"]])[0] == number:
                counts.add(Counts(**line["counts"]))
        settled = job.settled[number]
        counts.statistics = {} if settled is None else settled.summary
        records.append(make_record(source.image, model.card, plan, counts))
        warn(counts, plan)
    bad = sorted({name for line in journal.lines for name in line["bad_chunks"]})
    record = identified(joined(records), source.identity, bad) | {"threads": job.threads, "boxes": len(job.boxes)}
    outline = outline.replace(metadata={**outline.metadata, "provenance": record})
    io.ZarrTarget.open(journal.result, outline.axes).finish(outline)
    io.put_in_place(journal.result, target, record)
    journal.remove()
    result = outline.replace(data=io.read_image(target).data)
    meter.image = result
    return meter.step(finished=True)


def identified(record: dict[str, Any], identity: Mapping[str, Any], bad_chunks: Sequence[str]) -> dict[str, Any]:
    """Return the record with what is known of the input's file.

    Warns
    -----
    SuperResWarning
        If chunks of it were filled.
    """
    known = {**record["input"], **identity}
    if bad_chunks:
        known["bad_chunks"] = list(bad_chunks)
        warnings.warn(
            f"{'1 chunk' if len(bad_chunks) == 1 else f'{len(bad_chunks)} chunks'} of the input missing or damaged, "
            f"and filled: {', '.join(bad_chunks[:5])}"
            f"{', ...' if len(bad_chunks) > 5 else ''}; the record lists all.",
            SuperResWarning,
            stacklevel=4,
        )
    return {**record, "input": known}


class _Meter:
    """How far a run is, in windows."""

    def __init__(self, image: Image, job: Job) -> None:
        self.image = image
        self.total = float(sum(plan.total for _, plan in job.parts))
        self.shares: dict[tuple[int, ...], float] = {}
        pixels = [prod(b.stop - b.start for b in box) for box in job.boxes]
        self._weights: list[float] = [self.total * p / sum(pixels) for p in pixels]
        self._start, self._before = time.monotonic(), 0.0

    def weight(self, box: int) -> float:
        """Return a box's share of the windows."""
        return self._weights[box]

    def begin(self) -> None:
        """Measure the pace from here on: what is done so far was done by an earlier run."""
        self._start, self._before = time.monotonic(), sum(self.shares.values())

    def step(self, *, finished: bool = False) -> Progress:
        """Return the present state."""
        done = self.total if finished else sum(self.shares.values())
        seconds, made = time.monotonic() - self._start, done - self._before
        remaining = seconds * (self.total - done) / made if made > 0 else None
        return Progress(int(done + 1e-6), round(self.total), self.image, None, seconds, remaining)


def _outline(image: Image, parts: Parts) -> Image:
    """Return the result's image without pixels."""
    shape = list(parts[0][1].out_shape)
    if "C" in image.axes:
        shape[image.axes.index("C")] = sum(len(plan.channels) for _, plan in parts)
    empty = np.broadcast_to(np.zeros((), image.dtype), shape)
    return finer(image, parts[0][1], empty, [c for _, plan in parts for c in plan.channels])


def settings(model: Model, plan: Plan) -> dict[str, Any]:
    """Return what decides the pixels of a run, apart from rounding, as plain values."""
    record = plan_record(plan)
    chosen = {"name": model.card.name, "sha256": model.sha256, **{k: record[k] for k in SETTINGS}}
    return dict(json.loads(json.dumps(chosen)))


def _identity(source: Source, parts: Parts) -> dict[str, Any]:
    image = source.image
    plans = [
        {
            "tile": list(p.tile),
            "batch": p.batch,
            "device": p.device,
            "precision": p.precision,
            "max_passes": p.max_passes,
        }
        for _, p in parts
    ]
    return {
        "version": package_version("napari-superres-torch"),
        "settings": [settings(m, p) for m, p in parts],
        "input": {
            **source.identity,
            "state": io.file_state(source.path),
            "axes": image.axes,
            "shape": list(image.shape),
            "dtype": str(image.dtype),
            "units": dict(image.units),
            "affine": image.affine.tolist(),
        },
        "plans": plans,
    }


def _asked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked of the way a result is computed, as plain values."""
    names = ("tile", "batch", "device", "max_passes")
    return dict(json.loads(json.dumps({k: options[k] for k in names if options.get(k, "auto") != "auto"})))


def _adopted(options: Mapping[str, Any], header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with what the run was begun with wherever nothing is asked for; tiles are pinned later."""
    begun = {k: header["plans"][0][k] for k in ("batch", "device", "precision", "max_passes")}
    asked = {k: v for k, v in options.items() if v != "auto"}
    return {**begun, **asked, "tile": "auto", "tuned": False}


def _pinned(plan: Plan, begun: Mapping[str, Any]) -> Plan:
    return replace(plan, tile=tuple(begun["tile"]), batch=begun["batch"])


def _check_version(journal: Journal) -> None:
    header = journal.header or {}
    here = package_version("napari-superres-torch")
    if header.get("format") != FORMAT or header.get("version") != here:
        raise OutputExistsError(
            f"the unfinished run of {journal.target.name} was begun by version {header.get('version')} (record "
            f"{header.get('format')}), and this is {here} (record {FORMAT}). Finish it with that version, or start "
            "anew (--overwrite)."
        )


def _check_same(journal: Journal, now: Mapping[str, Any]) -> None:
    """Refuse to go on with a run of another input, model or settings."""
    header = journal.header or {}
    what = {
        "input": "another input, or it was changed since",
        "settings": _what_differs(header, now),
        "boxes": "another shape",
    }
    for key, words in what.items():
        if header.get(key) != json.loads(json.dumps(now[key])):
            raise OutputExistsError(
                f"the unfinished run of {journal.target.name} was begun with {words}. "
                "Repeat what it was begun with, or start anew (--overwrite)."
            )
    begun = header["plans"][0]
    others = [k for k, v in now["asked"].items() if v not in (header["asked"].get(k), begun[k])]
    if others:
        raise OutputExistsError(
            f"the unfinished run of {journal.target.name} was begun with other settings ({', '.join(others)}). "
            "Leave that out to go on as it was begun, or start anew (--overwrite)."
        )


def _what_differs(header: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return which settings a run was begun with that are others now."""
    begun = header.get("settings") or []
    if len(begun) != len(now["settings"]):
        return "other models"
    differing = {k for old, new in zip(begun, now["settings"], strict=True) for k in new if old.get(k) != new[k]}
    if differing & {"name", "sha256"}:
        return "another model"
    return f"other settings ({', '.join(sorted(differing))})"
