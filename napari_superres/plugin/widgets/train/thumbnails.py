"""Small pictures of the images to learn from: of layers as napari draws them, of folders read in a thread."""

from collections.abc import Generator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QListView, QListWidget, QListWidgetItem

from napari_superres.errors import SuperResError
from napari_superres.plugin.host.layers import pixels_of
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.train.simulation import Plane, middle_plane
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

EDGE = 48
"""Pixels along an edge of a picture."""

_MOST = 8
"""Images of a folder that are shown."""


class Seen(NamedTuple):
    """An image of a folder; its picture is None if it cannot be read."""

    path: Path
    picture: Plane | None


class Thumbnails(QListWidget):
    """The first images of folders next to each other; hidden while there are none.

    Parameters
    ----------
    session
        Session of the panel, for the job that reads.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._folders: tuple[Path, ...] = ()
        self._job: Job | None = None
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setMovement(QListView.Movement.Static)
        self.setSelectionMode(QListView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # There is nothing to do here but to look.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setIconSize(QSize(EDGE, EDGE))
        self.setFixedHeight(EDGE + self.fontMetrics().height() + 24)  # with a scroll bar
        self.setAccessibleName("First images of the folder")
        self.setToolTip(f"Up to {_MOST} images of each folder. What is dimmed cannot be read.")
        self.hide()

    def show_folders(self, folders: Sequence[Path]) -> None:
        """Show the first images of folders, or nothing.

        Parameters
        ----------
        folders
            Folders that exist.
        """
        if tuple(folders) == self._folders:
            return
        self._folders = tuple(folders)
        self._session.forget(self._job)
        self._job = None
        self.clear()
        self.hide()
        if folders:
            self._job = Job(lambda: read_thumbnails(folders), stepped=self._show, failed=lambda _: None)
            self._session.add(self._job)

    def _show(self, seen: Sequence[Seen]) -> None:
        for image in seen[self.count() :]:  # Only some of the steps in quick succession arrive.
            item = QListWidgetItem(image.path.name)
            item.setToolTip(image.path.name)
            item.setSizeHint(QSize(EDGE + 12, EDGE + self.fontMetrics().height() + 6))
            if image.picture is None:
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            else:
                item.setIcon(_icon(np.repeat(image.picture[..., None], 3, axis=2)))
            self.addItem(item)
        self.setVisible(self.count() > 0)


def read_thumbnails(folders: Sequence[Path]) -> Generator[list[Seen], None, None]:
    """Yield the images of folders that were read so far, the first of each folder, then the second."""
    from napari_superres.io import find_images, read_image

    seen: list[Seen] = []
    paths = [list(islice(find_images(folder), _MOST)) for folder in folders]
    for path in (files[i] for i in range(_MOST) for files in paths if i < len(files)):
        try:
            picture: Plane | None = _reduced(middle_plane(read_image(path)))
        except SuperResError:  # The training says what is wrong.
            picture = None
        seen.append(Seen(path, picture))
        yield list(seen)


def layer_icon(layer: "ImageLayer") -> QIcon:
    """Return the thumbnail of a layer as napari shows it, also of a hidden one, which napari draws black."""
    picture = np.asarray(layer.thumbnail)[..., :3] / 255
    if not layer.visible and isinstance(pixels_of(layer), np.ndarray):
        values = _small_plane(layer)
        low, high = (0, 255) if layer.rgb else layer.contrast_limits
        grey = ((values - low) / max(high - low, 1e-12)).clip(0, 1)
        picture = grey if layer.rgb else np.repeat(grey[..., None], 3, axis=2)
    return _icon(picture)


def _small_plane(layer: "ImageLayer") -> Plane:
    """Return some pixels of the middle plane of a layer in memory, ``(Y, X)`` or ``(Y, X, 3)``."""
    pixels = pixels_of(layer)
    plane = pixels[tuple(n // 2 for n in pixels.shape[: layer.ndim - 2])]
    step = max(1, max(plane.shape[:2]) // (2 * EDGE))
    return np.asarray(plane[::step, ::step, :3] if layer.rgb else plane[::step, ::step], dtype=np.float64)


def _reduced(plane: Plane) -> Plane:
    """Return the middle square of a plane, in about as many pixels as are shown."""
    edge = min(plane.shape)
    start = [(n - edge) // 2 for n in plane.shape]
    step = max(1, edge // (2 * EDGE))
    return plane[start[0] : start[0] + edge : step, start[1] : start[1] + edge : step].clip(0, 1)


def _icon(colours: Plane) -> QIcon:
    values = np.ascontiguousarray(np.rint(np.nan_to_num(colours) * 255).clip(0, 255).astype(np.uint8))
    height, width = values.shape[:2]
    image = QImage(values.tobytes(), width, height, values.strides[0], QImage.Format.Format_RGB888).copy()
    return QIcon(QPixmap.fromImage(image))
