"""The docks around the panels: they are tabs of one dock, and each can open another."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QMainWindow, QWidget

from napari_superres.plugin.host.docks import SUPER_RESOLVE, dock_of, open_widget

if TYPE_CHECKING:
    from napari.viewer import Viewer


def join_tabs(widget: QWidget, others: type[QWidget]) -> None:
    """Make the dock around a widget a tab of the dock that holds another widget of a class.

    Docks that float stay where the user has put them.

    Parameters
    ----------
    widget
        Widget whose dock was added.
    others
        Class of the other widgets.
    """
    dock = dock_of(widget)
    window = None if dock is None else dock.parentWidget()
    if dock is None or not isinstance(window, QMainWindow) or dock.isFloating():
        return
    for other in window.findChildren(others):
        near = dock_of(other)
        if near is None or near is dock or near.isFloating() or near.isHidden():
            continue
        if near not in window.tabifiedDockWidgets(dock):
            window.tabifyDockWidget(near, dock)
        dock.raise_()
        return


def open_panels(viewer: "Viewer") -> list[QWidget]:
    """Return the widgets that are open in the docks of a viewer, the newest last."""
    return [widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, QWidget)]


def use_model(viewer: "Viewer", name: str) -> None:
    """Open Super-resolve, and choose a model of the library there.

    Parameters
    ----------
    viewer
        napari viewer of the docks.
    name
        Name of the model.
    """
    widget = open_widget(viewer, SUPER_RESOLVE)
    widget.models.refresh()
    widget.model.value = name
