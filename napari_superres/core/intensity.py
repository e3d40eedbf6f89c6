"""One intensity map per channel, fitted once over the whole image, exactly inverted on output.

Never per tile or per frame: that would make tiles visible and movies flicker.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError

Kind = Literal["unit", "percentile", "standard", "none"]
Floats = npt.NDArray[np.floating[Any]]

LOW_PERCENTILE, HIGH_PERCENTILE = 0.1, 99.9
_SAMPLES_PER_CHANNEL = 4_000_000
_PLANES_PER_CHANNEL = 64


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Linear map per channel that takes ``low`` to 0 and ``high`` to 1, without clamping.

    Attributes
    ----------
    low, high
        One value per channel, in the image's own intensity unit.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def apply(self, values: npt.NDArray[Any], channel: int, dtype: npt.DTypeLike = np.float32) -> Floats:
        """Return `values` of one channel on the model's intensity scale, as a new array."""
        low, high = self.low[channel], self.high[channel]
        if low == 0.0 and high == 1.0:
            return np.array(values, dtype=dtype)
        wide = np.promote_types(dtype, _working_type(values.dtype)).type
        out: Floats = np.subtract(values, wide(low), dtype=wide)
        out *= wide(1.0 / (high - low))
        return out.astype(dtype, copy=False)

    def invert(self, values: Floats, channel: int, dtype: npt.DTypeLike) -> Floats:
        """Return `values` on the intensity scale of an image of type `dtype`; may change them in place."""
        low, high = self.low[channel], self.high[channel]
        if low != 0.0 or high != 1.0:
            values = values.astype(np.promote_types(values.dtype, _working_type(np.dtype(dtype))), copy=False)
            values *= values.dtype.type(high - low)
            values += values.dtype.type(low)
        return values


def _working_type(dtype: np.dtype[Any]) -> type[np.floating[Any]]:
    # 32-bit and wider data on a large offset lose their low bits in single precision.
    return np.float64 if dtype.itemsize > 2 else np.float32


def fit(
    image: Image,
    kind: Kind,
    ranges: Sequence[tuple[float, float]] | None = None,
    percentiles: tuple[float, float] = (LOW_PERCENTILE, HIGH_PERCENTILE),
) -> Normalisation:
    """Fit the intensity map of an image, once per channel over all of T and Z.

    Parameters
    ----------
    image
        Lazy data are sampled: at most 64 planes and four million pixels per channel.
    kind
        ``"unit"``: uint8 maps 0..255 to 0..1, other types as ``"percentile"``;
        ``"percentile"``: two percentiles map to 0 and 1;
        ``"standard"``: the mean maps to 0, and what lies one standard deviation above it to 1;
        ``"none"``: intensities are used as they are.
    ranges
        ``(low, high)`` for all channels or one pair per channel, instead of a fit.
    percentiles
        Those of the kind ``"percentile"``.

    Raises
    ------
    SettingsError
        If `ranges` has the wrong length or an empty range.
    """
    channels = image.size("C")
    if ranges is not None:
        if any(np.shape(pair) != (2,) for pair in ranges):
            raise SettingsError(f"intensity ranges are pairs such as [(0, 4095)], got {ranges!r}.")
        if len(ranges) not in (1, channels):
            raise SettingsError(f"give one intensity range, or one per channel ({channels}), got {len(ranges)}.")
        if any(not (high > low and np.isfinite([low, high]).all()) for low, high in ranges):
            raise SettingsError(f"an intensity range needs finite low < high, got {list(ranges)}.")
        pairs = list(ranges) * (channels if len(ranges) == 1 else 1)
    elif kind == "none":
        pairs = [(0.0, 1.0)] * channels
    elif kind == "unit" and image.dtype == np.uint8:
        pairs = [(0.0, 255.0)] * channels
    else:
        of = _standard_range if kind == "standard" else partial(_percentile_range, percentiles=percentiles)
        pairs = [of(sample(image, c)) for c in range(channels)]
    return Normalisation(tuple(float(p[0]) for p in pairs), tuple(float(p[1]) for p in pairs))


def _standard_range(values: npt.NDArray[Any]) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 1.0
    wide = values.astype(np.float64)
    mean, deviation = float(wide.mean()), float(wide.std())
    return (mean, mean + deviation) if mean + deviation > mean else (mean, mean + 1.0)


def _percentile_range(values: npt.NDArray[Any], percentiles: tuple[float, float]) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 1.0
    # Values that are there, not between two: differences of extreme integers and of float16 overflow.
    # The sample is ours, so it may be reordered in place.
    found = np.percentile(values, percentiles, method="nearest", overwrite_input=True)
    low, high = (float(v) for v in found)
    if not high > low:  # sparse signal on a constant background: use all there is
        low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low, low + 1.0)


def sample(image: Image, channel: int) -> npt.NDArray[Any]:
    """Return a copy of up to four million finite values of a channel, spread over all of T, Z, Y and X."""
    outer = [a for a in image.axes if a in "TZ"]
    counts = [image.size(a) for a in outer]
    planes = int(np.prod(counts))
    chosen = np.unique(np.linspace(0, planes - 1, min(planes, _PLANES_PER_CHANNEL)).round().astype(int))
    per_plane = max(1, _SAMPLES_PER_CHANNEL // len(chosen))
    step = max(1, int(np.ceil(np.sqrt(image.size("Y") * image.size("X") / per_plane))))
    values = []
    for flat in chosen:
        where = dict(zip(outer, np.unravel_index(flat, counts) if outer else (), strict=True))
        where["C"] = channel
        index = tuple(
            slice(None, None, step) if a in "YX" else slice(None) if a == "S" else int(where[a]) for a in image.axes
        )
        plane = np.asarray(image.data[index]).ravel()
        values.append(plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane)
    return np.concatenate(values)


def cast(values: Floats, dtype: np.dtype[Any]) -> tuple[npt.NDArray[Any], int]:
    """Return `values` in `dtype`, rounded and saturated for integers, and the count of saturated ones.

    Floating-point results are not clamped, except that finite ones saturate at the largest number of the type.
    """
    if dtype.kind == "f":
        if dtype.itemsize >= values.dtype.itemsize:
            return values.astype(dtype, copy=False), 0
        limit = float(np.finfo(dtype).max)
        # Infinite pixels of the input were put back on purpose and stay.
        beyond = (np.abs(values) > limit) & np.isfinite(values)
        over = int(np.count_nonzero(beyond))
        return (np.where(beyond, np.copysign(limit, values), values) if over else values).astype(dtype), over
    info = np.iinfo(dtype)
    rounded = np.rint(values)
    # The largest 32- and 64-bit integers have no float of their own: step down to the next that has.
    top: Any = values.dtype.type(info.max)
    if int(top) > info.max:
        top = np.nextafter(top, values.dtype.type(0))
    if rounded.size and rounded.min() >= info.min and rounded.max() <= top:
        return rounded.astype(dtype), 0
    saturated = int(np.count_nonzero((rounded < info.min) | (rounded > top)))
    return np.clip(rounded, info.min, top, out=rounded).astype(dtype), saturated
