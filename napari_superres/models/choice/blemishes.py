"""Blemishes of an image that spoil its intensity range or leave a network nothing to do, measured on a sample of it.

A range that is fitted to percentiles is spoilt by isolated pixels that are far too bright, by padding with one value
far below all that was measured, and by planes that are much dimmer than the others. An image that was interpolated or
is blurred has no detail near the finest spatial frequencies.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.invalid import find_missing

Floats = npt.NDArray[np.float32]

_EDGE, _FEW, _EDGE_OF_MANY = 512, 4, 256
"""Edge in pixels of the part of a plane that is read; of more than 4 planes, a smaller part is enough."""

_PLANES = 16
"""Most planes that are read."""

_PERCENTILES = 0.1, 99.9

_DIM = 0.1
"""Share of the brightness of the image below which a plane is dim.

At 5 % of the brightness, results of fluo-x2 are worse than bicubic interpolation.
"""

_STRUCTURE = 8.0
"""Contrast of a plane, in standard deviations of its noise, from which it shows something: empty planes are not dim."""

_HOT_NOISE = 8.0
"""Distance of a hot pixel from the brightest of its eight neighbours, in standard deviations of the noise."""

_SPOILT = 1.5
"""Factor by which hot pixels must widen the range before they matter."""

_PADDED = 0.01
"""Least share of an image that counts as padding."""

_GAP, _GAP_OF_ZERO = 0.35, 1.0
"""Least distance of padding from all other values, as a share of their range. A ground of 0 is usual in masked images.
"""

_MANY = 32
"""Images with fewer different values are not padded: their values have gaps anyway."""

_COARSE, _FINE = (0.10, 0.16), (0.34, 0.46)
"""Bands of spatial frequency, in cycles per pixel, whose power is compared."""

_EMPTY = 1e-3
"""Power in the fine band over that in the coarse one, below which there is no detail as small as a pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blemishes:
    """What spoils one channel of an image.

    Attributes
    ----------
    dim_planes
        Share of the planes that were read which are dim: 0 to 1.
    hot_range
        ``(low, high)`` of the intensities without hot pixels, where these widen the range; else None.
    padding
        Value of pixels that were not measured, where one lies far below all others; else None.
    measured_range
        ``(low, high)`` of the intensities without hot pixels and padding.
    saturated
        Share of the pixels that have the highest value of all.
    is_smooth
        Whether there is no detail as small as a pixel.
    """

    dim_planes: float = 0.0
    hot_range: tuple[float, float] | None = None
    padding: float | None = None
    measured_range: tuple[float, float] = (0.0, 1.0)
    saturated: float = 0.0
    is_smooth: bool = False


def find_blemishes(image: Image, channel: int = 0) -> Blemishes:
    """Find what spoils a channel of an image.

    Parameters
    ----------
    image
        Any image. Of at most 16 planes, the middle 256 x 256 pixels are read, of at most 4 the middle 512 x 512.
    channel
        Index along C. Of colour images, the first sample is read.

    Returns
    -------
    Blemishes
        Nothing is wrong if the image is constant or has no finite pixels.
    """
    planes = [plane for plane in sample_planes(image, channel) if np.isfinite(plane).any()]
    values = np.concatenate([plane[np.isfinite(plane)] for plane in planes]) if planes else np.empty(0, np.float32)
    if not values.size or values.min() == values.max():
        return Blemishes()
    padding = _padding(values)
    measured = values if padding is None else values[values != padding]
    low, high = _range(measured)
    clean = np.concatenate([plane[np.isfinite(plane) & ~_hot(plane)] for plane in planes])
    clean_high = _range(clean if padding is None else clean[clean != padding])[1]
    hot_range = (low, clean_high) if clean_high > low and high - low > _SPOILT * (clean_high - low) else None
    high = high if hot_range is None else clean_high
    return Blemishes(
        dim_planes=float(np.mean([_is_dim(plane, padding, low, high) for plane in planes])) if len(planes) > 1 else 0.0,
        hot_range=hot_range,
        padding=padding,
        measured_range=(low, high),
        saturated=float(np.mean(values == values.max())),
        is_smooth=is_smooth(planes[len(planes) // 2]),
    )


def sample_planes(image: Image, channel: int = 0, *, sample: int = 0) -> list[Floats]:
    """Return the middle of at most 16 planes spread over T and Z; NaN where nothing was measured.

    Parameters
    ----------
    image
        Any image.
    channel
        Index along C.
    sample
        Index along S of colour images.
    """
    outer = [a for a in image.axes if a in "TZ"]
    counts = [image.size(a) for a in outer]
    total = int(np.prod(counts, dtype=np.int64))
    numbers = [total // 2] if total == 1 else np.unique(np.linspace(0, total - 1, min(total, _PLANES)).round())
    edge = _EDGE if len(numbers) <= _FEW else _EDGE_OF_MANY
    planes = []
    for number in numbers:
        where = np.unravel_index(int(number), counts) if outer else ()
        at = {"C": channel, "S": sample, **{a: int(i) for a, i in zip(outer, where, strict=True)}}
        index = tuple(
            slice(max(0, (n - edge) // 2), (n + edge) // 2) if a in "YX" else at[a]
            for a, n in zip(image.axes, image.shape, strict=True)
        )
        plane = np.asarray(image.data[index])
        missing = find_missing(plane, image.no_data)
        plane = plane.astype(np.float64 if plane.dtype.itemsize > 4 else np.float32)
        planes.append(plane if missing is None else np.where(missing, np.nan, plane))
    return planes


def is_smooth(plane: npt.NDArray[Any]) -> bool:
    """Return whether a plane has no detail as small as a pixel: it was interpolated, or is blurred and free of noise.

    Parameters
    ----------
    plane
        ``YX``. Planes of fewer than 32 x 32 pixels, or with NaN or infinite pixels, are not judged.
    """
    if min(plane.shape) < 32 or not np.isfinite(plane).all():
        return False
    window = np.hanning(plane.shape[0])[:, None] * np.hanning(plane.shape[1])
    plane = plane / max(float(np.abs(plane).max()), 1e-300)  # squares of large numbers overflow
    power = np.abs(np.fft.rfft2((plane - plane.mean(dtype=np.float64)) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(plane.shape[0])[:, None], np.fft.rfftfreq(plane.shape[1]))
    coarse, fine = (power[(radius >= low) & (radius < high)].mean() for low, high in (_COARSE, _FINE))
    return bool(coarse > 0 and fine < _EMPTY * coarse)


def _range(values: npt.NDArray[Any]) -> tuple[float, float]:
    low, high = np.percentile(values, _PERCENTILES, method="nearest")
    return float(low), float(high)


def _padding(values: npt.NDArray[Any]) -> float | None:
    lowest = values.min()
    rest = values[values != lowest]
    if rest.size > (1 - _PADDED) * values.size or len(np.unique(rest[:10_000])) < _MANY:
        return None
    low, high = _range(rest)
    gap = _GAP if lowest else _GAP_OF_ZERO
    return float(lowest) if low - float(lowest) > gap * (high - low) else None


def _noise(plane: npt.NDArray[Any]) -> float:
    """Return a standard deviation of the noise that hot pixels do not raise: from the median of differences."""
    differences = np.abs(np.diff(plane, axis=1))
    return float(np.nanmedian(differences)) / 0.954 if np.isfinite(differences).any() else 0.0


def _hot(plane: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which pixels are far brighter than all of their neighbours."""
    if min(plane.shape) < 3:
        return np.zeros(plane.shape, bool)
    padded = np.pad(np.where(np.isfinite(plane), plane, -np.inf), 1, constant_values=-np.inf)
    rows, columns = plane.shape
    around = np.max(
        [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3) if (y, x) != (1, 1)], axis=0
    )
    hot: npt.NDArray[np.bool_] = plane > around + _HOT_NOISE * max(_noise(plane), 1e-12)
    return hot


def _is_dim(plane: npt.NDArray[Any], padding: float | None, low: float, high: float) -> bool:
    values = plane[np.isfinite(plane) & ~_hot(plane)]
    values = values if padding is None else values[values != padding]
    if not values.size:
        return False
    bright, middle = np.percentile(values, (_PERCENTILES[1], 50))
    return bool(bright - low < _DIM * (high - low) and bright - middle > _STRUCTURE * _noise(plane))
