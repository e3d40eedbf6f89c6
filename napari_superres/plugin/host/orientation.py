"""Volumes whose slices do not lie across the vertical axis of the world, such as sagittal and coronal ones.

napari shows the world slice by slice, along its own axes. It cannot slice a layer whose first array axis lies across
the first axis of the world. The array axes of such a volume therefore go into the order of the world's axes that they
lie closest to. Of an oblique volume, napari shows nothing at some places of its sliders.

``metadata["file_axes"]`` keeps the letters that they have in the file, so that models get the slices as
they were recorded, and files the order that they had.
"""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_superres.core.grid import closest_axes
from napari_superres.core.image import Image
from napari_superres.io.lazy import TransposedArray

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

FILE_AXES = "file_axes"
"""Key in the metadata of a layer: the letters of its array axes, without colour samples, in the file."""


def lay_along_world(levels: Sequence[Image]) -> list[Image]:
    """Return the levels of an image with their spatial array axes in the closest order to the axes of the world.

    The letters and the rows of the matrices stay; only the columns change places, with the array axes.
    """
    first = levels[0]
    order = closest_axes(first.affine) if len(first.spatial) == 3 else (0, 1, 2)
    if order == (0, 1, 2):
        return list(levels)
    places = [first.axes.index(a) for a in first.spatial]
    axes = list(range(len(first.axes)))
    for place, source in zip(places, order, strict=True):
        axes[place] = places[source]
    letters = "".join(first.axes[i] for i in axes if first.axes[i] not in "CS")
    return [
        level.replace(
            data=level.data.transpose(axes)
            if isinstance(level.data, np.ndarray)
            else TransposedArray(level.data, axes),
            affine=level.affine[:, [*order, 3]],
            metadata={**level.metadata, FILE_AXES: letters},
        )
        for level in levels
    ]


def empty_share(image: Image) -> float:
    """Return the largest share of the places of a slider at which napari shows nothing of a volume; 0 of a plane.

    napari cuts a volume at the place of the slider where it crosses the world's other axes, and shows the nearest slice
    without its tilt. The slider covers the whole volume, whose corners reach beyond these places if it is oblique.

    Parameters
    ----------
    image
        Volume as `lay_along_world` returns it.
    """
    if len(image.spatial) < 3:
        return 0.0
    counts = np.array([image.size(a) for a in image.spatial])
    corners = np.array(list(product(*((-0.5, n - 0.5) for n in counts)))) @ image.affine[:3, :3].T + image.affine[:3, 3]
    inverse, shares = np.linalg.inv(image.affine), []
    for axis, (low, high) in enumerate(zip(corners.min(axis=0), corners.max(axis=0), strict=True)):
        ends = (np.array([-0.5, counts[axis] - 0.5]) - inverse[axis, 3]) / inverse[axis, axis]
        shown = min(high, ends.max()) - max(low, ends.min())
        shares.append(1.0 - max(0.0, shown) / (high - low))
    return float(max(shares))


def file_axes(layer: "ImageLayer") -> str | None:
    """Return the letters that the array axes of a layer have in its file, or None if they are in that order."""
    letters = layer.metadata.get(FILE_AXES)
    return str(letters) if letters and len(letters) == layer.ndim else None


def rows_of(axes: str, affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a matrix whose rows are the world's Z, Y and X with its rows in the order of the letters of `axes`."""
    spatial = [a for a in axes if a in "ZYX"]
    return affine[[*("ZYX".index(a) for a in spatial), 3]]
