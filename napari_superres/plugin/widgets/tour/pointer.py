"""A frame around a control, which moves with it."""

from qtpy.QtCore import QPoint, QRect, Qt, QTimer
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QScrollArea, QWidget

_FOLLOW_MS = 100
"""Time after which a frame is where its control has moved: panels scroll, and docks change their size."""
_MARGIN = 5
_LINE, _RIM = QColor("#ffb000"), QColor(0, 0, 0)
"""Amber with a black rim is seen on dark and on light themes."""


class Pointer(QWidget):
    """A frame that takes neither clicks nor keys.

    Parameters
    ----------
    window
        Window in which the frame is drawn.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._target: QWidget | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_FOLLOW_MS)
        self._timer.timeout.connect(self._follow)
        self.hide()

    def point_at(self, target: QWidget | None) -> None:
        """Draw the frame around a control, and scroll to it; hide the frame without one."""
        if self._target is not None:
            self._target.destroyed.disconnect(self._forget)
        self._target = target
        if target is None:
            self._timer.stop()
            self.hide()
            return
        target.destroyed.connect(self._forget)
        _scroll_to(target)
        self._timer.start()
        self._follow()

    def _forget(self) -> None:
        self._target = None
        self.point_at(None)

    def _follow(self) -> None:
        window = self.parentWidget()
        if self._target is None or window is None:
            return
        seen = self._target.visibleRegion().boundingRect()
        corner = self._target.mapTo(window, seen.topLeft()) if window.isAncestorOf(self._target) else QPoint()
        frame = QRect(corner, seen.size()).adjusted(-_MARGIN, -_MARGIN, _MARGIN, _MARGIN)
        self.setVisible(not seen.isEmpty())
        if frame != self.geometry():
            self.setGeometry(frame)
        self.raise_()  # above docks that were raised meanwhile

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw the frame."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for width, colour in ((5, _RIM), (3, _LINE)):
            painter.setPen(QPen(colour, width))
            painter.drawRoundedRect(self.rect().adjusted(2, 2, -3, -3), 4, 4)


def _scroll_to(target: QWidget) -> None:
    parent = target.parentWidget()
    while parent is not None:
        if isinstance(parent, QScrollArea):
            parent.ensureWidgetVisible(target, 0, 4 * _MARGIN)
        parent = parent.parentWidget()
