"""Settings of this plugin in napari's Preferences."""

from dataclasses import dataclass
from typing import Any

_PLUGIN = "napari-superres-torch"


@dataclass(frozen=True, slots=True)
class Preferences:
    """The settings that the manifest declares under ``configurations``.

    Attributes
    ----------
    device, precision
        Initial choices of a widget.
    memory_gb
        Larger results are written to disk. 0 means half of the free memory.
    folder
        Folder for such results. Empty means the system's temporary folder.
    scheduler
        Address of the cluster that widgets initially run on. Empty means this computer.
    """

    device: str = "auto"
    precision: str = "auto"
    memory_gb: float = 0.0
    folder: str = ""
    scheduler: str = ""


def preferences() -> Preferences:
    """Return the user's settings, or the defaults in napari before 0.9, which has no settings for plugins."""
    try:
        from napari.settings import get_plugin_settings

        settings: Any = get_plugin_settings(_PLUGIN).computing
    except (ImportError, KeyError, AttributeError, ValueError):
        return Preferences()
    return Preferences(
        str(settings.device),
        str(settings.precision),
        float(settings.memory_gb),
        str(settings.folder),
        str(settings.scheduler),
    )
