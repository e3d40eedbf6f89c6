"""The viewer with a sample and the Super-resolve widget open: ``python -m napari_superres.plugin.demo``."""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_superres.io import list_samples
from napari_superres.plugin.samples import sample_layers

if TYPE_CHECKING:
    import napari

    from napari_superres.plugin.upscale_widget import UpscaleWidget

_SIZE = (1280, 800)
_ZOOM = 3.6
_LONGEST = 600  # seconds for the picture's run


def main(arguments: Sequence[str] | None = None) -> None:
    """Open the viewer, or with ``--screenshot`` take a picture of it and close it again."""
    parser = argparse.ArgumentParser(description="Open napari with a sample image and the Super-resolve widget.")
    parser.add_argument("--sample", default="nuclei", help="name of the sample (default: nuclei)")
    parser.add_argument("--screenshot", type=Path, metavar="PATH", help="run the model, save a picture, and close")
    options = parser.parse_args(arguments)
    import napari

    viewer, widget = open_demo(options.sample)
    if options.screenshot is None:
        napari.run()
        return
    try:
        _take_picture(viewer, widget, options.screenshot)
    finally:
        viewer.close()


def open_demo(sample: str) -> "tuple[napari.Viewer, UpscaleWidget]":
    """Return a viewer with a sample, the widget docked and the sample's model chosen."""
    import napari
    from napari.layers import Layer

    from napari_superres.plugin.upscale_widget import UpscaleWidget

    viewer = napari.Viewer(title="napari: Super-Resolution")
    for layer in sample_layers(sample):
        viewer.add_layer(Layer.create(*layer))
    widget = UpscaleWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Super-resolve", area="right")
    wanted = next(e["model"] for e in list_samples() if e["name"] == sample)
    if wanted in widget.model.choices:
        widget.model.value = wanted
    return viewer, widget


def _take_picture(viewer: "napari.Viewer", widget: "UpscaleWidget", path: Path) -> None:
    """Run the model and save the window with input, result and reference side by side."""
    viewer.window.resize(*_SIZE)
    _wait_until(lambda: "to" in widget.estimate.text())
    widget.run.click()
    _wait_until(lambda: not widget.is_running)
    _side_by_side(viewer)
    _wait_until(lambda: False, seconds=1.0)
    viewer.screenshot(str(path), canvas_only=False, flash=False)


def _side_by_side(viewer: Any) -> None:
    """Show input, result and reference beside each other, so large that their pixels can be told apart."""
    viewer.layers.move(0, len(viewer.layers))  # the reference was opened first
    for layer in viewer.layers:
        layer.visible = True
    # napari 0.9 moved grid and camera.
    grid, camera = getattr(viewer, "canvas", viewer).grid, getattr(viewer, "scene", viewer).camera
    grid.stride, grid.shape, grid.enabled = 1, (1, -1), True
    viewer.reset_view()
    low, high = viewer.layers[0].extent.world[:, -2:]
    camera.center = tuple((low + high) / 2.0)
    camera.zoom *= _ZOOM


def _wait_until(true: Callable[[], bool], seconds: float = _LONGEST) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    main()
