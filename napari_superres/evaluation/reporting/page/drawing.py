"""Pictures of a page: the place where a check failed, in all images at one contrast, and thumbnails."""

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.evaluation.reporting.exhibits import Exhibit, nice_length
from napari_superres.evaluation.reporting.page.figures import new_figure, png_uri
from napari_superres.evaluation.reporting.spots import short_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL = 1.75
"""Edge of a panel in inches."""

_RING = 0.17
"""Radius of the ring as a share of the width."""

SHADE: dict[str, Any] = {"facecolor": (0, 0, 0, 0.6), "edgecolor": "none", "pad": 1.2}
"""What makes white text readable on any image, and leaves it text in an SVG."""

_SIGMAS = 6.0
"""Residual, in standard deviations, that is drawn in full colour."""

_THUMBNAIL = 112
"""Longest edge of a thumbnail in pixels: three of them for 200 files stay below 5 MB."""


def draw_exhibit(exhibit: Exhibit) -> str:
    """Return the crops of an exhibit next to each other, with ring and scale bar, as the data URI of a PNG."""
    figure = new_figure(_PANEL * len(exhibit.crops), _PANEL + 0.28)
    shown = {n: c for n, c in exhibit.crops.items() if n != "residual"}
    low, high = contrast(shown)
    height = exhibit.width * next(c.shape[0] / c.shape[1] for n, c in exhibit.crops.items() if n == "result")
    for i, (name, crop) in enumerate(exhibit.crops.items()):
        axes = figure.add_subplot(1, len(exhibit.crops), i + 1)
        extent = (0.0, exhibit.width, height, 0.0)
        if name == "residual":
            most = _SIGMAS if "sigma" in exhibit.residual or "deviations" in exhibit.residual else _most(crop)
            axes.imshow(_grey(crop), cmap="PuOr_r", vmin=-most, vmax=most, interpolation="nearest", extent=extent)
        else:
            show_image(axes, crop, low, high, extent)
        draw_ring(axes, exhibit.centre[1] * exhibit.width, exhibit.centre[0] * height, _RING * exhibit.width)
        axes.set_title(name, fontsize=9)
        axes.axis("off")
        if i == 0:
            draw_scale_bar(axes, exhibit.width, height, exhibit.unit)
    return png_uri(figure)


def show_image(
    axes: "Axes", crop: npt.NDArray[Any], low: float, high: float, extent: tuple[float, float, float, float]
) -> None:
    """Draw a plane in grey, or a plane of colours, between two intensities."""
    if crop.ndim == 3 and crop.shape[2] >= 3:
        values = np.clip((crop[..., :3].astype(np.float64) - low) / (high - low), 0, 1)
        axes.imshow(np.nan_to_num(values), interpolation="nearest", extent=extent)
    else:
        axes.imshow(_grey(crop), cmap="gray", vmin=low, vmax=high, interpolation="nearest", extent=extent)


def draw_ring(axes: "Axes", x: float, y: float, radius: float) -> None:
    """Draw a ring that shows on black and on white."""
    from matplotlib.patches import Circle

    for color, width in (("black", 3.0), ("#ffd400", 1.4)):
        axes.add_patch(Circle((x, y), radius, fill=False, color=color, lw=width))


def draw_scale_bar(axes: "Axes", width: float, height: float, unit: str) -> float:
    """Draw a scale bar with its length in the lower left corner, and return its length."""
    length = nice_length(width)
    x, y = 0.05 * width, height - 0.07 * height
    for color, thickness in (("black", 4.5), ("white", 2.5)):
        axes.plot([x, x + length], [y, y], color=color, lw=thickness, solid_capstyle="butt")
    text = f"{length:g} {short_unit(unit)}"
    axes.text(x, y - 0.04 * height, text, color="white", fontsize=7, va="bottom", ha="left", bbox=SHADE)
    return length


def contrast(crops: Mapping[str, npt.NDArray[Any]]) -> tuple[float, float]:
    """Return one range of intensities for all images."""
    values = np.concatenate([np.asarray(c, dtype=np.float64).ravel() for c in crops.values()])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, [0.5, 99.8]))
    return low, high if high > low else low + 1


def thumbnails(images: Mapping[str, Image]) -> dict[str, str]:
    """Return the first channel or the colours of images as data URIs of small JPEGs, all at one contrast."""
    steps = {name: max(1, max(image.size(a) for a in "YX") // (4 * _THUMBNAIL)) for name, image in images.items()}
    planes = {name: as_plane(image, step=steps[name]) for name, image in images.items()}
    low, high = contrast(planes) if planes else (0.0, 1.0)
    return {name: _thumbnail(plane, low, high) for name, plane in planes.items()}


def _thumbnail(plane: npt.NDArray[np.float64], low: float, high: float) -> str:
    from PIL import Image as Picture

    with np.errstate(invalid="ignore"):
        values = np.clip((np.nan_to_num(plane, nan=low, posinf=high, neginf=low) - low) / (high - low), 0, 1)
    picture = Picture.fromarray((255 * values).astype(np.uint8))
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    out = io.BytesIO()
    picture.save(out, format="JPEG", quality=70)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def as_plane(image: Image, channel: int = 0, step: int = 1) -> npt.NDArray[np.float64]:
    """Return the middle plane of a channel, every so many pixels of it, with colours at the end if there are three."""
    index: dict[str, int | slice] = {"C": channel, "Y": slice(None, None, step), "X": slice(None, None, step)}
    index |= {a: image.size(a) // 2 for a in "TZ"}
    key = tuple(index.get(a, slice(None)) for a in image.axes)
    left = [a for a in image.axes if a in "YXS"]
    plane = np.moveaxis(
        np.asarray(image.data[key], dtype=np.float64), [left.index(a) for a in "YXS" if a in left], range(len(left))
    )
    if plane.ndim == 3:
        return plane[..., :3] if plane.shape[2] >= 3 else plane[..., 0]
    return plane


def _grey(crop: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return crop.mean(axis=2) if crop.ndim == 3 else crop


def _most(crop: npt.NDArray[Any]) -> float:
    values = np.abs(crop[np.isfinite(crop)])
    return float(np.percentile(values, 99.5)) or 1.0 if values.size else 1.0
