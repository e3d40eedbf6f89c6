"""One intensity map per channel, fitted once over the whole image and exactly inverted on output.

A map per tile or per frame would make tiles visible and movies flicker.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import isinf
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.invalid import find_missing
from napari_superres.errors import SettingsError

Kind = Literal["unit", "percentile", "standard", "none"]
Ranges = tuple[float, float] | Sequence[tuple[float, float]]
"""Low and high intensity: of all channels, or of each."""
Floats = npt.NDArray[np.floating[Any]]

LOW_PERCENTILE, HIGH_PERCENTILE = 0.1, 99.9
FAR_BELOW = 0.01
"""Distance below 0, as a fraction of a channel's contrast, from which a value is no rounding error of a network."""

_SAMPLES_PER_CHANNEL = 4_000_000
_PLANES_PER_CHANNEL = 64
_SAMPLES_FOR_CONTRAST = 250_000
RARE = 0.01
"""Share of values below 0 from which they belong to an image.

Images of magnitudes that were interpolated have up to 0.6 % of them, CT and images with a subtracted background tens of
percent.
"""

_LARGEST, _LARGEST_SINGLE = 1e307, 1e37
"""Largest intensities that leave 64-bit and 32-bit numbers room for what a network adds to them."""

_FARTHEST = 1e30
"""Largest distance of a value from the range of its channel, in multiples of the range: networks overflow beyond."""

COLOURS = 3
"""Samples of a pixel that are intensities: a fourth is alpha, which belongs to no range and no network."""

MANY_LEVELS = 16
"""Number of different intensities above which they are not counted."""

FEW_VALUES = 1000
"""Number of values below which different intensities are not counted: so few values are rarely more than a test."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Linear map per channel that takes ``low`` to 0 and ``high`` to 1, without clamping.

    Attributes
    ----------
    low, high
        One value per channel, on the intensity scale of the image.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def apply(self, values: npt.NDArray[Any], channel: int, dtype: npt.DTypeLike = np.float32) -> Floats:
        """Map values of one channel to the intensity scale of a model.

        Parameters
        ----------
        values
            Pixels of the image, of any shape. They are not changed.
        channel
            Index of the channel.
        dtype
            Data type of the result.
        """
        low, high = self.low[channel], self.high[channel]
        if low == 0.0 and high == 1.0:
            return np.array(values, dtype=dtype)
        wide = np.promote_types(dtype, _working_type(values.dtype)).type
        out: Floats = np.subtract(values, wide(low), dtype=wide)
        if isinf(1.0 / (high - low)):  # a span of denormal numbers
            out /= wide(high - low)
        else:
            out *= wide(1.0 / (high - low))
        return out.astype(dtype, copy=False)

    def invert(self, values: Floats, channel: int, dtype: npt.DTypeLike) -> Floats:
        """Map values of one channel back to the intensity scale of the image.

        Parameters
        ----------
        values
            Output of a model, of any shape. It may be changed in place.
        channel
            Index of the channel.
        dtype
            Data type of the image, which decides the precision of the result. Use `cast` to convert the result to it.
        """
        low, high = self.low[channel], self.high[channel]
        if low != 0.0 or high != 1.0:
            values = values.astype(np.promote_types(values.dtype, _working_type(np.dtype(dtype))), copy=False)
            values *= values.dtype.type(high - low)
            values += values.dtype.type(low)
        return values

    @property
    def suits_single_precision(self) -> bool:
        """Whether 32-bit numbers hold the ranges with room for what a network adds to them."""
        pairs = list(zip(self.low, self.high, strict=True))
        return all(high - low > 1 / _LARGEST_SINGLE and max(-low, high) < _LARGEST_SINGLE for low, high in pairs)


@dataclass(frozen=True, slots=True)
class Intensities:
    """The intensities of an image, seen in a sample of each channel.

    Attributes
    ----------
    normalisation
        Intensity map per channel.
    nonnegative
        Whether each channel has no values below 0, or only a share below `RARE`.
    contrast
        Span of intensities of each channel, from its 0.1th to its 99.9th percentile; above 0.
    levels
        Number of different intensities within this span, at most `MANY_LEVELS`; also `MANY_LEVELS` where fewer than
        `FEW_VALUES` values were seen.
    is_empty, is_constant
        Whether a channel has no pixel with a value, or one value only; False if only a sample of the pixels was seen.
    """

    normalisation: Normalisation
    nonnegative: tuple[bool, ...]
    contrast: tuple[float, ...]
    levels: tuple[int, ...]
    is_empty: tuple[bool, ...]
    is_constant: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Limited:
    """How many values of a result were changed because the image cannot have them.

    Attributes
    ----------
    saturated
        Beyond the limits of the data type.
    raised
        Below 0 in a channel without values below 0, and set to 0, or to the value of the input's pixel where that is
        below 0; integers after rounding.
    raised_far
        Those of `raised` that were below 0 by more than `FAR_BELOW` of the channel's contrast.
    """

    saturated: int = 0
    raised: int = 0
    raised_far: int = 0


def _working_type(dtype: np.dtype[Any]) -> type[np.floating[Any]]:
    # In single precision, data of 32 and more bits with a large offset would lose their low bits.
    return np.float64 if dtype.itemsize > 2 else np.float32


def fit_normalisation(
    image: Image,
    kind: Kind,
    ranges: Ranges | None = None,
    percentiles: tuple[float, float] = (LOW_PERCENTILE, HIGH_PERCENTILE),
) -> Normalisation:
    """Fit the intensity map of an image, once per channel over all of T and Z, as `measure` does."""
    return measure(image, kind, ranges, percentiles).normalisation


def measure(
    image: Image,
    kind: Kind,
    ranges: Ranges | None = None,
    percentiles: tuple[float, float] = (LOW_PERCENTILE, HIGH_PERCENTILE),
) -> Intensities:
    """Fit the intensity map of each channel over all of T and Z, and measure what values the channel has.

    Pixels without a measurement are left out. Each channel is sampled once.

    Parameters
    ----------
    image
        Image to fit. At most 64 planes and four million pixels per channel are read.
    kind
        ``"percentile"`` maps two percentiles to 0 and 1; ``"unit"`` maps 0..255 of uint8 to 0..1, and other types like
        ``"percentile"``; ``"standard"`` maps the mean to 0 and the mean plus one standard deviation to 1; ``"none"``
        leaves intensities as they are.
    ranges
        Fixed ``(low, high)`` instead of a fit: one pair for all channels, or one pair per channel.
    percentiles
        Lower and upper percentile, 0 to 100, for the kind ``"percentile"``.

    Raises
    ------
    SettingsError
        If `ranges` has the wrong length, a range is empty, or intensities are too large or too far from their range.
    """
    channels = image.size("C")
    if ranges is not None:
        pairs = _as_pairs(ranges, channels)
        fixed = pairs * (channels if len(pairs) == 1 else 1)
    elif kind == "none":
        fixed = [(0.0, 1.0)] * channels
    elif kind == "unit" and image.dtype == np.uint8:
        fixed = [(0.0, 255.0)] * channels
    else:
        fixed = []
    fit_range = _standard_range if kind == "standard" else partial(_percentile_range, percentiles=percentiles)
    pairs, nonnegative, contrast, levels, counts = list(fixed), [], [], [], []
    for channel in range(channels):
        values = sample(image, channel)
        counts.append(0 if values.size == 0 else 1 if values.min() == values.max() else 2)
        nonnegative.append(bool(np.count_nonzero(values < 0) < RARE * max(1, values.size)))
        few = values[:: max(1, values.size // _SAMPLES_FOR_CONTRAST)].copy()
        low, high = _percentile_range(few, (LOW_PERCENTILE, HIGH_PERCENTILE))
        contrast.append(high - low)
        levels.append(_count_levels(few[(few >= low) & (few <= high)]))
        if not fixed:
            pairs.append(fit_range(values))
        _check_possible(values, None if kind == "none" and ranges is None else pairs[channel])
    is_empty, is_constant = (tuple(_is_sampled_whole(image) and n == count for n in counts) for count in (0, 1))
    normalisation = Normalisation(tuple(float(p[0]) for p in pairs), tuple(float(p[1]) for p in pairs))
    return Intensities(normalisation, tuple(nonnegative), tuple(contrast), tuple(levels), is_empty, is_constant)


def _count_levels(values: npt.NDArray[Any]) -> int:
    # Most images have many levels, which a few values show without sorting all.
    if values.size < FEW_VALUES or len(np.unique(values[:FEW_VALUES])) >= MANY_LEVELS:
        return MANY_LEVELS
    return min(MANY_LEVELS, len(np.unique(values)))


def _as_pairs(ranges: Ranges, channels: int) -> list[tuple[float, float]]:
    """Return one pair, or a pair per channel."""
    pairs: list[Any] = list(ranges) if np.iterable(ranges) else [ranges]
    if pairs and all(np.ndim(one) == 0 for one in pairs):
        pairs = [tuple(pairs)]
    if any(np.shape(pair) != (2,) for pair in pairs):
        raise SettingsError(
            f"intensity ranges must be pairs of low and high, got {ranges!r}.",
            remedy="Use a pair such as (0, 4095), or one per channel.",
        )
    if len(pairs) not in (1, channels):
        raise SettingsError(
            f"an image of {channels} channel(s) needs one intensity range, or one per channel ({channels}), "
            f"got {len(pairs)}.",
            remedy="Set `intensity_range` to one pair, or to one pair per channel.",
        )
    if any(not -_LARGEST <= low < high <= _LARGEST for low, high in pairs):
        raise SettingsError(
            f"an intensity range needs finite low < high within {_LARGEST:g} of 0, got {pairs}.",
            remedy="Set `intensity_range` to the darkest and brightest intensity.",
        )
    return pairs


def _check_possible(values: npt.NDArray[Any], pair: tuple[float, float] | None) -> None:
    if not values.size:
        return
    least, most = float(values.min()), float(values.max())
    if max(-least, most) > _LARGEST:
        raise SettingsError(
            f"intensities must lie within {_LARGEST:g} of 0, got {least:g} to {most:g}.",
            remedy="Divide the image by a number.",
        )
    low, high = pair or (least, most)
    if pair and max(low - least, most - high) / _FARTHEST > high - low:
        raise SettingsError(
            f"intensities of {least:g} to {most:g} are too far from their range of {low:g} to {high:g}.",
            remedy="Set pixels without a value to NaN, or set `intensity_range`.",
        )


def _standard_range(values: npt.NDArray[Any]) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 1.0
    wide = values.astype(np.float64)
    # Powers of two change no digit, and keep squares from overflow and underflow.
    _, exponent = np.frexp(np.abs(wide).max())
    scaled = np.ldexp(wide, -exponent)
    mean, deviation = (float(np.ldexp(value, exponent)) for value in (scaled.mean(), scaled.std()))
    return (mean, mean + deviation) if mean + deviation > mean else _range_of_constant(mean, values.dtype)


def _range_of_constant(value: float, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return a range for a channel without contrast: 1 wide, or as wide as a real number below 1 is large."""
    width = 1.0 if dtype.kind in "ui" or value == 0 else min(1.0, abs(value))
    return value, max(value + width, float(np.nextafter(value, np.inf)))


def _percentile_range(values: npt.NDArray[Any], percentiles: tuple[float, float]) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 1.0
    # "nearest" avoids differences of extreme integers and of float16, which overflow. `values` is a copy of `sample`.
    low, high = (float(v) for v in np.percentile(values, percentiles, method="nearest", overwrite_input=True))
    if not high > low:  # a sparse signal on a constant background needs the whole range
        low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else _range_of_constant(low, values.dtype)


def sample(image: Image, channel: int) -> npt.NDArray[Any]:
    """Return a copy of at most four million measured values of a channel, without alpha, spread over T, Z, Y and X."""
    outer = [a for a in image.axes if a in "TZ"]
    counts = [image.size(a) for a in outer]
    planes = int(np.prod(counts))
    numbers = np.unique(np.linspace(0, planes - 1, min(planes, _PLANES_PER_CHANNEL)).round().astype(int))
    per_plane = max(1, _SAMPLES_PER_CHANNEL // len(numbers))
    step = max(1, int(np.ceil(np.sqrt(image.size("Y") * image.size("X") / per_plane))))
    values = []
    for number in numbers:
        plane_index = dict(zip(outer, np.unravel_index(number, counts) if outer else (), strict=True))
        plane_index["C"] = channel
        index = tuple(
            slice(None, None, step) if a in "YX" else slice(COLOURS) if a == "S" else int(plane_index[a])
            for a in image.axes
        )
        plane = np.asarray(image.data[index]).ravel()
        missing = find_missing(plane, image.no_data)
        values.append(plane if missing is None else plane[~missing])
    return np.concatenate(values)


def _is_sampled_whole(image: Image) -> bool:
    """Return whether `sample` returns every pixel of a channel."""
    planes = image.size("T") * image.size("Z")
    return planes <= _PLANES_PER_CHANNEL and planes * image.size("Y") * image.size("X") <= _SAMPLES_PER_CHANNEL


def raise_to(floor: npt.NDArray[Any] | float, values: Floats, far: float, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Set values below a floor to the floor, in place.

    Parameters
    ----------
    floor
        Least values, at most 0; of a shape that suits that of `values`.
    values
        Floating-point values of any shape.
    far
        Distance below the floor from which a value counts as far.
    dtype
        Data type that the values will have. Values that are rounded to the floor do not count.

    Returns
    -------
    raised, raised_far : int
        Number of values below the floor, and of those far below it.
    """
    rounding = 0.0 if dtype.kind == "f" else 0.5
    raised = int(np.count_nonzero(values < floor - rounding))
    raised_far = int(np.count_nonzero(values < floor - max(far, rounding))) if raised else 0
    np.maximum(values, floor, out=values)
    return raised, raised_far


def cast(values: Floats, dtype: np.dtype[Any]) -> tuple[npt.NDArray[Any], int]:
    """Convert values to another data type, and count those that saturate.

    Integers are rounded half to even and saturate at the limits of the type. Floating-point numbers are not clamped,
    except that finite ones saturate at the largest number of the type.

    Parameters
    ----------
    values
        Floating-point values of any shape. They may be changed in place.
    dtype
        Data type of the result.

    Returns
    -------
    values : ndarray
        The values in `dtype`.
    saturated : int
        Number of values beyond the limits of the type.
    """
    if dtype.kind == "f":
        if dtype.itemsize >= values.dtype.itemsize:
            return values.astype(dtype, copy=False), 0
        limit = float(np.finfo(dtype).max)
        # Infinite pixels come from the input, so they stay infinite.
        beyond = (np.abs(values) > limit) & np.isfinite(values)
        saturated = int(np.count_nonzero(beyond))
        return (np.where(beyond, np.copysign(limit, values), values) if saturated else values).astype(dtype), saturated
    info = np.iinfo(dtype)
    rounded = np.rint(values)
    # The largest 32- and 64-bit integers have no equal float. The next smaller float takes their place.
    top: Any = values.dtype.type(info.max)
    if int(top) > info.max:
        top = np.nextafter(top, values.dtype.type(0))
    if rounded.size and rounded.min() >= info.min and rounded.max() <= top:
        return rounded.astype(dtype), 0
    saturated = int(np.count_nonzero((rounded < info.min) | (rounded > top)))
    return np.clip(rounded, info.min, top, out=rounded).astype(dtype), saturated
