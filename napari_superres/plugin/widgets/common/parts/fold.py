"""Sections of a panel that fold."""

from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QWidget
from superqt import QCollapsible

_NO_MAXIMUM = (1 << 24) - 1
"""Qt's largest height of a widget."""


def fold(title: str, content: QWidget) -> QCollapsible:
    """Return a section that is closed at first, and as high as its content once it is open.

    Parameters
    ----------
    title
        Words next to the arrow.
    content
        What is shown while the section is open.
    """
    section = QCollapsible()
    # Arrows are drawn as text, because icons would not follow the theme.
    section.setExpandedIcon(QIcon())
    section.setCollapsedIcon(QIcon())
    button = section.toggleButton()
    button.setStyleSheet("text-align: left; background: transparent; padding: 2px;")
    button.setToolTip(f"Show or hide: {title.lower()}.")
    section.layout().setContentsMargins(0, 0, 0, 0)
    section.setDuration(0)
    section.setContent(content)

    def toggle(is_open: bool) -> None:
        section.setText(f"{'▾' if is_open else '▸'} {title}")
        content.setMaximumHeight(_NO_MAXIMUM if is_open else 0)
        content.setVisible(is_open)  # Hidden controls take neither focus nor space.

    section.toggled.connect(toggle)
    section.collapse(animate=False)
    toggle(False)
    return section
