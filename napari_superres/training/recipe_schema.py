"""What the entries of a recipe may be: a slip is told before training, not after it."""

from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from typing import Any

from napari_superres.errors import ModelFileError, TrainingError
from napari_superres.models.card import ModelCard

_MADE = (
    "name",
    "architecture",
    "arguments",
    "scale",
    "frames",
    "multiple",
    "halo",
    "bounded",
    "global_statistics",
    "tile_error",
    "noise",
    "training",
    "scores",
)
"""Fields of a card that training fills in."""


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_above_zero(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value > 0


def _is_list(value: Any, kind: Any, least: int = 0) -> bool:
    return isinstance(value, list | tuple) and len(value) >= least and all(map(kind, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


_MAY_BE: Mapping[str, tuple[Any, str]] = {
    "architecture": (_is_text, "the name of a network"),
    "arguments": (_is_table, "a table, [arguments]"),
    "scale": (lambda v: _is_list(v, _is_whole), "a list of whole numbers, such as [2, 2]"),
    "data": (lambda v: _is_list(v, _is_text, 1), 'a list of folders, such as ["cells"]'),
    "low": (lambda v: _is_list(v, _is_text), 'a list of folders, such as ["cells_low"]'),
    "shrink": (lambda v: _is_list(v, _is_whole, 1), "a list of whole numbers, such as [1, 2]"),
    "degradation": (_is_table, "a table, [degradation]"),
    "patch": (lambda v: _is_whole(v) or _is_list(v, _is_whole), "a whole number, or one per axis"),
    "batch": (_is_whole, "a whole number of at least 1"),
    "loss": (_is_table, "a table, [loss]"),
    "rate": (_is_above_zero, "a number above 0"),
    "minutes": (_is_above_zero, "a number above 0"),
    "hold_out": (lambda v: isinstance(v, bool), "true or false"),
    "card": (_is_table, "a table, [card]"),
    "start": (_is_text, "a model by name or file"),
}


def check_entries(entries: Mapping[str, Any]) -> None:
    """Check the type of each entry of a recipe.

    Raises
    ------
    TrainingError
        If one is of another type, or a number that builds the network is below 1.
    """
    for name, (fits, words) in _MAY_BE.items():
        if not fits(entries[name]):
            raise TrainingError(f"{name} must be {words}, got {entries[name]!r}.")
    for name, value in entries["arguments"].items():
        if isinstance(value, int) and not isinstance(value, bool) and value < 1:
            raise TrainingError(f"{name} of the network must be at least 1, got {value}.")


def check_card(name: str, facts: Mapping[str, Any]) -> None:
    """Check what a recipe says for the card of its model.

    Raises
    ------
    TrainingError
        If a field is unknown, filled in by training, or cannot be what it is.
    """
    known = [f.name for f in fields(ModelCard) if f.name not in _MADE]
    if strange := [field for field in facts if field not in known]:
        raise TrainingError(f"card has no entry {', '.join(strange)}. There are: {', '.join(known)}.")
    try:
        card = ModelCard(name=name, architecture="edsr", scale=(2, 2), **facts)
    except ModelFileError as error:
        raise TrainingError(str(error)) from error
    if card.pixel_size is not None and not 0 < card.pixel_size[0] <= card.pixel_size[1]:
        raise TrainingError(f"card: pixel_size must rise and be above 0, got {list(card.pixel_size)}.")
