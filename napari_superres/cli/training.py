"""``superres train``."""

from pathlib import Path
from typing import Annotated

import typer

from napari_superres.cli import terminal


def train(
    recipe: Annotated[str, typer.Option(help="Name of a shipped recipe, or a TOML file.")],
    data: Annotated[Path, typer.Option(help="Folder that holds the recipe's image folders.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL.safetensors")],
    minutes: Annotated[float | None, typer.Option(help="Budget; the recipe's by default.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Budget in steps.")] = None,
    start: Annotated[Path | None, typer.Option(help="Model file whose weights training starts from.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Train a model by a recipe."""
    from napari_superres.models import find_card
    from napari_superres.training import train as run

    written = run(
        recipe, data, output, minutes=minutes, steps=steps, start=start, seed=seed, overwrite=overwrite,
        progress=not quiet,
    )  # fmt: skip
    scores = find_card(written).scores.get("validation", {})
    terminal.say(f"wrote {written}", quiet=quiet)
    if "psnr" in scores:
        terminal.result(f"validation: {scores['psnr']} dB; bicubic {scores['bicubic_psnr']} dB")
