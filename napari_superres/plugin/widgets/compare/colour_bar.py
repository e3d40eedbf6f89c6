"""The colours of a map and the values that they stand for."""

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

_STOPS = 32
_EVENTS = ("contrast_limits", "colormap", "name")


class ColourBar(QWidget):
    """A colour bar with its ends and the name of the map, hidden without a map. It follows the layer's contrast."""

    def __init__(self) -> None:
        super().__init__()
        self._layer: ImageLayer | None = None
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.hide()

    @property
    def text(self) -> str:
        """What the bar says: the lowest value, the name of the map, the highest value."""
        if self._layer is None:
            return ""
        low, high = self._layer.contrast_limits
        return f"{low:.3g} to {high:.3g}: {self._layer.name}"

    def show_layer(self, layer: "ImageLayer | None") -> None:
        """Show the colours of a layer; None hides the bar."""
        for one, act in ((self._layer, "disconnect"), (layer, "connect")):
            for event in [] if one is None else [getattr(one.events, name) for name in _EVENTS]:
                getattr(event, act)(self._refresh)
        self._layer = layer
        self._refresh()
        self.setVisible(layer is not None)

    def _refresh(self, _: Any = None) -> None:
        self.setAccessibleName(f"Colour bar, {self.text}")
        self.setToolTip(self.text)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the height of the bar and of a line of text."""
        line = self.fontMetrics().height()
        return QSize(100, 2 * line + 4)

    def paintEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Draw the colours, and the text below them."""
        super().paintEvent(event)
        if self._layer is None:
            return
        painter, line = QPainter(self), self.fontMetrics().height()
        bar = QRectF(0, 0, self.width(), line)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        places = np.linspace(0.0, 1.0, _STOPS)
        for place, colour in zip(places, self._layer.colormap.map(places), strict=True):
            gradient.setColorAt(float(place), QColor.fromRgbF(*(float(c) for c in colour)))
        painter.fillRect(bar, gradient)
        below = QRectF(0, line + 2, self.width(), line)
        low, high = (f"{limit:.3g}" for limit in self._layer.contrast_limits)
        painter.setPen(self.palette().windowText().color())
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, low)
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, high)
        room = self.width() - self.fontMetrics().horizontalAdvance(f"{low}{high}MM")
        name = self.fontMetrics().elidedText(self._layer.name, Qt.TextElideMode.ElideRight, max(0, room))
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, name)
        painter.end()
