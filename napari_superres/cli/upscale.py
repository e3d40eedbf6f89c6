"""``superres upscale``: one file to a file, or many to a folder."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_superres.cli import parsing, terminal
from napari_superres.cli.dry_run import tell_plans
from napari_superres.errors import SettingsError

PANEL_FILE, PANEL_RUN = "What the file does not say", "How it is computed"


def upscale(
    sources: Annotated[list[str], typer.Argument(metavar="SRC...", help="Files, folders or glob patterns.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DST", help="File; a folder for several sources.")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME|PATH|CHANNEL=NAME,...", help="See models list.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option("--from", metavar="NAME.provenance.json", help="Model and intensities of that result."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda[:i] or mps.", rich_help_panel=PANEL_RUN)] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, fp16, bf16 or fp64.", rich_help_panel=PANEL_RUN)] = "auto",
    tile: Annotated[
        str,
        typer.Option(
            metavar="auto|N|Z,Y,X",
            help="Edge of the windows in input pixels; changes no result.",
            rich_help_panel=PANEL_RUN,
        ),
    ] = "auto",
    axes: Annotated[
        str | None, typer.Option(metavar="TCZYX", help="What the file's axes are.", rich_help_panel=PANEL_FILE)
    ] = None,
    channels: Annotated[str | None, typer.Option(metavar="0,2", help="Only these channels.")] = None,
    roi: Annotated[
        str | None, typer.Option(metavar="y0:y1,x0:x1", help="Only this part, in input pixels: 0:512,100:612.")
    ] = None,
    tta: Annotated[bool, typer.Option("--tta", help="Average over eight flips and turns; 8 times slower.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Leave results alone that are done; go on with an unfinished .ome.zarr.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Fill missing or damaged chunks of a zarr, and list them.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Compute an .ome.zarr with so many processes.", rich_help_panel=PANEL_RUN),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="tcp://...", help="Compute on a dask scheduler's workers.", rich_help_panel=PANEL_RUN),
    ] = None,
    max_passes: Annotated[
        int,
        typer.Option(
            help="Passes for what a model sees of the whole image, if it has such layers.", rich_help_panel=PANEL_RUN
        ),
    ] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    pixel_size: Annotated[
        str | None,
        typer.Option(metavar="P", help="What the file does not say; also Y,X or Z,Y,X.", rich_help_panel=PANEL_FILE),
    ] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.", rich_help_panel=PANEL_FILE)] = "micrometer",
    series: Annotated[int | None, typer.Option(help="Which image of a file with several.")] = None,
    intensity_range: Annotated[
        list[str] | None, typer.Option(metavar="lo,hi", help="Instead of a fit; once, or once per channel.")
    ] = None,
    suffix: Annotated[str | None, typer.Option("--format", metavar="EXT", help="Of a batch, such as ome.zarr.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and what would be refused; compute nothing.")
    ] = False,
    allow_loss: Annotated[bool, typer.Option("--allow-loss", help="Write what a format cannot hold fully.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary; failures are told.")] = False,
) -> None:
    """Increase the resolution of images with a super-resolution model."""
    from napari_superres.inference.machine.memory import tune_allocator

    # Before torch takes its first large block.
    tune_allocator()
    reading = {
        "axes": axes,
        "series": series,
        "pixel_size": parsing.parse_pixel_size(pixel_size),
        "unit": unit,
        "skip_bad": skip_bad,
    }
    running: dict[str, Any] = {
        "device": device,
        "precision": precision,
        "tile": parsing.parse_tile(tile),
        "tta": tta,
        "channels": parsing.parse_channels(channels),
        "roi": parsing.parse_roi(roi),
        "intensity_range": parsing.parse_range(intensity_range),
        "max_passes": max_passes,
    }
    writing = {
        "overwrite": overwrite,
        "resume": resume,
        "allow_loss": allow_loss,
        "workers": workers,
        "scheduler": scheduler,
    }
    chosen = None if model is None else parsing.parse_model(model)
    if record is not None:
        recorded, settings = parsing.parse_record(record)
        chosen = recorded if chosen is None else chosen
        running = {**running, **{k: v for k, v in settings.items() if not running[k] or running[k] == "auto"}}
    if chosen is None:
        raise SettingsError("give a model (--model), or the record of a result to repeat (--from).")
    many = len(sources) > 1 or _is_batch(sources[0], output)
    if suffix is not None:
        if not many:
            raise SettingsError("--format is for folders of results; a single result's format is its name's suffix.")
        suffix = "." + suffix.lstrip(".")
    if dry_run:
        tell_plans(sources, output, chosen, suffix, {**reading, **running, **writing}, many=many, as_json=as_json)
    elif many:
        _many(sources, output, chosen, suffix, {**reading, **running, **writing}, as_json=as_json, quiet=quiet)
    else:
        _one(sources[0], output, chosen, {**reading, **running, **writing}, as_json=as_json, quiet=quiet)


def _is_batch(source: str, output: Path) -> bool:
    """Return whether a single source stands for many: a folder or pattern, or the output is a folder."""
    from napari_superres import io

    if not Path(source).exists():
        return any(c in source for c in "*?[")
    # Any suffix means a file; one that cannot be written is refused later, with those that can.
    is_output_file = bool(output.suffix) and not (output.is_dir() and io.suffix(output) not in io.WRITE_SUFFIXES)
    return not is_output_file or (Path(source).is_dir() and io.find_images(source) != [Path(source)])


def _one(source: str, output: Path, model: Any, options: dict[str, Any], *, as_json: bool, quiet: bool) -> None:
    from napari_superres.inference import upscale_file

    status = "skipped"
    with terminal.progress_bar(quiet=quiet) as show:

        def tell(step: Any) -> None:
            nonlocal status
            status = "done"
            show(output.name, step)

        written = upscale_file(source, output, model=model, progress=tell, **options)
    if as_json:
        terminal.result(json.dumps({"files": [{"target": str(written), "status": status}]}, indent=2))
    else:
        terminal.say(f"wrote {written}" if status == "done" else f"{written} is done already", quiet=quiet)


def _many(
    sources: list[str],
    folder: Path,
    model: Any,
    suffix: str | None,
    options: dict[str, Any],
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    from napari_superres.inference import upscale_files
    from napari_superres.inference.files import Outcome

    def tell(outcome: Outcome) -> None:
        detail = f": {outcome.message}" if outcome.message else f" -> {outcome.target.name} ({outcome.seconds:.1f} s)"
        # Nobody else tells of a failure.
        terminal.say(f"{outcome.status} {outcome.source}{detail}", quiet=quiet and outcome.status != "failed")

    with terminal.progress_bar(quiet=quiet) as show:
        outcomes = upscale_files(
            sources,
            folder,
            model=model,
            suffix=suffix,
            progress=lambda label, _, step: show(label, step),
            finished=tell,
            **options,
        )
    states: tuple[Literal["done", "skipped", "failed"], ...] = ("done", "skipped", "failed")
    counts = {state: sum(o.status == state for o in outcomes) for state in states}
    terminal.say(", ".join(f"{n} {state}" for state, n in counts.items()), quiet=quiet)
    if as_json:
        files = [
            {
                "source": o.source,
                "target": str(o.target),
                "status": o.status,
                "message": o.message,
                "seconds": round(o.seconds, 3),
            }
            for o in outcomes
        ]
        terminal.result(json.dumps({**counts, "files": files}, indent=2))
    if counts["failed"]:
        raise typer.Exit(3)
