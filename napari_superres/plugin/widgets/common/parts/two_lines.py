"""Entries of a list in two lines: a title, and below it a small line."""

from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QFont, QFontMetrics, QPalette
from qtpy.QtWidgets import QApplication, QStyle, QStyledItemDelegate, QStyleOptionViewItem

ENTRY = Qt.ItemDataRole.UserRole + 1
"""Role of the entry: an object with a `title`, a `line` and whether it `is_refused`. Items without one are headings."""

_GAP, _SMALL = 3, 0.85
"""Pixels around the lines of an entry, and size of its second line relative to the first."""


class TwoLines(QStyledItemDelegate):
    """Draw the title of an entry, and its name and kind small below it."""

    def paint(self, painter: Any, option: QStyleOptionViewItem, index: Any) -> None:
        """Draw the two lines of an entry, or a heading."""
        entry = index.data(ENTRY)
        if entry is None:
            super().paint(painter, option, index)
            return
        self.initStyleOption(option, index)
        option.text = ""
        style = QApplication.style() if option.widget is None else option.widget.style()
        assert style is not None
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        group = QPalette.ColorGroup.Disabled if entry.is_refused else QPalette.ColorGroup.Active
        painter.save()
        painter.setPen(option.palette.color(group, QPalette.ColorRole.Text))
        painter.setOpacity(0.55 if entry.is_refused else 1.0)
        area, metrics = option.rect.adjusted(4 * _GAP, _GAP, -_GAP, -_GAP), QFontMetrics(option.font)
        elided = Qt.TextElideMode.ElideRight
        painter.setFont(option.font)
        painter.drawText(area, Qt.AlignmentFlag.AlignTop, metrics.elidedText(entry.title, elided, area.width()))
        small = _small(option.font)
        painter.setFont(small)
        painter.setOpacity(0.55 if entry.is_refused else 0.7)
        line = QFontMetrics(small).elidedText(entry.line, elided, area.width())
        painter.drawText(area, Qt.AlignmentFlag.AlignBottom, line)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: Any) -> QSize:  # noqa: N802 - Qt's name
        """Return the height of two lines, or of a heading."""
        if index.data(ENTRY) is None:
            return super().sizeHint(option, index)
        height = QFontMetrics(option.font).height() + QFontMetrics(_small(option.font)).height()
        return QSize(1, height + 2 * _GAP + 1)


def _small(font: QFont) -> QFont:
    small = QFont(font)
    if font.pointSizeF() > 0:
        small.setPointSizeF(_SMALL * font.pointSizeF())
    else:
        small.setPixelSize(max(1, round(_SMALL * font.pixelSize())))
    return small
