"""A picture of an image before and after a model."""

from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QLabel

from napari_superres.models.library.shipped import thumbnail_file


class Thumbnail(QLabel):
    """The picture; hidden for models that come without one. It becomes as wide as the panel allows, and no wider."""

    def __init__(self) -> None:
        super().__init__()
        self._name = ""
        self._picture = QPixmap()
        self.setMinimumWidth(1)
        self.setAccessibleName("An image before and after the model")
        self.hide()

    def show_model(self, name: str) -> None:
        """Show the picture of a model.

        Parameters
        ----------
        name
            Name of the model; empty for none.
        """
        if name == self._name:
            return
        self._name = name
        path = thumbnail_file(name) if name else None
        self._picture = QPixmap() if path is None else QPixmap(str(path))
        self.setVisible(not self._picture.isNull())
        self.setToolTip(f"Left a test image as {name} gets it, right its result.")
        self._draw()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the size of the picture."""
        return self._picture.size()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Draw the picture again in the new width."""
        super().resizeEvent(event)
        self._draw()

    def _draw(self) -> None:
        if not self._picture.isNull():
            width = min(self._picture.width(), max(1, self.width()))
            self.setPixmap(self._picture.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation))
