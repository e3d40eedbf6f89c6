"""Places of a result, by its pixels and in the words that every text of a report has for them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from napari_superres.core.image import Image
from napari_superres.evaluation.registration.lengths import on_grid_of
from napari_superres.evaluation.registration.match import affine_in_units_of

Index = Mapping[str, int]


class Spot(NamedTuple):
    """A place of a result.

    Attributes
    ----------
    pixel
        Index in the result, by the letters of its axes.
    words
        The same as `in_words` says it.
    """

    pixel: Index
    words: str

    def __str__(self) -> str:
        return self.words


def spot_on(index: Index, image: Image, result: Image) -> Spot:
    """Return the place of a pixel of an image, such as the input, on a result that lies in the same world."""
    found = on_grid(index, image, result)
    return Spot(found, in_words(found, result))


def in_units_of(lr: Image, result: Image) -> Image:
    """Return the input in the units of its result; where a pixel size is unknown, both begin at the same corner."""
    if lr.spatial != result.spatial:
        return lr
    if lr.has_pixel_size and result.has_pixel_size:
        return lr.replace(affine=affine_in_units_of(lr, result), units={**lr.units, **result.units})
    return on_grid_of(lr, result, {a: max(1, round(result.size(a) / lr.size(a))) for a in result.spatial})


def on_grid(index: Index, image: Image, result: Image) -> dict[str, int]:
    """Return the pixel of a result over a pixel of an image: by the world, which both lie in."""
    world = image.affine @ np.array([*(index.get(a, 0) for a in image.spatial), 1])
    ours = [world[image.spatial.index(a)] if a in image.spatial else 0.0 for a in result.spatial]
    exact = np.linalg.solve(result.affine, np.array([*ours, 1]))
    found = {a: int(np.clip(round(v), 0, result.size(a) - 1)) for a, v in zip(result.spatial, exact, strict=False)}
    return {**index, **found}


def in_words(index: Index, result: Image) -> str:
    """Return a place as viewers show it: frame, plane and channel, and where in the world it lies.

    The lengths are those that napari shows in its status bar. Without a pixel size, they are pixels.
    """
    parts: list[str] = []
    for axis, word in (("T", "frame"), ("Z", "plane")):
        if axis in result.axes and result.size(axis) > 1:
            parts.append(f"{word} {index.get(axis, 0)}")
    if "C" in result.axes and result.size("C") > 1:
        channel = index.get("C", 0)
        parts.append(f"channel {result.channel_names[channel] if result.channel_names else channel}")
    at = np.array([index.get(a, 0) for a in result.spatial], float)
    if result.has_pixel_size:
        at = (result.affine @ [*at, 1])[:-1]
    unit = short_unit(str(result.units["X"])) if result.has_pixel_size else "pixels"
    shown = "ZYX" if result.has_pixel_size and result.size("Z") > 1 else "YX"
    lengths = [f"{a.lower()} {v:.4g}" for a, v in zip(result.spatial, at.round(9) + 0.0, strict=True) if a in shown]
    return ", ".join([*parts, f"{', '.join(lengths)} {unit}"])


def short_unit(unit: str) -> str:
    """Return the sign of a unit of length."""
    signs = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "angstrom": "Å", "picometer": "pm"}
    return signs.get(unit, {"centimeter": "cm", "meter": "m", "inch": "in", "pixel": "px"}.get(unit, unit))
