"""The family of structural similarity: SSIM, MS-SSIM and MicroSSIM from the same local moments of two planes.

Wang's window throughout: a Gaussian of 11 pixels per axis, standard deviation 1.5, K1 = 0.01, K2 = 0.03, population
covariance, windows that reach over the border left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import EvaluationError

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

WINDOW = 11
"""Taps of the window: standard deviation 1.5, cut at 3.5 of them."""

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM, finest scale first."""

LEAST_EDGE = WINDOW * 2 ** (len(SCALES) - 1)
"""Pixels per axis below which MS-SSIM does not exist."""

_SIGMA, _K1, _K2 = 1.5, 0.01, 0.03
_EDGE = (WINDOW - 1) // 2
_MICRO_PLANES = 8
_MICRO_PIXELS = 200_000
_DECADE = float(np.log(10))
_BACKGROUND = 3.0
"""Percentile that MicroSSIM takes for the background."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Local means, variances and covariance of two arrays of one shape.

    Attributes
    ----------
    mean_r, mean_c
        Of reference and candidate.
    var_r, var_c, cov
        Variances and covariance.
    valid
        Where the window holds finite pixels only; None = everywhere.
    """

    mean_r: Floats
    mean_c: Floats
    var_r: Floats
    var_c: Floats
    cov: Floats
    valid: npt.NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, reference: Array, candidate: Array) -> "Moments":
        """Return the moments around each pixel, borders mirrored.

        Raises
        ------
        EvaluationError
            If shapes differ, or an axis is shorter than the window.
        """
        from scipy.ndimage import gaussian_filter, maximum_filter

        if reference.shape != candidate.shape:
            raise EvaluationError(f"the arrays must have one shape, got {reference.shape} and {candidate.shape}.")
        if min(reference.shape) < WINDOW:
            raise EvaluationError(f"SSIM needs at least {WINDOW} pixels per axis, got {reference.shape}.")
        a, b = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
        valid = np.isfinite(a) & np.isfinite(b)
        bad = None if valid.all() else maximum_filter(~valid, WINDOW, mode="reflect")
        if bad is not None:
            a, b = np.where(valid, a, 0.0), np.where(valid, b, 0.0)

        def local(values: Floats) -> Floats:
            return np.asarray(gaussian_filter(values, _SIGMA, truncate=3.5))

        mean_r, mean_c = local(a), local(b)
        moments = local(a * a) - mean_r**2, local(b * b) - mean_c**2, local(a * b) - mean_r * mean_c
        return cls(mean_r, mean_c, *moments, None if bad is None else ~bad)

    def mapped(self, candidate: tuple[float, float], reference: tuple[float, float] = (1.0, 0.0)) -> "Moments":
        """Return the moments after the lines ``gain * value + offset``, without filtering again."""
        (g, o), (h, p) = candidate, reference
        return Moments(
            h * self.mean_r + p,
            g * self.mean_c + o,
            h * h * self.var_r,
            g * g * self.var_c,
            g * h * self.cov,
            self.valid,
        )

    def thinned(self, every: int) -> "Moments":
        """Return the moments of the windows inside at every nth pixel along each axis."""
        key = (slice(_EDGE, -_EDGE, every),) * self.cov.ndim
        valid = None if self.valid is None else self.valid[key]
        return Moments(self.mean_r[key], self.mean_c[key], self.var_r[key], self.var_c[key], self.cov[key], valid)

    def similarity(self, data_range: float) -> tuple[Floats, Floats]:
        """Return luminance term, and contrast and structure term, around each pixel; nan near non-finite pixels."""
        c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
        light = (2 * self.mean_r * self.mean_c + c1) / (self.mean_r**2 + self.mean_c**2 + c1)
        structure = (2 * self.cov + c2) / (self.var_r + self.var_c + c2)
        if self.valid is not None:
            light, structure = (np.where(self.valid, v, nan) for v in (light, structure))
        return light, structure

    def map(self, data_range: float) -> Floats:
        """Return SSIM around each pixel."""
        light, structure = self.similarity(data_range)
        return light * structure

    def mean(self, data_range: float) -> float:
        """Return the mean SSIM of the windows inside; nan where there is none."""
        return _inner_mean(self.map(data_range))


def ms_ssim(scales: Sequence[Moments], *, data_range: float) -> float:
    """Return multi-scale structural similarity (Wang, Simoncelli, Bovik 2003, doi:10.1109/ACSSC.2003.1292216).

    Parameters
    ----------
    scales
        Moments of five scales, from `pyramid`; none where the planes are too small.
    data_range
        Distance of the largest to the smallest intensity that could be.

    Returns
    -------
    float
        0 to 1; nan where it does not exist. A scale of opposite structure counts as 0.
    """
    if not scales:
        return nan
    found = 1.0
    for i, (moments, weight) in enumerate(zip(scales, SCALES, strict=True)):
        light, structure = moments.similarity(data_range)
        last = i == len(SCALES) - 1
        found *= max(_inner_mean(light * structure if last else structure), 0.0) ** weight
    return found


def pyramid(reference: Array, candidate: Array, finest: Moments) -> list[Moments]:
    """Return the moments at full size and after four halvings; empty below `LEAST_EDGE` pixels per axis."""
    if min(reference.shape) < LEAST_EDGE:
        return []
    scales = [finest]
    while len(scales) < len(SCALES):
        reference, candidate = _halved(reference), _halved(candidate)
        scales.append(Moments.of(reference, candidate))
    return scales


@dataclass(frozen=True, slots=True)
class MicroFit:
    """What MicroSSIM does to intensities before it compares them.

    Attributes
    ----------
    reference, candidate
        Gain and offset of each: background to 0, both by the brightest of the reference, the candidate by
        `alpha` too.
    alpha
        Factor of the candidate that gives the highest mean.
    data_range
        Of the reference after that.
    """

    reference: tuple[float, float]
    candidate: tuple[float, float]
    alpha: float
    data_range: float

    def score(self, moments: Moments) -> float:
        """Return MicroSSIM of a plane, -1 to 1."""
        return moments.mapped(self.candidate, self.reference).mean(self.data_range)


def fit_micro(reference: Array, candidate: Array) -> MicroFit | None:
    """Fit MicroSSIM (Ashesh, Deschamps, Jug 2024, doi:10.48550/arXiv.2408.08747) to planes ``(P, Y, X)``.

    Background and brightest are those of all planes; the factor is fitted to eight of them, evenly spaced.

    Returns
    -------
    MicroFit or None
        None where planes are smaller than the window, the reference is constant, or no window is finite.
    """
    from scipy.optimize import minimize_scalar

    step = max(1, -(-len(reference) // _MICRO_PLANES))
    planes = [
        (np.asarray(r, np.float64), np.asarray(c, np.float64))
        for r, c in zip(reference[::step], candidate[::step], strict=True)
    ]
    low_r, low_c = (_percentile(values) for values in (reference, candidate))
    top, bottom = np.nanmax(reference) - low_r, np.nanmin(reference) - low_r
    if min(reference.shape[1:]) < WINDOW or not top > 0 or not np.isfinite(low_c):
        return None
    unit = float(top)
    data_range = float(top - bottom) / unit
    to_reference, to_candidate = (1 / unit, -low_r / unit), (1 / unit, -low_c / unit)
    every = max(1, round((sum(r.size for r, _ in planes) / _MICRO_PIXELS) ** 0.5))
    pixels = [Moments.of(r, c).mapped(to_candidate, to_reference).thinned(every) for r, c in planes]
    if not any(m.valid is None or m.valid.any() for m in pixels):
        return None

    def unlikeness(exponent: float) -> float:
        found = [m.mapped((float(np.exp(exponent)), 0.0)).map(data_range) for m in pixels]
        return -float(np.nanmean(np.concatenate([v.ravel() for v in found])))

    guess = _gain(pixels)
    near = np.log(guess) - _DECADE, np.log(guess) + _DECADE
    alpha = float(np.exp(minimize_scalar(unlikeness, bounds=near, method="bounded", options={"xatol": 1e-6}).x))
    return MicroFit(to_reference, (alpha * to_candidate[0], alpha * to_candidate[1]), alpha, data_range)


def _gain(planes: Sequence[Moments]) -> float:
    """Return the least-squares factor of the local means, 1 where the contrast is inverted or there is none."""
    cross = sum(float(np.nansum(m.mean_r * m.mean_c)) for m in planes)
    power = sum(float(np.nansum(m.mean_c**2)) for m in planes)
    return cross / power if cross > 0 and power > 0 else 1.0


def _percentile(values: Array) -> float:
    """Return the background of planes; of many pixels, from every nth."""
    flat = values.ravel()[:: max(1, values.size // 4_000_000)]
    return float(np.nanpercentile(flat, _BACKGROUND))


def _inner_mean(values: Floats) -> float:
    inside = values[(slice(_EDGE, -_EDGE),) * values.ndim]
    inside = inside[np.isfinite(inside)]
    return float(inside.mean()) if inside.size else nan


def _halved(values: Array) -> Floats:
    """Return means of two pixels along each axis; what does not fill two is left out."""
    found = np.asarray(values, dtype=np.float64)
    for axis in range(found.ndim):
        count = found.shape[axis] // 2 * 2
        shape = (*found.shape[:axis], count // 2, 2, *found.shape[axis + 1 :])
        found = found.take(range(count), axis=axis).reshape(shape).mean(axis=axis + 1)
    return found
