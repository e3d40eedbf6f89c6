"""Fourier ring and shell correlation of two recordings of one scene.

Saxton, Baumeister, J. Microsc. 1982, doi:10.1111/j.1365-2818.1982.tb00405.x; van Heel, Schatz, J. Struct. Biol.
2005, doi:10.1016/j.jsb.2005.05.009 (thresholds); Nieuwenhuizen et al., Nat. Methods 2013, doi:10.1038/nmeth.2448.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.resolution.raw_check import LEAST_EDGE, filled, recorded_problem

Threshold = Literal["1/7", "half-bit", "3-sigma"]
Floats = npt.NDArray[Any]

_FIRST_RING, _LEAST_RING, _SMOOTHED = 2, 5, 3
_MOST_NOISE_CORRELATION = 0.1
# Of a Hann window, the share of the Fourier pixels along a line that are independent: (mean w^2)^2 / mean w^4.
INDEPENDENT = (3 / 8) ** 2 / (35 / 128)


@dataclass(frozen=True, slots=True)
class Resolution:
    """The finest detail that two recordings have in common.

    Attributes
    ----------
    value
        In `unit`; None where it cannot be measured.
    unit
        Of length; ``"pixel"`` where the pixel size is not known.
    threshold
        That the correlation falls below.
    reason
        Why there is no value; with a value, what it rests on; else empty.
    """

    value: float | None
    unit: str
    threshold: Threshold
    reason: str = ""

    def __str__(self) -> str:
        value = "not measurable" if self.value is None else f"{self.value:.4g} {self.unit}"
        return f"{value} (threshold {self.threshold}){f': {self.reason}' if self.reason else ''}"


@dataclass(frozen=True, slots=True)
class RingCorrelation:
    """Correlation of two spectra over rings (planes) or shells (volumes).

    Attributes
    ----------
    frequency
        Middle of each ring, in cycles per `unit`, up to the Nyquist frequency of the coarsest axis.
    correlation
        -1 to 1 per ring.
    count
        Fourier pixels per ring that are independent under the window.
    unit
        Of length.
    problem
        Why no resolution follows from it; empty where one does.
    label
        What a resolution rests on.
    """

    frequency: Floats
    correlation: Floats
    count: Floats
    unit: str
    problem: str = ""
    label: str = ""

    def threshold(self, name: Threshold) -> Floats:
        """Return a threshold per ring: 1/7, half a bit of information, or three sigma as 3 / sqrt(N / 2)."""
        root = np.sqrt(self.count.clip(min=1))
        if name == "half-bit":
            return np.asarray((0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root))
        if name == "3-sigma":
            return np.asarray(3 * np.sqrt(2) / root)
        if name == "1/7":
            return np.full(len(root), 1 / 7)
        raise EvaluationError(f"threshold must be one of {', '.join(get_args(Threshold))}, got {name!r}.")

    def resolution(self, threshold: Threshold = "1/7") -> Resolution:
        """Return the length at which the correlation falls below a threshold, refused where there is a `problem`."""
        self.threshold(threshold)
        return Resolution(None, self.unit, threshold, self.problem) if self.problem else self.agreement(threshold)

    def agreement(self, threshold: Threshold = "1/7") -> Resolution:
        """Return the length at which the correlation, a mean over three rings, falls below a threshold.

        Of a result and a reference: the finest detail in which they agree. It is a resolution only where both are
        raw recordings with noise of their own.
        """
        limit = self.threshold(threshold)
        padded = np.pad(self.correlation, _SMOOTHED // 2, mode="edge")
        above = np.convolve(padded, np.full(_SMOOTHED, 1 / _SMOOTHED), mode="valid") - limit
        below = [i for i in range(_FIRST_RING, len(above)) if above[i] <= 0 and limit[i] < 1]
        if not below:
            finest = f"{1 / self.frequency[-1]:.4g} {self.unit}"
            reason = f"finer than the pixels can hold ({finest}), or the noise is shared: no crossing of the threshold"
            return Resolution(None, self.unit, threshold, reason)
        i = below[0]
        if i < _LEAST_RING:
            return Resolution(
                None, self.unit, threshold, "the two images have nothing in common but their coarsest shapes"
            )
        step = above[i - 1] / (above[i - 1] - above[i]) if above[i - 1] > 0 else 1.0
        crossing = self.frequency[i - 1] + (self.frequency[i] - self.frequency[i - 1]) * step
        return Resolution(float(1 / crossing), self.unit, threshold, self.label)


def ring_correlation(first: Image, second: Image, *, channel: int = 0, volume: bool = False) -> RingCorrelation:
    """Correlate two recordings of one scene, each with noise of its own, frequency by frequency.

    Parameters
    ----------
    first, second
        On one grid, of one shape; raw: neither denoised, nor interpolated, nor a network's output.
    channel
        Which one.
    volume
        Shells of volumes instead of rings of planes. Planes or volumes of an image are taken together.

    Returns
    -------
    RingCorrelation
        With a `problem` where both have the same noise, or noise that neighbouring pixels share.

    Raises
    ------
    EvaluationError
        If shapes or grids differ, an axis is shorter than 32 pixels, or nothing is finite. Pixels that are not
        finite are filled with the mean.
    """
    axes = "ZYX" if volume else "YX"
    _check(first, second, axes)
    size = tuple(first.size(a) for a in axes)
    spacing = [first.pixel_size[first.spatial.index(a)] for a in axes]
    rings = Rings.of(size, spacing)
    cross, power = np.zeros(len(rings.frequency)), np.zeros((2, len(rings.frequency)))
    noise = np.zeros(3)
    for a, b in _pairs(first, second, channel, axes):
        fa, fb = spectrum(a), spectrum(b)
        cross += rings.sum((fa * fb.conj()).real)
        power += [rings.sum(energy(f)) for f in (fa, fb)]
        noise += _noise_products(a, b)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.nan_to_num(cross / np.sqrt(power[0] * power[1]))
    problem = recorded_problem(first) or recorded_problem(second) or _problem(noise)
    return RingCorrelation(
        rings.frequency, correlation, rings.pixels * INDEPENDENT ** (len(axes) - 1), unit_of(first), problem
    )


def unit_of(image: Image) -> str:
    """Return the unit of lengths, ``"pixel"`` where the pixel size is not known."""
    return image.units.get("X") or "pixel" if image.has_pixel_size else "pixel"


def _check(first: Image, second: Image, axes: str) -> None:
    if first.axes != second.axes or first.shape != second.shape:
        raise EvaluationError(
            f"both images must have the same axes and shape, got {first.axes} {first.shape} and {second.axes} "
            f"{second.shape}. Crop them to what both show."
        )
    if not np.allclose(first.affine, second.affine, rtol=1e-4, atol=0.05 * min(first.pixel_size)):
        raise EvaluationError("the images do not lie on each other. Register them first.")
    missing = [a for a in axes if a not in first.axes]
    short = [a for a in axes if a in first.axes and first.size(a) < LEAST_EDGE]
    if missing or "S" in first.axes:
        raise EvaluationError(f"resolution needs the axes {axes} and raw channels, no RGB samples; got {first.axes}.")
    if short:
        raise EvaluationError(f"needs at least {LEAST_EDGE} pixels along {', '.join(axes)}, got {first.shape}.")


def _pairs(first: Image, second: Image, channel: int, axes: str) -> Iterator[tuple[Floats, Floats]]:
    """Yield the planes or volumes of a channel of both images."""
    counts = [1 if a in axes else n for a, n in zip(first.axes, first.shape, strict=True)]
    for where in np.ndindex(*counts):
        if "C" in first.axes and where[first.axes.index("C")] != channel:
            continue
        key = tuple(slice(None) if a in axes else i for a, i in zip(first.axes, where, strict=True))
        a, b = (np.asarray(image.data[key], dtype=np.float64) for image in (first, second))
        yield filled(a), filled(b)


@dataclass(frozen=True, slots=True)
class Rings:
    """The rings, or shells, of half a spectrum as `spectrum` returns it.

    Attributes
    ----------
    index
        Ring of every Fourier pixel; the last one holds what lies beyond the Nyquist frequency of the coarsest axis.
    weight
        Fourier pixels of the whole spectrum that each stands for, along the last axis.
    frequency
        Middle of each ring.
    """

    index: npt.NDArray[np.intp]
    weight: Floats
    frequency: Floats

    @classmethod
    def of(cls, size: Sequence[int], spacing: Sequence[float]) -> "Rings":
        """Return the rings of an array of this size, of pixels of this size; as wide as the finest frequency step."""
        steps = [np.fft.fftfreq(n, p) for n, p in zip(size[:-1], spacing[:-1], strict=True)]
        each = np.meshgrid(*steps, np.fft.rfftfreq(size[-1], spacing[-1]), indexing="ij", sparse=True)
        radius = np.sqrt(sum(f**2 for f in each))
        width = 1 / max(n * p for n, p in zip(size, spacing, strict=True))
        count = int(np.floor(0.5 / max(spacing) / width)) + 1
        weight = np.full(radius.shape[-1], 2.0)
        weight[0] = 1.0
        if size[-1] % 2 == 0:
            weight[-1] = 1.0
        index = np.minimum(np.rint(radius / width).astype(np.intp), count)
        return cls(index, weight, np.arange(count) * width)

    def sum(self, values: Floats) -> Floats:
        """Return sums over the rings of the whole spectrum."""
        count = len(self.frequency)
        return np.bincount(self.index.ravel(), weights=(values * self.weight).ravel(), minlength=count + 1)[:count]

    @property
    def pixels(self) -> Floats:
        """Fourier pixels per ring."""
        return self.sum(np.ones(self.index.shape))


def spectrum(values: Floats) -> Floats:
    """Return half the spectrum of an array about its mean, faded to the borders: their jump there would correlate."""
    from scipy.fft import rfftn

    return np.asarray(rfftn(_windowed(values), workers=os.cpu_count() or 1))


def energy(values: Floats) -> Floats:
    """Return squared magnitudes of complex numbers."""
    return np.asarray(values.real**2 + values.imag**2)


def _windowed(values: Floats) -> Floats:
    values = values - values.mean()
    for axis, n in enumerate(values.shape):
        shape = [-1 if a == axis else 1 for a in range(values.ndim)]
        values = values * (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)).reshape(shape)
    return values


def _noise_products(a: Floats, b: Floats) -> Floats:
    """Return power, and products of neighbours along X and Y, of what differs: their noise, gain and offset removed."""
    a, b = a - a.mean(), b - b.mean()
    gain = float((a * b).sum() / (b * b).sum()) if b.any() else 0.0
    off = a - gain * b
    sides = (off[..., 1:] * off[..., :-1]).mean(), (off[..., 1:, :] * off[..., :-1, :]).mean()
    return np.array([(off * off).mean(), *sides]) * prod(a.shape)


def _problem(noise: Floats) -> str:
    if noise[0] == 0:
        return "both images are the same: two recordings, each with its own noise, are needed"
    if max(abs(noise[1:])) > _MOST_NOISE_CORRELATION * noise[0]:
        return (
            "what differs between the two is no noise of single pixels: they are interpolated, denoised, compressed, a "
            "network's output, or do not lie on each other (register them first)"
        )
    return ""
