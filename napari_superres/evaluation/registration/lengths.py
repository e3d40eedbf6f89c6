"""Pixel sizes with their unit, so that lengths of two images are never compared as bare numbers."""

from collections.abc import Mapping

from napari_superres.core.grid import downscale_affine
from napari_superres.core.image import Image
from napari_superres.core.units import METRES, convert


def length_unit(image: Image) -> str:
    """Return the unit of lengths along X; ``"pixel"`` where the pixel size is unknown."""
    return image.units.get("X") or "pixel" if image.has_pixel_size else "pixel"


def unit_factor(unit: str | None, target: str | None) -> float:
    """Return the factor that converts a length from one unit to another; 1 where either is unknown."""
    return convert(1.0, unit, target) if unit in METRES and target in METRES else 1.0


def pixel_sizes(image: Image, axes: str, unit: str | None = None) -> list[float]:
    """Return the pixel size along some axes, all in one unit.

    Parameters
    ----------
    image
        Image that has these spatial axes, each perhaps in a unit of its own.
    axes
        Spatial axes.
    unit
        Unit of length; by default that of `length_unit`.

    Returns
    -------
    list of float
        In pixels along X where the pixel size is unknown.
    """
    sizes = {a: image.pixel_size[image.spatial.index(a)] for a in axes + "X"}
    if not image.has_pixel_size:
        return [sizes[a] / sizes["X"] for a in axes]
    target = unit or length_unit(image)
    # Where the unit along Z is unknown, that along X is assumed.
    return [sizes[a] * unit_factor(image.units[a] or image.units["X"], target) for a in axes]


def on_grid_of(lr: Image, result: Image, scale: Mapping[str, int]) -> Image:
    """Return an input with the pixel size and the units that its result says it has.

    Frequencies of both then have one unit, also where the input states another one, or none.

    Parameters
    ----------
    lr
        Input.
    result
        Its result.
    scale
        Factor per spatial axis of the result.
    """
    if lr.spatial != result.spatial:
        return lr
    affine = downscale_affine(result.affine, [scale[a] for a in result.spatial])
    return lr.replace(affine=affine, units={**lr.units, **{a: result.units[a] for a in result.spatial}})
