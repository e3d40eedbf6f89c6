"""Fit two plain shapes to a point of light: a Gaussian, and the diffraction pattern of a lens without aberrations.

Counts scatter in proportion to themselves, so each pixel is weighted by the inverse of its expected variance, which is
updated from the fit: the fixed point is the estimate of maximum likelihood. A camera records the mean over the area of
each pixel, and a stack its planes as points; both shapes are fitted in that form, so that their widths are those of the
light and not of the pixels.

Weights and errors: Smith, Joseph, Rieger, Lidke: Fast, single-molecule localization that achieves theoretically minimum
uncertainty, Nat. Methods 2010, doi:10.1038/nmeth.1449. Diffraction pattern: Born and Wolf, Principles of Optics,
section 8.8, doi:10.1017/CBO9781139644181.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FWHM_PER_SIGMA = 2.354820045
"""Full width at half maximum of a Gaussian over its standard deviation."""

AIRY_FWHM = 3.232716
"""Full width at half maximum of the diffraction pattern in focus, in units of ``1 / k NA``."""

AXIAL_FWHM = 11.13246
"""Full width along the axis, where ``sinc(u / 4) ** 2`` is a half, in units of u."""

_STEPS, _SETTLED, _STIFF = 40, 1e-3, 1e6
"""Steps of a fit at most, the change over the width after which none follow, and the damping at which it gives up."""

_FLOOR = 0.02
"""Least expected variance of a pixel, over that at the brightest: an empty pixel would get all the weight."""

_NARROWEST = 0.2
"""Narrowest sigma of a fit, in pixels: narrower points cannot be told from one pixel."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A fitted point of light.

    Attributes
    ----------
    centre
        Position ``(Z, Y, X)`` in pixels of the box.
    width
        Per axis: sigma of a Gaussian; full width at half maximum over `FWHM_PER_SIGMA` of the diffraction pattern. 0
        along Z for a plane.
    error, centre_error
        Standard deviation of each width, and of each coordinate of the centre.
    brightness
        Sum of the point over all pixels, without background.
    background
        Intensity around the point.
    misfit
        Weighted mean square of what is left, with weights from the data alone, so that shapes can be compared.
    """

    centre: tuple[float, float, float]
    width: tuple[float, float, float]
    error: tuple[float, float, float]
    centre_error: tuple[float, float, float]
    brightness: float
    background: float
    misfit: float


def fit_gaussian(
    box: Floats,
    start: Sequence[float],
    width: Sequence[float],
    variance: Callable[[Floats], Floats],
    samples: Floats | None = None,
) -> Shape:
    """Fit a Gaussian with its own width along each axis.

    Parameters
    ----------
    box
        ``(Z, Y, X)``; one plane for an image without depth.
    start, width
        Expected position and sigma per axis, in pixels.
    variance
        Returns the variance of the noise at each intensity.
    samples
        Boxes ``(N, Z, Y, X)`` whose sum `box` is: their scatter gives the errors of the widths.
    """
    from scipy.special import erf

    axes = [np.arange(n, dtype=np.float64) for n in box.shape]

    def profile(axis: int, centre: float, sigma: float) -> Floats:
        offset = axes[axis] - centre
        if axis == 0:
            return np.ones(1) if len(offset) == 1 else np.exp(-0.5 * (offset / sigma) ** 2)
        edge = np.sqrt(2) * sigma
        area = erf((offset + 0.5) / edge) - erf((offset - 0.5) / edge)
        return np.asarray(area * sigma * np.sqrt(np.pi / 2))

    def shape(p: Floats) -> Floats:
        z, y, x = (profile(a, p[a], p[3 + a]) for a in range(3))
        return np.asarray(z[:, None, None] * y[:, None] * x)

    return _fit(box, shape, np.array([*start, *width], dtype=np.float64), variance, _NARROWEST, samples)


def fit_diffraction(
    box: Floats,
    start: Sequence[float],
    width: Sequence[float],
    variance: Callable[[Floats], Floats],
    samples: Floats | None = None,
) -> Shape:
    """Fit the pattern of a lens without aberrations: one scale laterally, one along the axis. See `fit_gaussian`."""
    lateral = float(np.mean(width[1:])) * FWHM_PER_SIGMA / AIRY_FWHM
    axial = width[0] * FWHM_PER_SIGMA / AXIAL_FWHM
    nodes, weights = np.polynomial.legendre.leggauss(2)
    steps, shares = nodes / 2, np.outer(weights, weights) / 4
    planes, rows, columns = (np.arange(n, dtype=np.float64) for n in box.shape)

    def shape(p: Floats) -> Floats:
        u = np.abs(planes - p[0]) / p[3] if len(planes) > 1 else np.zeros(1)
        total = np.zeros(box.shape)
        for i, a in enumerate(steps):
            for j, b in enumerate(steps):
                v = np.hypot(rows[:, None] + a - p[1], columns + b - p[2]) / p[4]
                total += shares[i, j] * _diffraction(u, v)
        return total

    fitted = _fit(box, shape, np.array([*start, axial, lateral]), variance, _NARROWEST / AXIAL_FWHM, samples)
    factor = np.array([AXIAL_FWHM, AIRY_FWHM, AIRY_FWHM]) / FWHM_PER_SIGMA
    (a, b, c), (d, e, f) = (factor * fitted.width).tolist(), (factor * fitted.error).tolist()
    return replace(fitted, width=(a, b, c), error=(d, e, f))


_MOST_U, _MOST_V = 60.0, 40.0


def _table() -> tuple[Floats, Floats, Floats]:
    """Return grids of u and v, and the intensity at each, 1 in the focus."""
    from scipy.special import j0

    u, v = np.linspace(0, _MOST_U, 181), np.linspace(0, _MOST_V, 401)
    nodes, weights = np.polynomial.legendre.leggauss(64)
    rho, share = (nodes + 1) / 2, weights / 2
    waves = j0(v[:, None] * rho) * (2 * rho * share)
    field = np.exp(-0.5j * u[:, None] * rho**2) @ waves.T
    return u, v, np.abs(field) ** 2


_TABLE: list[tuple[Floats, Floats, Floats]] = []


def _diffraction(u: Floats, v: Floats) -> Floats:
    """Return the intensity ``(len(u), *v.shape)``, interpolated in a table."""
    from scipy.ndimage import map_coordinates

    if not _TABLE:
        _TABLE.append(_table())
    grid_u, grid_v, values = _TABLE[0]
    at_u = np.broadcast_to(u[:, None, None] / grid_u[1], (len(u), *v.shape))
    at_v = np.broadcast_to(v / grid_v[1], at_u.shape)
    return np.asarray(map_coordinates(values, [at_u, at_v], order=1, mode="nearest"))


@dataclass(frozen=True, slots=True)
class _Model:
    """A shape over pixels, of positions and widths, times a brightness, on a background."""

    shape: Callable[[Floats], Floats]
    free: npt.NDArray[np.bool_]

    def solve(self, p: Floats, box: Floats, weight: Floats) -> tuple[Floats, float, float]:
        """Return the shape, and the brightness and background that fit best: two linear equations."""
        values, w = self.shape(p), weight**2
        sw, sv, sb = float(w.sum()), float((w * values).sum()), float((w * box).sum())
        vv, vb = float((w * values * values).sum()), float((w * values * box).sum())
        determinant = vv * sw - sv * sv
        if determinant <= 1e-12 * vv * sw:
            return values, 0.0, sb / sw
        return values, (vb * sw - sv * sb) / determinant, (vv * sb - sv * vb) / determinant

    def jacobian(self, p: Floats, amplitude: float, box: Floats) -> Floats:
        """Return the derivatives ``(pixels, free + 2)`` of the model."""
        columns = []
        for number in np.flatnonzero(self.free):
            step = np.zeros_like(p)
            step[number] = 1e-4 * max(abs(p[number]), 0.1)
            slope = (self.shape(p + step) - self.shape(p - step)) / (2 * step[number])
            columns.append(amplitude * slope.ravel())
        return np.stack([*columns, self.shape(p).ravel(), np.ones(box.size)], axis=1)


def _weight(values: Floats, variance: Callable[[Floats], Floats]) -> Floats:
    return np.asarray(1 / np.sqrt(np.maximum(variance(values), _FLOOR * variance(np.asarray(values.max())))))


def _fit(
    box: Floats,
    shape: Callable[[Floats], Floats],
    start: Floats,
    variance: Callable[[Floats], Floats],
    narrowest: float,
    samples: Floats | None,
) -> Shape:
    """Fit position and widths by damped Gauss-Newton steps; brightness and background follow from each linearly."""
    model = _Model(shape, np.ones(len(start), dtype=bool))
    if box.shape[0] == 1:
        model.free[[0, 3]] = False
        start[[0, 3]] = 0.0, 1.0
    widths = len(start) - 3
    least = np.concatenate([np.full(3, -0.5), np.full(widths, narrowest)])
    most = np.concatenate([np.array(box.shape) - 0.5, np.full(widths, 4.0 * max(box.shape))])
    p, expected, damping = np.clip(start, least, most), _smooth(box), 1e-3
    first = weight = _weight(expected, variance)
    for _ in range(_STEPS):
        values, a, b = model.solve(p, box, weight)
        error = float((((box - a * values - b) * weight) ** 2).sum())
        slopes = model.jacobian(p, a, box) * weight.ravel()[:, None]
        normal, force = slopes.T @ slopes, slopes.T @ ((box - a * values - b) * weight).ravel()
        step = np.linalg.lstsq(normal + damping * np.diag(np.diag(normal)), force, rcond=None)[0]
        better = p.copy()
        better[model.free] += step[:-2]
        better = np.clip(better, least, most)
        new, c, d = model.solve(better, box, weight)
        if not float((((box - c * new - d) * weight) ** 2).sum()) <= error:
            damping *= 10
            if damping > _STIFF:
                break
            continue
        moved, p, damping = float(np.abs(better - p).max()), better, max(damping / 10, 1e-6)
        weight = _weight(np.maximum(c, 0) * new + d, variance)
        if moved < _SETTLED * p[3:].min():
            break
    values, amplitude, background = model.solve(p, box, weight)
    expected = amplitude * values + background
    jacobian = model.jacobian(p, amplitude, box)
    error_of = np.zeros(len(start))
    error_of[model.free] = _scatter(jacobian, weight, expected, box[None] if samples is None else samples)[:-2]
    return Shape(
        (float(p[0]), float(p[1]), float(p[2])),
        _by_axis(p, box.shape[0] == 1),
        _by_axis(error_of, box.shape[0] == 1),
        (float(error_of[0]), float(error_of[1]), float(error_of[2])),
        amplitude * float(values.sum()),
        background,
        float(np.mean(((box - expected) * first) ** 2)),
    )


def _by_axis(p: Floats, is_plane: bool) -> tuple[float, float, float]:
    return 0.0 if is_plane else float(p[3]), float(p[4]), float(p[-1])


def _scatter(jacobian: Floats, weight: Floats, expected: Floats, samples: Floats) -> Floats:
    """Return the standard deviation of each parameter of a fit to the sum of `samples` ``(N, Z, Y, X)``.

    Leaving one sample out changes the parameters by a step that the derivatives of the fit give: the infinitesimal
    jackknife (Efron 1982, doi:10.1137/1.9781611970319). It assumes nothing on the noise. Of a single sample, each pixel
    is left out in turn.
    """
    weighted = jacobian * (weight.ravel() ** 2)[:, None]
    inverse = np.linalg.pinv(jacobian.T @ weighted)
    residuals = samples.reshape(len(samples), -1) - expected.ravel() / len(samples)
    if len(samples) == 1:
        return np.asarray(np.sqrt((((weighted * residuals.T) @ inverse) ** 2).sum(axis=0)))
    steps = residuals @ weighted @ inverse
    return np.asarray(np.sqrt(len(samples) / (len(samples) - 1) * (steps**2).sum(axis=0)))


def _smooth(box: Floats) -> Floats:
    from scipy import ndimage

    return np.asarray(ndimage.uniform_filter(box, [min(3, n) for n in box.shape], mode="nearest"))
