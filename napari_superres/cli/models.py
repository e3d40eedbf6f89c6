"""``superres models list|show|add|remove|verify|export`` and ``superres check``."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_superres.cli import terminal
from napari_superres.errors import SuperResError

if TYPE_CHECKING:
    from napari_superres.models import ModelCard

app = typer.Typer(help="List, add, check and export models.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print the cards as JSON.")] = False) -> None:
    """List the models, one line each: name, origin, modality and title."""
    from napari_superres.models import list_models
    from napari_superres.models.library.shipped import shipped_file

    cards = list_models()
    if as_json:
        terminal.document([card.to_dict() for card in cards])
        return
    width = max(len(card.name) for card in cards)
    for card in cards:
        origin = "shipped" if card.is_interpolation or shipped_file(card.name) else "added"
        terminal.result(f"{card.name:{width}}  {origin:7}  {card.modality:12}  {card.title}")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Model name or file.")],
    mark: Annotated[
        Path | None, typer.Option(metavar="IMAGE", help="Image to mark in the map of measured gains by blur and noise.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Print a model's card, its origin and the sha256 of its file."""
    from napari_superres.models import find_card
    from napari_superres.models.grid_map import grid_lines
    from napari_superres.models.library.registry import model_origin, model_path
    from napari_superres.models.model_file import digest

    card = find_card(name)
    cell = None if mark is None else _grid_cell(name, mark)
    facts = {"origin": model_origin(name), "sha256": "" if card.is_interpolation else digest(model_path(name))}
    if as_json:
        terminal.document({**card.to_dict(), **facts, **({} if mark is None else {"grid_cell": cell})})
        return
    for key, value in (card.to_dict() | facts).items():
        if key == "scores":
            for test, scores in sorted(card.scores.items()):
                terminal.result(f"{f'{test}:':20} {_scores(scores)}")
        elif key == "grid" and card.grid is not None:
            for line, text in enumerate(grid_lines(card.grid, cell)):
                terminal.result(f"{'' if line else 'grid:':20} {text}")
        elif value not in (None, "", {}, ()):
            unit = f" {_UNITS[key]}" if key in _UNITS else ""
            terminal.result(f"{key.replace('_', ' ') + ':':20} {_text(value)}{unit}")


_UNITS = {
    "scale": "times as many pixels, per axis",
    "frames": "planes at once",
    "multiple": "input pixels, per axis",
    "largest": "input pixels, per axis",
    "halo": "input pixels on each side, per axis",
    "grid_offset": "pixels of the result, per axis",
    "conditions": "(PSF sigma in pixels of the result, noise as a share of the intensity range)",
    "percentiles": "%",
    "tile_error": "of the intensity range",
    "precision": "dB",
    "pixel_size": "micrometers",
    "noise": "of the intensity range",
}
"""Units of the fields of a card."""


def _grid_cell(name: str, path: Path) -> tuple[int, int] | None:
    """Return the cell of a model's grid that is nearest to an image."""
    from napari_superres import io
    from napari_superres.inference.images import prepare
    from napari_superres.inference.options import complete

    return prepare(io.read_image(path), name, complete({}), measure=False).plans[0].grid_cell


def _scores(scores: Mapping[str, Any]) -> str:
    """Return the scores on one test set as text: the model, its baselines, then the protocol."""
    ending = "_psnr"
    names = ["", *(k.removesuffix(ending) + "_" for k in scores if k.endswith(ending))]
    parts = [
        f"{name.rstrip('_').replace('_', '-') or 'model'} {scores[f'{name}psnr']} dB"
        + (f", SSIM {scores[f'{name}ssim']}" if f"{name}ssim" in scores else "")
        for name in names
        if f"{name}psnr" in scores
    ]
    printed = {f"{name}{metric}" for name in names for metric in ("psnr", "ssim")} | {"protocol"}
    parts += [f"{k.replace('_', ' ')} {v}" for k, v in scores.items() if k not in printed]
    return "; ".join([*parts, str(scores.get("protocol", ""))])


@app.command("add")
def add(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Model files, bioimage.io packages, or addresses (https://)."),
    ],
    trust: Annotated[
        bool, typer.Option("--trust", help="Allow models that are programs (TorchScript, source code) to run.")
    ] = False,
    range_: Annotated[
        str | None,
        typer.Option("--range", metavar="0..1|0..255|16bit", help="Range of values that a bare .onnx or .pt2 takes."),
    ] = None,
    channels: Annotated[
        Literal["rgb", "luma"] | None, typer.Option(help="What a bare .onnx or .pt2 takes: colour or luminance.")
    ] = None,
    example: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="IN OUT", help="An image and the network's result, which show the range of a bare graph."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Assume a halo of 64 pixels instead of measuring it.")] = False,
) -> None:
    """Add model files to the library: superres checks, measures and copies each, and names it after its file.

    Accepted are model files of superres; .pth, .ckpt and .safetensors files of every architecture that is recognised;
    bioimage.io packages (.zip or folder); and bare networks (.onnx, .pt2), whose scale, sizes and range are measured.
    No code in a file runs without --trust. Measuring takes seconds to minutes.

    The library is the folder napari-superres/models in your user data. Set NAPARI_SUPERRES_MODELS to use another.
    """
    from napari_superres import io
    from napari_superres.models import add_model
    from napari_superres.models.library.index import library_entries

    images = None if example is None else (io.read_image(example[0]), io.read_image(example[1]))
    failed = 0
    for path in files:
        try:
            with terminal.share_bar() as report:
                card = add_model(
                    path, trust=trust, range=range_, channels=channels, example=images, quick=quick, report=report
                )
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
    """Return the measured facts of a model in one line."""
    from napari_superres.models.foreign.loaders.likeness import doubt
    from napari_superres.models.probes.tiles import CORE

    error = "error not measured" if any(card.halo) else "images must fit in one tile"
    if card.tile_error is not None:
        window = 2 * max(card.halo) + CORE[card.ndim]
        error = f"error {card.tile_error:.1g} of the range in windows of {window} px"
    exact = "tiles are exact" if card.bounded else f"tiles of large images may show ({error})"
    facts = [card.title, f"licence {card.license or 'not stated'}", f"halo {max(card.halo)} px", exact]
    return "; ".join(fact for fact in (*facts, doubt(card.limits).rstrip(".")) if fact)


@app.command("search")
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORD...", help="Task, architecture, scale, licence or name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the entries as JSON.")] = False,
) -> None:
    """Search public collections of models (OpenModelDB, bioimage.io) by an index that comes with superres.

    Nothing is fetched. Add a model with its address: superres models add https://...
    """
    from napari_superres.models import search_models

    found = search_models(*words)
    if as_json:
        terminal.document(found)
        return
    for entry in found:
        terminal.result("  ".join(_entry_facts(entry)))
    if found:
        terminal.say(f"{len(found)} found. Read a model's licence on its page before you use it.")
    else:
        terminal.say("0 found. Try one word: a task, an architecture, an author or a licence.")


def _entry_facts(entry: Mapping[str, Any]) -> list[str]:
    facts = [str(entry["name"]), str(entry.get("title", "")), str(entry.get("architecture", ""))]
    facts += [f"x{entry['scale']}" if "scale" in entry else "", " ".join(entry.get("tags", []))]
    facts += [str(entry.get("license", "licence not stated")), str(entry.get("address", entry["page"]))]
    return [fact for fact in facts if fact]


@app.command("export")
def export(
    name: Annotated[str, typer.Argument(help="Model name or file.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write: .zip or .safetensors.")],
    format_: Annotated[
        Literal["bioimageio", "safetensors"] | None,
        typer.Option("--format", help="bioimage.io package, or model file of superres; by default from the suffix."),
    ] = None,
    author: Annotated[
        list[str] | None, typer.Option(help="Author as 'Name' or 'Name; Institute'; may be repeated.")
    ] = None,
    cite: Annotated[
        list[str] | None,
        typer.Option(help="Citation as 'Text doi:10...'; by default that of the card. May be repeated."),
    ] = None,
    cover: Annotated[Path | None, typer.Option(help="Cover picture; by default one is drawn.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Export a model as a bioimage.io package with test tensors, or as a model file of superres."""
    from napari_superres.models import export_bioimageio, export_safetensors
    from napari_superres.models.export.model_copy import check_export_target

    if format_ is None:
        check_export_target(output, ".safetensors", ".zip", overwrite=overwrite)
    if (format_ or output.suffix.lstrip(".")) == "safetensors":
        written = export_safetensors(name, output, overwrite=overwrite)
    else:
        written = export_bioimageio(
            name, output, author=author or [], cite=cite or [], cover=cover, overwrite=overwrite
        )
    terminal.result(str(written))


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(help="Name of a model in the library.")]) -> None:
    """Delete a model from the library."""
    from napari_superres.models import remove_model

    remove_model(name)
    terminal.say(f"removed {name}")


@app.command("verify")
def verify() -> None:
    """Check that no file in the library has changed since it was added; exit code 1 if one has."""
    from napari_superres.models import verify_models

    models = verify_models()
    for model in models:
        terminal.result(f"{model.name}: {model.problem or 'unchanged'}")
    wrong = sum(bool(model.problem) for model in models)
    terminal.say(f"{len(models)} in the library, {wrong} changed")
    if wrong:
        raise typer.Exit(1)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{k}: {_text(v)}" for k, v in value.items())
    if isinstance(value, str):
        return " ".join(value.split())
    return (", ".join(map(str, value)) or "none") if isinstance(value, list | tuple) else str(value)


def check(
    name: Annotated[str, typer.Argument(metavar="MODEL|IMAGE", help="Model name or file, or an image.")],
    read_data: Annotated[
        bool, typer.Option("--read-data", help="Read all pixels of an image, and compare them with their checksums.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Measure only the speed of a model.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the measurements as JSON.")] = False,
) -> None:
    """Measure a model on this machine: halo, global layers, exactness of tiling, precision and speed.

    Of an image, such as a result, look for damage instead: in all its channels and resolutions.
    """
    from napari_superres.io.formats import find_format

    path = Path(name)
    if read_data or (path.exists() and find_format(path) is not None):
        is_sound = _check_image(path, read_data=read_data, as_json=as_json)
    else:
        is_sound = _check_model(name, quick=quick, as_json=as_json)
    if not is_sound:
        raise typer.Exit(1)


def _check_image(path: Path, *, read_data: bool, as_json: bool) -> bool:
    from napari_superres import io

    if read_data:
        terminal.say(f"reading {path.name} ...")
    damage = list(io.find_damage(path, read_data=read_data))
    if as_json:
        terminal.document({"file": path.name, "read_data": read_data, "damage": damage})
        return not damage
    for found in damage:
        terminal.result(found)
    looked_at = "all pixels were read" if read_data else "only metadata and the lengths of files were read"
    terminal.say(f"{len(damage) or 'no'} damaged {'part' if len(damage) == 1 else 'parts'} found: {looked_at}")
    return not damage


def _check_model(name: str, *, quick: bool, as_json: bool) -> bool:
    from napari_superres.inference.machine.memory import tune_allocator
    from napari_superres.inference.measure.check import check_model
    from napari_superres.models import find_card

    tune_allocator()
    card = find_card(name)
    terminal.say(f"measuring {card.name}{': volumes take minutes' if card.ndim == 3 and not quick else ''} ...")
    with terminal.share_bar() as report:
        measured = check_model(name, quick=quick, report=report)
    if as_json:
        terminal.document(measured)
    else:
        for key, value in measured.items():
            terminal.result(f"{key.replace('_', ' ') + ':':34} {_text(value)}")
    return bool(measured.get("exact", True))
