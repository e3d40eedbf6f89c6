"""The base of all widgets: a panel that scrolls, and that stops its jobs when it is closed."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_superres.plugin.widgets.common.session import Session

if TYPE_CHECKING:
    from napari.viewer import Viewer


class Panel(QWidget):
    """A widget for napari's dock: its content scrolls where the dock is low."""

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
        self.foot = QVBoxLayout()  # stays in view
        self.foot.setContentsMargins(6, 0, 6, 6)
        outer.addLayout(self.foot)
        self.setMinimumWidth(300)
        session = self.session = Session(viewer, self.layers_changed)
        self.destroyed.connect(lambda: session.close())  # noqa: PLW0108 - a bound method would not keep the session alive

    def layers_changed(self) -> None:
        """React to layers that came, went, moved or were renamed."""

    def leave(self) -> None:
        """Take away what the panel shows in the viewer for a while: its dock was closed."""

    def scroll_to(self, widget: QWidget) -> None:
        """Show a part of the panel, from its top."""
        later = QTimer(self)  # when the layout knows its place, unless the panel is gone by then
        later.setSingleShot(True)
        later.timeout.connect(lambda: self._scroll.verticalScrollBar().setValue(widget.y()))
        later.timeout.connect(later.deleteLater)
        later.start(0)

    def event(self, event: QEvent) -> bool:
        """End what is running when the dock around the panel was closed."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.leave()
            self.session.close()
        return bool(super().event(event))
