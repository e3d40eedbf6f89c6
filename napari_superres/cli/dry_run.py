"""``superres upscale --dry-run``: report the plan, its cost, and what a run would refuse."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from napari_superres.cli import terminal
from napari_superres.cli.wording import as_flags, failure_lines
from napari_superres.errors import SuperResError
from napari_superres.storage import is_address

READING = ("axes", "series", "pixel_size", "unit", "skip_bad", "trust")
_WRITING = ("overwrite", "resume", "allow_loss", "workers", "scheduler")


def print_plans(
    sources: Sequence[str],
    output: Path,
    model: Any,
    suffix: str | None,
    options: Mapping[str, Any],
    *,
    many: bool,
    recursive: bool,
    as_json: bool,
) -> None:
    """Print what `upscale_file`, or `upscale_files` for `many`, would do.

    Raises
    ------
    SuperResError
        Every error that a run would raise before it computes. In a batch, such files are printed as failures.
    """
    from napari_superres import io
    from napari_superres.inference.batch_files import BatchFiles
    from napari_superres.inference.planning.estimate import check_disk
    from napari_superres.inference.planning.upscale_run import load_models
    from napari_superres.inference.stream.workers import open_executor

    if options["scheduler"] is not None:
        with open_executor(None, options["scheduler"]):
            pass
    rows: list[dict[str, Any]] = []
    failures: list[tuple[str, str, str]] = []
    models = load_models(model)
    files = BatchFiles.find(sources, output, model, suffix, recursive=recursive) if many else None
    for path in [io.InputPath(sources[0])] if files is None else files.paths:
        shown = io.label(path)
        try:
            target = output if files is None else files.target(path)
            rows.append({"source": shown, "target": str(target), **_facts(path, target, models, options, many=many)})
        except SuperResError as error:
            if not many:
                raise
            rows.append({"source": shown, "problem": as_flags(str(error))})
            failures.append((io.short_label(path), error.message, as_flags(str(error))))
    if as_json:
        terminal.document({"plans": rows})
    else:
        for row in rows:
            terminal.result(*_lines(row))
        if many:
            terminal.result(*failure_lines(failures, "would fail"))
            terminal.result(f"{len(rows) - len(failures)} would run, {len(failures)} would fail")
    notes = [note for row in rows for note in row.get("notes", ())]
    terminal.warn([*notes, *check_disk(_nearest_folder(output), sum(row.get("disk_bytes", 0) for row in rows))])
    if failures:
        raise typer.Exit(3)


def _facts(path: Path, target: Path, model: Any, options: Mapping[str, Any], *, many: bool) -> dict[str, Any]:
    """Return the plan of one file as plain values."""
    from napari_superres import io
    from napari_superres.inference.files import check_paths
    from napari_superres.inference.images import prepare
    from napari_superres.inference.planning.estimate import estimate

    into_zarr = check_paths(path, target, by_workers=options["workers"] is not None)
    image = io.read_with_notes(path, **{k: options[k] for k in READING})
    running: Any = {k: v for k, v in options.items() if k not in READING + _WRITING}
    run = prepare(image, model, running)
    plans = run.plans
    if os.path.lexists(target) and options["resume"] and not options["overwrite"]:
        pass  # A finished result of the same run is skipped; the run itself reports any difference.
    elif not many or target.parent.exists():  # A batch creates its folder.
        io.check_target(target, overwrite=options["overwrite"], image=image, allow_loss=options["allow_loss"])
    expected = asdict(estimate(run, zarr=into_zarr))
    return {
        "axes": image.axes,
        "axes_guessed": bool(image.metadata.get("axes_guessed")),
        "shape": image.shape,
        "dtype": str(image.dtype),
        "models": [p.model for p in plans],
        "device": plans[0].device,
        "precision": plans[0].precision,
        "precision_db": plans[0].precision_db,
        "tile": plans[0].tile,
        "batch": plans[0].batch,
        "result": expected.pop("shape"),
        "chosen": plans[0].chosen,
        "fitness": [plan.fitness.line for plan in plans if plan.fitness is not None],
        "told": [plan.told.describe(c) for plan in plans if plan.told is not None for c in plan.channels],
        "offers": [as_flags(plan.told.offer) for plan in plans if plan.told is not None and plan.told.offer],
        "notes": [as_flags(note) for note in run.doubts],
        **expected,
    }


def _nearest_folder(output: Path) -> Path:
    """Return the nearest existing folder above an output, or the output itself if it is one. Stores have no folders."""
    if is_address(output):
        return output
    return next(p for p in (output.resolve(), *output.resolve().parents) if p.is_dir())


def _lines(row: dict[str, Any]) -> list[str]:
    from napari_superres.core.units import precision_text
    from napari_superres.inference.planning.estimate import in_units

    if "problem" in row:
        return [f"{row['source']}: would fail: {row['problem']}"]
    passes = f" after up to {row['passes'] - 1} passes over the image," if row["passes"] > 1 else ""
    time = "time not measured yet" if row["seconds"] is None else f"about {_duration(row['seconds'])}"
    precision = precision_text(row["precision"], row["precision_db"])
    axes = f"{row['axes']} (a guess)" if row["axes_guessed"] else row["axes"]
    told = "".join(f"; {words}" for words in dict.fromkeys(row["told"]))
    return [
        f"{row['source']}: {axes} {row['shape']} -> {row['result']} {row['dtype']},{passes} {row['tiles']} "
        f"tiles of {row['tile']} on {row['device']} in {precision}, {in_units(row['memory_bytes'])} memory, "
        f"{in_units(row['disk_bytes'])} on disk, {time}{told}",
        *(f"  {line}" for line in dict.fromkeys([row["chosen"], *row["fitness"], *row["offers"]]) if line),
    ]


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s" if rest >= 60 else f"{rest} s"
