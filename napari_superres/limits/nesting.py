"""Read JSON and TOML of unknown origin."""

import json
import tomllib
from typing import Any

_MOST_LEVELS = 100
_TOO_DEEP = f"it is nested in more than {_MOST_LEVELS} levels"


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    ValueError
        If the text is no JSON, is not UTF-8, or is nested too deeply.
    """
    try:
        return _shallow(json.loads(text))
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error


def parse_toml(text: str) -> dict[str, Any]:
    """Return the values of a TOML text.

    Raises
    ------
    ValueError
        If the text is no TOML or is nested too deeply.
    """
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    _shallow(values)
    return values


def _shallow(value: Any) -> Any:
    """Return a value of lists and dictionaries that later code may walk by recursion, as writing it does."""
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    raise ValueError(_TOO_DEEP)
