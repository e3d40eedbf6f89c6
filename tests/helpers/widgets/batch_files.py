"""Images to list in the Batch widget, and what it then shows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_superres import Image, write_image

if TYPE_CHECKING:
    from napari_superres.plugin.widgets.batch.widget import BatchWidget

LONG = 60_000


def write(path: Path, shape: tuple[int, ...] = (20, 24), seed: int = 0, axes: str = "YX") -> Path:
    """Write an image of random pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = (np.random.default_rng(seed).random(shape) * 1000).astype(np.uint16)
    return write_image(Image.from_array(values, axes, pixel_size=0.2), path)


def choose(widget: "BatchWidget", qtbot: Any, *paths: Path) -> None:
    """Choose files, and wait until the table is filled."""
    widget.choose(paths)
    settle(widget, qtbot)


def settle(widget: "BatchWidget", qtbot: Any) -> None:
    """Wait until the table is filled."""
    qtbot.waitUntil(lambda: widget.is_ready, timeout=LONG)


def run(widget: "BatchWidget", qtbot: Any) -> None:
    """Press Run, and wait until the batch has ended."""
    widget.run.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)


def column(widget: "BatchWidget", number: int) -> list[Any]:
    """Return the texts of a column of the table."""
    files = widget.table.files
    return [files.data(files.index(row, number)) for row in range(files.rowCount())]


def tooltip(widget: "BatchWidget", row: int, number: int = 2) -> Any:
    """Return the tooltip of a cell of the table."""
    files = widget.table.files
    return files.data(files.index(row, number), Qt.ItemDataRole.ToolTipRole)


def states(widget: "BatchWidget") -> list[str]:
    """Return the state of each file."""
    return [row.status for row in widget.table.files.rows]


def clipboard() -> Any:
    """Return the text on the clipboard."""
    return QApplication.clipboard().text()


def no_bars_left() -> bool:
    """Return whether napari shows no progress bars."""
    from napari.utils import progress

    return len(progress._all_instances) == 0
