"""The docked widgets of the plugin, and their controls by the name that a user reads."""

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QAbstractButton, QDockWidget, QWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

PLUGIN, _TITLE = "napari-superres-torch", "Super-Resolution"
SUPER_RESOLVE = "Super-resolve"


def dock_of(widget: QWidget) -> QDockWidget | None:
    """Return the dock around a widget; None if it is in none."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def open_widget(viewer: "Viewer", name: str) -> Any:
    """Open a widget of this plugin, or show the one that is open, and return it.

    Parameters
    ----------
    viewer
        napari viewer of the docks.
    name
        Name of the widget in the menu.
    """
    # The menu names docks by the title of the plugin, scripts by its name: neither finds what the other has opened.
    title = f"{name} ({_TITLE})"
    docks = viewer.window.dock_widgets
    widget = next((docks[key] for key in (title, f"{name} ({PLUGIN})") if key in docks), None)
    if widget is None:
        widget = _widget_class(name)(viewer)
        viewer.window.add_dock_widget(widget, name=title)
    dock = dock_of(widget)
    if dock is not None:
        dock.show()
        dock.raise_()
    return widget


def _widget_class(name: str) -> Any:
    """Return the class of a widget by its name in the menu. The manifest knows it; this folder imports no widget."""
    from npe2 import PluginManager

    manager = PluginManager.instance()
    widgets = manager.get_manifest(PLUGIN).contributions.widgets or []
    return manager.commands.get(next(one.command for one in widgets if one.display_name == name))


def find_control(widget: QWidget, name: str) -> QWidget | None:
    """Return the control of a widget that a screen reader calls by a name; None if there is none.

    Parameters
    ----------
    widget
        The widget around the control.
    name
        Its accessible name or its label, or how that begins: "Live preview" also while it says what it does.
    """
    named = {part: spoken for part in widget.findChildren(QWidget) if (spoken := _spoken(part)).startswith(name)}
    # The whole name first, and of several what is not hidden: forms keep hidden controls.
    return min(named, key=lambda part: (named[part] != name, part.isHidden()), default=None)


def _spoken(part: QWidget) -> str:
    """Return how a screen reader calls a control."""
    return part.accessibleName() or (part.text() if isinstance(part, QAbstractButton) else "")
