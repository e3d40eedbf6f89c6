"""What was measured of models on this machine, kept between runs in the user's cache folder.

Losing it costs time and nothing else: it is measured again.
"""

import json
from pathlib import Path
from typing import Any

from napari_superres.atomic import write_text


def recall(what: str) -> dict[str, Any]:
    """Return everything that is remembered under a name, by key."""
    try:
        found = json.loads(_file(what).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(what: str, key: str, value: Any) -> None:
    """Keep a value, as JSON has them, under a name and a key."""
    file = _file(what)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps({**recall(what), key: value}, indent=1) + "\n")
    except OSError:
        return  # measured again next time


def _file(what: str) -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("napari-superres") / f"{what}.json"
