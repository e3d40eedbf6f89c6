"""``superres models list|show|add|remove|verify|export`` and ``superres check``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_superres.cli import terminal
from napari_superres.errors import SuperResError

if TYPE_CHECKING:
    from napari_superres.models import ModelCard

app = typer.Typer(help="The models that can be used.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print the cards as JSON.")] = False) -> None:
    """List the models, one line each: name, where it comes from, what it is for."""
    from napari_superres.models import list_models
    from napari_superres.models.library.shipped import shipped_file

    cards = list_models()
    if as_json:
        terminal.result(json.dumps([card.to_dict() for card in cards], indent=2))
        return
    width = max(len(card.name) for card in cards)
    for card in cards:
        origin = "shipped" if card.is_interpolation or shipped_file(card.name) else "added"
        terminal.result(f"{card.name:{width}}  {origin:7}  {card.modality:12}  {card.title}")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Model name or file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Show a model's card, where it comes from and the sha256 of its file."""
    from napari_superres.models import find_card
    from napari_superres.models.library.registry import model_origin, model_path
    from napari_superres.models.model_file import digest

    card = find_card(name)
    facts = {"origin": model_origin(name), "sha256": "" if card.is_interpolation else digest(model_path(name))}
    if as_json:
        terminal.result(json.dumps({**card.to_dict(), **facts}, indent=2))
        return
    for key, value in (card.to_dict() | facts).items():
        if key == "scores":
            for test, scores in sorted(card.scores.items()):
                terminal.result(f"{f'{test}:':20} {_scores(scores)}")
        elif value not in (None, "", {}, ()):
            terminal.result(f"{key.replace('_', ' ') + ':':20} {_text(value)}")


def _scores(scores: Mapping[str, Any]) -> str:
    """Return the scores of a test: the model first, then what stands beside it, then the protocol."""
    ending = "_psnr"
    names = ["", *(k.removesuffix(ending) + "_" for k in scores if k.endswith(ending))]
    parts = [
        f"{name.rstrip('_').replace('_', '-') or 'model'} {scores[f'{name}psnr']} dB"
        + (f", SSIM {scores[f'{name}ssim']}" if f"{name}ssim" in scores else "")
        for name in names
        if f"{name}psnr" in scores
    ]
    told = {f"{name}{metric}" for name in names for metric in ("psnr", "ssim")} | {"protocol"}
    parts += [f"{k.replace('_', ' ')} {v}" for k, v in scores.items() if k not in told]
    return "; ".join([*parts, str(scores.get("protocol", ""))])


@app.command("add")
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Model files, or bioimage.io packages.")],
    trust: Annotated[
        bool, typer.Option("--trust", help="Let models run that are programs (TorchScript, source).")
    ] = False,
) -> None:
    """Keep model files in the library: each is checked, measured, copied, and known by its file's name from then on.

    Taken are our own files; .pth, .ckpt, .safetensors of every architecture that spandrel recognises; and bioimage.io
    packages (.zip or folder). Nothing in a file is run unless --trust allows it. Measuring takes seconds to minutes.

    The folder is napari-superres/models among the user's data; NAPARI_SUPERRES_MODELS names another one.
    """
    from napari_superres.models import add_model
    from napari_superres.models.library.index import library_entries

    failed = 0
    for path in files:
        try:
            card = add_model(path, trust=trust)
            terminal.result(card.name)
            terminal.say(f"{_added(card)}; sha256 {library_entries()[card.name].sha256}")
        except SuperResError as error:
            if len(files) == 1:
                raise
            failed += 1
            terminal.say(" ".join(f"failed: {error}".split()))
    if failed:
        terminal.say(f"{len(files) - failed} added, {failed} failed")
        raise typer.Exit(3)


def _added(card: "ModelCard") -> str:
    """Return what was found of a model, in a line."""
    said = "large ones only in one window" if card.tile_error is None else f"off by {card.tile_error:.1g} of the range"
    exact = "tiles are exact" if card.bounded else f"tiles of large images may show ({said})"
    facts = [card.title, f"licence {card.license or 'not stated'}", f"looks {max(card.halo)} px far", exact]
    return "; ".join(fact for fact in facts if fact)


@app.command("export")
def export(
    name: Annotated[str, typer.Argument(help="Model name or file.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="What to write: .zip, or .safetensors.")],
    format_: Annotated[
        Literal["bioimageio", "safetensors"] | None,
        typer.Option("--format", help="Package for other programs, or our one file."),
    ] = None,
    author: Annotated[list[str] | None, typer.Option(help="'Name' or 'Name; Institute'; may be repeated.")] = None,
    cite: Annotated[list[str] | None, typer.Option(help="'Text doi:10...'; may be repeated. Else the card's.")] = None,
    cover: Annotated[Path | None, typer.Option(help="Picture. Else one is made.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Hand a model on: as a bioimage.io package with test tensors, or as our one file."""
    from napari_superres.models import export_bioimageio, export_safetensors

    if (format_ or output.suffix.lstrip(".")) == "safetensors":
        written = export_safetensors(name, output, overwrite=overwrite)
    else:
        written = export_bioimageio(
            name, output, author=author or [], cite=cite or [], cover=cover, overwrite=overwrite
        )
    terminal.result(str(written))


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(help="Model in the library.")]) -> None:
    """Delete a model from the library."""
    from napari_superres.models import remove_model

    remove_model(name)
    terminal.say(f"removed {name}")


@app.command("verify")
def verify() -> None:
    """Compare every file in the library with what was added; exit code 1 if something is wrong."""
    from napari_superres.models import verify_models

    found = verify_models()
    for model in found:
        terminal.result(f"{model.name}: {model.problem or 'as it was added'}")
    wrong = sum(bool(model.problem) for model in found)
    terminal.say(f"{len(found)} in the library, {wrong} wrong")
    if wrong:
        raise typer.Exit(1)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{k}: {_text(v)}" for k, v in value.items())
    return (", ".join(map(str, value)) or "none") if isinstance(value, list | tuple) else str(value)


def check(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="Model name or file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Measure a model: halo, layers that look at the whole image, exactness of tiling, precision, speed here."""
    from napari_superres.inference.machine.memory import tune_allocator
    from napari_superres.inference.measure.check import check_model
    from napari_superres.models import find_card

    tune_allocator()
    card = find_card(name)
    terminal.say(f"measuring {card.name}{': volumes take minutes' if card.ndim == 3 else ''} ...")
    found = check_model(name)
    if as_json:
        terminal.result(json.dumps(found, indent=2))
    else:
        for key, value in found.items():
            terminal.result(f"{key.replace('_', ' ') + ':':34} {_text(value)}")
    if not found["exact"]:
        raise typer.Exit(1)
