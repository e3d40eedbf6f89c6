"""The maps of the Compare widget: what each is called, on which layer it lies, how it looks."""

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

import numpy as np

from napari_superres.core.image import Image

_OUTSIDE = 6.0  # standard deviations of noise


class Kind(NamedTuple):
    """A kind of map.

    Attributes
    ----------
    name
        In the layer's name, and what the engine calls it.
    words
        The button's tooltip.
    colormap
        Name of one of napari's; with ``_r`` at its end reversed.
    limits
        Contrast limits that show the values of a map.
    needs
        Beside the result: ``"reference"``, ``"input"``, or ``"model"``, that is the input and what made the result.
    """

    name: str
    words: str
    colormap: str
    limits: Callable[[Any], tuple[float, float]]
    needs: str = "reference"


def _symmetric(values: Any) -> tuple[float, float]:
    """Return limits around zero that show all but the largest thousandth of the differences."""
    size = np.abs(np.asarray(values))
    limit = float(np.nanpercentile(size, 99.9)) if np.isfinite(size).any() else 1.0
    limit = limit if 0 < limit < inf else max(float(np.nanmax(size, initial=0.0)), 1e-6)
    return -limit, limit


def _from_zero(values: Any) -> tuple[float, float]:
    """Return limits from zero that show all but the largest thousandth."""
    return 0.0, _symmetric(values)[1]


def _whole(values: Any) -> tuple[float, float]:
    """Return the smallest and largest value, or what is around them."""
    known = np.asarray(values)[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return (low, high) if low < high else (low, 2 * low)


DIFFERENCE = Kind(
    "difference", "Add result less reference as a layer: pink below zero, green above.", "PiYG", _symmetric
)
SSIM = Kind(
    "SSIM",
    "Add the structural similarity around each pixel as a layer: 1 where both agree.",
    "viridis",
    lambda _: (0.0, 1.0),
)
AGREEMENT = Kind(
    "agreement",
    "Add the length down to which result and reference agree, in blocks of 64 pixels: bright where they agree in fine "
    "detail, dark where only in coarse, empty where in none.",
    "magma_r",
    _whole,
)
RESIDUAL = Kind(
    "residual",
    "Add, on the input, what differs from it in the result blurred and binned again, in standard deviations of the "
    "noise: green where the result has more than the input shows, pink where less. Needs the input.",
    "PiYG",
    lambda _: (-_OUTSIDE, _OUTSIDE),
    "input",
)
DISAGREEMENT = Kind(
    "disagreement",
    "Add how far results for the input and its mirror images differ, as standard deviation: where the model is not "
    "sure. What it gets wrong in every turn this does not show. Needs the input; the model runs four to sixteen times.",
    "inferno",
    _from_zero,
    "model",
)
ERROR_BAR = Kind(
    "error bar",
    "Add half the width of calibrated intervals around the result, from the disagreement. Asks for the file that "
    "superres calibrate made of pairs of images. Needs the input.",
    "inferno",
    _from_zero,
    "model",
)
KINDS = (DIFFERENCE, SSIM, AGREEMENT, RESIDUAL, DISAGREEMENT, ERROR_BAR)


def title(kind: Kind, image: Image, layer: Any) -> str:
    """Return the name of a map's layer, with the unit of what has another than the layer or none."""
    length = format(layer.units[-1], "~P") if image.has_pixel_size else "pixel"
    unit = {"agreement": length, "residual": "sigma"}.get(kind.name)
    return f"{kind.name} ({unit}) of {layer.name}" if unit else f"{kind.name} of {layer.name}"


def looks(kind: Kind, values: Any) -> dict[str, Any]:
    """Return the keyword arguments of a map's layer that show its values as they are."""
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
