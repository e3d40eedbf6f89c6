"""A figure for a paper: input, interpolation, result and reference at one contrast."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.reporting.about import About, recorded_models
from napari_superres.evaluation.reporting.page.drawing import SHADE, as_plane, contrast, draw_scale_bar, show_image
from napari_superres.evaluation.reporting.page.figures import new_figure
from napari_superres.storage.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_superres.evaluation.reporting.findings import Findings

SUFFIXES = (".svg", ".png")
_INSET = 0.22
"""Edge of the inset's field as a share of the shorter edge of the image."""

_PANEL, _DPI = 2.2, 300


def check_figure(path: Path) -> None:
    """Check that a figure can have this name.

    Raises
    ------
    SettingsError
        If it ends neither in .svg nor in .png.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise SettingsError(
            f"a figure must be a file whose name ends in {' or '.join(SUFFIXES)}, got {path.name}.",
            remedy="Choose another name.",
        )


def save_figure(findings: "Mapping[str, Findings]", about: About, path: Path) -> None:
    """Write the figure of the first image: a row per channel, at most four.

    Raises
    ------
    EvaluationError
        If no image was examined.
    SettingsError
        If the name ends neither in .svg nor in .png.
    OutputError
        If the file cannot be written.
    """
    import matplotlib as mpl

    check_figure(path)
    pictures = next((f.pictures for f in findings.values() if f.pictures), None)
    if pictures is None:
        raise EvaluationError("there is no picture of a result.", remedy="Evaluate a single image.")
    figure = _draw(pictures, about)
    out = io.BytesIO()
    kind = path.suffix.lower()[1:]
    with mpl.rc_context({"svg.hashsalt": kind, "svg.fonttype": "none"}):
        figure.savefig(out, format=kind, dpi=_DPI, metadata={"Date": None} if kind == "svg" else None)
    with replacing(path) as (temporary,):
        temporary.write_bytes(out.getvalue())


def _draw(pictures: Mapping[str, Image], about: About) -> Any:
    result = pictures["result"]
    rows = min(result.size("C"), 4)
    height, width = (result.size(a) for a in "YX")
    tall = _PANEL * min(height / width, 1.5)
    figure = new_figure(_PANEL * len(pictures), rows * (2 * tall + 0.25) + 0.3)
    grid = figure.add_gridspec(2 * rows, len(pictures))
    pixel = result.pixel_size[result.spatial.index("X")] if result.has_pixel_size else 1.0
    unit = str(result.units["X"]) if result.has_pixel_size else "pixel"
    ranges = []
    for row in range(rows):
        planes = {name: as_plane(i, min(row, i.size("C") - 1)) for name, i in pictures.items()}
        low, high = contrast(planes)
        ranges.append(f"{low:.4g} to {high:.4g}")
        box = _busiest(planes["reference" if "reference" in planes else "result"], planes["result"].shape[:2])
        for column, (name, plane) in enumerate(planes.items()):
            axes = figure.add_subplot(grid[2 * row, column])
            inset = figure.add_subplot(grid[2 * row + 1, column])
            show_image(axes, plane, low, high, (0.0, width * pixel, height * pixel, 0.0))
            show_image(inset, plane, low, high, (0.0, width * pixel, height * pixel, 0.0))
            _frame(axes, inset, tuple(v * pixel for v in box))
            if row == 0:
                axes.set_title(name, fontsize=9)
            if column == 0:
                if result.size("C") > 1:
                    label = result.channel_names[row] if result.channel_names else f"channel {row}"
                    axes.text(
                        -0.04, 0.5, label, transform=axes.transAxes, rotation=90, va="center", ha="right", fontsize=8
                    )
                draw_scale_bar(axes, width * pixel, height * pixel, unit)
            if name == "result":
                _burn(axes, _stamp(about))
    shown = "; ".join(ranges)
    figure.text(0.5, 0.0, f"one contrast per row: {shown}", ha="center", va="bottom", fontsize=6)
    return figure


def _stamp(about: About) -> str:
    """Return what is burnt into the result, such as ``computed x2, fluo-x2 v1``."""
    scale = dict(about.record.get("scale", {})) if about.record else {}
    factors = [scale[a] for a in "ZYX" if a in scale]
    times = "" if not factors else f" x{factors[-1]}" if len(set(factors)) == 1 else f" x{'x'.join(map(str, factors))}"
    models = [f"{m.get('name', '?')} v{m.get('version', '?')}" for m in recorded_models(about.record)]
    return f"computed{times}, {', '.join(models) or 'model not recorded'}"


def _burn(axes: "Axes", text: str) -> None:
    place = axes.transAxes
    axes.text(0.98, 0.975, text, transform=place, color="white", fontsize=5.5, ha="right", va="top", bbox=SHADE)


def _frame(axes: "Axes", inset: "Axes", box: tuple[float, ...]) -> None:
    """Mark the field of the inset in the whole image, and show only that field in the inset."""
    from matplotlib.patches import Rectangle

    top, left, edge = box
    for color, width in (("black", 2.0), ("#ffd400", 0.9)):
        axes.add_patch(Rectangle((left, top), edge, edge, fill=False, color=color, lw=width))
    inset.set_xlim(left, left + edge)
    inset.set_ylim(top + edge, top)
    for each in (axes, inset):
        each.set_xticks([])
        each.set_yticks([])
    for spine in inset.spines.values():
        spine.set_color("#b38f00")


def _busiest(plane: npt.NDArray[np.float64], shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Return top, left and edge, in pixels of the result, of the square with the most structure."""
    from scipy.ndimage import uniform_filter

    grey = np.nan_to_num(plane.mean(axis=2) if plane.ndim == 3 else plane)
    edge = max(8, round(_INSET * min(shape)))
    mean = uniform_filter(grey, edge, mode="nearest")
    spread = uniform_filter(grey**2, edge, mode="nearest") - mean**2
    half = edge // 2
    inner = spread[half : shape[0] - half, half : shape[1] - half]
    if not inner.size:
        return 0.0, 0.0, float(min(shape))
    y, x = np.unravel_index(inner.argmax(), inner.shape)
    return float(y), float(x), float(edge)
