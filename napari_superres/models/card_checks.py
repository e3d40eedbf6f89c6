"""Checks of a card's fields. A card may come from a file that anyone wrote, so nothing about its values is assumed."""

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from napari_superres.core.conditions import CONDITIONS
from napari_superres.errors import ModelFileError

LARGEST_SCALE = 64
"""Largest factor per axis. A larger one is a wrong number that would ask for all memory."""

_LARGEST_MULTIPLE = 128
"""Largest size multiple; no known network needs a larger one."""

_LARGEST_GROWTH, _LARGEST_UNIT = 100, 2**16
"""Most pixels that a network makes of one pixel, and of the smallest image, whose size is one multiple."""

_LARGEST_HALO = 2048
"""Largest halo: as long as the longest image with which a halo is measured."""

_MOST_FRAMES = 99
_MOST_ARGUMENTS, _DEEPEST_ARGUMENT = 10_000, 20
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
        # Control characters can command the terminal that shows the card; halves of characters cannot be written.
        is_plain = value.replace("\n", "").replace("\t", "").isprintable()
        if not is_plain and any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in value):
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
    if max(halo) > _LARGEST_HALO:
        raise ModelFileError(f"card: halo may be up to {_LARGEST_HALO}, got {shortened(halo)}.")
    return multiple, halo


def check_largest(largest: Any, multiple: tuple[int, ...]) -> tuple[int, ...]:
    """Return the largest size as a tuple of one integer per axis, each of at least one multiple.

    Raises
    ------
    ModelFileError
        If it is anything else.
    """
    sizes = integers("largest", largest, lowest=1)
    if len(sizes) != len(multiple) or any(n < m for n, m in zip(sizes, multiple, strict=True)):
        raise ModelFileError(f"card: largest needs {len(multiple)} integers, each of at least the size multiple.")
    return sizes


def check_growth(multiple: tuple[int, ...], scale: tuple[int, ...]) -> None:
    """Check that a network does not make large images of the smallest ones; ModelFileError otherwise."""
    if math.prod(scale) > _LARGEST_GROWTH:
        raise ModelFileError(f"card: scale may make up to {_LARGEST_GROWTH} pixels of one, got {shortened(scale)}.")
    sizes = [m * s for m, s in zip(multiple, scale, strict=True)]
    if math.prod(sizes) > _LARGEST_UNIT:
        raise ModelFileError(
            f"card: multiple and scale may make up to {_LARGEST_UNIT} pixels of the smallest image, got "
            f"{' x '.join(map(str, sizes))}."
        )


def check_channels(channels: Any, frames: Any, ndim: int) -> None:
    """Check the channels of an image and the number of frames that the network takes at once.

    Raises
    ------
    ModelFileError
        If there are not 1 or 3 channels, frames are neither odd nor 2, or a model of volumes takes several.
    """
    if isinstance(channels, bool) or channels not in (1, 3):
        raise ModelFileError(f"card: channels must be 1 or 3, got {shortened(channels)}.")
    if not isinstance(frames, int) or not 1 <= frames <= _MOST_FRAMES or (frames % 2 == 0 and frames != 2):
        raise ModelFileError(f"card: frames must be 2, or odd and at most {_MOST_FRAMES}, got {shortened(frames)}.")
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


def check_arguments(arguments: Any) -> dict[str, Any]:
    """Return the arguments of a network as a dict; ModelFileError if they are no mapping, too many or too deep."""
    checked, remaining, count = check_mapping("arguments", arguments), [(arguments, 0)], 0
    while remaining:
        value, depth = remaining.pop()
        count += 1
        if count > _MOST_ARGUMENTS or depth > _DEEPEST_ARGUMENT:
            raise ModelFileError(
                f"card: arguments may be up to {_MOST_ARGUMENTS} values in up to {_DEEPEST_ARGUMENT} levels."
            )
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        remaining += [(v, depth + 1) for v in inner]
    return checked


def check_scores(scores: Any) -> dict[str, Any]:
    """Return the scores, a mapping for each test set, as a dict; ModelFileError for anything else."""
    return {
        name: check_mapping(f"scores of {name[:100]}", values)
        for name, values in check_mapping("scores", scores).items()
    }


def check_number(field: str, value: Any) -> None:
    """Check that a value is a finite number; ModelFileError otherwise."""
    if not is_number(value):
        raise ModelFileError(f"card: {field} must be a number, got {shortened(value)}.")


def check_range(field: str, values: Any, lowest: float) -> tuple[float, ...]:
    """Return two finite numbers that rise from at least `lowest`; ModelFileError for anything else."""
    low, high = check_numbers(field, values, 2)
    if not lowest <= low <= high:
        raise ModelFileError(f"card: {field} must rise from at least {lowest:g}, got {shortened(values)}.")
    return low, high


def check_offset(offset: Any, ndim: int) -> tuple[float, ...]:
    """Return the grid offset as one number per axis; ModelFileError for anything else, or beyond the largest scale."""
    numbers = check_numbers("grid_offset", offset, ndim)
    if max(map(abs, numbers)) > LARGEST_SCALE:
        raise ModelFileError(f"card: grid_offset may be up to {LARGEST_SCALE} pixels, got {shortened(offset)}.")
    return numbers


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
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floating-point numbers
        return False


def shortened(value: Any) -> str:
    """Return a value for a message: a card may hold anything, of any length."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
