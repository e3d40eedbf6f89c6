"""Draw the pictures of the README: a sample before and after, as panels and as an animated curtain.

``make pictures`` writes them to docs/images, or, into another folder::

    .venv/bin/python docs/pictures.py --to DIR
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

_IMAGES = Path(__file__).resolve().parent / "images"
_SCALE = 2
_PSF_SIGMA = 1.5
"""Sigma of the point-spread function of the sample, in pixels of the result."""
_CROP = (slice(54, 88), slice(4, 38))
"""Rows and columns of the zoomed nucleus, in pixels of the input."""
_CURTAIN = (slice(36, 110), slice(0, 126))
"""Rows and columns of the animation, in pixels of the input."""
_DISPLAY_RANGE = (1.0, 99.5)
"""Percentiles of the zoomed part of the reference that are drawn black and white, in all panels."""
_BACKGROUND, _MARK = "#101418", "#ffd166"

_ENLARGED = 3
"""Edge of a result's pixel in the animation, in pixels of the screen."""
_STEPS = 36
"""Frames in which the curtain moves from one side to the other."""
_FRAME_MS, _REST_MS = 50, 1600
_GREYS = 40
"""Grey levels of the animation: few enough for a small file, and too many to tell neighbours apart."""


class Panel(NamedTuple):
    """One image of the pictures.

    Attributes
    ----------
    title
        Name of the image, with its PSNR where it has one.
    pixels
        Grey levels, shape (Y, X).
    scale
        Number of pixels along each edge of an input pixel.
    """

    title: str
    pixels: "NDArray[np.generic]"
    scale: int

    def part(self, rows: slice, columns: slice) -> "NDArray[np.generic]":
        """Return the part at these rows and columns of the input."""
        top, bottom, left, right = (edge * self.scale for edge in (rows.start, rows.stop, columns.start, columns.stop))
        return self.pixels[top:bottom, left:right]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write both pictures into a folder."""
    parser = argparse.ArgumentParser(description="Make the pictures of the README.")
    parser.add_argument("--to", type=Path, default=_IMAGES, metavar="DIR", help="folder of the pictures")
    folder = parser.parse_args(arguments).to
    folder.mkdir(parents=True, exist_ok=True)
    panels, pixel_size = super_resolve()
    write_panels(panels, pixel_size, folder / "before-after.png")
    write_curtain(panels, pixel_size, folder / "curtain.gif")
    for path in (folder / "before-after.png", folder / "curtain.gif"):
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def super_resolve() -> tuple[list[Panel], float]:
    """Return input, interpolation, both results and reference of the sample, and the input's pixel size in micrometers.

    The second result is told the point-spread function that the sample was blurred with.
    """
    from napari_superres import evaluate, read_image, upscale
    from napari_superres.io import sample_path

    image = read_image(sample_path("nuclei_lr.ome.tif"))
    reference = read_image(sample_path("nuclei_hr.ome.tif"))
    result = upscale(image, f"fluo-x{_SCALE}")
    sharpened = upscale(image, f"fluo-x{_SCALE}", psf_sigma=_PSF_SIGMA)
    bicubic = upscale(image, f"bicubic-x{_SCALE}")
    rows = evaluate(result, reference, lr=image, baselines=[]).rows
    rows += [{**evaluate(sharpened, reference, baselines=[]).rows[0], "candidate": "sharpened"}]
    psnr = {row["candidate"]: f"{row['psnr']:.1f} dB" for row in rows}
    panels = [
        Panel(f"input, {image.pixel_size[-1]:g} µm pixels", np.asarray(image.data), 1),
        Panel(f"bicubic, PSNR {psnr['bicubic']}", np.asarray(bicubic.data), _SCALE),
        Panel(f"fluo-x{_SCALE}, PSNR {psnr['result']}", np.asarray(result.data), _SCALE),
        Panel(f"told sigma {_PSF_SIGMA}, {psnr['sharpened']}", np.asarray(sharpened.data), _SCALE),
        Panel("reference scan", np.asarray(reference.data), _SCALE),
    ]
    return panels, float(image.pixel_size[-1])


def display_range(panels: Sequence[Panel]) -> tuple[float, float]:
    """Return the grey levels that are drawn black and white, the same in all panels."""
    low, high = np.percentile(panels[-1].part(*_CROP), _DISPLAY_RANGE)
    return float(low), float(high)


def write_panels(panels: Sequence[Panel], pixel_size: float, path: Path) -> None:
    """Draw the whole field of each panel, and the zoomed nucleus below it."""
    from matplotlib.figure import Figure

    low, high = display_range(panels)
    figure = Figure(figsize=(16, 6.7), layout="constrained", facecolor=_BACKGROUND)
    grid = figure.subplots(2, len(panels))
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.04, wspace=0, hspace=0)
    whole = tuple(slice(0, size) for size in panels[0].pixels.shape)
    for column, panel in zip(grid.T, panels, strict=True):
        for axes, part, bar in zip(column, (whole, _CROP), (10, 5), strict=True):
            axes.imshow(panel.part(*part), cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(_MARK if part is _CROP else _BACKGROUND)
            _draw_bar(axes, bar / pixel_size * panel.scale, f"{bar} µm")
        column[0].set_title(panel.title, color="white", fontsize=14)
        _draw_frame(column[0], panel.scale)
    figure.savefig(path, dpi=100)


def _draw_bar(axes: "Axes", length: float, text: str) -> None:
    right, bottom = (np.array(axes.get_images()[0].get_size()) * 0.95)[::-1]
    axes.plot([right - length, right], [bottom, bottom], color="white", linewidth=3, solid_capstyle="butt")
    axes.annotate(
        text, (right - length / 2, bottom), (0, 4), textcoords="offset points", ha="center", color="white", fontsize=11
    )


def _draw_frame(axes: "Axes", scale: int) -> None:
    """Mark the zoomed part in the whole field."""
    from matplotlib.patches import Rectangle

    rows, columns = _CROP
    corner = (columns.start * scale - 0.5, rows.start * scale - 0.5)
    width, height = (columns.stop - columns.start) * scale, (rows.stop - rows.start) * scale
    axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=_MARK, linewidth=1.5))


def write_curtain(panels: Sequence[Panel], pixel_size: float, path: Path) -> None:
    """Draw a curtain that uncovers the result from left to right, and covers it again."""
    low, high = display_range(panels)
    bar = round(10 / pixel_size * _SCALE * _ENLARGED)
    before, after = (
        _picture(panel, low, high, bar, anchor) for panel, anchor in zip(panels[1:3], ("ra", "la"), strict=True)
    )
    frames = list(_frames(before, after))
    durations = [_REST_MS if edge in (0, _STEPS) else _FRAME_MS for edge in _edges()]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=False)


def _edges() -> list[int]:
    """Return where the curtain is in each frame, in steps from the left."""
    return [*range(_STEPS + 1), *range(_STEPS - 1, 0, -1)]


def _frames(before: "Picture", after: "Picture") -> Iterator["Picture"]:
    from PIL import ImageDraw

    palette = _palette()
    for step in _edges():
        edge = round(before.width * step / _STEPS)
        frame = before.copy()
        frame.paste(after.crop((0, 0, edge, after.height)), (0, 0))
        if 0 < step < _STEPS:
            ImageDraw.Draw(frame).line([(edge, 0), (edge, frame.height)], fill=_GREYS, width=3)
        frame.putpalette(palette)
        yield frame


def _picture(panel: Panel, low: float, high: float, bar: int, anchor: str) -> "Picture":
    """Return a panel in palette colours, with its title and a scale bar of `bar` pixels for 10 micrometers.

    The title is at the left for the anchor ``la`` and at the right for ``ra``, so that the curtain leaves it readable.
    """
    from matplotlib.font_manager import findfont
    from PIL import Image, ImageDraw, ImageFont

    grey = np.clip((panel.part(*_CURTAIN).astype(float) - low) / (high - low), 0, 1)
    levels = np.round(grey * (_GREYS - 1)).astype(np.uint8)
    picture = Image.fromarray(levels.repeat(_ENLARGED, 0).repeat(_ENLARGED, 1), mode="P")
    draw, font, white = ImageDraw.Draw(picture), ImageFont.truetype(findfont("DejaVu Sans"), 18), _GREYS - 1
    draw.fontmode = "1"  # blended text would need colours between those of the palette
    corner = (12 if anchor == "la" else picture.width - 12, 10)
    box = draw.textbbox(corner, panel.title, font=font, anchor=anchor)
    draw.rectangle((box[0] - 6, box[1] - 5, box[2] + 6, box[3] + 5), fill=0)
    draw.text(corner, panel.title, fill=white, font=font, anchor=anchor)
    right, bottom = picture.width - 14, picture.height - 14
    draw.rectangle((right - bar, bottom - 4, right, bottom), fill=white)
    draw.text((right - bar // 2, bottom - 10), "10 µm", fill=white, font=font, anchor="ms")
    return picture


def _palette() -> list[int]:
    """Return the colours of the animation: grey levels, and that of the curtain's edge."""
    greys = np.linspace(0, 255, _GREYS).round().astype(int).repeat(3).tolist()
    return [*greys, *bytes.fromhex(_MARK[1:])]


if __name__ == "__main__":
    main()
