"""Resuming: what a journal must have in common with the present run, and the job that continues an unfinished one.

Nothing that lies on the disk is trusted: parts of the result are compared with their checksums, and the metadata of the
result are written again.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import numpy as np

from napari_superres import io
from napari_superres.core.image import Image
from napari_superres.core.tiling import smallest_tile
from napari_superres.errors import OutputExistsError
from napari_superres.inference.images import prepare
from napari_superres.inference.options import ModelChoice, UpscaleOptions
from napari_superres.inference.planning.plan import Plan, plan_record
from napari_superres.inference.planning.upscale_run import UpscaleRun
from napari_superres.inference.provenance import package_version
from napari_superres.inference.stream.boxes import Job
from napari_superres.inference.stream.entries import FORMAT
from napari_superres.inference.stream.journal import Journal
from napari_superres.inference.stream.source import Source
from napari_superres.models.model import Model

SETTINGS = ("precision", "tta", "scale", "region", "channels", "normalisation", "told")
"""What of a plan decides the pixels, apart from rounding."""

_PINNED = ("batch", "parallel", "device", "precision", "max_passes")
_ASKED = ("tile", "batch", "device", "max_passes")
_CHECKED_AT_ONCE = 8


def pixel_settings(model: Model, plan: Plan) -> dict[str, Any]:
    """Return the settings that decide the pixels of a run, apart from rounding, as plain values."""
    record = plan_record(plan)
    settings = {"name": model.card.name, "sha256": model.sha256, **{k: record[k] for k in SETTINGS}}
    return dict(json.loads(json.dumps(settings)))


def outline_of(image: Image, run: UpscaleRun) -> Image:
    """Return the result as an image without memory for its pixels."""
    return run.result_of(image, np.broadcast_to(np.zeros((), image.dtype), run.shape))


def is_volume(run: UpscaleRun) -> bool:
    """Return whether the boxes of a result are deep along Z."""
    return len(run.plans[0].work_axes) == 3


def header_of(source: Source, job: Job, options: UpscaleOptions) -> dict[str, Any]:
    """Return what the journal must hold of a new run, as plain values."""
    header = {
        "version": package_version("napari-superres-torch"),
        "settings": _settings(job.run),
        "input": {**source.facts, "sha256": source.digest},
        "plans": [{"tile": list(plan.tile), **{n: getattr(plan, n) for n in _PINNED}} for plan in job.run.plans],
        "asked": _asked(options),
        "threads": job.threads,
        "boxes": len(job.boxes),
    }
    return dict(json.loads(json.dumps(header)))


def resumed_job(
    source: Source, model: ModelChoice, journal: Journal, options: UpscaleOptions
) -> tuple[Job, tuple[str, ...]]:
    """Return the job of an unfinished run, and notes on parts that were lost.

    Parts that are damaged or lost are dropped from the journal, so that they are computed again.

    Raises
    ------
    OutputExistsError
        If it was a run of another input, model, version, or of other settings.
    OutputError
        If what is needed to continue it is damaged, or the disk fails.
    """
    _check_version(journal)
    header: Mapping[str, Any] = journal.header or {}
    run = prepare(source.image, model, _adopted(options, header), measure=False)
    _check_same(journal, source, run, options)
    run = run.with_plans([_pinned(journal, *pair) for pair in zip(run.plans, header["plans"], strict=True)])
    outline, volume, apart = outline_of(source.image, run), is_volume(run), len(run.parts) > 1
    output = io.ZarrTarget.restore(journal.result, outline, volume=volume, apart=apart)
    boxes = tuple(output.boxes())
    if header["boxes"] != len(boxes):
        raise _other_run(journal, "another shape")
    notes = _drop_damaged(journal, output, boxes)
    statistics = journal.load_statistics(len(run.parts))
    return Job(source.path.absolute(), source.reading, run, statistics, journal.result, boxes, header["threads"]), notes


def _drop_damaged(journal: Journal, output: io.ZarrTarget, boxes: tuple[Any, ...]) -> tuple[str, ...]:
    """Drop the boxes whose files are not those that were recorded; return a note if there are any."""

    def is_damaged(index: int) -> bool:
        return index >= len(boxes) or not output.is_stored(boxes[index], journal.lines[index]["files"])

    indices = list(journal.lines)
    with ThreadPoolExecutor(_CHECKED_AT_ONCE) as threads:
        damaged = [i for i, is_one in zip(indices, threads.map(is_damaged, indices), strict=True) if is_one]
    journal.drop(damaged)
    if not damaged:
        return ()
    parts = "1 finished part was" if len(damaged) == 1 else f"{len(damaged)} finished parts were"
    return (f"{parts} lost or damaged on the disk since, and computed again.",)


def _asked(options: UpscaleOptions) -> dict[str, Any]:
    """Return the options that were given and decide how a result is computed, as plain values."""
    given: Mapping[str, Any] = options
    return dict(json.loads(json.dumps({k: given[k] for k in _ASKED if given.get(k, "auto") != "auto"})))


def _settings(run: UpscaleRun) -> list[dict[str, Any]]:
    return [pixel_settings(model, plan) for model, plan, _ in run.parts]


def _adopted(options: UpscaleOptions, header: Mapping[str, Any]) -> UpscaleOptions:
    """Return the options with those of the unfinished run where none are given; tiles are pinned later."""
    started = {k: header["plans"][0][k] for k in ("batch", "device", "precision", "max_passes")}
    given = {k: v for k, v in options.items() if v != "auto"}
    return cast("UpscaleOptions", {**started, **given, "tile": "auto"})


def _pinned(journal: Journal, plan: Plan, started: Mapping[str, Any]) -> Plan:
    """Return a plan with the tiles and batches of the unfinished run."""
    tile = tuple(started["tile"])
    axes = list(zip(plan.halo, plan.multiple, plan.padded, strict=True))
    if len(tile) != len(axes) or any(
        t % m or not min(smallest_tile(h, m), n) <= t <= n for t, (h, m, n) in zip(tile, axes, strict=False)
    ):
        raise journal.damaged()
    return replace(plan, tile=tile, batch=started["batch"], parallel=started["parallel"])


def _check_version(journal: Journal) -> None:
    header = journal.header or {}
    here = package_version("napari-superres-torch")
    if header.get("format") != FORMAT or header.get("version") != here:
        raise OutputExistsError(
            f"the unfinished run of {journal.target.name} was started by version {header.get('version')} (journal "
            f"{header.get('format')}), and this is {here} (journal {FORMAT}).",
            remedy="Finish it with that version, or start again with `overwrite`.",
        )


def _check_same(journal: Journal, source: Source, run: UpscaleRun, options: UpscaleOptions) -> None:
    """Refuse to continue a run of another input, model or settings."""
    header, settings = journal.header or {}, _settings(run)
    if not source.is_same_as(header["input"]):
        raise _other_run(journal, "another input, or the input changed since")
    if header["settings"] != settings:
        raise _other_run(journal, _difference(header["settings"], settings))
    asked, started = _asked(options), header["plans"][0]
    others = [k for k, v in asked.items() if v not in (header["asked"].get(k), started[k])]
    if others:
        raise OutputExistsError(
            f"the unfinished run of {journal.target.name} was started with other settings ({', '.join(others)}).",
            remedy="Leave these out to continue it as it was started, or start again with `overwrite`.",
        )


def _other_run(journal: Journal, cause: str) -> OutputExistsError:
    return OutputExistsError(
        f"the unfinished run of {journal.target.name} was started with {cause}.",
        remedy="Repeat what it was started with, or start again with `overwrite`.",
    )


def _difference(started: list[dict[str, Any]], now: list[dict[str, Any]]) -> str:
    """Return which settings of an unfinished run differ from those of now."""
    if len(started) != len(now):
        return "other models"
    differing = {k for old, new in zip(started, now, strict=True) for k in new if old.get(k) != new[k]}
    if differing & {"name", "sha256"}:
        return "another model"
    return f"other settings ({', '.join(sorted(differing))})"
