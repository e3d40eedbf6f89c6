"""``superres upscale``: one image to a file, or several to a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_superres.cli import parsing, terminal
from napari_superres.cli.dry_run import READING, print_plans
from napari_superres.cli.outputs.reports import check_report, write_report
from napari_superres.cli.wording import as_flags, failure_lines
from napari_superres.errors import SettingsError
from napari_superres.storage import as_path, is_address

PANEL_FILE, PANEL_RUN = "If the file does not say", "Computation"
PANEL_TOLD = "What the model is told"


def upscale(
    sources: Annotated[list[str], typer.Argument(metavar="SRC...", help="Files, folders or glob patterns.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DST", help="Result file; for several sources, a folder.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|PATH|CHANNEL=NAME,...|auto",
            help="Model, or one per channel as CHANNEL=NAME; see models list. auto chooses one for each image, and "
            "auto:KIND says what an image shows that does not tell, such as auto:fluorescence.",
        ),
    ] = None,
    isotropic: Annotated[
        bool,
        typer.Option(
            "--isotropic", help="Instead of --model: the one that makes the slices of a stack as thin as its pixels."
        ),
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option("--from", metavar="NAME.provenance.json", help="Repeat the model and intensities of this result."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Device: auto, cpu, cuda[:i] or mps.", rich_help_panel=PANEL_RUN)
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="Precision: auto, fp32, fp16, bf16 or fp64.", rich_help_panel=PANEL_RUN)
    ] = "auto",
    tile: Annotated[
        str,
        typer.Option(
            metavar="auto|N|Z,Y,X",
            help="Edge of a tile in input pixels. Changes speed and memory, not the result.",
            rich_help_panel=PANEL_RUN,
        ),
    ] = "auto",
    axes: Annotated[
        str | None, typer.Option(metavar="TCZYX", help="Axes of the file, slowest first.", rich_help_panel=PANEL_FILE)
    ] = None,
    channels: Annotated[str | None, typer.Option(metavar="0,2", help="Only these channels.")] = None,
    roi: Annotated[
        str | None,
        typer.Option(metavar="y0:y1,x0:x1", help="Only this region, in input pixels, such as 0:512,100:612."),
    ] = None,
    tta: Annotated[
        bool, typer.Option("--tta", help="Average the results of eight flips and rotations; 8 times slower.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Skip finished results and continue an unfinished .ome.zarr.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Fill missing or damaged chunks of a zarr file, and list them.")
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Also read data that a file names outside its own folder.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of processes that compute an .ome.zarr.", rich_help_panel=PANEL_RUN),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="tls://...", help="Compute on the workers of this dask scheduler.", rich_help_panel=PANEL_RUN
        ),
    ] = None,
    max_passes: Annotated[
        int,
        typer.Option(
            help="Most passes over the image that a model with global layers may take.", rich_help_panel=PANEL_RUN
        ),
    ] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    pixel_size: Annotated[
        str | None, typer.Option(metavar="P", help="Pixel size; one number, Y,X or Z,Y,X.", rich_help_panel=PANEL_FILE)
    ] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.", rich_help_panel=PANEL_FILE)] = "micrometer",
    series: Annotated[int | None, typer.Option(help="Index of the image in a file that holds several.")] = None,
    intensity_range: Annotated[
        list[str] | None,
        typer.Option(metavar="lo,hi", help="Intensities to map to 0 and 1; once, or once per channel."),
    ] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="measured|0|GAIN,READ[,OFFSET]",
            help="Noise of the image, in its intensities: variance GAIN * (I - OFFSET) + READ^2; once, or once per "
            "channel. Default: measured.",
            rich_help_panel=PANEL_TOLD,
        ),
    ] = None,
    strength: Annotated[
        float, typer.Option(help="How much of the noise is removed: 0 to 1.5.", rich_help_panel=PANEL_TOLD)
    ] = 1.0,
    psf_sigma: Annotated[
        float | None,
        typer.Option(
            help="Known sigma of the PSF in pixels of the result. Default: unknown, nothing is sharpened.",
            rich_help_panel=PANEL_TOLD,
        ),
    ] = None,
    psf: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|metadata",
            help="PSF measured by superres psf, instead; or metadata: by the aperture, emission wavelengths and kind "
            "of microscope that the image's file states.",
            rich_help_panel=PANEL_TOLD,
        ),
    ] = None,
    numerical_aperture: Annotated[
        float | None, typer.Option(help="Of a widefield microscope, with --wavelength.", rich_help_panel=PANEL_TOLD)
    ] = None,
    wavelength: Annotated[
        float | None, typer.Option(help="Of the light, in micrometres.", rich_help_panel=PANEL_TOLD)
    ] = None,
    suffix: Annotated[
        str | None, typer.Option("--format", metavar="EXT", help="Format of the results in a folder, such as ome.zarr.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Also upscale the images in the subfolders of folders.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Report what would be done and what would be refused; compute nothing.")
    ] = False,
    allow_loss: Annotated[
        bool, typer.Option("--allow-loss", help="Write even if the format cannot hold everything the image has.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="F.html", help="Write one page on the results: pictures, comparison with the inputs, warnings."
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no progress and no summary; still list failures.")
    ] = False,
) -> None:
    """Increase the resolution of images with a super-resolution model."""
    _set_up_process(0 if dry_run else workers or 0)
    reading = {
        "axes": axes,
        "series": series,
        "pixel_size": parsing.parse_pixel_size(pixel_size),
        "unit": unit,
        "skip_bad": skip_bad,
        "trust": trust,
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
        "noise": parsing.parse_noise(noise),
        "strength": strength,
        "psf_sigma": psf_sigma,
        "psf": parsing.parse_psf(psf),
        "numerical_aperture": numerical_aperture,
        "wavelength": wavelength,
    }
    writing = {
        "overwrite": overwrite,
        "resume": resume,
        "allow_loss": allow_loss,
        "workers": workers,
        "scheduler": scheduler,
    }
    chosen = parsing.choose_name(model, isotropic=isotropic)
    if record is not None:
        recorded, settings = parsing.parse_record(record)
        chosen = recorded if chosen is None else chosen
        from napari_superres.inference.options import UPSCALE_DEFAULTS

        defaults: Mapping[str, Any] = UPSCALE_DEFAULTS
        running = {**running, **{k: v for k, v in settings.items() if running[k] == defaults[k]}}
    if chosen is None:
        raise SettingsError(
            "no model is given.",
            remedy="Name one with --model, let superres choose with --model auto, or repeat a result with --from.",
        )
    output, options = as_path(output), {**reading, **running, **writing}
    many = recursive or len(sources) > 1 or _is_batch(sources[0], output)
    suffix = _dotted(suffix, many=many)
    _check_output(output, many=many)
    check_report(report, [Path(source) for source in sources if not is_address(source)])
    if dry_run:
        print_plans(sources, output, chosen, suffix, options, many=many, recursive=recursive, as_json=as_json)
    elif many:
        options["recursive"] = recursive
        _upscale_many(sources, output, chosen, suffix, options, as_json=as_json, quiet=quiet, report=report)
    else:
        _upscale_one(sources[0], output, chosen, options, as_json=as_json, quiet=quiet, report=report)


def _set_up_process(workers: int) -> None:
    """Tune what can only be tuned before torch is imported, and import it for workers at the same time."""
    from napari_superres.inference.machine.memory import tune_allocator

    tune_allocator()
    if workers > 0:
        from napari_superres.inference.stream.fork_server import start_fork_server

        start_fork_server(workers)


def _dotted(suffix: str | None, *, many: bool) -> str | None:
    """Return the suffix of the results in a folder with its dot."""
    if suffix is not None and not many:
        raise SettingsError(
            "--format is for results in a folder.", remedy="Name the format of a single result by its suffix."
        )
    return suffix and "." + suffix.lstrip(".")


def _check_output(output: Path, *, many: bool) -> None:
    """Refuse an output that can never be written, before images are read and a model is chosen."""
    from napari_superres import io

    if not many:
        io.format_to_write(output)
    elif io.suffix(output) in io.WRITE_SUFFIXES and not output.is_dir():
        raise SettingsError(
            f"several images need a folder for their results, got the name of a file, {output.name!r}.",
            remedy="Name a folder with --output, or give one image (--series N chooses one of a folder's).",
        )


def _is_batch(source: str, output: Path) -> bool:
    """Return whether a single source makes a batch: a folder or pattern, or the output is a folder."""
    from napari_superres import io

    if is_address(source):
        return not output.suffix
    if not Path(source).exists():
        return any(c in source for c in "*?[")
    # Any suffix means a file. An unknown one is refused later, with a list of the known suffixes.
    names_a_file = bool(output.suffix) and not (output.is_dir() and io.suffix(output) not in io.WRITE_SUFFIXES)
    return not names_a_file or (Path(source).is_dir() and io.find_images(source) != [Path(source)])


def _upscale_one(
    source: str, output: Path, model: Any, options: dict[str, Any], *, as_json: bool, quiet: bool, report: Path | None
) -> None:
    from napari_superres import io
    from napari_superres.inference import upscale_file
    from napari_superres.models.choice.choose import choose, is_auto

    if is_auto(model):
        image = io.read_with_notes(io.InputPath(source), **{name: options[name] for name in READING})
        terminal.say(choose(model, image).reason, quiet=quiet)
    status = "skipped"
    with terminal.progress_bar(quiet=quiet) as show:

        def show_step(step: Any) -> None:
            nonlocal status
            status = "done"
            show(output.name, step)

        written = upscale_file(source, output, model=model, progress=show_step, **options)
    if report is not None:
        write_report([(as_path(source), output, status, "", ())], report, options)
    if as_json:
        terminal.document({"files": [{"target": str(written), "status": status}]})
    else:
        terminal.say(f"wrote {written}" if status == "done" else f"{written} is finished already", quiet=quiet)


def _upscale_many(
    sources: list[str],
    folder: Path,
    model: Any,
    suffix: str | None,
    options: dict[str, Any],
    *,
    as_json: bool,
    quiet: bool,
    report: Path | None,
) -> None:
    from napari_superres.inference import upscale_files
    from napari_superres.inference.batch_files import BatchFiles
    from napari_superres.inference.files import Outcome

    printed: dict[str, int] = {}

    def print_outcome(outcome: Outcome) -> None:
        detail = (
            f": {outcome.message}"
            if outcome.message
            else f" -> {outcome.target.relative_to(folder)} ({outcome.seconds:.1f} s)"
        )
        detail += f"; {outcome.chosen}" if outcome.chosen else ""
        # A failure is printed even if quiet, because nothing else reports it.
        terminal.say(f"{outcome.status} {outcome.source}{detail}", quiet=quiet and outcome.status != "failed")
        # The images of a batch are alike: what is true of several is printed once, and counted at the end.
        terminal.warn(f"{outcome.source}: {note}" for note in outcome.notes if note not in printed)
        printed.update({note: printed.get(note, 0) + 1 for note in outcome.notes})

    # Found before the first result is written, as the batch does it.
    paths: Sequence[Path] = ()
    if report is not None:
        paths = BatchFiles.find(sources, folder, model, suffix, recursive=options["recursive"]).paths
    with terminal.progress_bar(quiet=quiet) as show:
        outcomes = upscale_files(
            sources,
            folder,
            model=model,
            suffix=suffix,
            progress=lambda label, _, step: show(label, step),
            finished=print_outcome,
            **options,
        )
    states: tuple[Literal["done", "skipped", "failed"], ...] = ("done", "skipped", "failed")
    counts = {state: sum(o.status == state for o in outcomes) for state in states}
    terminal.say(", ".join(f"{n} {state}" for state, n in counts.items()), quiet=quiet)
    for line in failure_lines((o.source, o.cause, o.message) for o in outcomes if o.status == "failed"):
        terminal.say(line, quiet=quiet)
    terminal.warn(f"{count} files: {note}" for note, count in printed.items() if count > 1)
    if report is not None:
        made = zip(paths, outcomes, strict=True)
        write_report([(path, o.target, o.status, o.message, o.notes) for path, o in made], report, options)
    if as_json:
        files = [
            {
                "source": o.source,
                "target": str(o.target),
                "status": o.status,
                "message": as_flags(o.message),
                "seconds": round(o.seconds, 3),
                "chosen": o.chosen,
            }
            for o in outcomes
        ]
        terminal.document({**counts, "files": files})
    if counts["failed"]:
        raise typer.Exit(3)
