"""What the user set in napari's Preferences for this plugin."""

from dataclasses import dataclass
from typing import Any

_PLUGIN = "napari-superres-torch"


@dataclass(frozen=True, slots=True)
class Preferences:
    """The settings of the manifest's ``configurations``.

    Attributes
    ----------
    device, precision
        Chosen when a widget opens.
    memory_gb
        Beyond which a result goes to disk; 0 = half of the free memory.
    folder
        Where such results go; empty = the system's temporary folder.
    """

    device: str = "auto"
    precision: str = "auto"
    memory_gb: float = 0.0
    folder: str = ""


def preferences() -> Preferences:
    """Return what is set; the defaults where napari is older than 0.9, which has no such settings."""
    try:
        from napari.settings import get_plugin_settings

        found: Any = get_plugin_settings(_PLUGIN).computing
    except (ImportError, KeyError, AttributeError, ValueError):
        return Preferences()
    return Preferences(str(found.device), str(found.precision), float(found.memory_gb), str(found.folder))
