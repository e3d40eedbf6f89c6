"""The pixels of a stack, as a training needs them: coarse axis first, on the scale of 0 to 1, NaN where unmeasured."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core import intensity
from napari_superres.core.image import Image
from napari_superres.core.intensity import Normalisation

Floats = npt.NDArray[np.float32]

_PLANES, _PLANE_EDGE = 96, 1024
"""Most planes that are read, and the edge of their middle parts."""

_SAMPLE = (64, 192, 192)
"""Largest middle part of a stack that is compared along the coarse axis: slices, and pixels across."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """What is read of a stack.

    Attributes
    ----------
    planes
        Sharp planes, spread over slices, channels and time points.
    samples
        ``(slices, across, across)`` of each channel, at the middle time point.
    saturated
        Share of pixels at the largest value of an integer type; of colours, those that are white.
    """

    planes: list[Floats]
    samples: list[Floats]
    saturated: float


def read_pixels(image: Image, axis: str, channels: tuple[int, ...] | None = None) -> Pixels:
    """Read planes and samples of a stack.

    Parameters
    ----------
    image
        Stack.
    axis
        Its coarse axis.
    channels
        Channels to read; all by default.
    """
    chosen = tuple(range(image.size("C"))) if channels is None else channels
    maps = intensity.fit_normalisation(image, "percentile")
    places = list(product(range(image.size("T")), chosen, range(image.size(axis))))
    every = np.unique(np.linspace(0, len(places) - 1, min(len(places), _PLANES)).round().astype(int))
    raw = [_middle(_plane(image, axis, *places[i]), (_PLANE_EDGE, _PLANE_EDGE)) for i in every]
    planes = [_scaled(plane, maps, places[i][1]) for plane, i in zip(raw, every, strict=True)]
    full = np.iinfo(image.dtype).max if image.dtype.kind in "ui" else np.inf
    saturated = float(np.mean([np.mean(p == full) for p in raw])) if np.isfinite(full) else 0.0
    samples = []
    for channel in chosen:
        slices = _middle_range(image.size(axis), _SAMPLE[0])
        stack = [_middle(_plane(image, axis, image.size("T") // 2, channel, i), _SAMPLE[1:]) for i in slices]
        samples.append(_scaled(np.stack(stack), maps, channel))
    return Pixels(planes, samples, saturated)


def _plane(image: Image, axis: str, time: int, channel: int, index: int) -> npt.NDArray[Any]:
    """Return the plane across the coarse axis, of colours the mean."""
    at: dict[str, Any] = {"T": time, "C": channel, axis: index}
    part = np.asarray(image.data[tuple(at.get(a, slice(None)) for a in image.axes)])
    if "S" in image.axes:
        part = np.moveaxis(part, [a for a in image.axes if a not in at].index("S"), -1)[..., :3].mean(axis=-1)
    elif image.no_data is not None and image.dtype.kind in "ui":
        low, high = image.no_data
        part = np.where((part >= low) & (part <= high), np.float32(np.nan), part)
    return part


def _scaled(values: npt.NDArray[Any], maps: Normalisation, channel: int) -> Floats:
    scaled = np.asarray(maps.apply(values, channel), dtype=np.float32)
    return np.where(np.isfinite(scaled), scaled, np.float32(np.nan))


def _middle(plane: npt.NDArray[Any], edges: tuple[int, ...]) -> npt.NDArray[Any]:
    ranges = [_middle_range(n, e) for n, e in zip(plane.shape, edges, strict=True)]
    return plane[tuple(slice(r.start, r.stop) for r in ranges)]


def _middle_range(size: int, edge: int) -> range:
    start = max(0, (size - edge) // 2)
    return range(start, min(size, start + edge))


def hold_out(count: int) -> Iterator[int]:
    """Yield the indices of planes that no training sees: an eighth of them."""
    yield from range(min(2, count - 1), count, 8)
