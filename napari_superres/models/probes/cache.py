"""Measurements of models on this computer, kept between runs in the user's cache folder.

Losing the cache costs time only: everything in it can be measured again.
"""

import json
from pathlib import Path
from typing import Any

from napari_superres.atomic import write_text


def recall(topic: str) -> dict[str, Any]:
    """Return everything that is remembered about a topic, by key."""
    try:
        values = json.loads(_file(topic).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def remember(topic: str, key: str, value: Any) -> None:
    """Keep a value that JSON can hold, under a topic and a key."""
    file = _file(topic)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps({**recall(topic), key: value}, indent=1) + "\n")
    except OSError:
        return  # The value will be measured again.


def _file(topic: str) -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("napari-superres") / f"{topic}.json"
