"""``superres evaluate``, ``resolution`` and ``selftest``."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_superres.cli import parsing, terminal
from napari_superres.cli.outputs.maps import map_targets, write_maps
from napari_superres.cli.outputs.reports import check_reports, with_command
from napari_superres.errors import EvaluationError, SettingsError

if TYPE_CHECKING:
    from napari_superres import Image
    from napari_superres.evaluation import Report
    from napari_superres.evaluation.registration.register import Transform


def evaluate(
    first: Annotated[Path, typer.Argument(metavar="SR", help="Result, or a folder of results.")],
    second: Annotated[Path | None, typer.Argument(metavar="[REF]", help="Reference scan, or a folder of them.")] = None,
    lr: Annotated[Path | None, typer.Option(help="Low-resolution input, for the baselines and --model.")] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Model to run on --lr and to compare; may be repeated.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Also run this model on --lr, and compare everything with it.")
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            help="Baseline besides bicubic: lanczos, area-spline (where Z becomes finer), wiener, "
            "richardson-lucy, non-local-means (all by default), nlm-richardson-lucy, zero-filling, none."
        ),
    ] = None,
    psf_sigma: Annotated[
        float | None,
        typer.Option(help="Width of the input's point-spread function, in its unit; by default fitted to REF."),
    ] = None,
    psf: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The same as measured by superres psf, for a single image.")
    ] = None,
    register: Annotated[bool, typer.Option("--register", help="Move the reference onto the result first.")] = False,
    transform: Annotated[
        Literal["shift", "rigid", "affine"], typer.Option(help="Transform that --register looks for.")
    ] = "shift",
    convention: Annotated[str, typer.Option(help="microscopy or sr-paper.")] = "microscopy",
    data_range: Annotated[
        str | None, typer.Option(help="reference-percentile, reference-range, dtype or fixed:VALUE.")
    ] = None,
    repeat: Annotated[
        Path | None, typer.Option(metavar="LR2", help="Second recording of the input: its resolution is measured.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(metavar="F", help="File of superres calibrate: error bars of --model are checked.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="MASKS", help="Masks of the objects in REF, or a folder of them.")
    ] = None,
    detect: Annotated[
        Literal["spots", "nuclei", "filaments"] | None,
        typer.Option(help="Find these objects in every image and match them; nuclei by default with --labels."),
    ] = None,
    object_size: Annotated[
        float | None, typer.Option(help="Their diameter or width, in the image's unit; by default measured in REF.")
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EXPR",
            help="Exit with 4 unless it holds, e.g. 'psnr>bicubic+1', or 'answers': none is no; may be repeated.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 4 if an answer is no or doubtful, or none is yes.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="F", help="Write the report as JSON.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="F", help="Write the rows as CSV.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", metavar="F", help="Write one HTML page.")] = None,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="F.svg|png", help="Write a figure for a paper: input, interpolation, result, reference."),
    ] = None,
    maps: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write maps of where the result differs: difference, ssim, agreement; residual of --lr."
        ),
    ] = None,
    extension: Annotated[str, typer.Option("--format", help="Format of the maps.")] = ".ome.tif",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing maps.")] = False,
    pixel_size: Annotated[
        str | None, typer.Option(metavar="P", help="Pixel size of result and reference, instead of that in the files.")
    ] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.")] = "micrometer",
) -> None:
    """Measure results, or what models make of inputs, against reference scans, always next to bicubic interpolation.

    If one image is given with --lr and --model, it is the reference, and the models are judged: REF --lr LR --model
    NAME. If it is given with --lr alone, it is a result that is compared with its input only: SR --lr LR. All of this
    works for folders, too: SRDIR --lr LRDIR needs no references.
    """
    from napari_superres import io
    from napari_superres.evaluation import evaluate as compare
    from napari_superres.evaluation import evaluate_folder
    from napari_superres.evaluation.reporting.gates import ANSWERS, STRICT
    from napari_superres.evaluation.reporting.paper.figure import check_figure

    result, reference = (None, first) if second is None and model else (first, second)
    if transform != "shift" and not register:
        raise SettingsError("--transform says what --register looks for: give both.")
    options: dict[str, Any] = {
        "models": model or (),
        "against": against,
        "convention": convention,
        "data_range": data_range,
        "psf_sigma": psf_sigma,
        "register": transform if register else False,
        "detect": detect,
        "object_size": object_size,
        **_baselines(baseline),
    }
    gates = [text for text in gate or () if text != ANSWERS]
    if reference is None and (baseline or gates or labels or detect):
        raise SettingsError("--baseline, --labels, --detect, and --gate with metrics, need a reference.")
    _check_names(gates, options, result is not None, lr is not None)
    inputs = [path for path in (first, second, lr, repeat, calibration, labels) if path is not None]
    check_reports([path for path in (json_file, csv_file, html_file, figure) if path is not None], inputs)
    if figure is not None:
        check_figure(figure)
    single = result if reference is None else reference
    if single is None or io.find_images(single) == [single]:
        targets = _map_targets(maps, result, reference, lr, extension, overwrite, inputs)
        images = _read(result, reference, lr, repeat, parsing.parse_pixel_size(pixel_size), unit)
        masks = None if labels is None else io.read_image(labels)
        options["psf"] = parsing.read_psf(psf)
        report = compare(**images, labels=masks, calibration=calibration, name=io.safe_name(first), **options)
        written = _maps(images, targets, transform if register else None, data_range)
    elif any(option is not None for option in (repeat, calibration, pixel_size, maps, figure, psf)):
        raise SettingsError("--repeat, --calibration, --pixel-size, --maps, --figure and --psf are for single images.")
    else:
        report = evaluate_folder(result, reference, lr_dir=lr, labels_dir=labels, **options)
        targets, written = {}, {}
    report = replace(report, about=with_command(report.about, {"result": result, "reference": reference, "input": lr}))
    if figure is not None:
        report.to_figure(figure)
    for file, write in ((json_file, report.to_json), (csv_file, report.to_csv), (html_file, report.to_html)):
        if file is not None:
            write(file)
    write_maps(written, targets, overwrite=overwrite)
    # Files come first: they are not lost if stdout dies.
    terminal.result(*report.table().splitlines())
    passed = _check_gates([*(gate or ()), *([STRICT] if strict else [])], report)
    if report.failures or any(file.status == "failed" for file in report.files):
        raise typer.Exit(3)
    if not passed:
        raise typer.Exit(4)


def _baselines(names: list[str] | None) -> dict[str, Any]:
    """Return the option of `evaluate`; without names it has its own default."""
    if names is None:
        return {}
    if "none" in names and len(names) > 1:
        raise SettingsError(f"--baseline none cannot be combined with others, got {', '.join(names)}.")
    return {"baselines": [name for name in names if name != "none"]}


def _check_gates(texts: Sequence[str], report: "Report") -> bool:
    """Print whether each gate is met, and return whether all are."""
    from napari_superres.evaluation.reporting.gates import ANSWERS, STRICT, Gate, check_answers, check_gate

    gates = []
    for text in texts:
        if text in (ANSWERS, STRICT):
            gates.append(check_answers(report.findings, unjudged=report.unjudged, strict=text == STRICT))
            continue
        try:
            gates.append(check_gate(text, report.rows))
        except SettingsError as error:  # Its names are known: a baseline could not be made of this input.
            gates.append(Gate(text, False, error.message))
    for gate in gates:
        terminal.result(f"gate {gate.text}: {'met' if gate.passed else 'NOT MET'} ({gate.values})")
    return all(gate.passed for gate in gates)


def _check_names(gates: Sequence[str], options: dict[str, Any], has_result: bool, has_input: bool) -> None:
    """Refuse unknown models, baselines and gates before anything is read."""
    from napari_superres.evaluation.baselines import BICUBIC, DEFAULT_BASELINES, check_baselines
    from napari_superres.evaluation.candidates import RESULT, UNREGISTERED
    from napari_superres.evaluation.reporting.gates import check_names
    from napari_superres.models import find_card

    models = [*options["models"], *([options["against"]] if options["against"] else [])]
    for model in models:
        find_card(model)
    results = [RESULT, *([UNREGISTERED] if options["register"] else [])] if has_result else []
    baselines = check_baselines(options.get("baselines", DEFAULT_BASELINES)) if has_input else ()
    check_names(gates, [*results, *models, BICUBIC, *baselines])


def _map_targets(
    folder: Path | None,
    result: Path | None,
    reference: Path | None,
    lr: Path | None,
    extension: str,
    overwrite: bool,
    inputs: Sequence[Path],
) -> dict[str, Path]:
    """Return the file of each map that the images allow; none if no folder for maps is given."""
    from napari_superres import io

    if folder is None:
        return {}
    if result is None:
        raise SettingsError("--maps need a result: give SR and REF, or SR and --lr.")
    names = [] if reference is None else ["difference", "ssim", "agreement"]
    names += [] if lr is None else ["residual"]
    return map_targets(folder, io.safe_name(result), names, extension, overwrite=overwrite, inputs=inputs)


def _maps(
    images: dict[str, Any], names: Iterable[str], transform: "Transform | None", data_range: str | None
) -> "dict[str, Image]":
    """Return the maps of these names; say which ones cannot be made, and why."""
    from napari_superres import evaluation

    result, reference = images["result"], images["reference"]
    if transform is not None and reference is not None and names:
        moved = evaluation.register(result, reference, transform=transform)
        result, reference = moved.result, moved.reference
    makers: dict[str, Callable[[], Image]] = {
        "difference": lambda: evaluation.difference_map(result, reference),
        "ssim": lambda: evaluation.ssim_map(result, reference, data_range=data_range),
        "agreement": lambda: evaluation.agreement_map(result, reference),
        "residual": lambda: evaluation.residual_map(images["result"], images["lr"]),
    }
    maps = {}
    for name in names:
        try:
            maps[name] = makers[name]()
        except EvaluationError as error:
            terminal.say(f"no map of the {name}: {error}")
    return maps


def _read(
    result: Path | None, reference: Path | None, lr: Path | None, repeat: Path | None, size: Any, unit: str
) -> dict[str, Any]:
    """Return the images; inputs without a pixel size get that of the result, times the factor."""
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
    first: Annotated[Path, typer.Argument(metavar="A", help="Raw recording.")],
    second: Annotated[
        Path | None, typer.Argument(metavar="[B]", help="Second raw recording of the same scene.")
    ] = None,
    threshold: Annotated[
        Literal["1/7", "half-bit", "3-sigma"], typer.Option(help="Threshold of the correlation.")
    ] = "1/7",
    volume: Annotated[
        bool, typer.Option("--volume", help="Correlate shells of volumes instead of rings of planes.")
    ] = False,
    map_file: Annotated[
        Path | None, typer.Option("--map", metavar="F", help="Write a map of the smallest detail that A and B share.")
    ] = None,
    pixel_size: Annotated[str | None, typer.Option(metavar="P", help="Pixel size that the files do not give.")] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.")] = "micrometer",
    as_json: Annotated[bool, typer.Option("--json", help="Print values and curves as JSON.")] = False,
) -> None:
    """Measure the resolution of recordings, channel by channel.

    Two recordings of one scene are compared by Fourier ring correlation. A single one is measured by the ring
    correlation of its interleaved pixels, and by decorrelation.
    """
    from napari_superres import io
    from napari_superres.evaluation import decorrelation, local_agreement, ring_correlation, single_image_correlation

    if second is None and (volume or map_file is not None):
        raise SettingsError("--volume and --map need two recordings.")
    if map_file is not None:
        io.check_target(map_file, overwrite=False)
    size = parsing.parse_pixel_size(pixel_size)
    images = [io.read_image(path, pixel_size=size, unit=unit) for path in (first, second) if path is not None]
    if map_file is not None:
        terminal.say(f"wrote {io.write_image(local_agreement(*images), map_file)}")
    rows: list[dict[str, Any]] = []
    for channel in range(images[0].size("C")):
        label = f"channel {channel}: " if images[0].size("C") > 1 else ""
        if len(images) == 2:
            curve = ring_correlation(images[0], images[1], channel=channel, volume=volume)
        else:
            curve = single_image_correlation(images[0], channel=channel)
            label += "interleaved pixels: "
        limit = curve.resolution(threshold)
        curves = {k: getattr(curve, k).tolist() for k in ("frequency", "correlation", "count")}
        rows.append({"channel": channel, "method": "ring correlation", **asdict(limit), **curves})
        lines = [f"{label}{limit}"]
        if len(images) == 1:
            phases = decorrelation(images[0], channel=channel)
            value = "" if phases.value is None else f"{phases.value:.4g} {phases.unit}: "
            lines.append(f"{label.replace('interleaved pixels', 'decorrelation')}{value}{phases.reason}")
            facts = {k: getattr(phases, k) for k in ("value", "unit", "cutoff", "contrast", "reason")}
            rows.append({"channel": channel, "method": "decorrelation", **facts})
        if not as_json:
            terminal.result(*lines)
    if as_json:
        terminal.document({"channels": rows})
    elif len(images) == 1:
        terminal.say(
            "interleaved pixels: the image is split into two of every other pixel, which share the scene and not the "
            "noise. decorrelation: finer frequencies are left out until those that remain are noise alone."
        )


def selftest() -> None:
    """Compare every metric with known answers."""
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
