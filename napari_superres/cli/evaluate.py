"""``superres evaluate``, ``resolution`` and ``selftest``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_superres.cli import parsing, terminal
from napari_superres.errors import SettingsError


def evaluate(
    result: Annotated[Path, typer.Argument(metavar="SR", help="Result, or a folder of results.")],
    reference: Annotated[Path, typer.Argument(metavar="REF", help="Reference scan, or a folder of them.")],
    lr: Annotated[Path | None, typer.Option(help="Low-resolution input, for the bicubic row and --model.")] = None,
    model: Annotated[list[str] | None, typer.Option("--model", "-m", help="Also these models, run on --lr.")] = None,
    convention: Annotated[str, typer.Option(help="microscopy or sr-paper.")] = "microscopy",
    data_range: Annotated[
        str | None, typer.Option(help="dtype, reference-range, reference-percentile or fixed:VALUE.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="F", help="Write the report as JSON.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="F", help="Write the rows as CSV.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", metavar="F", help="Write one HTML page.")] = None,
    pixel_size: Annotated[str | None, typer.Option(metavar="P", help="Of the result, where its file has none.")] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.")] = "micrometer",
) -> None:
    """Measure results against reference scans, always beside bicubic interpolation."""
    from napari_superres import io
    from napari_superres.evaluation import evaluate as compare
    from napari_superres.evaluation import evaluate_folder

    rules = {"convention": convention, **({} if data_range is None else {"data_range": data_range})}
    if len(io.find_images(result)) > 1 or io.find_images(result) != [result]:
        report = evaluate_folder(result, reference, lr_dir=lr, models=model or (), **rules)
    else:
        size = parsing.parse_pixel_size(pixel_size)
        report = compare(
            io.read_image(result, pixel_size=size, unit=unit),
            io.read_image(reference, pixel_size=size, unit=unit),
            lr=None if lr is None else io.read_image(lr),
            models=model or (),
            **rules,
        )
    terminal.result(report.table())
    for file, write in ((json_file, report.to_json), (csv_file, report.to_csv), (html_file, report.to_html)):
        if file is not None:
            write(file)
    if report.failures:
        raise typer.Exit(3)


def resolution(
    first: Annotated[Path, typer.Argument(metavar="A", help="Recording, raw.")],
    second: Annotated[Path | None, typer.Argument(metavar="[B]", help="The same scene once more, raw.")] = None,
    threshold: Annotated[Literal["1/7", "half-bit", "3-sigma"], typer.Option(help="Of the correlation.")] = "1/7",
    volume: Annotated[bool, typer.Option("--volume", help="Shells of volumes instead of rings of planes.")] = False,
    map_file: Annotated[
        Path | None, typer.Option("--map", metavar="F", help="Write where A and B agree, and down to which detail.")
    ] = None,
    pixel_size: Annotated[str | None, typer.Option(metavar="P", help="What the files do not say.")] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.")] = "micrometer",
    as_json: Annotated[bool, typer.Option("--json", help="Print values and curves as JSON.")] = False,
) -> None:
    """Measure the resolution of recordings, channel by channel.

    Of two of one scene by Fourier ring correlation; of one by that of its interleaved pixels and by decorrelation.
    """
    from napari_superres import io
    from napari_superres.evaluation import (
        decorrelation,
        local_agreement,
        ring_correlation,
        single_image_correlation,
    )

    if second is None and (volume or map_file is not None):
        raise SettingsError("--volume and --map need two recordings.")
    size = parsing.parse_pixel_size(pixel_size)
    images = [io.read_image(path, pixel_size=size, unit=unit) for path in (first, second) if path is not None]
    rows: list[dict[str, Any]] = []
    for channel in range(images[0].size("C")):
        label = f"channel {channel}: " if images[0].size("C") > 1 else ""
        if len(images) == 2:
            curve = ring_correlation(images[0], images[1], channel=channel, volume=volume)
        else:
            curve = single_image_correlation(images[0], channel=channel)
            label += "interleaved pixels: "
        found = curve.resolution(threshold)
        curves = {k: getattr(curve, k).tolist() for k in ("frequency", "correlation", "count")}
        rows.append({"channel": channel, "method": "ring correlation", **asdict(found), **curves})
        lines = [f"{label}{found}"]
        if len(images) == 1:
            phases = decorrelation(images[0], channel=channel)
            value = "" if phases.value is None else f"{phases.value:.4g} {phases.unit}: "
            lines.append(f"{label.replace('interleaved pixels', 'decorrelation')}{value}{phases.reason}")
            kept = {k: getattr(phases, k) for k in ("value", "unit", "cutoff", "contrast", "reason")}
            rows.append({"channel": channel, "method": "decorrelation", **kept})
        if not as_json:
            terminal.result("\n".join(lines))
    if map_file is not None:
        terminal.say(f"wrote {io.write_image(local_agreement(*images), map_file)}")
    if as_json:
        terminal.result(json.dumps({"channels": rows}, indent=2))


def selftest() -> None:
    """Compare every metric with answers that are known."""
    from napari_superres.evaluation import run_selftest

    answers = run_selftest()
    width = max(len(a.name) for a in answers)
    for a in answers:
        verdict = "ok" if a.passed else "WRONG"
        terminal.result(f"{verdict:5} {a.name:{width}} {a.found:.9g}, expected {a.expected:.9g} +- {a.tolerance:g}")
    wrong = sum(not a.passed for a in answers)
    terminal.result(f"{len(answers) - wrong} passed, {wrong} failed")
    if wrong:
        raise typer.Exit(1)
