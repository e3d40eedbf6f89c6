"""The transparency of RGBA, which no network sees: it is enlarged by linear interpolation."""

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core import intensity
from napari_superres.core.tiling import Tile
from napari_superres.inference.planning.plan import Plan


def enlarge(alpha: npt.NDArray[Any], plan: Plan, tile: Tile) -> npt.NDArray[Any]:
    """Return the alpha of the core of a tile on the finer grid.

    It stays between the least and the largest alpha of the tile, and what is opaque stays opaque.

    Parameters
    ----------
    alpha
        ``(1, (Z)YX)``: the alpha of the tile with its context.
    plan, tile
        Where the tile belongs.

    Returns
    -------
    ndarray
        ``(1, ...)`` in the type of `alpha`.
    """
    values = alpha.astype(np.float64)
    for axis, (a, read, core) in enumerate(zip(plan.work_axes, tile.read, tile.core, strict=True), start=1):
        scale, last = plan.scale[a], plan.in_shape[plan.axes.index(a)] - 1
        at = (np.arange(core.start * scale, core.stop * scale) - plan.offset[a]) / scale
        at = at.clip(0, last) - read.start
        before = np.floor(at).astype(np.intp)
        share = (at - before).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
        first = values.take(before, axis)
        after = values.take(np.minimum(before + 1, values.shape[axis] - 1), axis)
        values = first + share * (after - first)
    return intensity.cast(values, alpha.dtype)[0]
