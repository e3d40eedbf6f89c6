"""Take the screenshots of the documentation by operating the widgets in napari.

Without a screen, and optionally only some of the pictures::

    xvfb-run -a -s "-screen 0 1280x800x24" .venv/bin/python docs/screenshots.py [NAME ...]
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import napari

IMAGES = Path(__file__).resolve().parent / "images"
_SIZE = (1280, 720)
_WIDTH = 370  # of the dock with the widget
_LONGEST = 600.0  # seconds to wait for a computation
_SETTLED = 1.0  # seconds until the last event is drawn
_GAP = 2  # pixels of the screen between images side by side
_LINE = ((147.5, 82.0), (156.5, 136.0))  # over a nucleus, in pixels of the sample's reference


class Scene(NamedTuple):
    """Window and widget of a picture.

    Attributes
    ----------
    viewer, widget
        The window, and the widget docked in it.
    part
        Part of the widget to scroll to, or None to show its beginning.
    is_first
        Whether to scroll the part to the top of the panel instead of the bottom.
    """

    viewer: "napari.Viewer"
    widget: Any
    part: Any = None
    is_first: bool = False


def super_resolve() -> Scene:
    """Run the model of the sample and show input, result and reference side by side."""
    viewer, widget = _open_sample("nuclei")
    _run(widget)
    _side_by_side(viewer, 3.6)
    return Scene(viewer, widget)


def preview() -> Scene:
    """Preview the visible field, which is also the region that a run would compute."""
    from napari_superres.plugin.widgets.upscale.state import VISIBLE

    viewer, widget = _open_sample("nuclei")
    _zoom(viewer, viewer.layers["nuclei LR"], 1.8)
    widget.region.kind.value = VISIBLE
    widget.preview.setChecked(True)
    wait_until(lambda: widget.preview.layer is not None)
    return Scene(viewer, widget)


def compare() -> Scene:
    """Compare a result with its reference, and draw a curtain between the two."""
    viewer, widget = _open_comparison()
    widget.measure.click()
    wait_until(lambda: not widget.is_running)
    widget.visual.curtain.setChecked(True)
    return Scene(viewer, widget, widget.verdict_view, is_first=True)


def compare_plots() -> Scene:
    """Draw the profile along a line over a nucleus."""
    viewer, widget = _open_comparison()
    for section in widget.sections.values():
        section.expand(animate=False)
    widget.profile.draw.click()
    result = widget.result.value
    widget.profile.line.add_lines([[result.data_to_world(corner) for corner in _LINE]])
    wait_until(lambda: widget.plot.drawing is not None and not widget.is_running)
    return Scene(viewer, widget, widget.plot)


def train() -> Scene:
    """Train a small network on a layer, for half a minute."""
    from napari_superres.plugin.widgets.train.widget import TrainWidget

    viewer = _viewer("nuclei")
    viewer.layers["nuclei LR"].visible, viewer.layers["nuclei HR reference"].visible = False, True
    widget = _dock(viewer, TrainWidget(viewer), "Train")
    wait_until(lambda: widget.is_ready)
    widget.source.check(viewer.layers["nuclei HR reference"])
    widget.network.value = "espcn"
    widget.minutes.value = 0.7
    widget.license.setCurrentText("CC-BY-4.0")
    widget.output.line.setText("~/nuclei-x2.safetensors")
    wait(2 * _SETTLED)  # until the simulated image is shown
    widget.run.click()
    wait_until(lambda: len(widget.curves.score.y) > 0 and widget.bar.value() > 0.7 * widget.bar.maximum())
    return Scene(viewer, widget, widget.examples)


def batch() -> Scene:
    """Super-resolve a folder in which one file is damaged."""
    from napari._qt.dialogs.qt_notification import NapariQtNotification

    from napari_superres.io import sample_path
    from napari_superres.plugin.widgets.batch.widget import BatchWidget

    folder = Path.home() / "scans"
    folder.mkdir()
    for name in ("day1_dapi", "day2_dapi", "day3_dapi", "day5_dapi"):
        shutil.copy(sample_path("nuclei"), folder / f"{name}.ome.tif")
    (folder / "day4_dapi.ome.tif").write_bytes(sample_path("nuclei").read_bytes()[:9000])
    viewer = _viewer()
    widget = _dock(viewer, BatchWidget(viewer), "Batch")
    widget.choose([folder])
    widget.settings.model.value = "fluo-x2"
    widget.settings.output.setText("~/scans/super-resolved")
    wait_until(lambda: widget.is_ready)
    widget.run.click()
    wait_until(lambda: not widget.is_running)
    widget.table.opened.emit(widget.table.files.rows[0])
    widget.table.clearSelection()
    for notification in viewer.window._qt_window.findChildren(NapariQtNotification):
        notification.close()
    return Scene(viewer, widget)


def models() -> Scene:
    """Show the card of a model."""
    from napari_superres.plugin.widgets.models.widget import ModelsWidget

    viewer = _viewer("nuclei")
    widget = _dock(viewer, ModelsWidget(viewer), "Models")
    wait_until(lambda: widget.is_ready)
    widget.models.select("fluo-x2")
    return Scene(viewer, widget)


PICTURES: dict[str, Callable[[], Scene]] = {
    "super-resolve": super_resolve,
    "preview": preview,
    "compare": compare,
    "compare-plots": compare_plots,
    "train": train,
    "batch": batch,
    "models": models,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the named pictures, or all of them."""
    parser = argparse.ArgumentParser(description="Take the screenshots of the documentation.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PICTURES)} (default: all)")
    parser.add_argument("--to", type=Path, default=IMAGES, metavar="DIR", help="folder of the pictures")
    parser.add_argument("--width", type=int, default=_WIDTH, help="of the widget, in pixels of the screen")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(PICTURES):
        parser.error(f"unknown picture {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as home:
        isolate(Path(home))
        options.to.mkdir(parents=True, exist_ok=True)
        for name in options.names or PICTURES:
            _take(PICTURES[name], options.to / f"{name}.png", options.width)


def isolate(home: Path) -> None:
    """Use empty folders, so that no picture shows the settings, models and files of the person who takes it."""
    from napari_superres.plugin.worker.triton import load_triton

    os.environ |= {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "NAPARI_SUPERRES_MODELS": str(home / "models"),
        "LIBGL_ALWAYS_SOFTWARE": "1",
    }
    load_triton()  # Must precede the OpenGL driver; its docstring says why.


def _take(make: Callable[[], Scene], path: Path, width: int) -> None:
    """Save the window as a PNG."""
    from PIL import Image
    from qtpy.QtCore import QThreadPool

    scene = make()
    try:
        _fit(scene, width)
        pixels = scene.viewer.screenshot(canvas_only=False, flash=False)
        picture = Image.fromarray(pixels).convert("RGB")
        picture.save(path, optimize=True)
        print(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size / 1000:.0f} kB")
    finally:
        scene.viewer.close()
        wait_until(lambda: QThreadPool.globalInstance().activeThreadCount() == 0)


def _fit(scene: Scene, width: int) -> None:
    """Set the width of the widget and scroll to the part of the scene."""
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QDockWidget, QScrollArea

    dock = scene.widget
    while not isinstance(dock, QDockWidget):
        dock = dock.parent()
    scene.viewer.window._qt_window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
    wait(_SETTLED)  # until the layout is done
    if scene.part is not None:
        area = scene.widget.findChild(QScrollArea)
        rect = scene.part.rect()
        at = scene.part.mapTo(area.widget(), rect.topLeft() if scene.is_first else rect.bottomLeft()).y()
        area.verticalScrollBar().setValue(at - 6 if scene.is_first else at + 6 - area.viewport().height())
    wait(_SETTLED)


# Viewers


def _viewer(sample: str | None = None) -> "napari.Viewer":
    import napari
    from napari.layers import Layer

    from napari_superres.plugin.host.samples import sample_layers

    viewer = napari.Viewer(title="napari")
    viewer.window.resize(*_SIZE)
    for layer in () if sample is None else sample_layers(sample):
        viewer.add_layer(Layer.create(*layer))
    return viewer


def _dock(viewer: "napari.Viewer", widget: Any, name: str) -> Any:
    viewer.window.add_dock_widget(widget, name=name, area="right")
    return widget


def _open_sample(sample: str) -> "tuple[napari.Viewer, Any]":
    """Return a viewer with a sample and the widget Super-resolve, once it shows its estimate."""
    from napari_superres.plugin.demo import open_demo

    viewer, widget = open_demo(sample)
    viewer.title = "napari"
    viewer.window.resize(*_SIZE)
    wait_until(lambda: widget.is_ready and "memory" in widget.estimate.text())
    return viewer, widget


def _open_comparison() -> "tuple[napari.Viewer, Any]":
    """Return a viewer with a result and the widget Compare, zoomed until pixels are visible."""
    from napari_superres.plugin.widgets.compare.widget import CompareWidget

    viewer, upscaling = _open_sample("nuclei")
    _run(upscaling)
    viewer.window.remove_dock_widget(upscaling)
    upscaling.deleteLater()
    widget = _dock(viewer, CompareWidget(viewer), "Compare")
    _zoom(viewer, viewer.layers["nuclei LR [fluo-x2]"], 2.6)
    return viewer, widget


def _run(widget: Any) -> None:
    widget.run.click()
    wait_until(lambda: not widget.is_running)


def _zoom(viewer: Any, layer: Any, times: float) -> None:
    """Zoom into the middle of a layer."""
    viewer.reset_view()
    low, high = layer.extent.world[:, -2:]
    view = camera(viewer)
    view.center = tuple((low + high) / 2.0)
    view.zoom *= times


def _side_by_side(viewer: Any, times: float) -> None:
    """Show input, result and reference next to each other."""
    viewer.layers.move(0, len(viewer.layers))  # the reference was opened first
    for layer in viewer.layers:
        layer.visible = True
    grid = getattr(viewer, "canvas", viewer).grid  # before napari 0.9 it was the viewer's own
    grid.stride, grid.shape, grid.spacing, grid.enabled = 1, (1, -1), _GAP, True
    _zoom(viewer, viewer.layers[0], times)


def camera(viewer: Any) -> Any:
    return getattr(viewer, "scene", viewer).camera  # before napari 0.9 it was the viewer's own


def wait(seconds: float) -> None:
    wait_until(lambda: False, seconds)


def wait_until(condition: Callable[[], bool], seconds: float = _LONGEST) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    main()
