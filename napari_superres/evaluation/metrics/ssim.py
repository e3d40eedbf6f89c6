"""SSIM, MS-SSIM and MicroSSIM, all computed from the same local moments of two planes.

The window is that of Wang et al. 2004 (doi:10.1109/TIP.2003.819861): a Gaussian of 11 pixels per axis and standard
deviation 1.5, with K1 = 0.01, K2 = 0.03 and the population covariance. Means leave out windows that cross the border.
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

SSIM_WINDOW = 11
"""Width of the Gaussian window in pixels: its standard deviation of 1.5 is cut off at 3.5 of them."""

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM, finest scale first."""

MS_SSIM_MIN_SIZE = SSIM_WINDOW * 2 ** (len(SCALE_WEIGHTS) - 1)
"""Smallest number of pixels per axis for which MS-SSIM exists."""

_SIGMA, _K1, _K2 = 1.5, 0.01, 0.03
_BORDER = (SSIM_WINDOW - 1) // 2
_MICRO_PLANES = 8
_MICRO_PIXELS = 200_000
_LOG_10 = float(np.log(10))
_BACKGROUND_PERCENTILE = 3.0
"""Percentile that MicroSSIM takes as the background."""


@dataclass(frozen=True, slots=True)
class LocalMoments:
    """Local means, variances and covariance of two arrays of the same shape, Gaussian-weighted.

    Attributes
    ----------
    mean_r, mean_c
        Local means of reference and candidate.
    var_r, var_c, cov
        Local variances and covariance.
    valid
        True where the window holds finite pixels only; None = everywhere.
    """

    mean_r: Floats
    mean_c: Floats
    var_r: Floats
    var_c: Floats
    cov: Floats
    valid: npt.NDArray[np.bool_] | None = None

    @classmethod
    def between(cls, reference: Array, candidate: Array) -> "LocalMoments":
        """Measure the moments around each pixel; the image is mirrored at its borders.

        Raises
        ------
        EvaluationError
            If the shapes differ, or an axis is shorter than the window.
        """
        from scipy.ndimage import gaussian_filter, maximum_filter

        if reference.shape != candidate.shape:
            raise EvaluationError(
                f"both arrays must have one shape, got {reference.shape} and {candidate.shape}.",
                remedy="Crop or resample one of them to the shape of the other.",
            )
        if min(reference.shape) < SSIM_WINDOW:
            raise EvaluationError(
                f"SSIM needs at least {SSIM_WINDOW} pixels per axis, got {reference.shape}.",
                remedy="Use a larger image, or a metric without a window.",
            )
        a, b = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
        valid = np.isfinite(a) & np.isfinite(b)
        bad = None if valid.all() else maximum_filter(~valid, SSIM_WINDOW, mode="reflect")
        if bad is not None:
            a, b = np.where(valid, a, 0.0), np.where(valid, b, 0.0)

        def local_mean(values: Floats) -> Floats:
            return np.asarray(gaussian_filter(values, _SIGMA, truncate=3.5))

        mean_r, mean_c = local_mean(a), local_mean(b)
        moments = local_mean(a * a) - mean_r**2, local_mean(b * b) - mean_c**2, local_mean(a * b) - mean_r * mean_c
        return cls(mean_r, mean_c, *moments, None if bad is None else ~bad)

    def with_gain_offset(
        self, candidate: tuple[float, float], reference: tuple[float, float] = (1.0, 0.0)
    ) -> "LocalMoments":
        """Return the moments of ``gain * values + offset``, without filtering again.

        Parameters
        ----------
        candidate, reference
            Gain and offset of each.
        """
        (gain_c, offset_c), (gain_r, offset_r) = candidate, reference
        return LocalMoments(
            gain_r * self.mean_r + offset_r,
            gain_c * self.mean_c + offset_c,
            gain_r * gain_r * self.var_r,
            gain_c * gain_c * self.var_c,
            gain_c * gain_r * self.cov,
            self.valid,
        )

    def subsample(self, step: int) -> "LocalMoments":
        """Return the moments at every `step`-th pixel along each axis, without the border."""
        key = (slice(_BORDER, -_BORDER, step),) * self.cov.ndim
        valid = None if self.valid is None else self.valid[key]
        return LocalMoments(self.mean_r[key], self.mean_c[key], self.var_r[key], self.var_c[key], self.cov[key], valid)

    def ssim_terms(self, data_range: float) -> tuple[Floats, Floats]:
        """Return the luminance term, and the product of contrast and structure terms; nan where not `valid`."""
        c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
        luminance = (2 * self.mean_r * self.mean_c + c1) / (self.mean_r**2 + self.mean_c**2 + c1)
        structure = (2 * self.cov + c2) / (self.var_r + self.var_c + c2)
        if self.valid is not None:
            luminance, structure = (np.where(self.valid, v, nan) for v in (luminance, structure))
        return luminance, structure

    def ssim_map(self, data_range: float) -> Floats:
        """Return SSIM around each pixel; nan where not `valid`."""
        luminance, structure = self.ssim_terms(data_range)
        return luminance * structure

    def mean_ssim(self, data_range: float) -> float:
        """Return the mean SSIM without the border; nan where no window is valid."""
        return _mean_inside_border(self.ssim_map(data_range))


def moments_pyramid(reference: Array, candidate: Array, finest: LocalMoments) -> list[LocalMoments]:
    """Return the moments at full size and after each of four halvings.

    Parameters
    ----------
    reference, candidate
        Arrays ``(Z)YX`` of the same shape.
    finest
        Their moments at full size.

    Returns
    -------
    list of LocalMoments
        Five scales, finest first; empty below `MS_SSIM_MIN_SIZE` pixels per axis.
    """
    if min(reference.shape) < MS_SSIM_MIN_SIZE:
        return []
    scales = [finest]
    while len(scales) < len(SCALE_WEIGHTS):
        reference, candidate = _halve(reference), _halve(candidate)
        scales.append(LocalMoments.between(reference, candidate))
    return scales


def combine_scales(scales: Sequence[LocalMoments], *, data_range: float) -> float:
    """Return MS-SSIM from the moments of `moments_pyramid`.

    Parameters
    ----------
    scales
        Moments of five scales, or none where the planes are too small.
    data_range
        Difference between the largest and the smallest possible intensity.

    Returns
    -------
    float
        0 to 1; nan without scales. A scale of inverted structure counts as 0.
    """
    if not scales:
        return nan
    product = 1.0
    for i, (moments, weight) in enumerate(zip(scales, SCALE_WEIGHTS, strict=True)):
        luminance, structure = moments.ssim_terms(data_range)
        coarsest = i == len(SCALE_WEIGHTS) - 1
        product *= max(_mean_inside_border(luminance * structure if coarsest else structure), 0.0) ** weight
    return product


@dataclass(frozen=True, slots=True)
class MicroSsimFit:
    """Intensity transforms that MicroSSIM applies before it compares two images.

    Attributes
    ----------
    reference, candidate
        Gain and offset of each. They take the background to 0 and divide by the brightest pixel of the reference; the
        candidate is multiplied by `alpha` too.
    alpha
        Factor of the candidate that maximises the mean SSIM.
    """

    reference: tuple[float, float]
    candidate: tuple[float, float]
    alpha: float

    def score(self, moments: LocalMoments, plane: Array) -> float:
        """Return the MicroSSIM of a plane.

        Parameters
        ----------
        moments
            Moments of the unscaled intensities of both images.
        plane
            The plane of the reference. Its own range, not that of the stack, sets the constants of SSIM.

        Returns
        -------
        float
            -1 to 1; nan where the plane is constant.
        """
        span = self.reference[0] * _finite_span(plane)
        return moments.with_gain_offset(self.candidate, self.reference).mean_ssim(span) if span > 0 else nan


def fit_micro_ssim(reference: Array, candidate: Array) -> MicroSsimFit | None:
    """Fit the intensity transforms of MicroSSIM (Ashesh, Deschamps, Jug 2024, doi:10.48550/arXiv.2408.08747).

    Background and brightest pixel are those of all planes. The factor is fitted to at most eight evenly spaced planes.
    Pixels that are not finite in both are left out.

    Parameters
    ----------
    reference, candidate
        Planes ``(P, Y, X)`` of the same shape.

    Returns
    -------
    MicroSsimFit or None
        None where planes are smaller than the window, the reference is constant, or no window is finite.

    Notes
    -----
    The definition leaves the constants of SSIM open where planes differ in range. As in the authors' program (microssim
    0.0.5), the fit uses the range of the last plane, and a plane's score its own range. Only in the fit, that program
    has a uniform window of 7 pixels, which changed scores by up to 0.007.
    """
    from scipy.optimize import minimize_scalar

    step = max(1, -(-len(reference) // _MICRO_PLANES))
    planes = [(r, c) for r, c in zip(reference[::step], candidate[::step], strict=True) if _finite_span(r) > 0]
    background_r, background_c = _backgrounds(reference, candidate)
    top = max((float(v.max()) for r in reference if (v := r[np.isfinite(r)]).size), default=nan) - background_r
    if min(reference.shape[1:]) < SSIM_WINDOW or not (planes and np.isfinite(background_c) and 0 < top < np.inf):
        return None
    to_reference, to_candidate = (1 / top, -background_r / top), (1 / top, -background_c / top)
    every = max(1, round((sum(r.size for r, _ in planes) / _MICRO_PIXELS) ** 0.5))
    samples = [
        LocalMoments.between(r, c).with_gain_offset(to_candidate, to_reference).subsample(every) for r, c in planes
    ]
    span = [s for r in reference if (s := _finite_span(r)) > 0][-1] / top
    if not any(m.valid is None or m.valid.any() for m in samples):
        return None

    def negative_ssim(log_factor: float) -> float:
        gain = float(np.exp(log_factor)), 0.0
        maps = [m.with_gain_offset(gain).ssim_map(span) for m in samples]
        return -float(np.nanmean(np.concatenate([v.ravel() for v in maps])))

    guess = _least_squares_factor(samples)
    bounds = np.log(guess) - _LOG_10, np.log(guess) + _LOG_10
    best = minimize_scalar(negative_ssim, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    alpha = float(np.exp(best.x))
    return MicroSsimFit(to_reference, (alpha * to_candidate[0], alpha * to_candidate[1]), alpha)


def _least_squares_factor(planes: Sequence[LocalMoments]) -> float:
    """Return the factor that brings the candidate's local means to the reference's; 1 for inverted or no contrast."""
    cross = sum(float(np.nansum(m.mean_r * m.mean_c)) for m in planes)
    power = sum(float(np.nansum(m.mean_c**2)) for m in planes)
    return cross / power if cross > 0 and power > 0 else 1.0


def _backgrounds(*images: Array) -> list[float]:
    """Return the background intensity of each image, from at most about four million pixels finite in all of them."""
    flat = np.stack([np.asarray(v.ravel()[:: max(1, v.size // 4_000_000)], np.float64) for v in images])
    flat = flat[:, np.isfinite(flat).all(axis=0)]
    return [float(np.percentile(v, _BACKGROUND_PERCENTILE)) if v.size else nan for v in flat]


def _finite_span(values: Array) -> float:
    """Return the largest less the smallest finite value; 0 if there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.max()) - float(finite.min()) if finite.size else 0.0


def _mean_inside_border(values: Floats) -> float:
    """Return the mean of the finite values without the border; nan if there are none."""
    inside = values[(slice(_BORDER, -_BORDER),) * values.ndim]
    inside = inside[np.isfinite(inside)]
    return float(inside.mean()) if inside.size else nan


def _halve(values: Array) -> Floats:
    """Return the means of pairs of pixels along each axis; an odd last pixel is left out."""
    halved = np.asarray(values, dtype=np.float64)
    for axis in range(halved.ndim):
        count = halved.shape[axis] // 2 * 2
        shape = (*halved.shape[:axis], count // 2, 2, *halved.shape[axis + 1 :])
        halved = halved.take(range(count), axis=axis).reshape(shape).mean(axis=axis + 1)
    return halved
