"""``superres calibrate``, ``trust``, ``methods`` and ``verify``."""

from dataclasses import asdict
from math import ceil, isinf
from pathlib import Path
from typing import Annotated

import typer

from napari_superres.cli import parsing, terminal
from napari_superres.cli.outputs.maps import map_targets, write_maps
from napari_superres.errors import EvaluationError, OutputError, OutputExistsError, SettingsError
from napari_superres.storage.atomic import check_writable


def calibrate(
    lr: Annotated[Path, typer.Argument(metavar="LRDIR", help="Folder of low-resolution images.")],
    reference: Annotated[Path, typer.Argument(metavar="REFDIR", help="Folder of their reference scans.")],
    model: Annotated[
        list[str], typer.Option("--model", "-m", help="Model; repeat to include disagreement between models.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.json", help="File to write.")],
    alpha: Annotated[float, typer.Option(help="Share of pixels that may lie outside the error bars.")] = 0.1,
    delta: Annotated[float, typer.Option(help="Probability that the guarantee for the mean fails.")] = 0.1,
    tolerance: Annotated[
        float | None,
        typer.Option(help="Error, in grey levels, that the failure mask points at; by default 5 % of the range."),
    ] = None,
    tta: Annotated[bool, typer.Option("--tta/--no-tta", help="Measure the disagreement of flipped images.")] = True,
    modality: Annotated[str | None, typer.Option(help="Kind of images; that of the model by default.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Calibrate a model's error bars on pairs of images that it was not trained on."""
    from napari_superres.evaluation import calibrate_folder

    _check_target(output, overwrite)
    calibration = calibrate_folder(
        lr, reference, model, alpha=alpha, delta=delta, tolerance=tolerance, tta=tta, modality=modality
    )
    if isinf(calibration.factor):
        least = ceil(1 / alpha) - 1
        raise SettingsError(
            f"error bars at alpha {alpha:g} need at least {least} images, got {calibration.images}.",
            remedy="Give more images, or use a larger `alpha`.",
        )
    calibration.to_json(output)
    for note in calibration.notes:
        terminal.say(f"note: {note}")
    terminal.result(
        f"{calibration.images} images; intervals are {calibration.factor:.4g} x (disagreement + "
        f"{calibration.epsilon:.4g}), mean width {calibration.mean_width:.4g}"
    )
    terminal.result(str(calibration.failure))
    if calibration.lam is None:
        terminal.result(f"no guarantee for the mean share of pixels outside the error bars: {calibration.reason}")
    terminal.say(f"wrote {output}")


def trust(
    image: Annotated[Path, typer.Argument(metavar="LR", help="Low-resolution image.")],
    model: Annotated[
        list[str], typer.Option("--model", "-m", help="Model; repeat to include disagreement between models.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the maps.")],
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Calibration of the same models: adds error bars and a failure mask."),
    ] = None,
    tta: Annotated[bool, typer.Option("--tta/--no-tta", help="Measure the disagreement of flipped images.")] = True,
    extension: Annotated[str, typer.Option("--format", help="Format of the maps.")] = ".ome.tif",
    pixel_size: Annotated[str | None, typer.Option(metavar="P", help="Pixel size that the file does not give.")] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.")] = "micrometer",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Map where a result can be trusted.

    The maps are the mean of the results for flipped images, their disagreement, error bars, and the residual: what the
    mean shows and the input does not. A failure mask is 1 where the error may exceed the calibration's tolerance.
    """
    from napari_superres import io
    from napari_superres.evaluation import check_consistency, evaluate, failure_mask, intervals, spread
    from napari_superres.evaluation.uncertainty.calibration import Binding, Calibration
    from napari_superres.evaluation.uncertainty.spread import describe_spread

    bars = None if calibration is None else Calibration.from_json(calibration)
    names = ("mean", "disagreement", "error-bar", "failure-mask", "residual")
    targets = map_targets(output, io.safe_name(image), names, extension, overwrite=overwrite, inputs=[image])
    lr = io.read_image(image, pixel_size=parsing.parse_pixel_size(pixel_size), unit=unit)
    results = spread(lr, model, tta=tta)
    maps = {"mean": results.mean, "disagreement": results.deviation}
    if bars is not None:
        maps["error-bar"] = intervals(results, bars, Binding.of(results))
        if bars.failure is not None:
            maps["failure-mask"] = failure_mask(results, bars, Binding.of(results))
    try:
        maps["residual"] = check_consistency(results.mean, lr).residual
        answers = evaluate(results.mean, None, lr=lr).findings["image"].answers
        checked = [f"{a.question} {a.state}: {a.reason}" for a in answers if "consistent" in a.question]
    except EvaluationError as error:
        checked = [f"it was not compared with its input: {error}"]
    write_maps(maps, targets, overwrite=overwrite)
    terminal.result(
        f"{results.members} results disagree by {describe_spread(results)}",
        *checked,
        f"Open {targets['mean']} with {targets['disagreement']} on top: where that is bright, the model guesses",
    )


def methods(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Result, or its record (.provenance.json).")],
) -> None:
    """Print a paragraph on a result for the methods of a paper, what to cite, and a checklist.

    The checklist is that of Schmied et al. 2024 for publishing image analysis, doi:10.1038/s41592-023-01987-9.
    """
    from napari_superres import io
    from napari_superres.evaluation import write_methods

    path = io.InputPath(result)
    record = io.read_record(path)
    if record is None:
        raise EvaluationError(
            f"{path} has no record of how it was made.", remedy="Give a result, or the .provenance.json next to it."
        )
    terminal.result(*write_methods(record).to_text().splitlines())


def verify(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Result, with its record next to it.")],
    inputs: Annotated[
        list[Path] | None,
        typer.Option("--input", metavar="FILE", help="Its input, or a folder to search by digest; may be repeated."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Its model, if that is not in the library.")
    ] = None,
    tiles: Annotated[int, typer.Option(min=1, help="Most tiles to compute again; small images have fewer.")] = 16,
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


def _check_target(path: Path, overwrite: bool) -> None:
    check_writable(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", remedy="Choose another name.")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists.", remedy="Set `overwrite` or choose another name.")
