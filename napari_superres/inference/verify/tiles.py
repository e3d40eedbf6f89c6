"""Random tiles of a result, or all of them, computed again from the input and the model."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.inference.images import iter_upscale
from napari_superres.inference.options import UpscaleOptions
from napari_superres.inference.verify.records import Record, recorded_options
from napari_superres.models.model import Model

_EDGE, _DEPTH = 48, 6
"""Edge and depth of a tile, in pixels of the input."""

_ROUNDING = 1e-4
"""Largest difference of floats that rounding makes on another device, as a share of the contrast."""

_HALF = 4.0
"""Root mean square differences of half precision, in multiples of the one that was measured for the run."""


@dataclass(frozen=True, slots=True)
class TileCheck:
    """How recomputed tiles compare with a result.

    Attributes
    ----------
    tiles
        Number of tiles.
    share
        Share of the pixels that lie in them.
    differing
        Where tiles differ by more than rounding does, in words, in pixels of the result.
    largest
        Largest difference, in the intensity unit.
    """

    tiles: int
    share: float
    differing: tuple[str, ...]
    largest: float


def check_tiles(
    result: Image, image: Image, part: Record, model: Model, first_channel: int, tiles: int, random: np.random.Generator
) -> TileCheck:
    """Compute random tiles of a result again, and compare them with it.

    Parameters
    ----------
    result, image
        Result and input, both lazy if they are large.
    part
        Record of the run of this model.
    model
        The model.
    first_channel
        First channel of the result that this model made.
    tiles
        Largest number of tiles.
    random
        Chooses them.
    """
    options, differing, largest = recorded_options(part), [], 0.0
    windows = list(_windows(part, model, tiles, random))
    pixels = len(part["channels"]) * prod(stop - start for start, stop in part["region"].values())
    share = sum(prod(stop - start for start, stop in roi.values()) for roi, _ in windows) / pixels
    for roi, channel in windows:
        asked: UpscaleOptions = {**options, "roi": roi, "channels": [channel]}
        step = deque(iter_upscale(image, model, **asked), maxlen=1).pop()
        at = _place(part, roi, part["channels"].index(channel) + first_channel)
        ours, theirs = _in_order(step.image), _window(result, at)
        if ours.shape != theirs.shape:
            differing.append("the whole result: its shape is another one")
            break
        difference = np.abs(ours - theirs)
        difference[np.isnan(ours) & np.isnan(theirs) | (ours == theirs)] = 0
        worst = float(np.nan_to_num(difference, nan=np.inf, posinf=np.inf).max())
        largest = max(largest, worst)
        if not _agrees(difference, part, channel, result.dtype):
            differing.append(", ".join(f"{a} {s.start}" for a, s in at.items()))
    return TileCheck(len(windows), share, tuple(differing), largest)


def _agrees(difference: npt.NDArray[np.float64], part: Record, channel: int, dtype: np.dtype[Any]) -> bool:
    norm = part["normalisation"]
    contrast = abs(norm["high"][channel] - norm["low"][channel])
    step = 1.0 if dtype.kind in "ui" else 0.0
    if not np.isfinite(difference).all():
        return False
    if part["precision"] in ("fp32", "fp64"):
        return bool(difference.max() <= max(step, _ROUNDING * contrast))
    error = contrast * 10 ** (-float(part.get("precision_db", 40.0)) / 20)
    return bool(np.sqrt(np.square(difference).mean()) <= _HALF * error + step)


def _windows(
    part: Record, model: Model, tiles: int, random: np.random.Generator
) -> Iterator[tuple[dict[str, tuple[int, int]], int]]:
    """Yield some of the tiles that cover the region of the run side by side, and a channel of each."""
    work = "YX" if model.card.ndim == 2 else "ZYX"
    region, channels = part["region"], part["channels"]
    edge = {a: (_DEPTH if a == "Z" else _EDGE) if a in work else 1 for a in region}
    counts = [len(channels), *(-(-(stop - start) // edge[a]) for a, (start, stop) in region.items())]
    chosen = random.choice(prod(counts), min(tiles, prod(counts)), replace=False)
    for channel, *places in zip(*np.unravel_index(chosen, counts), strict=True):
        roi = {}
        for (axis, (start, stop)), place in zip(region.items(), places, strict=True):
            first = start + int(place) * edge[axis]
            roi[axis] = (first, min(first + edge[axis], stop))
        yield roi, channels[int(channel)]


def _place(part: Record, roi: dict[str, tuple[int, int]], channel: int) -> dict[str, slice]:
    """Return where a part of the input lies in the result."""
    at = {}
    for axis, (start, stop) in roi.items():
        scale, first = part["scale"].get(axis, 1), part["region"][axis][0]
        at[axis] = slice((start - first) * scale, (stop - first) * scale)
    return {"C": slice(channel, channel + 1), **at}


def _window(result: Image, at: dict[str, slice]) -> npt.NDArray[np.float64]:
    """Return a part of the result. Files may lack axes of length 1."""
    key = tuple(at.get(a, slice(None)) for a in result.axes)
    return _in_order(result.replace(data=np.asarray(result.data[key]), channel_names=()))


def _in_order(image: Image) -> npt.NDArray[np.float64]:
    """Return pixels as ``TCZYXS`` in 64-bit floats; axes that the image lacks have the length 1."""
    order = "TCZYXS"
    data = np.asarray(image.data, dtype=np.float64)
    data = data.transpose([image.axes.index(a) for a in order if a in image.axes])
    return data.reshape([image.size(a) for a in order])
