"""Read a tile of the image for the model; write the core of its output into the result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core import intensity, invalid
from napari_superres.core.image import Image
from napari_superres.core.intensity import COLOURS, Limited
from napari_superres.core.tiling import Box, Tile, inner_core, reflect_indices
from napari_superres.inference.engine import alpha
from napari_superres.inference.planning.plan import Plan

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class TileRead:
    """A tile as it was read, in the image's own type.

    Attributes
    ----------
    values
        ``(frames * S, (Z)YX)``, frame by frame: what the model reads; S without alpha. Pixels without a measurement are
        filled from their neighbours, with the same values however the image is tiled.
    core
        ``(S, ...)``: the part of `values` from which the kept output is computed, without neighbouring frames.
    original
        ``(S, (Z)YX)`` with alpha, before pixels without a measurement were filled; None if all are measured.
    alpha
        ``(1, (Z)YX)``: the alpha of RGBA, filled as `values`; None for other images.
    """

    values: npt.NDArray[Any]
    core: npt.NDArray[Any]
    original: npt.NDArray[Any] | None
    alpha: npt.NDArray[Any] | None


def read_box(image: Image, plan: Plan, plane: Mapping[str, int], box: Box) -> npt.NDArray[Any]:
    """Return the image's own values ``(S, (Z)YX)`` in a box, mirrored where the box leaves the image."""
    indices = {a: reflect_indices(b.start, b.stop, image.size(a)) for a, b in zip(plan.work_axes, box, strict=True)}
    index = tuple(
        slice(int(indices[a].min()), int(indices[a].max()) + 1) if a in indices else plane.get(a, slice(None))
        for a in image.axes
    )
    values = np.asarray(image.data[index])
    left = [a for a in image.axes if a not in plane]
    values = values.transpose([left.index(a) for a in "S" + plan.work_axes if a in left])
    if "S" not in left:
        values = values[None]
    for axis, (a, b) in enumerate(zip(plan.work_axes, box, strict=True), start=1):
        if b.stop > image.size(a):
            values = values.take(indices[a] - indices[a].min(), axis=axis)
    return values


def load_tile(image: Image, plan: Plan, plane: Mapping[str, int], tile: Tile) -> TileRead:
    """Read the pixels that the model needs for a tile."""
    loaded = [_load_frame(image, plan, frame, tile) for frame in plan.neighbours(plane)]
    frames = [values[:COLOURS] for values, _ in loaded]
    own, original = loaded[(len(loaded) - 1) // 2]
    return TileRead(
        values=np.concatenate(frames) if len(frames) > 1 else frames[0],
        core=own[(slice(COLOURS), *inner_core(tile))],
        original=original,
        alpha=own[COLOURS:] if len(own) > COLOURS else None,
    )


def _load_frame(
    image: Image, plan: Plan, plane: Mapping[str, int], tile: Tile
) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    values = read_box(image, plan, plane, tile.read)
    channel = plane.get("C", 0)
    if invalid.find_missing(values, plan.no_data) is None:
        return values, None
    wide = tuple(
        slice(max(0, b.start - invalid.REACH), min(n, b.stop + invalid.REACH))
        for b, n in zip(tile.read, plan.padded, strict=True)
    )
    fallback = (plan.normalisation.low[channel] + plan.normalisation.high[channel]) / 2
    around = read_box(image, plan, plane, wide)
    filled = np.stack([invalid.fill(sample, fallback, plan.no_data) for sample in around])
    inside = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(tile.read, wide, strict=True))
    return filled[(slice(None), *inside)], values


def to_image_type(
    plan: Plan, plane: Mapping[str, int], output: Floats, core: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], Limited]:
    """Convert the model's output for the core of a tile to the image's own intensities, and limit it to possible ones.

    Parameters
    ----------
    plan, plane
        Where the output belongs.
    output
        ``(S, ...)`` core on the finer grid, normalised. It may be changed in place.
    core
        ``(S, ...)`` the core of the tile as it was read.

    Returns
    -------
    values : ndarray
        In the type of `core`.
    limited : Limited
        How many values were changed to possible ones.

    Notes
    -----
    In a channel without values below 0, values below 0 become 0. If a few pixels are below 0 nevertheless, because such
    are rare or the sample missed them, the output of each may fall as low as the pixel itself.
    """
    channel = plane.get("C", 0)
    normalisation, dtype = plan.normalisation, core.dtype
    values = normalisation.invert(output, channel, dtype)
    raised = raised_far = 0
    if plan.nonnegative[channel] and not values.min() >= 0:
        below = np.minimum(core, 0)
        floor = invalid.repeat_pixels(below, (1, *plan.work_scale)) if below.any() else 0.0
        far = intensity.FAR_BELOW * plan.contrast[channel]
        raised, raised_far = intensity.raise_to(floor, values, far, dtype)
    cast, saturated = intensity.cast(values, dtype)
    return cast, Limited(saturated, raised, raised_far)


def store_core(
    out: Any, plan: Plan, plane: Mapping[str, int], tile: Tile, values: npt.NDArray[Any], read: TileRead
) -> tuple[Box, int]:
    """Write the core of a tile and its alpha into the result, and put pixels without a measurement back.

    Parameters
    ----------
    out
        Array that takes regions of the result.
    plan, plane, tile
        Where the core belongs.
    values
        ``(S, ...)`` core on the finer grid without alpha, in the type of `out`.
    read
        The tile as it was read.

    Returns
    -------
    region
        Part of `out` that was written.
    invalid
        Number of input pixels of the core without a measurement.
    """
    bad = 0
    if read.alpha is not None:
        values = np.concatenate([values, alpha.enlarge(read.alpha, plan, tile)])
    if read.original is not None:
        given = read.original[(slice(None), *inner_core(tile))]
        missing = invalid.find_missing(given, plan.no_data)
        if missing is not None:
            bad = int(np.count_nonzero(missing))
            scale = (1, *plan.work_scale)
            values = np.where(invalid.repeat_pixels(missing, scale), invalid.repeat_pixels(given, scale), values)
    where = {
        a: slice((c.start - plan.region[a][0]) * plan.scale[a], (c.stop - plan.region[a][0]) * plan.scale[a])
        for a, c in zip(plan.work_axes, tile.core, strict=True)
    }
    for axis, i in plane.items():
        at = plan.channels.index(i) if axis == "C" else i - plan.region[axis][0]
        where[axis] = slice(at, at + 1)
    region = tuple(where.get(a, slice(None)) for a in plan.axes)
    here = [a for a in "S" + plan.work_axes if a == "S" or a in plan.axes]
    if "S" not in plan.axes:
        values, here = values[0], here[1:]
    order = [here.index(a) for a in plan.axes if a in here]
    shaped = values.transpose(order)
    outer = tuple(i for i, a in enumerate(plan.axes) if a in plane)
    out[region] = np.expand_dims(shaped, outer)
    return region, bad
