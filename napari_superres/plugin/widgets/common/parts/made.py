"""Layers that the widgets make: results, maps, and layers that are shown for a while. Nothing here knows Qt."""

from typing import Any

OURS, TEMPORARY = "napari_superres", "temporary"
"""Metadata key and value of temporary layers, which cannot be chosen."""

MAP = "napari_superres map"
"""Metadata key of maps, which are neither inputs nor references."""


def is_result(layer: Any) -> bool:
    """Whether a layer is the result of a run."""
    return "provenance" in layer.metadata


def is_made(layer: Any) -> bool:
    """Whether a layer was made of another one: a result, a map, or something that is shown for a while."""
    return is_result(layer) or MAP in layer.metadata or layer.metadata.get(OURS) == TEMPORARY
