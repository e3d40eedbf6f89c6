"""Base class of all widgets: a panel that scrolls, and stops its jobs when it is closed."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractButton, QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_superres.plugin.widgets.common.parts.docks import join_tabs
from napari_superres.plugin.widgets.common.session import Session

if TYPE_CHECKING:
    from napari.viewer import Viewer

_NARROWEST = 250
"""Pixels. Whatever does not fit in a row goes to the next; what is wider still is reached by scrolling."""
_RUN_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)  # Enter is the key of the number pad.


class Panel(QWidget):
    """Base of the widgets in napari's dock.

    Parameters
    ----------
    viewer
        napari viewer of the dock.

    Attributes
    ----------
    viewer
        The viewer itself. Scripts and other widgets open this one through a proxy of napari, which never returns the
        same layer twice, so that nothing could be found by identity.
    body
        Layout that scrolls if the dock is too low.
    foot
        Layout below it that is always visible.
    session
        The panel's jobs.
    """

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__()
        viewer = self.viewer = getattr(viewer, "__wrapped__", viewer)
        content = QWidget()
        self.body = QVBoxLayout(content)
        self.body.setContentsMargins(6, 6, 6, 6)
        self.body.setSpacing(6)
        scroll = self._scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Its parts have the focus; it scrolls to them.
        scroll.setWidget(content)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        self.foot = QVBoxLayout()
        self.foot.setContentsMargins(6, 0, 6, 6)
        outer.addLayout(self.foot)
        self.setMinimumWidth(_NARROWEST)
        self._target: QWidget | None = None
        self._run_button: QAbstractButton | None = None
        bar = scroll.verticalScrollBar()
        bar.rangeChanged.connect(self._scroll_to_target)
        bar.sliderPressed.connect(self._forget_target)
        bar.actionTriggered.connect(self._forget_target)
        self._join_tabs = QTimer(self)
        self._join_tabs.setSingleShot(True)
        self._join_tabs.timeout.connect(self._join_others)  # A lambda would outlive the panel, and crash its end.
        session = self.session = Session(viewer, self.layers_changed, self.active_changed)
        self.destroyed.connect(lambda: session.close())  # noqa: PLW0108 - a bound method would not keep the session alive

    def layers_changed(self) -> None:
        """React to layers that were added, removed, moved or renamed."""

    def active_changed(self) -> None:
        """React to the selection of another layer in napari's list."""

    def leave(self) -> None:
        """Remove temporary layers, because the dock was closed."""

    def scroll_to(self, widget: QWidget) -> None:
        """Scroll to the top of a part of the panel, also while the layout still makes room for it."""
        self._target = widget
        # The layout places the part only after this event. The timer ends with the panel.
        later = QTimer(self)
        later.setSingleShot(True)
        later.timeout.connect(self._scroll_to_target)
        later.timeout.connect(later.deleteLater)
        later.start(0)

    def _scroll_to_target(self) -> None:
        content = self._scroll.widget()
        if self._target is not None and content is not None and content.isAncestorOf(self._target):
            y = self._target.mapTo(content, self._target.rect().topLeft()).y()
            self._scroll.verticalScrollBar().setValue(y)

    def _forget_target(self) -> None:
        """Leave the view to the user, who scrolls."""
        self._target = None

    def _join_others(self) -> None:
        join_tabs(self, Panel)

    def run_by_keys(self, button: QAbstractButton) -> None:
        """Let Ctrl+Enter press a button while the keyboard's focus is in the panel."""
        self._run_button = button

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Run by Ctrl+Enter, which the controls leave to the panel."""
        is_run = (
            event is not None and event.key() in _RUN_KEYS and event.modifiers() & Qt.KeyboardModifier.ControlModifier
        )
        if is_run and self._run_button is not None:
            self._run_button.click()
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Become a tab of the dock of the other panels; stop all jobs when the own dock is closed."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.leave()
            self.session.close()
        elif event.type() == QEvent.Type.ParentChange:
            self._join_tabs.start(0)  # napari places the dock after it has filled it.
        return bool(super().event(event))
