"""Small pictures next to each other, painted in the colours of the theme."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QImage, QPainter
from qtpy.QtWidgets import QSizePolicy, QWidget

_GAP = 4

Picture = npt.NDArray[Any]


class Pictures(QWidget):
    """Small pictures of one field next to each other, each with a caption. Enlarged pixels are drawn as squares.

    Parameters
    ----------
    captions
        Caption of each picture.
    tooltip
        Tooltip of all pictures.
    """

    def __init__(self, captions: Sequence[str], tooltip: str) -> None:
        super().__init__()
        self._captions = tuple(captions)
        self._images: list[QImage | None] = [None] * len(captions)
        self._aspect = 1.0
        self.setToolTip(tooltip)
        self.setAccessibleName(", ".join(captions))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Set the height to that of the pictures and their captions."""
        super().resizeEvent(event)
        self._fit_height()

    def _fit_height(self) -> None:
        self.setFixedHeight(int(self._edge * min(1.0, self._aspect)) + self.fontMetrics().height() + 4)

    @property
    def _edge(self) -> float:
        count = len(self._captions)
        return (self.width() - (count - 1) * _GAP) / count

    @property
    def has_picture(self) -> tuple[bool, ...]:
        """Whether each place has a picture."""
        return tuple(image is not None for image in self._images)

    def show_pictures(self, pictures: Sequence[Picture | None]) -> None:
        """Show arrays ``(Y, X)``, or ``(Y, X, 3)`` of colours, from 0 to 1; None leaves a place empty.

        All are drawn with the proportions of the largest array, so that pixels of thick slices are drawn tall.
        """
        largest = max((p for p in pictures if p is not None), key=len, default=None)
        self._aspect = 1.0 if largest is None else largest.shape[0] / largest.shape[1]
        self._images = [None if picture is None else _image(picture) for picture in pictures]
        self._fit_height()
        self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Paint the pictures and their captions."""
        del event
        painter = QPainter(self)
        ink = self.palette().color(self.foregroundRole())
        faint = QColor(ink)
        faint.setAlpha(70)
        edge, row = self._edge, self.fontMetrics().height()
        width, height = edge / max(1.0, self._aspect), edge * min(1.0, self._aspect)
        for i, (caption, image) in enumerate(zip(self._captions, self._images, strict=True)):
            place = QRectF(i * (edge + _GAP), 0, edge, height)
            if image is None:
                painter.setPen(faint)
                painter.drawRect(place.adjusted(0.5, 0.5, -0.5, -0.5))
                painter.drawText(place, Qt.AlignmentFlag.AlignCenter, "none")
            else:
                is_reduced = image.width() > width * self.devicePixelRatioF()
                painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, is_reduced)
                painter.drawImage(QRectF(place.center().x() - width / 2, 0, width, height), image)
            painter.setPen(ink)
            text = self.fontMetrics().elidedText(caption, Qt.TextElideMode.ElideRight, int(edge))
            painter.drawText(QRectF(place.left(), height + 2, edge, row), Qt.AlignmentFlag.AlignHCenter, text)
        painter.end()


def _image(picture: Picture) -> QImage:
    """Return an image that owns its pixels, as Qt does not copy them."""
    values = np.ascontiguousarray(np.rint(np.nan_to_num(picture) * 255).clip(0, 255).astype(np.uint8))
    height, width = values.shape[:2]
    kind = QImage.Format.Format_Grayscale8 if values.ndim == 2 else QImage.Format.Format_RGB888
    return QImage(values.tobytes(), width, height, values.strides[0], kind).copy()
