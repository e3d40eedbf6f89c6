"""Read JSON and TOML of unknown origin."""

import json
import tomllib
from errno import EINVAL
from pathlib import Path
from typing import Any

from napari_superres.limits.paths import is_special

_MOST_LEVELS = 100
_TOO_DEEP = f"it is nested in more than {_MOST_LEVELS} levels"


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    ValueError
        If the text is no JSON, is not UTF-8, is nested too deeply, or has an integer of more than 64 bits.
    """
    try:
        return _moderate(json.loads(text))
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error


def read_json(path: Path) -> Any:
    """Return the value in a JSON file.

    Raises
    ------
    OSError
        If the file is missing or cannot be read, or is a pipe or device, of which reading might never end.
    ValueError
        As in `parse_json`.
    """
    if is_special(path):
        raise OSError(EINVAL, "it is a pipe, a socket or a device")
    return parse_json(path.read_bytes())


def parse_toml(text: str) -> dict[str, Any]:
    """Return the values of a TOML text.

    Raises
    ------
    ValueError
        If the text is no TOML, is nested too deeply, or has an integer of more than 64 bits.
    """
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    _moderate(values)
    return values


def _moderate(value: Any) -> Any:
    """Return a value that later code may walk by recursion, as writing it does, and whose integers fit into floats."""
    level = [value]
    for _ in range(_MOST_LEVELS):
        if any(isinstance(v, int) and abs(v) >= 2**64 for v in level):
            raise ValueError("it has an integer of more than 64 bits")
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    raise ValueError(_TOO_DEEP)
