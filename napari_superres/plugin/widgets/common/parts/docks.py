"""The docks around the panels: they are tabs of one dock, and each can open another."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QTabBar, QWidget

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
    if dock is None or not isinstance(window, QMainWindow):
        return
    _shorten_title(dock)
    if dock.isFloating():
        return
    for other in window.findChildren(others):
        near = dock_of(other)
        if near is None or near is dock or near.isFloating() or near.isHidden():
            continue
        if near not in window.tabifiedDockWidgets(dock):
            window.tabifyDockWidget(near, dock)
        dock.raise_()
        _show_whole_titles(window)
        return


def _shorten_title(dock: QDockWidget) -> None:
    """Leave the plugin's name out of what a tab says. The dock's own heading and napari's menu keep it."""
    action = dock.toggleViewAction()
    name = "" if action is None else action.text()
    dock.setWindowTitle(dock.windowTitle().rpartition(" (")[0] or dock.windowTitle())
    if action is not None:
        action.setText(name)


def _show_whole_titles(window: QMainWindow) -> None:
    """Let tabs that do not fit be reached by arrows. Qt would cut all titles to their first letters."""
    for bar in window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
        bar.setElideMode(Qt.TextElideMode.ElideNone)
        bar.setUsesScrollButtons(True)


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
