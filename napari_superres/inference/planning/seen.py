"""What was seen in the pixels of an image, kept while the same pixels are looked at again."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")
Seen = dict[Hashable, Any]
"""Belongs to one image, and is thrown away when its pixels, its axes or its pixel size change."""


def once(seen: Seen, key: Hashable, look: Callable[[], T]) -> T:
    """Return what a look at the pixels shows, from an earlier look where there was one.

    Parameters
    ----------
    seen
        What was seen in this image; the look adds to it.
    key
        What is looked for, with everything but the image that it depends on.
    look
        Reads the pixels. An error is not kept.
    """
    if key not in seen:
        seen[key] = look()
    found: T = seen[key]
    return found
