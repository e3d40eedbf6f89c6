"""Check the entries of a recipe, so that a mistake shows before training and not after it."""

from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from typing import Any

from napari_superres.errors import ModelFileError, TrainingError
from napari_superres.models.card import ModelCard

_FILLED_IN = (
    "name",
    "architecture",
    "arguments",
    "scale",
    "frames",
    "conditions",
    "multiple",
    "halo",
    "bounded",
    "global_statistics",
    "tile_error",
    "noise",
    "training",
    "scores",
)
"""Fields of the card that training fills in."""


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


_VALID: Mapping[str, tuple[Any, str]] = {
    "architecture": (_is_text, "the name of a network"),
    "arguments": (_is_table, "a table, [arguments]"),
    "scale": (lambda v: _is_list(v, _is_whole), "a list of whole numbers, such as [2, 2]"),
    "data": (lambda v: _is_list(v, _is_text, 1), 'a list of folders, such as ["cells"]'),
    "shares": (lambda v: _is_list(v, _is_above_zero), "a list of numbers above 0, one per folder of data"),
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
    "start": (_is_text, "the name or file of a model"),
    "teacher": (_is_text, "the name or file of a model"),
    "teacher_share": (lambda v: _is_above_zero(v) and v <= 1, "a number above 0, at most 1"),
}


def check_entries(entries: Mapping[str, Any]) -> None:
    """Check the type of each entry of a recipe.

    Raises
    ------
    TrainingError
        If an entry has the wrong type, or a number that builds the network is below 1.
    """
    for name, (fits, words) in _VALID.items():
        if not fits(entries[name]):
            raise TrainingError(f"{name} must be {words}, got {entries[name]!r}.")
    for name, value in entries["arguments"].items():
        if isinstance(value, int) and not isinstance(value, bool) and value < 1:
            raise TrainingError(f"{name} of the network must be at least 1, got {value}.")


def check_card(name: str, facts: Mapping[str, Any]) -> None:
    """Check the fields of the model card that a recipe sets.

    Raises
    ------
    TrainingError
        If a field is unknown, filled in by training, or has an invalid value.
    """
    known = [f.name for f in fields(ModelCard) if f.name not in _FILLED_IN]
    if unknown := [field for field in facts if field not in known]:
        raise TrainingError(f"card has no entry {', '.join(unknown)}.", remedy=f"Valid entries: {', '.join(known)}.")
    try:
        ModelCard(name=name, architecture="edsr", scale=(2, 2), **facts)
    except ModelFileError as error:
        raise TrainingError(error.message, remedy=error.remedy) from error
