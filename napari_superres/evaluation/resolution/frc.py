"""Fourier ring correlation (FRC) of planes and Fourier shell correlation (FSC) of volumes, from two recordings.

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
from napari_superres.core.options import checks_names
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.registration.lengths import length_unit, pixel_sizes
from napari_superres.evaluation.registration.match import affine_in_units_of
from napari_superres.evaluation.resolution.holes import each_without_holes
from napari_superres.evaluation.resolution.raw_check import MIN_SIZE, provenance_problem

Threshold = Literal["1/7", "half-bit", "3-sigma"]
Floats = npt.NDArray[Any]

_FIRST_RING, _MIN_CROSSING, _SMOOTHED_RINGS = 2, 5, 3
_MAX_NOISE_CORRELATION = 0.1

INDEPENDENT_SHARE = (3 / 8) ** 2 / (35 / 128)
"""Share of the Fourier pixels along an axis that stay independent under a Hann window w: (mean w^2)^2 / mean w^4."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The finest detail that two recordings have in common.

    Attributes
    ----------
    value
        Length in `unit`; None where it cannot be measured.
    unit
        Unit of length; ``"pixel"`` where the pixel size is unknown.
    threshold
        Threshold below which the correlation falls at this length.
    reason
        Why no value could be measured, or what a value rests on; empty if nothing needs saying.
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
    """Correlation of two spectra over frequency: rings of planes, or shells of volumes.

    Attributes
    ----------
    frequency
        Central frequency of each ring, in cycles per `unit`, up to the Nyquist frequency of the coarsest axis.
    correlation
        Correlation of each ring, -1 to 1.
    count
        Number of Fourier pixels of each ring that are independent under the window.
    unit
        Unit of length; ``"pixel"`` where the pixel size is unknown.
    problem
        Why no resolution follows from the curve; empty where one does.
    label
        What a resolution from this curve rests on.
    """

    frequency: Floats
    correlation: Floats
    count: Floats
    unit: str
    problem: str = ""
    label: str = ""

    def threshold(self, name: Threshold) -> Floats:
        """Return the value of a threshold at each ring.

        Parameters
        ----------
        name
            ``"1/7"``; ``"half-bit"``: half a bit of information per pixel; ``"3-sigma"``: three standard deviations of
            the correlation of pure noise, ``3 / sqrt(count / 2)``.

        Raises
        ------
        EvaluationError
            If no threshold has this name.
        """
        root = np.sqrt(self.count.clip(min=1))
        if name == "half-bit":
            return np.asarray((0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root))
        if name == "3-sigma":
            return np.asarray(3 * np.sqrt(2) / root)
        if name == "1/7":
            return np.full(len(root), 1 / 7)
        raise EvaluationError(
            f"unknown threshold {name!r}.", remedy=f"Valid thresholds: {', '.join(get_args(Threshold))}."
        )

    def resolution(self, threshold: Threshold = "1/7") -> Resolution:
        """Return the resolution of the recordings, without a value where the curve has a `problem`.

        Parameters
        ----------
        threshold
            ``"1/7"``, ``"half-bit"`` or ``"3-sigma"``.

        Raises
        ------
        EvaluationError
            If no threshold has this name.
        """
        self.threshold(threshold)
        return Resolution(None, self.unit, threshold, self.problem) if self.problem else self.agreement(threshold)

    def agreement(self, threshold: Threshold = "1/7") -> Resolution:
        """Return the length at which the correlation, averaged over three rings, falls below a threshold.

        For a result and a reference, this is the finest detail on which both agree. It is a resolution only if both
        are raw recordings with independent noise.

        Parameters
        ----------
        threshold
            ``"1/7"``, ``"half-bit"`` or ``"3-sigma"``.

        Raises
        ------
        EvaluationError
            If no threshold has this name.
        """
        limit = self.threshold(threshold)
        padded = np.pad(self.correlation, _SMOOTHED_RINGS // 2, mode="edge")
        above = np.convolve(padded, np.full(_SMOOTHED_RINGS, 1 / _SMOOTHED_RINGS), mode="valid") - limit
        below = [i for i in range(_FIRST_RING, len(above)) if above[i] <= 0 and limit[i] < 1]
        if not below:
            finest = f"{1 / self.frequency[-1]:.4g} {self.unit}"
            reason = f"finer than the pixels can hold ({finest}), or the noise is shared: no crossing of the threshold"
            return Resolution(None, self.unit, threshold, reason)
        i = below[0]
        if i < _MIN_CROSSING:
            return Resolution(
                None, self.unit, threshold, "the two images have nothing in common but their coarsest shapes"
            )
        step = above[i - 1] / (above[i - 1] - above[i]) if above[i - 1] > 0 else 1.0
        crossing = self.frequency[i - 1] + (self.frequency[i] - self.frequency[i - 1]) * step
        return Resolution(float(1 / crossing), self.unit, threshold, self.label)


@checks_names
def ring_correlation(first: Image, second: Image, *, channel: int = 0, volume: bool = False) -> RingCorrelation:
    """Measure the Fourier ring correlation (FRC) of two recordings of one scene, or the shell correlation (FSC).

    Parameters
    ----------
    first, second
        Images on the same grid, with independent noise. For a resolution, both must be raw: not denoised, not
        interpolated, not the output of a network. Pixels that are not finite in both are left out. Where one has no
        pixel size, that of the other is taken.
    channel
        Index of the channel.
    volume
        Correlate shells of volumes ``ZYX`` instead of rings of planes ``YX``. All planes or volumes of the channel
        contribute to one curve.

    Returns
    -------
    RingCorrelation
        With a `problem` where both images share their noise, or where neighbouring pixels do.

    Raises
    ------
    EvaluationError
        If shapes or grids differ, an axis is shorter than 32 pixels, or an image has no finite pixel.
    """
    axes = "ZYX" if volume else "YX"
    _check_pair(first, second, axes)
    shape = tuple(first.size(a) for a in axes)
    known = first if first.has_pixel_size else second
    spacing = pixel_sizes(known, axes)
    rings = FrequencyRings.of_shape(shape, spacing)
    cross, power = np.zeros(len(rings.frequency)), np.zeros((2, len(rings.frequency)))
    noise = np.zeros(3)
    for a, b in each_without_holes(_iter_pairs(first, second, channel, axes)):
        spectrum_a, spectrum_b = windowed_spectrum(a), windowed_spectrum(b)
        cross += rings.sum((spectrum_a * spectrum_b.conj()).real)
        power += [rings.sum(squared_magnitude(s)) for s in (spectrum_a, spectrum_b)]
        noise += _noise_products(a, b)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.nan_to_num(cross / np.sqrt(power[0] * power[1]))
    problem = provenance_problem(first) or provenance_problem(second) or _noise_problem(noise)
    count = rings.pixels * INDEPENDENT_SHARE ** (len(axes) - 1)
    return RingCorrelation(rings.frequency, correlation, count, length_unit(known), problem)


def _check_pair(first: Image, second: Image, axes: str) -> None:
    if first.axes != second.axes or first.shape != second.shape:
        raise EvaluationError(
            f"both images must have the same axes and shape, got {first.axes} {first.shape} and {second.axes} "
            f"{second.shape}.",
            remedy="Crop both to their common field of view.",
        )
    known = first.has_pixel_size and second.has_pixel_size
    other = affine_in_units_of(second, first)
    if known and not np.allclose(first.affine, other, rtol=1e-4, atol=0.05 * min(first.pixel_size)):
        raise EvaluationError(
            f"both images must lie on the same grid, got {first} at {first.origin} and {second} at {second.origin}.",
            remedy="Register them first, with `register()`.",
        )
    missing = [a for a in axes if a not in first.axes]
    short = [a for a in axes if a in first.axes and first.size(a) < MIN_SIZE]
    if missing or "S" in first.axes:
        raise EvaluationError(
            f"resolution needs the axes {axes} and raw channels, no RGB samples; got {first.axes}.",
            remedy="Give raw channels with these axes.",
        )
    if short:
        raise EvaluationError(
            f"resolution needs at least {MIN_SIZE} pixels along {', '.join(axes)}, got {first.shape}.",
            remedy="Give a larger field of view.",
        )


def _iter_pairs(first: Image, second: Image, channel: int, axes: str) -> Iterator[tuple[Floats, Floats]]:
    """Yield the planes or volumes of a channel of both images."""
    counts = [1 if a in axes else n for a, n in zip(first.axes, first.shape, strict=True)]
    for index in np.ndindex(*counts):
        if "C" in first.axes and index[first.axes.index("C")] != channel:
            continue
        key = tuple(slice(None) if a in axes else i for a, i in zip(first.axes, index, strict=True))
        yield np.asarray(first.data[key]), np.asarray(second.data[key])


@dataclass(frozen=True, slots=True)
class FrequencyRings:
    """Rings (2-D) or shells (3-D) of the half spectrum that `windowed_spectrum` returns.

    Attributes
    ----------
    index
        Ring of every Fourier pixel. The last index collects the pixels beyond the Nyquist frequency of the coarsest
        axis, which no ring contains.
    weight
        Number of Fourier pixels of the full spectrum that each column of the half spectrum represents.
    frequency
        Central frequency of each ring, in cycles per unit of the spacing.
    """

    index: npt.NDArray[np.intp]
    weight: Floats
    frequency: Floats

    @classmethod
    def of_shape(cls, shape: Sequence[int], spacing: Sequence[float]) -> "FrequencyRings":
        """Return the rings of an array of this shape and pixel size, each as wide as the finest frequency step."""
        steps = [np.fft.fftfreq(n, p) for n, p in zip(shape[:-1], spacing[:-1], strict=True)]
        frequencies = np.meshgrid(*steps, np.fft.rfftfreq(shape[-1], spacing[-1]), indexing="ij", sparse=True)
        radius = np.sqrt(sum(f**2 for f in frequencies))
        width = 1 / max(n * p for n, p in zip(shape, spacing, strict=True))
        count = int(np.floor(0.5 / max(spacing) / width)) + 1
        weight = np.full(radius.shape[-1], 2.0)
        weight[0] = 1.0
        if shape[-1] % 2 == 0:
            weight[-1] = 1.0
        index = np.minimum(np.rint(radius / width).astype(np.intp), count)
        return cls(index, weight, np.arange(count) * width)

    def sum(self, values: Floats) -> Floats:
        """Return the sum of values over each ring of the full spectrum."""
        count = len(self.frequency)
        return np.bincount(self.index.ravel(), weights=(values * self.weight).ravel(), minlength=count + 1)[:count]

    @property
    def pixels(self) -> Floats:
        """Number of Fourier pixels in each ring."""
        return self.sum(np.ones(self.index.shape))


def windowed_spectrum(values: Floats) -> Floats:
    """Return the half spectrum of an array minus its mean, under a Hann window.

    Without the window, the jumps between opposite borders would correlate.
    """
    from scipy.fft import rfftn

    return np.asarray(rfftn(_hann_windowed(values), workers=os.cpu_count() or 1))


def squared_magnitude(values: Floats) -> Floats:
    """Return the squared magnitudes of complex numbers."""
    return np.asarray(values.real**2 + values.imag**2)


def _hann_windowed(values: Floats) -> Floats:
    values = values - values.mean()
    for axis, n in enumerate(values.shape):
        shape = [-1 if a == axis else 1 for a in range(values.ndim)]
        values = values * (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)).reshape(shape)
    return values


def _noise_products(a: Floats, b: Floats) -> Floats:
    """Return the power of the difference of two images, and the products of its neighbours along X and Y.

    The difference is taken after gain and offset are matched, so that it holds noise only.
    """
    a, b = a - a.mean(), b - b.mean()
    difference = a - _structure_gain(a, b) * b
    return np.array([(difference * difference).mean(), *_neighbour_products(difference, difference)]) * prod(a.shape)


def _structure_gain(a: Floats, b: Floats) -> float:
    """Return the ratio of the structure of two images, whatever their noise.

    Least squares would return too small a gain, because the noise of `b` adds to its power. White noise adds nothing to
    the products of neighbours, so their ratio is that of the structure. Without structure, any gain will do.
    """
    own, other, common = (float(_neighbour_products(*pair).sum()) for pair in ((a, a), (b, b), (a, b)))
    if own > 0 and other > 0:
        return float(np.copysign(np.sqrt(own / other), common))
    return float(a.std() / b.std()) if b.any() else 0.0


def _neighbour_products(a: Floats, b: Floats) -> Floats:
    """Return the mean product of each pixel with its neighbour in the other image, along X and along Y."""
    pairs = ((a[..., 1:], b[..., :-1]), (a[..., 1:, :], b[..., :-1, :]))
    return np.array([(one * other).mean() for one, other in pairs])


def _noise_problem(noise: Floats) -> str:
    """Return why the noise of two images does not allow a resolution; empty if it does."""
    if noise[0] == 0:
        return "both images are the same: two recordings with independent noise are needed"
    if max(abs(noise[1:])) > _MAX_NOISE_CORRELATION * noise[0]:
        return (
            "neighbouring pixels share the noise by which the two images differ: they are interpolated, denoised, "
            "compressed, the output of a network, or not aligned (register them first)"
        )
    return ""
