"""Random pixels, and a run of the Super-resolve widget to its end."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget

LONG = 60_000


def pixels(shape: tuple[int, ...] = (40, 50), seed: int = 0) -> NDArray[np.uint16]:
    """Return random pixels."""
    return (np.random.default_rng(seed).random(shape) * 1000).astype(np.uint16)


def run(widget: "UpscaleWidget", qtbot: Any) -> None:
    """Press Run, and wait until the run has ended."""
    widget.run.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
