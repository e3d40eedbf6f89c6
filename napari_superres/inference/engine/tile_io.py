"""Reads a window of the image for the model; writes a core of the result."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core import intensity, invalid
from napari_superres.core.image import Image
from napari_superres.core.tiling import Box, Tile, reflect_indices
from napari_superres.inference.planning.plan import Plan

Floats = npt.NDArray[np.floating[Any]]


def read_window(image: Image, plan: Plan, place: Mapping[str, int], box: Box) -> npt.NDArray[Any]:
    """Return the image's own values ``(S, (Z)YX)`` in a box, mirrored where it lies beyond the image."""
    indices = {a: reflect_indices(b.start, b.stop, image.size(a)) for a, b in zip(plan.work_axes, box, strict=True)}
    index = tuple(
        slice(int(indices[a].min()), int(indices[a].max()) + 1) if a in indices else place.get(a, slice(None))
        for a in image.axes
    )
    values = np.asarray(image.data[index])
    left = [a for a in image.axes if a not in place]
    values = values.transpose([left.index(a) for a in "S" + plan.work_axes if a in left])
    if "S" not in left:
        values = values[None]
    for axis, (a, b) in enumerate(zip(plan.work_axes, box, strict=True), start=1):
        if b.stop > image.size(a):
            values = values.take(indices[a] - indices[a].min(), axis=axis)
    return values


def load_window(
    image: Image, plan: Plan, place: Mapping[str, int], tile: Tile
) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """Return a window in the image's own type, and, where some of its values are not finite, these as they are.

    The window is ``(frames * S, (Z)YX)``, frame by frame; the values as they are are those of `place`.
    Non-finite pixels are filled from neighbours, the same ones however the image is cut.
    """
    loaded = [_load_frame(image, plan, frame, tile) for frame in plan.frames_of(place)]
    values = np.concatenate([v for v, _ in loaded]) if len(loaded) > 1 else loaded[0][0]
    return values, loaded[len(loaded) // 2][1]


def _load_frame(
    image: Image, plan: Plan, place: Mapping[str, int], tile: Tile
) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    values = read_window(image, plan, place, tile.read)
    channel = place.get("C", 0)
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return values, None
    wide = tuple(
        slice(max(0, b.start - invalid.REACH), min(n, b.stop + invalid.REACH))
        for b, n in zip(tile.read, plan.padded, strict=True)
    )
    fallback = (plan.normalisation.low[channel] + plan.normalisation.high[channel]) / 2
    around = read_window(image, plan, place, wide)
    filled = np.stack([invalid.fill(sample, fallback) for sample in around])
    inside = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(tile.read, wide, strict=True))
    return filled[(slice(None), *inside)], values


def finished(plan: Plan, place: Mapping[str, int], found: Floats, dtype: np.dtype[Any]) -> tuple[npt.NDArray[Any], int]:
    """Return what the model found in the image's own type, and how many values its range limited."""
    return intensity.cast(plan.normalisation.invert(found, place.get("C", 0), dtype), dtype)


def store_core(
    out: Any,
    plan: Plan,
    place: Mapping[str, int],
    tile: Tile,
    values: npt.NDArray[Any],
    original: npt.NDArray[Any] | None,
) -> tuple[Box, int]:
    """Write the core of a window's result where it belongs.

    Parameters
    ----------
    values
        ``(S, ...)`` core on the finer grid, in the type of `out`.
    original
        The image's own values of the window where some are not finite, else None.

    Returns
    -------
    region, invalid
        Where in `out` it was written; how many input pixels of the core were not finite.
    """
    bad = 0
    if original is not None:
        inside = tuple(slice(c.start - r.start, c.stop - r.start) for c, r in zip(tile.core, tile.read, strict=True))
        given = original[(slice(None), *inside)]
        finite = np.isfinite(given)
        bad = int(given.size - np.count_nonzero(finite))
        scale = (1, *plan.work_scale)
        values = np.where(invalid.repeat_pixels(finite, scale), values, invalid.repeat_pixels(given, scale))
    where = {
        a: slice((c.start - plan.region[a][0]) * plan.scale[a], (c.stop - plan.region[a][0]) * plan.scale[a])
        for a, c in zip(plan.work_axes, tile.core, strict=True)
    }
    for axis, i in place.items():
        at = plan.channels.index(i) if axis == "C" else i - plan.region[axis][0]
        where[axis] = slice(at, at + 1)
    region = tuple(where.get(a, slice(None)) for a in plan.axes)
    here = [a for a in "S" + plan.work_axes if a == "S" or a in plan.axes]
    if "S" not in plan.axes:
        values, here = values[0], here[1:]
    order = [here.index(a) for a in plan.axes if a in here]
    shaped = values.transpose(order)
    outer = tuple(i for i, a in enumerate(plan.axes) if a in place)
    out[region] = np.expand_dims(shaped, outer)
    return region, bad
