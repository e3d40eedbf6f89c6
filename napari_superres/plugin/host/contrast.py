"""Contrast limits of layers whose pixels are read on demand.

napari takes them from the slice at the world's origin: for a stack that lies elsewhere they are 0 and 1, and it opens
white. Otherwise they are those of the first slice, which is often empty.
"""

from typing import Any

import numpy as np

from napari_superres.errors import SuperResError
from napari_superres.io.lazy import LazyArray

_PLACES = (0.25, 0.5, 0.75)  # along the axes that are no plane
_EDGE = 1024


def find_contrast(data: Any, axes: str) -> dict[str, tuple[float, float]]:
    """Return ``contrast_limits`` for a layer, from the middle of three planes; nothing where napari knows better.

    Parameters
    ----------
    data
        Pixels of one channel, at the coarsest resolution.
    axes
        One letter per axis.
    """
    if not isinstance(data, LazyArray) or "S" in axes or data.dtype == np.uint8:
        return {}
    values = []
    try:
        for place in _PLACES if len(axes) > 2 else _PLACES[:1]:
            sides = [_middle(n) if a in "YX" else int(place * n) for a, n in zip(axes, data.shape, strict=True)]
            sample = np.asarray(data[tuple(sides)])
            values.append(sample[np.isfinite(sample)])
    except SuperResError:  # it is shown when the user comes to the damaged part
        return {}
    found = np.concatenate(values)
    if not found.size:
        return {}
    low, high = float(found.min()), float(found.max())
    if low == high:
        high = float(np.iinfo(data.dtype).max) if data.dtype.kind in "ui" else low + 1.0
    return {"contrast_limits": (low, high)} if low < high else {}


def _middle(length: int) -> slice:
    start = max(0, (length - _EDGE) // 2)
    return slice(start, min(length, start + _EDGE))
