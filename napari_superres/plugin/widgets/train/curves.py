"""Curves of loss and validation score over time.

Qt paints them in the colours of the theme within a millisecond. A matplotlib figure of this size would block the window
for a tenth of a second.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite, log10
from typing import Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

# The two colours differ for colour-blind readers, on dark and light themes.
_LOSS, _SCORE = QColor("#3f8efc"), QColor("#e69f00")
_MAX_POINTS = 600
_MARKED_POINTS = 25
"""Number of points from which a curve is drawn without marks."""
_GAP = 4


@dataclass
class _Curve:
    """Points of one curve. Every other point is dropped when there are more than the plot can show."""

    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)

    def add(self, x: float, y: float) -> None:
        if isfinite(x) and isfinite(y):
            self.x.append(x)
            self.y.append(y)
        if len(self.x) > _MAX_POINTS:
            # The last point stays, because the title shows its value.
            self.x, self.y = (values[:-1:2] + values[-1:] for values in (self.x, self.y))


class Curves(QWidget):
    """Curves of loss and validation score over time; broken lines are bicubic interpolation and the shipped model."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip(
            "Top: loss on a logarithmic axis, which drops when training changes from absolute to squared error in its "
            "last fifth. Bottom: PSNR on held-out images; the model should rise above "
            "bicubic interpolation (dashed) and the shipped model (dotted)."
        )
        self.setAccessibleName("Curves of loss and validation score")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.clear()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a height of twelve lines, at any width."""
        return QSize(280, 12 * self.fontMetrics().height())

    def clear(self) -> None:
        """Remove all points."""
        self.loss, self.score = _Curve(), _Curve()
        self.bicubic: float | None = None
        self.shipped: tuple[str, float] | None = None
        self._score_count = 0
        self.update()

    def add(
        self,
        minutes: float,
        loss: float,
        scores: Sequence[float],
        bicubic: float | None,
        shipped: tuple[str, float] | None = None,
    ) -> None:
        """Add the loss and the latest score.

        Parameters
        ----------
        minutes
            Time since training began.
        loss
            Loss of the last batch.
        scores
            All scores on the validation images so far, in dB. A new one is plotted at this time.
        bicubic
            Score of bicubic interpolation in dB; None where it is not known.
        shipped
            Name and score of the model that comes with the program for the same task.
        """
        before = self.loss.y[-1] if self.loss.y else loss
        # Smoothed, because losses of single batches scatter more than the weights change.
        self.loss.add(minutes, 0.7 * before + 0.3 * loss)
        if len(scores) > self._score_count:
            self.score.add(minutes, scores[-1])
            self._score_count = len(scores)
        self.bicubic, self.shipped = bicubic, shipped
        self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Paint the loss above the scores."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        half = self.height() / 2
        logarithms = _Curve(self.loss.x, [log10(max(y, 1e-12)) for y in self.loss.y])
        title = f"Loss {self.loss.y[-1]:.3g}" if self.loss.y else "Loss"
        self._paint(painter, QRectF(0, 0, self.width(), half), title, logarithms, _LOSS, lambda y: f"{10**y:.2g}")
        title = f"Validation {self.score.y[-1]:.2f} dB" if self.score.y else "Validation"
        lines = [("bicubic", self.bicubic, Qt.PenStyle.DashLine)] if self.bicubic is not None else []
        lines += [(*self.shipped, Qt.PenStyle.DotLine)] if self.shipped is not None else []
        title += "".join(f" · {name} {score:.2f}" for name, score, _ in lines)
        area = QRectF(0, half, self.width(), half)
        self._paint(painter, area, title, self.score, _SCORE, lambda y: f"{y:.1f}", lines=lines)
        painter.end()

    def _paint(
        self,
        painter: QPainter,
        area: QRectF,
        title: str,
        curve: _Curve,
        color: QColor,
        tick_text: Callable[[float], str],
        *,
        lines: Sequence[tuple[str, float, Qt.PenStyle]] = (),
    ) -> None:
        """Paint one curve with its title, the numbers at the ends of its axes, and broken lines."""
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
        values = [*curve.y, *(value for _, value, _ in lines)]
        if not values:
            return
        low, high = _axis_range(values)
        last = max(self.loss.x[-1] if self.loss.x else 0.0, 1e-6)

        def at(x: float, y: float) -> QPointF:
            return QPointF(
                plot.left() + plot.width() * x / last, plot.bottom() - plot.height() * (y - low) / (high - low)
            )

        for _, value, style in lines:
            painter.setPen(QPen(ink, 1, style))
            painter.drawLine(at(0, value), at(last, value))
        _paint_points(painter, [at(x, y) for x, y in zip(curve.x, curve.y, strict=True)], color)
        painter.setPen(ink)
        right = Qt.AlignmentFlag.AlignRight
        for value, top in ((high, plot.top()), (low, plot.bottom() - row)):
            painter.drawText(QRectF(area.left(), top, margin - _GAP, row), right, tick_text(value))
        below = QRectF(plot.left(), plot.bottom() + 1, plot.width(), row)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, "0")
        painter.drawText(below, right, f"{60 * last:.0f} s" if last < 1.5 else f"{last:.1f} min")


def _paint_points(painter: QPainter, points: Sequence[QPointF], color: QColor) -> None:
    """Paint a line through points. A few points, such as the scores, are marked."""
    painter.setPen(QPen(color, 2))
    painter.drawPolyline(QPolygonF(points))
    if len(points) < _MARKED_POINTS:
        painter.setBrush(color)
        for point in points:
            painter.drawEllipse(point, 2, 2)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def _axis_range(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis that shows all values, with a margin."""
    low, high = min(values), max(values)
    margin = max(0.08 * (high - low), 0.05)
    return low - margin, high + margin
