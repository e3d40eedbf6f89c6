"""What a training shows: curves of loss and score, and small pictures side by side.

Both are painted with Qt in the colours of the theme: a millisecond, where a figure of matplotlib's of that size takes
a tenth of a second of the window's time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite, log10
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

_LOSS, _SCORE = QColor("#3f8efc"), QColor("#e69f00")  # told apart by the colour-blind, on dark and on light
_MOST_POINTS = 600
_GAP = 4

Picture = npt.NDArray[Any]


@dataclass
class _Curve:
    """Points of one curve; every other one is dropped when there are more than can be seen."""

    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)

    def add(self, x: float, y: float) -> None:
        if isfinite(x) and isfinite(y):
            self.x.append(x)
            self.y.append(y)
        if len(self.x) > _MOST_POINTS:
            # The last one stays: it is the one that is read.
            self.x, self.y = (values[:-1:2] + values[-1:] for values in (self.x, self.y))


class Curves(QWidget):
    """Curves of loss and validation score over time, with bicubic interpolation as a dashed line."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip(
            "Above: what training lowers, on a logarithmic axis: the mean absolute error, and in the last fifth the "
            "mean squared error, which is smaller. Below: peak signal-to-noise ratio on images that are "
            "not trained on, of the model and, dashed, of bicubic interpolation. A model below the dashed line is of "
            "no use."
        )
        self.setAccessibleName("Curves of loss and validation score")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.clear()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a height of twelve lines, at any width."""
        return QSize(280, 12 * self.fontMetrics().height())

    def clear(self) -> None:
        """Forget all points."""
        self.loss, self.score = _Curve(), _Curve()
        self.bicubic: float | None = None
        self._looks = 0
        self.update()

    def add(self, minutes: float, loss: float, scores: Sequence[float], bicubic: float | None) -> None:
        """Add what is known after some minutes.

        Parameters
        ----------
        minutes
            Since training began.
        loss
            Of the last batch.
        scores
            On the validation images in dB, all so far; what is new belongs to this time.
        bicubic
            That of bicubic interpolation, if known.
        """
        before = self.loss.y[-1] if self.loss.y else loss
        # Batches differ more than weights do.
        self.loss.add(minutes, 0.7 * before + 0.3 * loss)
        if len(scores) > self._looks:
            self.score.add(minutes, scores[-1])
            self._looks = len(scores)
        self.bicubic = bicubic
        self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Paint both curves, one above the other."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        half = self.height() / 2
        logarithms = _Curve(self.loss.x, [log10(max(y, 1e-12)) for y in self.loss.y])
        title = f"Loss {self.loss.y[-1]:.3g}" if self.loss.y else "Loss"
        self._paint(painter, QRectF(0, 0, self.width(), half), title, logarithms, _LOSS, lambda y: f"{10**y:.2g}")
        title = f"Validation {self.score.y[-1]:.2f} dB" if self.score.y else "Validation"
        title += "" if self.bicubic is None else f" · bicubic {self.bicubic:.2f} dB"
        area = QRectF(0, half, self.width(), half)
        self._paint(painter, area, title, self.score, _SCORE, lambda y: f"{y:.1f}", line=self.bicubic)
        painter.end()

    def _paint(
        self,
        painter: QPainter,
        area: QRectF,
        title: str,
        curve: _Curve,
        color: QColor,
        words: Any,
        *,
        line: float | None = None,
    ) -> None:
        """Paint one curve with its title, the ends of its axes, and a dashed line."""
        ink = self.palette().color(self.foregroundRole())
        faint = QColor(ink)
        faint.setAlpha(70)
        metrics = self.fontMetrics()
        row, margin = metrics.height(), metrics.horizontalAdvance("0.00000") + _GAP
        painter.setPen(ink)
        painter.drawText(QRectF(area.left(), area.top(), area.width(), row), Qt.AlignmentFlag.AlignLeft, title)
        plot = QRectF(
            area.left() + margin, area.top() + row + 2, area.width() - margin - 2, area.height() - 2 * row - 4
        )
        painter.setPen(faint)
        painter.drawRect(plot)
        values = [*curve.y, *([] if line is None else [line])]
        if not values:
            return
        low, high = _around(values)
        last = max(self.loss.x[-1] if self.loss.x else 0.0, 1e-6)

        def at(x: float, y: float) -> QPointF:
            return QPointF(
                plot.left() + plot.width() * x / last, plot.bottom() - plot.height() * (y - low) / (high - low)
            )

        if line is not None:
            painter.setPen(QPen(ink, 1, Qt.PenStyle.DashLine))
            painter.drawLine(at(0, line), at(last, line))
        painter.setPen(QPen(color, 2))
        points = [at(x, y) for x, y in zip(curve.x, curve.y, strict=True)]
        painter.drawPolyline(QPolygonF(points))
        if len(points) < 25:  # looks are few
            painter.setBrush(color)
            for point in points:
                painter.drawEllipse(point, 2, 2)
            painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(ink)
        right = Qt.AlignmentFlag.AlignRight
        for value, top in ((high, plot.top()), (low, plot.bottom() - row)):
            painter.drawText(QRectF(area.left(), top, margin - _GAP, row), right, words(value))
        below = QRectF(plot.left(), plot.bottom() + 1, plot.width(), row)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, "0")
        painter.drawText(below, right, f"{60 * last:.0f} s" if last < 1.5 else f"{last:.1f} min")


class Pictures(QWidget):
    """Small pictures of one field side by side, each with a caption; pixels are shown as squares.

    Parameters
    ----------
    captions
        One per picture.
    tooltip
        Of all.
    """

    def __init__(self, captions: Sequence[str], tooltip: str) -> None:
        super().__init__()
        self._captions = tuple(captions)
        self._images: list[QImage | None] = [None] * len(captions)
        self._tall = 1.0
        self.setToolTip(tooltip)
        self.setAccessibleName(", ".join(captions))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Become as high as the pictures with their captions are."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setFixedHeight(int(self._edge * min(1.0, self._tall)) + self.fontMetrics().height() + 4)

    @property
    def _edge(self) -> float:
        count = len(self._captions)
        return (self.width() - (count - 1) * _GAP) / count

    @property
    def shown(self) -> tuple[bool, ...]:
        """Which places have a picture."""
        return tuple(image is not None for image in self._images)

    def show_pictures(self, pictures: Sequence[Picture | None]) -> None:
        """Show arrays ``YX`` with 0 as black and 1 as white; None leaves a place empty.

        All have the proportions of the finest: thick slices are drawn as thick as they are.
        """
        finest = max((p for p in pictures if p is not None), key=np.size, default=None)
        self._tall = 1.0 if finest is None else finest.shape[0] / finest.shape[1]
        self._images = [None if picture is None else _image(picture) for picture in pictures]
        self._fit()
        self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Paint the pictures and their captions."""
        del event
        painter = QPainter(self)
        ink = self.palette().color(self.foregroundRole())
        faint = QColor(ink)
        faint.setAlpha(70)
        edge, row = self._edge, self.fontMetrics().height()
        width, height = edge / max(1.0, self._tall), edge * min(1.0, self._tall)
        for i, (caption, image) in enumerate(zip(self._captions, self._images, strict=True)):
            place = QRectF(i * (edge + _GAP), 0, edge, height)
            if image is None:
                painter.setPen(faint)
                painter.drawRect(place.adjusted(0.5, 0.5, -0.5, -0.5))
                painter.drawText(place, Qt.AlignmentFlag.AlignCenter, "none")
            else:
                painter.drawImage(QRectF(place.center().x() - width / 2, 0, width, height), image)
            painter.setPen(ink)
            text = self.fontMetrics().elidedText(caption, Qt.TextElideMode.ElideRight, int(edge))
            painter.drawText(QRectF(place.left(), height + 2, edge, row), Qt.AlignmentFlag.AlignHCenter, text)
        painter.end()


def _image(picture: Picture) -> QImage:
    """Return a grey image that owns its pixels."""
    grey = np.ascontiguousarray(np.rint(np.nan_to_num(picture) * 255).clip(0, 255).astype(np.uint8))
    height, width = grey.shape
    return QImage(grey.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()


def _around(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis that shows all values, with some room."""
    low, high = min(values), max(values)
    room = max(0.08 * (high - low), 0.05)
    return low - room, high + room
