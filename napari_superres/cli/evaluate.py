"""``superres evaluate``, ``resolution`` and ``selftest``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_superres.cli import parsing, terminal
from napari_superres.errors import SettingsError


def evaluate(
    first: Annotated[Path, typer.Argument(metavar="SR", help="Result, or a folder of results.")],
    second: Annotated[Path | None, typer.Argument(metavar="[REF]", help="Reference scan, or a folder of them.")] = None,
    lr: Annotated[Path | None, typer.Option(help="Low-resolution input, for the baselines and --model.")] = None,
    model: Annotated[list[str] | None, typer.Option("--model", "-m", help="Also these models, run on --lr.")] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(help="Beside bicubic: lanczos, wiener, richardson-lucy (all by default), zero-filling, none."),
    ] = None,
    psf_sigma: Annotated[
        float | None, typer.Option(help="PSF of the input, in its unit; by default fitted to the reference.")
    ] = None,
    register: Annotated[bool, typer.Option("--register", help="Move the reference onto the result first.")] = False,
    transform: Annotated[
        Literal["shift", "rigid", "affine"], typer.Option(help="What --register looks for.")
    ] = "shift",
    convention: Annotated[str, typer.Option(help="microscopy or sr-paper.")] = "microscopy",
    data_range: Annotated[
        str | None, typer.Option(help="dtype, reference-range, reference-percentile or fixed:VALUE.")
    ] = None,
    repeat: Annotated[
        Path | None, typer.Option(metavar="LR2", help="The input recorded once more: its resolution is measured.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(metavar="F", help="Of superres calibrate: error bars of --model are checked.")
    ] = None,
    gate: Annotated[
        list[str] | None, typer.Option(metavar="EXPR", help="Exit with 4 unless, e.g. 'psnr>bicubic+1'; may repeat.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="F", help="Write the report as JSON.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="F", help="Write the rows as CSV.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", metavar="F", help="Write one HTML page.")] = None,
    pixel_size: Annotated[
        str | None, typer.Option(metavar="P", help="Of result and reference, instead of what files say.")
    ] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.")] = "micrometer",
) -> None:
    """Measure results, or what models make of inputs, against reference scans, always beside bicubic interpolation.

    One image with --lr and --model is the reference, and the models are judged: REF --lr LR --model NAME. One
    image with --lr alone is a result that is held against its input only: SR --lr LR.
    """
    from napari_superres import io
    from napari_superres.evaluation import evaluate as compare
    from napari_superres.evaluation import evaluate_folder
    from napari_superres.evaluation.reporting.gates import check_gate, parse_gate

    result, reference = (None, first) if second is None and model else (first, second)
    options: dict[str, Any] = {
        "models": model or (),
        "convention": convention,
        "data_range": data_range,
        "psf_sigma": psf_sigma,
        "register": transform if register else False,
    }
    if transform != "shift" and not register:
        raise SettingsError("--transform says what --register looks for: give both.")
    if baseline is not None:
        if "none" in baseline and len(baseline) > 1:
            raise SettingsError(f"--baseline none stands alone, got {', '.join(baseline)}.")
        options["baselines"] = [name for name in baseline if name != "none"]
    for text in gate or ():
        parse_gate(text)
    if reference is None and (baseline or gate):
        raise SettingsError("--baseline and --gate need a reference.")
    shown = result if reference is None else reference
    if shown is None or io.find_images(shown) == [shown]:
        report = compare(
            **_read(result, reference, lr, repeat, parsing.parse_pixel_size(pixel_size), unit),
            calibration=calibration,
            name=io.safe_name(first),
            **options,
        )
    elif reference is None:
        raise SettingsError("a folder of results needs a folder of reference scans.")
    elif repeat is not None or calibration is not None or pixel_size is not None:
        raise SettingsError("--repeat, --calibration and --pixel-size are for single images.")
    else:
        report = evaluate_folder(result, reference, lr_dir=lr, **options)
    terminal.result(report.table())
    for file, write in ((json_file, report.to_json), (csv_file, report.to_csv), (html_file, report.to_html)):
        if file is not None:
            write(file)
    gates = [check_gate(text, report.rows) for text in gate or ()]
    for found in gates:
        terminal.result(f"gate {found.text}: {'met' if found.passed else 'NOT MET'} ({found.found})")
    if report.failures:
        raise typer.Exit(3)
    if not all(found.passed for found in gates):
        raise typer.Exit(4)


def _read(
    result: Path | None, reference: Path | None, lr: Path | None, repeat: Path | None, size: Any, unit: str
) -> dict[str, Any]:
    """Return the images; inputs without a pixel size of their own get that of the result, times the factor."""
    from napari_superres import io

    fine = {
        name: None if path is None else io.read_image(path, pixel_size=size, unit=unit)
        for name, path in (("result", result), ("reference", reference))
    }
    coarse = {name: None if p is None else io.read_image(p) for name, p in (("lr", lr), ("repeat", repeat))}
    known = fine["result"] or fine["reference"]
    for name, image in coarse.items():
        if image is not None and size is not None and not image.has_pixel_size and known is not None:
            factors = [round(known.size(a) / image.size(a)) for a in image.spatial]
            sizes = [known.pixel_size[known.spatial.index(a)] * f for a, f in zip(image.spatial, factors, strict=True)]
            coarse[name] = image.with_pixel_size(sizes, unit=unit)
    return {**fine, **coarse}


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
    from napari_superres.evaluation import decorrelation, local_agreement, ring_correlation, single_image_correlation

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
        terminal.result(f"{verdict:5} {a.name:{width}} {a.measured:.9g}, expected {a.expected:.9g} +- {a.tolerance:g}")
    wrong = sum(not a.passed for a in answers)
    terminal.result(f"{len(answers) - wrong} passed, {wrong} failed")
    if wrong:
        raise typer.Exit(1)
