"""``superres models list|show`` and ``superres check``."""

import json
from typing import Annotated, Any

import typer

from napari_superres.cli import terminal

app = typer.Typer(help="The models that can be used.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print the cards as JSON.")] = False) -> None:
    """List the models, one line each."""
    from napari_superres.models import list_models

    cards = list_models()
    if as_json:
        terminal.result(json.dumps([card.to_dict() for card in cards], indent=2))
        return
    width = max(len(card.name) for card in cards)
    for card in cards:
        terminal.result(f"{card.name:{width}}  {card.modality:12}  {card.title}")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Model name or file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Show a model's card."""
    from napari_superres.models import find_card

    card = find_card(name)
    if as_json:
        terminal.result(json.dumps(card.to_dict(), indent=2))
        return
    for key, value in card.to_dict().items():
        if value not in (None, "", {}, ()):
            terminal.result(f"{key.replace('_', ' ') + ':':20} {_text(value)}")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{k}: {_text(v)}" for k, v in value.items())
    return (", ".join(map(str, value)) or "none") if isinstance(value, list | tuple) else str(value)


def check(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="Model name or file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Measure a model: halo, layers that look at the whole image, exactness of tiling, precision, speed here."""
    from napari_superres.inference.check import check_model
    from napari_superres.inference.memory import tune_allocator
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
