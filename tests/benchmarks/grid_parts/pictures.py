"""Pictures of a model's results on the grid, chosen by rule: the worst image of each condition, and the median one.

Each picture shows, at the same grey levels, the input (its pixels as they are), bicubic interpolation, the best
classical method, the model, the truth, and the difference of model and truth.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib.figure import Figure

Row = TypeVar("Row")

EDGE = 96
"""Edge of the shown part, in pixels of the truth: that in which the model errs most."""

GAP = 2

DIFFERENCE = 0.25
"""Differences shown black and white, as a share of the range."""


def write_picture(named: Sequence[tuple[str, np.ndarray]], truth: np.ndarray, title: str, path: Path) -> None:
    """Write results next to the truth: ``(Y, X)`` arrays of its size, the model's last; the input is repeated."""
    _, result = named[-1]
    y, x = _worst_corner(np.square(result - truth))
    part = np.s_[y : y + EDGE, x : x + EDGE]
    shown = [*named, ("truth", truth)]
    low, high = np.percentile(truth[part], (0.5, 99.5))
    figure = Figure(figsize=(3 * (len(shown) + 1), 3.5), dpi=100, layout="constrained")
    axes = figure.subplots(1, len(shown) + 1)
    for ax, (name, values) in zip(axes, shown, strict=False):
        ax.imshow(values[part], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        ax.set_title(name, fontsize=9)
    difference = (result - truth)[part]
    axes[-1].imshow(difference, cmap="gray", vmin=-DIFFERENCE, vmax=DIFFERENCE, interpolation="nearest")
    axes[-1].set_title(f"model - truth, ±{DIFFERENCE:g}", fontsize=9)
    for ax in axes:
        ax.set_axis_off()
    figure.suptitle(title, fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def write_pixels(lines: Sequence[Sequence[np.ndarray]], words: Mapping[str, str], path: Path) -> None:
    """Write lines of results next to the truth, each pixel as it is, with words in the header of the file.

    Each line holds ``(Y, X)`` arrays of one size: the model's before the last, and the truth. Of each line the part is
    shown in which the model errs most, at the same grey levels.
    """
    from PIL import Image as Picture
    from PIL.PngImagePlugin import PngInfo

    canvas = np.full((len(lines) * (EDGE + GAP) - GAP, len(lines[0]) * (EDGE + GAP) - GAP), 255, np.uint8)
    for row, line in enumerate(lines):
        *_, result, truth = line
        y, x = _worst_corner(np.square(result - truth))
        parts = [pixels[y : y + EDGE, x : x + EDGE] for pixels in line]
        low, high = np.percentile(parts[-1], (0.5, 99.5))
        for column, part in enumerate(parts):
            grey = (255 * ((part - low) / (high - low)).clip(0, 1)).round().astype(np.uint8)
            top, left = row * (EDGE + GAP), column * (EDGE + GAP)
            canvas[top : top + grey.shape[0], left : left + grey.shape[1]] = grey
    header = PngInfo()
    for name, text in words.items():
        header.add_text(name, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(canvas).save(path, optimize=True, pnginfo=header)


def choose(rows: Sequence[Row], gain: Callable[[Row], float]) -> dict[str, Row]:
    """Return the row of least gain and that of the median gain."""
    ordered = sorted(rows, key=gain)
    return {"worst": ordered[0], "median": ordered[len(ordered) // 2]}


def _worst_corner(error: np.ndarray) -> tuple[int, int]:
    """Return the corner of the square, on a coarse raster, with the largest mean error."""
    rows, columns = (range(0, max(1, n - EDGE + 1), EDGE // 4) for n in error.shape)
    return max(
        ((y, x) for y in rows for x in columns), key=lambda at: error[at[0] : at[0] + EDGE, at[1] : at[1] + EDGE].mean()
    )
