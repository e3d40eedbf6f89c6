"""Record the film and the animated picture of the documentation by operating the widgets in napari.

Without a screen, and with the extra ``docs``, which brings the encoder::

    xvfb-run -a -s "-screen 0 1280x800x24" .venv/bin/python docs/recording.py [--to DIR]
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from screenshots import IMAGES, camera, isolate, wait, wait_until

if TYPE_CHECKING:
    import napari
    from PIL.Image import Image as Picture

_SIZE = (1280, 720)
_CAPTION = 40
"""Height of the line of text below the window, in pixels."""
_RATE = 10
"""Frames per second while something moves."""
_PICTURE_SIZE = (720, 428)
_PICTURE_GREYS, _PICTURE_COLOURS = 40, 40
_BACKGROUND, _TEXT = "#101418", "white"
_MARK, _YES = "#ffb000", "#2a8f45"
"""Of what is pressed, and of the dots of a verdict."""
_CURTAIN_STEPS = 20
_SETTLED = 0.7  # seconds until the last event is drawn


class Frame(NamedTuple):
    """One frame.

    Attributes
    ----------
    picture
        The window with its caption.
    seconds
        How long it is shown.
    is_short
        Whether it is also in the animated picture.
    """

    picture: "Picture"
    seconds: float
    is_short: bool


class Recorder:
    """Collects the frames of a window.

    Parameters
    ----------
    viewer
        Its napari viewer.
    """

    def __init__(self, viewer: "napari.Viewer") -> None:
        self.viewer, self.frames = viewer, list[Frame]()
        self.caption, self.is_short = "", False

    def hold(self, seconds: float, mark: Any = None) -> None:
        """Show the window as it is for a time, with a frame around a widget."""
        wait(_SETTLED)
        self.frames.append(Frame(self._grab(mark), seconds, self.is_short))

    def click(self, button: Any, seconds: float = 2.0) -> None:
        """Show a button, and press it."""
        _scroll_to(button)
        self.hold(seconds, button)
        button.click()

    def move(self, steps: int, step: Callable[[float], None]) -> None:
        """Show a movement: `step` is called with numbers from 0 to 1."""
        for place in np.linspace(0, 1, steps):
            step(float(place))
            wait(0.05)
            self.frames.append(Frame(self._grab(None), 1 / _RATE, self.is_short))

    def until(self, condition: Callable[[], bool]) -> None:
        """Show what happens until a condition holds, no longer than half a second for each of its changes."""
        while not condition():
            wait(0.2)
            picture = self._grab(None)
            if not self.frames or picture.tobytes() != self.frames[-1].picture.tobytes():
                self.frames.append(Frame(picture, 0.3, self.is_short))

    def _grab(self, mark: Any) -> "Picture":
        from PIL import Image, ImageDraw, ImageFont

        window = self.viewer.screenshot(canvas_only=False, flash=False)
        picture = Image.new("RGB", (_SIZE[0], _SIZE[1] + _CAPTION), _BACKGROUND)
        picture.paste(Image.fromarray(window).convert("RGB"), (0, 0))
        draw = ImageDraw.Draw(picture)
        if mark is not None:
            corner = mark.mapTo(self.viewer.window._qt_window, mark.rect().topLeft())
            box = (corner.x() - 4, corner.y() - 4, corner.x() + mark.width() + 4, corner.y() + mark.height() + 4)
            draw.rounded_rectangle(box, 5, outline=_MARK, width=3)
        from matplotlib.font_manager import findfont

        font = ImageFont.truetype(findfont("DejaVu Sans"), 19)
        draw.text((_SIZE[0] // 2, _SIZE[1] + _CAPTION // 2), self.caption, fill=_TEXT, font=font, anchor="mm")
        return picture


def record(to: Recorder) -> None:
    """Play the film: from opening a file to a figure."""
    viewer = to.viewer
    to.caption = "File > Open Sample > Super-Resolution > Nuclei, or drop a file of your own"
    to.hold(4)
    viewer.open_sample("napari-superres-torch", "nuclei")
    wait_until(lambda: bool(viewer.window.dock_widgets))
    widget = _opened(viewer, "Super-resolve")
    wait_until(lambda: widget.preview.layer is not None and bool(_control(widget, "Fitness").isVisible()))
    wait_until(lambda: "memory" in widget.estimate.text())
    wait(3)  # until the crops are shown
    to.caption = "Super-resolve opens next to it. The model is chosen for the image, and a line says why"
    to.hold(5, _control(widget, "Model"))
    to.caption = "The next line says whether the model fits"
    to.hold(5, _control(widget, "Fitness"))
    _zoom(to, viewer.layers["nuclei LR"], 2.6, "Zoom in: the preview follows. First without it ...")
    _look_at_preview(to, _control(widget, "Live preview"))
    to.caption = "Run computes the whole layer. The result lies exactly over the image"
    to.click(_control(widget, "Run"))
    to.until(lambda: not widget.is_running)
    to.hold(4)
    to.caption = "The next steps are below it"
    to.hold(3, _control(widget, "Compare"))
    _compare(to, _opened(viewer, "Compare"))
    to.is_short = False
    _opened(viewer, "Super-resolve")
    to.caption = "Save keeps the result with its pixel size, and with a record of how it was made"
    to.hold(5, _control(widget, "Save"))
    to.caption = "How made is a paragraph for the methods of a paper"
    to.hold(4, _control(widget, "How made"))
    to.caption = "Plugins > Super-Resolution > Guided tour shows these steps with your own image"
    to.hold(5)


def _look_at_preview(to: Recorder, preview: Any) -> None:
    to.is_short = True
    _scroll_to(preview)
    for _ in range(2):
        for on, words in ((False, "The image as it was recorded"), (True, "The preview of the result")):
            preview.setChecked(on)
            wait_until(lambda on=on: ("computing" not in preview.text()) and (preview.layer is not None) == on)
            to.caption = words
            to.hold(2.5, preview)
    to.is_short = False
    preview.setChecked(False)


def _compare(to: Recorder, widget: Any) -> None:
    """Look first, then measure."""
    viewer = to.viewer
    to.caption = "Layers > Measure > Compare: look first, with the same contrast. The curtain: result left, image right"
    widget.result.value = next(layer for layer in viewer.layers if "[" in layer.name)
    _control(widget, "Next to").setCurrentText("input")
    to.hold(4)
    curtain = _control(widget, "Curtain")
    to.is_short = True
    to.click(curtain)
    line = _control(widget, "Place of the curtain")
    ends = line.minimum(), line.maximum()
    to.move(
        _CURTAIN_STEPS,
        lambda place: line.setValue(round(ends[0] + (0.5 - 0.4 * np.cos(2 * np.pi * place)) * np.ptp(ends))),
    )
    to.is_short = False
    to.click(curtain)
    to.caption = "Side by side: image, interpolation, result, and the reference scan that this sample has"
    to.click(_control(widget, "Grid"))
    to.hold(6)
    to.click(_control(widget, "Grid"), 0.5)
    to.caption = "Then measure: one line says whether to believe it, and dots say why"
    to.click(_control(widget, "Measure"))
    to.until(lambda: not widget.is_running)
    _scroll_to(widget.verdict_view, to_top=True)
    to.is_short = True
    to.hold(9)
    to.is_short = False
    to.caption = "Save report writes all numbers as a page, with figures"
    _control(widget, "▸ All numbers").click()
    wait(_SETTLED)  # until there is room for them
    save = _control(widget, "Save report")
    _scroll_to(widget.report_view)
    to.hold(5, save)


def _opened(viewer: "napari.Viewer", name: str) -> Any:
    from napari_superres.plugin.host.docks import open_widget

    return open_widget(viewer, name)


def _control(widget: Any, name: str) -> Any:
    from napari_superres.plugin.host.docks import find_control

    control = find_control(widget, name)
    if control is None:
        raise LookupError(f"no control is called {name!r}")
    return control


def _scroll_to(part: Any, *, to_top: bool = False) -> None:
    from qtpy.QtWidgets import QScrollArea

    area = part.parentWidget()
    while area is not None and not isinstance(area, QScrollArea):
        area = area.parentWidget()
    if area is None:  # It is in the foot of its panel, which is always visible.
        return
    area.ensureWidgetVisible(part, 0, 20)
    if to_top:
        area.verticalScrollBar().setValue(part.mapTo(area.widget(), part.rect().topLeft()).y() - 6)


def _zoom(to: Recorder, layer: Any, times: float, caption: str) -> None:
    to.caption = caption
    view = camera(to.viewer)
    low, high = layer.extent.world[:, -2:]
    before, whole = view.zoom, (low + high) / 2.0
    target = low + (high - low) * (0.62, 0.45)

    def step(place: float) -> None:
        view.zoom = before * times**place
        view.center = tuple(whole + (target - whole) * place)

    to.move(15, step)


def write_film(frames: Sequence[Frame], path: Path) -> None:
    """Write all frames as WebM (VP9)."""
    from imageio_ffmpeg import write_frames

    size = frames[0].picture.size
    # Constant quality; a key frame every half minute.
    encoding = ["-crf", "38", "-b:v", "0", "-deadline", "good", "-cpu-used", "4", "-g", f"{30 * _RATE}"]
    options: dict[str, Any] = {"pix_fmt_out": "yuv420p", "output_params": encoding, "macro_block_size": 8}
    writer = write_frames(str(path), size, fps=_RATE, codec="libvpx-vp9", **options)
    writer.send(None)
    for frame in frames:
        pixels = frame.picture.tobytes()
        for _ in range(max(1, round(frame.seconds * _RATE))):
            writer.send(pixels)
    writer.close()


def write_picture(frames: Sequence[Frame], path: Path) -> None:
    """Write the short part as an animated GIF."""
    short = [frame for frame in frames if frame.is_short]
    pictures = list(_reduced([frame.picture for frame in short]))
    durations = [round(1000 * frame.seconds) for frame in short]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=False)


def _reduced(pictures: "Sequence[Picture]") -> "Iterator[Picture]":
    """Return pictures of the size and with the colours of the GIF, the same colours in all."""
    from PIL import Image

    small = [picture.resize(_PICTURE_SIZE, Image.Resampling.LANCZOS) for picture in pictures]
    # The image needs even greys, which quantizers give to the panels; marks are too small to get a colour.
    greys = np.linspace(0, 255, _PICTURE_GREYS).round().astype(int).repeat(3).tolist()
    panels = small[-1].quantize(_PICTURE_COLOURS, dither=Image.Dither.NONE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*greys, *bytes.fromhex(_MARK[1:] + _YES[1:]), *panels[: 3 * _PICTURE_COLOURS]])
    for picture in small:
        yield picture.quantize(palette=palette, dither=Image.Dither.NONE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Record the film and write it, and the animated picture, into a folder."""
    parser = argparse.ArgumentParser(description="Record the film and the animated picture of the documentation.")
    parser.add_argument("--to", type=Path, default=IMAGES, metavar="DIR", help="folder of the files")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as home:
        isolate(Path(home))
        import napari
        from qtpy.QtCore import QThreadPool

        viewer = napari.Viewer(title="napari")
        viewer.window.resize(*_SIZE)
        recorder = Recorder(viewer)
        try:
            record(recorder)
        finally:
            viewer.close()
            wait_until(lambda: QThreadPool.globalInstance().activeThreadCount() == 0)
    options.to.mkdir(parents=True, exist_ok=True)
    for write, name in ((write_film, "first-steps.webm"), (write_picture, "first-steps.gif")):
        path = options.to / name
        write(recorder.frames, path)
        print(f"{name}: {path.stat().st_size / 1000:.0f} kB")
    print(f"{sum(frame.seconds for frame in recorder.frames):.0f} s, {len(recorder.frames)} frames")


if __name__ == "__main__":
    main()
