"""``superres verify``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from napari_superres.cli import terminal


def verify(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Result, with its record next to it.")],
    inputs: Annotated[
        list[Path] | None,
        typer.Option("--input", metavar="FILE", help="Its input, or a folder to search by digest; may be repeated."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Its model, if that is not in the library.")
    ] = None,
    tiles: Annotated[int, typer.Option(min=1, help="Number of random tiles to compute again.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Check that a file is the output of the input and the model that its record names.

    The digests of result, input and model are compared with the record, and random tiles are computed again. Inputs
    that `superres degrade`, `resample` or `upscale` made are checked in the same way. Exits with 4 unless everything
    was checked and found right.
    """
    from napari_superres.inference import verify_result

    found = verify_result(result, inputs=inputs or (), model=model, tiles=tiles)
    if as_json:
        terminal.document({**asdict(found), "state": found.state, "text": str(found)})
    else:
        terminal.result(str(found))
        for check in found.checks:
            terminal.result(f"{check.state + ':':11} {check.subject} of {check.file}: {check.reason}")
    if found.state != "yes":
        raise typer.Exit(4)
