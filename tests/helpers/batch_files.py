"""Write images for the Batch widget, choose files and run it, and read its table."""

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_superres import Image, write_image

LONG = 60_000


def write(path, shape=(20, 24), seed=0, axes="YX"):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = (np.random.default_rng(seed).random(shape) * 1000).astype(np.uint16)
    return write_image(Image.from_array(values, axes, pixel_size=0.2), path)


def choose(widget, qtbot, *paths):
    widget.choose(paths)
    settle(widget, qtbot)


def settle(widget, qtbot):
    qtbot.waitUntil(lambda: widget.is_ready, timeout=LONG)


def run(widget, qtbot):
    widget.run.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)


def column(widget, number):
    files = widget.table.files
    return [files.data(files.index(row, number)) for row in range(files.rowCount())]


def tooltip(widget, row, number=2):
    files = widget.table.files
    return files.data(files.index(row, number), Qt.ItemDataRole.ToolTipRole)


def states(widget):
    return [row.status for row in widget.table.files.rows]


def clipboard():
    return QApplication.clipboard().text()


def no_bars_left():
    from napari.utils import progress

    return len(progress._all_instances) == 0
