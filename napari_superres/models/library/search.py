"""Finding models of public collections by a word, in an index that comes with the program: nothing is fetched.

The index, ``collections.json``, holds facts: names, authors, tasks, licences and addresses. It holds no weights. It was
made from the public repositories of OpenModelDB and of the bioimage.io collection.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from napari_superres.errors import SettingsError

_INDEX = Path(__file__).with_name("collections.json")


def search_models(*words: str) -> list[dict[str, Any]]:
    """Return the models of public collections whose entry holds all of some words, whatever their case.

    Parameters
    ----------
    *words
        At least one, such as ``"denoise"``, ``"SwinIR"``, ``"4x"``, ``"CC0"``.

    Returns
    -------
    list of dict
        ``name``, ``collection`` and ``page``; where known ``author``, ``architecture``, ``scale``, ``channels``,
        ``tags``, ``license``, ``address`` of the file with its ``sha256`` and ``bytes``, and ``doi``.

    Raises
    ------
    SettingsError
        If no word is given.
    """
    wanted = [word.casefold() for word in words if word.strip()]
    if not wanted:
        raise SettingsError("a search needs a word.", remedy="Name a task, an architecture or a licence.")
    return [dict(entry) for entry in _entries() if all(word in _text(entry) for word in wanted)]


def known_sha256(address: str) -> str:
    """Return the sha256 that the index states for the file at an address; an empty text if it states none."""
    return next((str(e.get("sha256", "")) for e in _entries() if e.get("address") == address), "")


@cache
def _entries() -> tuple[Mapping[str, Any], ...]:
    return tuple(json.loads(_INDEX.read_text(encoding="utf-8")))


def _text(entry: Mapping[str, Any]) -> str:
    facts = [" ".join(map(str, v)) if isinstance(v, list) else str(v) for k, v in entry.items() if k != "sha256"]
    return " ".join([*facts, f"{entry.get('scale', '')}x x{entry.get('scale', '')}"]).casefold()
