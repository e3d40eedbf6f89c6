"""``superres bench``."""

from pathlib import Path
from typing import Annotated

import typer

from napari_superres.cli import parsing, terminal

_DEFAULT = ("fsrcnn-x2", "fluo-x2")


def bench(
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Model name or file; by default fsrcnn-x2 and fluo-x2. May be repeated."),
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="Device: auto, cpu, cuda, cuda:1 or mps; by default auto. May be repeated.")
    ] = None,
    precision: Annotated[str, typer.Option(help="Precision: auto, fp32, fp16, bf16 or fp64.")] = "auto",
    tile: Annotated[
        list[str] | None,
        typer.Option(metavar="N", help="Edge of a tile: auto, N, or one per axis; by default auto. May be repeated."),
    ] = None,
    size: Annotated[int, typer.Option(min=1, help="Edge of the test image in pixels.")] = 1024,
    repeats: Annotated[int, typer.Option(min=1, help="Number of timed runs; the median is reported.")] = 5,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON; - means stdout.")
    ] = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Also write the table to this file.")
    ] = None,
) -> None:
    """Measure throughput on this machine: the engine and the network alone, per model, device and tile size."""
    from napari_superres.inference.machine.memory import tune_allocator
    from napari_superres.inference.measure import bench as figures
    from napari_superres.storage.atomic import check_writable, write_text

    to_stdout = json_file == Path("-")
    for file in (None if to_stdout else json_file, markdown_file):
        if file is not None:
            check_writable(file)
    tune_allocator()
    devices = device or ["auto"]
    machine = figures.describe_machine(devices)
    tiles = [parsing.parse_tile(text) for text in tile or ["auto"]]
    rows = []
    for row in figures.iter_throughput(
        model or _DEFAULT, devices=devices, precision=precision, tiles=tiles, size=size, repeats=repeats
    ):
        rows.append(row)
        terminal.say(f"{row.model} on {row.device}, tile {' x '.join(map(str, row.tile))}: {row.engine:.2f} Mpx/s")
    table, document = figures.to_markdown(machine, rows), figures.to_json(machine, rows)
    for file, text in ((None if to_stdout else json_file, document), (markdown_file, table)):
        if file is not None:
            write_text(file, text)
    terminal.result(*(document if to_stdout else table).splitlines())
