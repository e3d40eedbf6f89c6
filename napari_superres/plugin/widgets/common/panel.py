"""Base class of all widgets: a panel that scrolls, and stops its jobs when it is closed."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_superres.plugin.widgets.common.parts.docks import join_tabs
from napari_superres.plugin.widgets.common.session import Session

if TYPE_CHECKING:
    from napari.viewer import Viewer


class Panel(QWidget):
    """Base of the widgets in napari's dock.

    Parameters
    ----------
    viewer
        napari viewer of the dock.

    Attributes
    ----------
    body
        Layout that scrolls if the dock is too low.
    foot
        Layout below it that is always visible.
    session
        The panel's jobs.
    """

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__()
        self.viewer = viewer
        content = QWidget()
        self.body = QVBoxLayout(content)
        self.body.setContentsMargins(6, 6, 6, 6)
        self.body.setSpacing(6)
        scroll = self._scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        self.foot = QVBoxLayout()
        self.foot.setContentsMargins(6, 0, 6, 6)
        outer.addLayout(self.foot)
        self.setMinimumWidth(300)
        self._join_tabs = QTimer(self)
        self._join_tabs.setSingleShot(True)
        self._join_tabs.timeout.connect(lambda: join_tabs(self, Panel))
        session = self.session = Session(viewer, self.layers_changed)
        self.destroyed.connect(lambda: session.close())  # noqa: PLW0108 - a bound method would not keep the session alive

    def layers_changed(self) -> None:
        """React to layers that were added, removed, moved or renamed."""

    def leave(self) -> None:
        """Remove temporary layers, because the dock was closed."""

    def scroll_to(self, widget: QWidget) -> None:
        """Scroll to the top of a part of the panel."""
        # The layout places the part only after this event. The timer ends with the panel.
        later = QTimer(self)
        later.setSingleShot(True)
        later.timeout.connect(lambda: self._scroll.verticalScrollBar().setValue(widget.y()))
        later.timeout.connect(later.deleteLater)
        later.start(0)

    def event(self, event: QEvent) -> bool:
        """Become a tab of the dock of the other panels; stop all jobs when the own dock is closed."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.leave()
            self.session.close()
        elif event.type() == QEvent.Type.ParentChange:
            self._join_tabs.start(0)  # napari places the dock after it has filled it.
        return bool(super().event(event))
