"""``superres calibrate`` and ``superres trust``."""

from math import ceil, isinf
from pathlib import Path
from typing import Annotated

import typer

from napari_superres.cli import parsing, terminal
from napari_superres.errors import EvaluationError, OutputError, SettingsError


def calibrate(
    lr: Annotated[Path, typer.Argument(metavar="LRDIR", help="Folder of low-resolution images.")],
    reference: Annotated[Path, typer.Argument(metavar="REFDIR", help="Folder of their reference scans.")],
    model: Annotated[list[str], typer.Option("--model", "-m", help="May repeat: their disagreement counts too.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.json", help="File to write.")],
    alpha: Annotated[float, typer.Option(help="Share of pixels that may lie outside.")] = 0.1,
    delta: Annotated[float, typer.Option(help="Chance that the bound fails.")] = 0.1,
    tta: Annotated[bool, typer.Option("--tta/--no-tta", help="Disagreement of turned images.")] = True,
    modality: Annotated[str | None, typer.Option(help="Kind of images; the model's by default.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Calibrate a model's error bars on pairs of images that it was not trained on."""
    from napari_superres.evaluation.uncertainty.conformal import calibrate_folder

    _check_target(output, overwrite)
    found = calibrate_folder(lr, reference, model, alpha=alpha, delta=delta, tta=tta, modality=modality)
    if isinf(found.factor):
        least = ceil(1 / alpha) - 1
        raise SettingsError(
            f"error bars at alpha {alpha:g} need at least {least} images, got {found.images}. Give more."
        )
    found.to_json(output)
    for note in found.notes:
        terminal.say(f"note: {note}")
    terminal.result(
        f"{found.images} images; intervals are {found.factor:.4g} x (disagreement + {found.epsilon:.4g}), "
        f"mean width {found.mean_width:.4g}"
    )
    if found.lam is None:
        terminal.result(f"the bound on the mean is not given: {found.reason}")
    terminal.say(f"wrote {output}")


def trust(
    image: Annotated[Path, typer.Argument(metavar="LR", help="Low-resolution image.")],
    model: Annotated[list[str], typer.Option("--model", "-m", help="May repeat: they are compared.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the maps.")],
    calibration: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Of the same models: gives error bars.")
    ] = None,
    tta: Annotated[bool, typer.Option("--tta/--no-tta", help="Disagreement of turned images.")] = True,
    extension: Annotated[str, typer.Option("--format", help="Of the maps.")] = ".ome.tif",
    pixel_size: Annotated[str | None, typer.Option(metavar="P", help="What the file does not say.")] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.")] = "micrometer",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Map where a result can be trusted: the mean of turns, their disagreement, error bars, what the input denies."""
    from napari_superres import io
    from napari_superres.evaluation import check_consistency, spread
    from napari_superres.evaluation.reporting.questions import consistent
    from napari_superres.evaluation.uncertainty.calibration import Binding, Calibration, intervals

    bars = None if calibration is None else Calibration.from_json(calibration)
    if not extension.startswith("."):
        extension = f".{extension}"
    names = ("mean", "disagreement", "error-bar", "residual")
    targets = {name: output / f"{io.safe_name(image)}_{name}{extension}" for name in names}
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is a file; the maps need a folder. Choose another name.")
    for target in targets.values():
        if output.is_dir():
            io.check_target(target, overwrite=overwrite)
        elif extension not in io.WRITE_SUFFIXES:
            raise SettingsError(f"maps cannot be written as {extension}. Use one of: {', '.join(io.WRITE_SUFFIXES)}.")
    lr = io.read_image(image, pixel_size=parsing.parse_pixel_size(pixel_size), unit=unit)
    found = spread(lr, model, tta=tta)
    maps = {"mean": found.mean, "disagreement": found.deviation}
    if bars is not None:
        maps["error-bar"] = intervals(found, bars, Binding.of(found))
    try:
        kept, problem = check_consistency(found.mean, lr), ""
        maps["residual"] = kept.residual
    except EvaluationError as error:
        kept, problem = None, str(error)
    output.mkdir(parents=True, exist_ok=True)
    for name, result in maps.items():
        terminal.say(f"wrote {io.write_image(result, targets[name], overwrite=overwrite)}")
    terminal.result(f"{found.members} results; {consistent(kept, problem).reason}")


def _check_target(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists. Choose another name or allow overwriting (--overwrite).")
    if path.suffix == ".json" and not path.parent.is_dir():
        raise SettingsError(f"folder {path.parent} does not exist. Make it first or choose another one.")
