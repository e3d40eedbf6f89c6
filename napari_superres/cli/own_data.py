"""``superres isotropic`` and ``superres adapt``: learn from the images that the model is for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_superres.cli import parsing, terminal
from napari_superres.cli.upscale import PANEL_FILE, PANEL_RUN
from napari_superres.storage import as_path

if TYPE_CHECKING:
    from napari_superres.training.isotropic import Learnt


def adapt(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Noisy images as the model will get them.")],
    model: Annotated[str, typer.Option(help="Model to refine, by name or file.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL.safetensors", help="Model file to write.")],
    psf: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PSF measured by superres psf: the model then learns to sharpen, too."),
    ] = None,
    minutes: Annotated[float, typer.Option(help="Budget.")] = 3.0,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Budget in steps; training ends when either is spent.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of patches and noise.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Refine a model on your own noisy images, and write it only if it is better on parts that were held out."""
    from napari_superres.training import adapt as adapt_model

    with terminal.training_bar(quiet=quiet) as show:
        done = adapt_model(
            images,
            model,
            output,
            psf=parsing.read_psf(psf),
            minutes=minutes,
            steps=steps,
            seed=seed,
            overwrite=overwrite,
            progress=show,
        )
    terminal.result(f"estimated gain over {model}: {done.gain:+.2f} dB, standard error {done.error:.2f} dB")
    if done.path is None:
        terminal.say("nothing was written: the refined model is not clearly better. Use the model as it is.")
        raise typer.Exit(4)
    terminal.say(f"wrote {done.path}", quiet=quiet)


def isotropic(
    volume: Annotated[str, typer.Argument(metavar="VOLUME", help="Stack of thick slices.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Result file.")],
    minutes: Annotated[float, typer.Option(help="Most time for learning.")] = 3.0,
    axis: Annotated[Literal["Z", "Y", "X"], typer.Option(help="The coarse axis.")] = "Z",
    profile: Annotated[
        Literal["auto", "box", "gaussian"],
        typer.Option(help="How a slice weighs what lies within it; auto is a box, or with --psf a Gaussian."),
    ] = "auto",
    thickness: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="Thickness of a slice; of a Gaussian, its full width at half maximum. Default: the file's.",
        ),
    ] = None,
    spacing: Annotated[
        float | None, typer.Option(metavar="S", help="Distance of slices. Default: the pixel size along --axis.")
    ] = None,
    psf: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PSF measured by superres psf, in place of --thickness.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Go on where the checks speak against it.")] = False,
    model_file: Annotated[
        Path | None, typer.Option(metavar="M.safetensors", help="Where the model is kept. Default: next to the result.")
    ] = None,
    axes: Annotated[
        str | None, typer.Option(metavar="TCZYX", help="Axes of the file, slowest first.", rich_help_panel=PANEL_FILE)
    ] = None,
    pixel_size: Annotated[
        str | None, typer.Option(metavar="P", help="Pixel size; one number, Y,X or Z,Y,X.", rich_help_panel=PANEL_FILE)
    ] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.", rich_help_panel=PANEL_FILE)] = "micrometer",
    series: Annotated[int | None, typer.Option(help="Index of the image in a file that holds several.")] = None,
    channels: Annotated[str | None, typer.Option(metavar="0,2", help="Only these channels.")] = None,
    device: Annotated[
        str, typer.Option(help="Device: auto, cpu, cuda[:i] or mps.", rich_help_panel=PANEL_RUN)
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of processes that compute an .ome.zarr.", rich_help_panel=PANEL_RUN),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing result and model.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an unfinished .ome.zarr, with the model that was kept.")
    ] = False,
    allow_loss: Annotated[
        bool, typer.Option("--allow-loss", help="Write even if the format cannot hold everything the image has.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress, only the predicted gain.")] = False,
) -> None:
    """Make the thick slices of a stack thin, with a network that learns from the stack itself."""
    from napari_superres.inference.machine.memory import tune_allocator

    # The allocator can only be tuned before torch allocates its first large block.
    tune_allocator()
    from napari_superres.training.isotropic import isotropic_file

    def report(learnt: "Learnt") -> None:
        terminal.say(learnt.verdict)

    with terminal.progress_bar(quiet=quiet) as show:
        written = isotropic_file(
            volume,
            as_path(output),
            model_file=model_file,
            workers=workers,
            learning=lambda step: show("learning", step),
            learnt=report,
            progress=lambda step: show(output.name, step),
            axis=axis,
            profile=profile,
            thickness=thickness,
            spacing=spacing,
            psf=parsing.read_psf(psf),
            minutes=minutes,
            seed=seed,
            force=force,
            axes=axes,
            pixel_size=parsing.parse_pixel_size(pixel_size),
            unit=unit,
            series=series,
            channels=parsing.parse_channels(channels),
            device=device,
            overwrite=overwrite,
            resume=resume,
            allow_loss=allow_loss,
        )
    terminal.say(f"wrote {written}", quiet=quiet)
