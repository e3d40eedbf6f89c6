"""Measurements of models on this computer, kept between runs in the user's cache folder.

Losing the cache costs time only: everything in it can be measured again. A damaged entry, or one that an older version
wrote, counts as missing. Without platformdirs and filelock, nothing is kept.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from napari_superres.storage.atomic import write_text

T = TypeVar("T")

_LARGEST_FILE = 2**24
_LOCK_S = 10.0
"""Longest wait for another process that writes."""

_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def recall(topic: str, key: str, read: Callable[[Any], T]) -> T | None:
    """Return what is remembered under a topic and a key; None if nothing is, or the entry is damaged.

    Parameters
    ----------
    topic, key
        As for `remember`.
    read
        Turns the remembered value into what is needed. It may raise for a value that it does not understand.
    """
    values = _entries(topic)
    if key not in values:
        return None
    try:
        return read(values[key])
    except _DAMAGE:
        return None


def remember(topic: str, key: str, value: Any) -> None:
    """Keep a value that JSON can hold, under a topic and a key."""
    try:
        from filelock import FileLock

        file = _file(topic)
        file.parent.mkdir(parents=True, exist_ok=True)
        # Another process may add an entry between reading and writing, which would be lost.
        with FileLock(file.with_suffix(".lock"), timeout=_LOCK_S):
            _write(file, {**{k: v for k, v in _entries(topic).items() if k != key}, key: value})
    except (OSError, NotImplementedError, ImportError):
        return  # The value will be measured again.


def _write(file: Path, entries: Mapping[str, Any]) -> None:
    try:
        text = json.dumps(entries, indent=1)
    except RecursionError:  # Other entries are damaged: nested deeper than anything that this program writes.
        text = json.dumps(dict([*entries.items()][-1:]), indent=1)
    write_text(file, text + "\n")


def _entries(topic: str) -> dict[str, Any]:
    try:
        file = _file(topic)
        if not file.is_file() or file.stat().st_size > _LARGEST_FILE:
            return {}
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, ImportError):
        return {}
    return values if isinstance(values, dict) else {}


def _file(topic: str) -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("napari-superres") / f"{topic}.json"
