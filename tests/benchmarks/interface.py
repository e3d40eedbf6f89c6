"""What somebody in front of the window waits for: opening, previews, the heartbeat during a run, and what runs leave.

    xvfb-run -a -s "-screen 0 1280x800x24" python tests/benchmarks/interface.py [--edge 4096] [--runs 50] [--previews]

Reports and asserts nothing: the numbers depend on what else the machine does.
"""

import argparse
import gc
import os
import platform
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import skimage.data

from napari_superres.plugin.worker.triton import load_triton

FIELD = 512
BEAT_MS = 5
LONGEST_S = 60
MODEL = "photo-x2"
MODELS, LARGE = ("photo-x2", "fluo-x2"), 2048


def process(seconds: float = 0.0, until: Callable[[], bool] = lambda: False) -> None:
    """Let the window live for some seconds, or until something is true."""
    from qtpy.QtCore import QCoreApplication, QEvent
    from qtpy.QtWidgets import QApplication

    end = time.perf_counter() + seconds
    while not until():
        QApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # left alone where no loop is entered
        if seconds and time.perf_counter() > end:
            return
        time.sleep(0.001)


class Heart:
    """Gaps between the beats of a timer on the GUI thread, in milliseconds."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.gaps: list[float] = []
        self._start = self._last = time.perf_counter()
        self._worst = (0.0, 0.0)
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT_MS)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(1000 * (now - self._last))
        self._worst = max(self._worst, (self.gaps[-1], now - self._start))
        self._last = now

    def stop(self) -> str:
        self._timer.stop()
        gaps = np.array(self.gaps)
        return (
            f"{len(gaps)} beats, gaps: median {np.median(gaps):.0f} ms, 99 % below {np.percentile(gaps, 99):.0f} ms, "
            f"largest {gaps.max():.0f} ms, after {self._worst[1]:.1f} s; {np.sum(gaps > 150)} above 150 ms"
        )


def picture(edge: int) -> Any:
    """Return a large picture with detail everywhere."""
    tile = skimage.data.camera()
    return np.tile(tile, (-(-edge // tile.shape[0]),) * 2)[:edge, :edge].copy()


def opening(viewer: Any) -> Any:
    from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget

    start = time.perf_counter()
    widget = UpscaleWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Super-resolve")
    process(0.05)
    opened = time.perf_counter()
    process(until=lambda: widget.is_ready)
    ready = time.perf_counter()
    print(f"widget opens in {opened - start:.2f} s; torch and devices are there after {ready - start:.1f} s")
    return widget


def previews(viewer: Any, widget: Any) -> None:
    """Time from the tick, or from a move of the camera, to the pixels on the screen."""
    from napari_superres.plugin.host import field

    viewer.add_image(picture(FIELD), name="field")
    viewer.reset_view()
    widget.model.value = MODEL
    process(3.0)
    times: dict[str, list[float]] = {"tick": [], "camera": [], "data": []}
    for _ in range(7):
        start = time.perf_counter()
        widget.preview.setChecked(True)
        process(60, lambda: widget.preview.layer is not None)
        times["tick"].append(time.perf_counter() - start)
        process(1.0)
        for name, change in {
            "camera": lambda: setattr(field.camera(viewer), "zoom", field.camera(viewer).zoom * 2),
            "data": lambda: setattr(viewer.layers["field"], "data", np.flipud(viewer.layers["field"].data).copy()),
        }.items():
            drawn: list[int] = []
            layer = widget.preview.layer
            layer.events.data.connect(lambda _, drawn=drawn: drawn.append(1))
            start = time.perf_counter()
            change()
            process(60, lambda drawn=drawn: bool(drawn))
            times[name].append(time.perf_counter() - start)
            process(1.0)
        widget.preview.setChecked(False)
        viewer.reset_view()
        process(0.3)
    for name, found in times.items():
        print(f"preview of {FIELD} x {FIELD} after {name}: median {np.median(found):.2f} s, most {max(found):.2f} s")
    viewer.layers.clear()


def first_pixels(viewer: Any, widget: Any) -> None:
    """Report seconds, and those of the processor, until the first computed pixels of a preview are in the viewer."""
    from qtpy.QtCore import QEventLoop
    from qtpy.QtWidgets import QApplication

    def wait(until: Callable[[], bool]) -> None:
        while not until():  # without looking again and again, which would take time of the processor itself
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)

    def planned() -> bool:
        return not widget.session._jobs and not widget._plan_timer.isActive() and not widget.preview._timer.isActive()

    def shown() -> Any:
        layer = widget.preview.layer
        return layer.data if layer is not None and layer.visible else None

    def measure(change: Callable[[], None]) -> tuple[float, float]:
        before, wall, busy = shown(), time.perf_counter(), time.process_time()
        change()
        wait(lambda: shown() is not None and shown() is not before)
        return time.perf_counter() - wall, time.process_time() - busy

    noise = np.random.default_rng(0)
    images = [noise.poisson(16.0 * np.roll(picture(LARGE), 99 * i) + 100).astype(np.uint16) for i in range(2)]
    layers = [viewer.add_image(pixels, name=f"layer {i}") for i, pixels in enumerate(images)]
    for model in MODELS:
        widget.layer.value, widget.model.value = layers[0], model
        times: dict[str, list[tuple[float, float]]] = {"a press, planned": [], "another layer was chosen": []}
        for i in range(7):
            wait(planned)
            times["a press, planned"].append(measure(lambda: widget.preview.setChecked(True)))
            wait(planned)
            times["another layer was chosen"].append(
                measure(lambda i=i: setattr(widget.layer, "value", layers[~i % 2]))
            )
            widget.model.value = model
            wait(planned)
            widget.preview.setChecked(False)
        for name, found in times.items():
            wall, busy = np.median(found, axis=0)
            first = ", ".join(f"{s:.2f}" for s in found[0])
            print(
                f"{model}, first pixels after {name}: {wall:.2f} s, processor {busy:.2f} s (the first time {first} s)"
            )
    viewer.layers.clear()


def heartbeat(viewer: Any, widget: Any, edge: int) -> None:
    viewer.add_image(picture(edge), name="large")
    widget.model.value = MODEL
    process(2.0)
    still = Heart()
    process(5.0)
    print(f"heartbeat at rest: {still.stop()}")
    plain = Heart()
    made = viewer.add_image(
        np.zeros((2 * edge, 2 * edge), np.uint8), contrast_limits=(0, 255), name="as large as a result"
    )
    process(3.0)
    print(f"heartbeat while napari adds a layer of {2 * edge} x {2 * edge} pixels: {plain.stop()}")
    viewer.layers.remove(made)
    widget.layer.value = viewer.layers["large"]
    process(2.0)
    heart, start = Heart(), time.perf_counter()
    widget.run.click()
    process(LONGEST_S, lambda: not widget.is_running)
    ran = time.perf_counter() - start
    print(f"heartbeat during {ran:.0f} s of a {edge} x {edge} run of {MODEL}: {heart.stop()}")
    if widget.is_running:
        start = time.perf_counter()
        widget.run.click()
        process(LONGEST_S, lambda: not widget.is_running)
        print(f"cancel acts in {time.perf_counter() - start:.2f} s")
    viewer.layers.clear()


def leaks(viewer: Any, widget: Any, runs: int) -> None:
    from qtpy.QtWidgets import QApplication

    viewer.add_image(picture(128), name="small")
    widget.model.value = "fsrcnn-x2"
    memory = psutil.Process()
    found: list[tuple[float, int, int]] = []
    for number in range(runs + 5):
        widget.run.click()
        process(60, lambda: not widget.is_running)
        viewer.layers.pop()
        process(0.02)
        gc.collect()
        if number >= 4:  # after what the first runs load
            found.append((memory.memory_info().rss / 1e6, threading.active_count(), len(QApplication.allWidgets())))
    first, last = found[0], found[-1]
    print(
        f"{runs} runs: memory {first[0]:.0f} to {last[0]:.0f} MB, threads {first[1]} to {last[1]}, "
        f"Qt widgets {first[2]} to {last[2]}"
    )
    viewer.layers.clear()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=4096)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--previews", action="store_true", help="only the first pixels of previews")
    options = parser.parse_args()
    os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")
    load_triton()
    import napari

    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    viewer = napari.Viewer()
    viewer.window.resize(1280, 800)
    process(1.0)
    widget = opening(viewer)
    first_pixels(viewer, widget)
    if options.previews:
        viewer.close()
        return
    previews(viewer, widget)
    leaks(viewer, widget, options.runs)
    heartbeat(viewer, widget, options.edge)
    viewer.close()


if __name__ == "__main__":
    main()
