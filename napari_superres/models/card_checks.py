"""Checks of a card's fields. A card may come from a file that anyone wrote, so nothing about its values is assumed."""

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from napari_superres.core.conditions import CONDITIONS
from napari_superres.errors import ModelFileError

LARGEST_SCALE = 64
"""Largest factor per axis. A larger one is a wrong number that would ask for all memory."""

_LARGEST_MULTIPLE = 256
_LONGEST_TEXT, _LONGEST_TITLE, _LONGEST_NAME = 20_000, 300, 100


def check_texts(texts: Mapping[str, Any], one_line: tuple[str, ...]) -> None:
    """Check that fields hold plain text of a sensible length, some of them in one line.

    Raises
    ------
    ModelFileError
        If one does not.
    """
    for field, value in texts.items():
        if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
            raise ModelFileError(f"card: {field} must be a text of at most {_LONGEST_TEXT} characters.")
        # Control characters can command the terminal that shows the card.
        if any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in value):
            raise ModelFileError(f"card: {field} must be plain text, without control characters.")
    if any("\n" in texts[field] for field in one_line) or len(texts.get("title", "")) > _LONGEST_TITLE:
        names = ", ".join(one_line)
        raise ModelFileError(f"card: {names} must be one line each, the title at most {_LONGEST_TITLE} characters.")


def check_name(name: str) -> None:
    """Check that a text can name a model.

    Raises
    ------
    ModelFileError
        If it is empty, too long, or holds other characters than letters, digits, ``-``, ``_`` and ``.``.
    """
    if not name or len(name) > _LONGEST_NAME or not all(c.isalnum() or c in "-_." for c in name):
        raise ModelFileError(f"card: name may hold letters, digits, '-', '_' and '.', got {name[:_LONGEST_NAME]!r}.")


def check_scale(scale: Any) -> tuple[int, ...]:
    """Return the scale as a tuple of 2 or 3 integers.

    Raises
    ------
    ModelFileError
        If it is anything else.
    """
    factors = integers("scale", scale, lowest=1)
    if len(factors) not in (2, 3) or max(factors) > LARGEST_SCALE:
        raise ModelFileError(f"card: scale needs 2 or 3 integers of at most {LARGEST_SCALE}, got {shortened(scale)}.")
    return factors


def check_sizes(multiple: Any, halo: Any, ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return size multiple and halo as tuples of one integer per axis; 1 and 0 where they are empty.

    Raises
    ------
    ModelFileError
        If they are anything else.
    """
    multiple = integers("multiple", multiple or (1,) * ndim, lowest=1)
    halo = integers("halo", halo or (0,) * ndim, lowest=0)
    if len(multiple) != ndim or len(halo) != ndim:
        raise ModelFileError(f"card: multiple and halo need {ndim} integers, as scale has.")
    if max(multiple) > _LARGEST_MULTIPLE:
        raise ModelFileError(f"card: multiple may be up to {_LARGEST_MULTIPLE}, got {shortened(multiple)}.")
    return multiple, halo


def check_channels(channels: Any, frames: Any, ndim: int) -> None:
    """Check the channels of an image and the number of frames that the network takes at once.

    Raises
    ------
    ModelFileError
        If there are not 1 or 3 channels, frames are not odd, or a model of volumes takes several.
    """
    if isinstance(channels, bool) or channels not in (1, 3):
        raise ModelFileError(f"card: channels must be 1 or 3, got {shortened(channels)}.")
    if not isinstance(frames, int) or frames < 1 or frames % 2 == 0:
        raise ModelFileError(f"card: frames must be odd, got {shortened(frames)}.")
    if frames > 1 and ndim == 3:
        raise ModelFileError(f"card: frames must be 1 for volumes, got {frames}.")


def check_conditions(conditions: Any) -> dict[str, tuple[float, float]]:
    """Return the conditions in the order of their planes; ModelFileError for unknown ones or wrong ranges."""
    ranges = check_mapping("conditions", conditions)
    if unknown := [name for name in ranges if name not in CONDITIONS]:
        raise ModelFileError(f"card: conditions may be {', '.join(CONDITIONS)}, got {shortened(unknown)}.")
    checked = {name: check_numbers(name, ranges[name], 2) for name in CONDITIONS if name in ranges}
    for name, (least, most) in checked.items():
        if not 0 <= least <= most:
            raise ModelFileError(f"card: {name} must be a range of numbers of at least 0, got {least:g} to {most:g}.")
    return {name: (least, most) for name, (least, most) in checked.items()}


def check_choice(field: str, value: Any, choices: tuple[str, ...]) -> None:
    """Check that a value is one of the choices; ModelFileError otherwise."""
    if value not in choices:
        raise ModelFileError(f"card: {field} must be one of {choices}, got {shortened(value)}.")


def check_flag(field: str, value: Any) -> None:
    """Check that a value is true or false; ModelFileError otherwise."""
    if not isinstance(value, bool):
        raise ModelFileError(f"card: {field} must be true or false, got {shortened(value)}.")


def check_mapping(field: str, value: Any) -> dict[str, Any]:
    """Return a mapping as a dict; ModelFileError for anything else."""
    if not isinstance(value, Mapping):
        raise ModelFileError(f"card: {field} must be a mapping.")
    return dict(value)


def check_number(field: str, value: Any) -> None:
    """Check that a value is a finite number; ModelFileError otherwise."""
    if not is_number(value):
        raise ModelFileError(f"card: {field} must be a number, got {shortened(value)}.")


def check_numbers(field: str, values: Any, length: int) -> tuple[float, ...]:
    """Return this many finite numbers as a tuple; ModelFileError for anything else."""
    if not isinstance(values, list | tuple) or len(values) != length or not all(map(is_number, values)):
        raise ModelFileError(f"card: {field} needs {length} numbers, got {shortened(values)}.")
    return tuple(float(v) for v in values)


def integers(field: str, values: Any, *, lowest: int) -> tuple[int, ...]:
    """Return integers of at least `lowest` as a tuple; ModelFileError for anything else."""
    if not isinstance(values, list | tuple) or not all(
        isinstance(v, int) and not isinstance(v, bool) and v >= lowest for v in values
    ):
        raise ModelFileError(f"card: {field} needs integers of at least {lowest}, got {shortened(values)}.")
    return tuple(values)


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def shortened(value: Any) -> str:
    """Return a value for a message: a card may hold anything, of any length."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
