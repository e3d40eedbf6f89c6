"""The maps of the Compare widget: name, looks and what each needs; without Qt."""

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_superres.core.image import Image
from napari_superres.plugin.widgets.compare.state import Needs

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

_RESIDUAL_LIMIT = 6.0
"""Contrast limit of the residual, in standard deviations of the noise."""


class MapKind(NamedTuple):
    """A kind of map.

    Attributes
    ----------
    name
        Name in the layer's title, and for `tasks.map_of`.
    tooltip
        Tooltip of the button.
    colormap
        Name of a napari colormap; ``_r`` at the end reverses it.
    limits
        Returns contrast limits for the values of a map.
    needs
        What the map needs besides the result.
    """

    name: str
    tooltip: str
    colormap: str
    limits: Callable[[Any], tuple[float, float]]
    needs: Needs = "reference"


def _symmetric(values: Any) -> tuple[float, float]:
    """Return limits around zero that include all but the largest 0.1 % of the absolute values."""
    size = np.abs(np.asarray(values))
    limit = float(np.nanpercentile(size, 99.9)) if np.isfinite(size).any() else 1.0
    limit = limit if 0 < limit < inf else max(float(np.nanmax(size, initial=0.0)), 1e-6)
    return -limit, limit


def _from_zero(values: Any) -> tuple[float, float]:
    """Return limits from zero that include all but the largest 0.1 % of the values."""
    return 0.0, _symmetric(values)[1]


def _full_range(values: Any) -> tuple[float, float]:
    """Return the smallest and largest value; if they are equal, limits that napari accepts."""
    finite = np.asarray(values)[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return (low, high) if low < high else (low, 2 * low)


DIFFERENCE = MapKind(
    "difference", "Add result minus reference as a layer: pink below zero, green above.", "PiYG", _symmetric
)
SSIM = MapKind(
    "SSIM",
    "Add the structural similarity around each pixel as a layer: 1 where result and reference agree.",
    "viridis",
    lambda _: (0.0, 1.0),
)
AGREEMENT = MapKind(
    "agreement",
    "Add the size of the finest detail that result and reference share, in blocks of 64 pixels. Bright: fine detail "
    "agrees; dark: only coarse detail; empty: none.",
    "magma_r",
    _full_range,
)
RESIDUAL = MapKind(
    "residual",
    "Add the difference between the input and the result blurred and binned again, in standard deviations of the "
    "noise. Green: the result has more than the input; pink: less.",
    "PiYG",
    lambda _: (-_RESIDUAL_LIMIT, _RESIDUAL_LIMIT),
    "input",
)
DISAGREEMENT = MapKind(
    "disagreement",
    "Add the standard deviation of results for the input and its mirror images: high where the model is unsure. The "
    "model runs four to sixteen times; errors common to all runs do not show.",
    "inferno",
    _from_zero,
    "model",
)
ERROR_BAR = MapKind(
    "error bar",
    "Add half the width of calibrated intervals around the result, computed from the disagreement. Asks for the "
    "file of the calibration that was made for the model.",
    "inferno",
    _from_zero,
    "model",
)
KINDS = (DIFFERENCE, SSIM, AGREEMENT, RESIDUAL, DISAGREEMENT, ERROR_BAR)


def title(kind: MapKind, image: Image, layer: "ImageLayer") -> str:
    """Return the name of a map's layer, with its unit unless that is the unit of the layer's intensities."""
    length = format(layer.units[-1], "~P") if image.has_pixel_size else "pixel"
    unit = {"agreement": length, "residual": "sigma"}.get(kind.name)
    return f"{kind.name} ({unit}) of {layer.name}" if unit else f"{kind.name} of {layer.name}"


def looks(kind: MapKind, values: Any) -> dict[str, Any]:
    """Return the keyword arguments of a map's layer: colormap, contrast limits and blending."""
    return {
        "colormap": _colormap(kind.colormap),
        "contrast_limits": kind.limits(values),
        "gamma": 1.0,
        "opacity": 1.0,
        "blending": "translucent",
        "interpolation2d": "nearest",
    }


def _colormap(name: str) -> Any:
    from napari.utils.colormaps import Colormap, ensure_colormap

    if not name.endswith("_r"):
        return name
    forward = ensure_colormap(name.removesuffix("_r"))
    return Colormap(colors=forward.colors[::-1], controls=1 - forward.controls[::-1], name=name)
