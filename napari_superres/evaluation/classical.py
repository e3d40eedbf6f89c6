"""Classical restoration of a plane: non-local means, Wiener's filter and Richardson-Lucy."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ITERATIONS = 10
"""Iterations of Richardson-Lucy where nothing is known to choose them by."""

_PSF_RADIUS = 4  # standard deviations
_MARGIN = 12
"""Mirrored pixels around a plane, besides the radius of the point-spread function."""
_PATCH, _REACH = 5, 6
_STRENGTH = 0.5
"""Filter strength over the standard deviation of the noise: the best of 0.5 to 1.0, on images outside any test set."""

_DARKEST = 2 * np.sqrt(3 / 8)
"""Anscombe's transform of no photons."""


def denoise(plane: npt.NDArray[Any], gain: float, read_noise: float, offset: float = 0.0) -> Floats:
    """Denoise a plane by non-local means (doi:10.5201/ipol.2011.bcm_nlm).

    Photon noise first gets a variance of 1 at all intensities by the generalised Anscombe transform. The closed form of
    its unbiased inverse follows (doi:10.1109/TIP.2012.2202675).

    Parameters
    ----------
    plane
        ``(Y, X)``, finite.
    gain, read_noise, offset
        Noise of the plane: at intensity ``I``, its variance is ``gain * (I - offset) + read_noise ** 2``. Each at
        least 0 but for the offset. Without noise, the plane comes back.

    Returns
    -------
    ndarray
        ``(Y, X)``, 64-bit floats in the intensity unit of the plane.
    """
    values = plane.astype(np.float64)
    if gain > 0:
        read = read_noise / gain
        electrons = (values - offset) / gain
        quiet = _nonlocal_means(2 * np.sqrt(np.maximum(electrons + 3 / 8 + read**2, 0)), 1.0)
        return (_invert_anscombe(quiet) - read**2) * gain + offset
    return _nonlocal_means(values, read_noise) if read_noise > 0 else values


def _nonlocal_means(values: Floats, sigma: float) -> Floats:
    from skimage.restoration import denoise_nl_means

    quiet = denoise_nl_means(
        values, patch_size=_PATCH, patch_distance=_REACH, h=_STRENGTH * sigma, sigma=sigma, fast_mode=True
    )
    return np.asarray(quiet, dtype=np.float64)


def _invert_anscombe(values: Floats) -> Floats:
    z = np.maximum(values, _DARKEST)
    root = np.sqrt(3 / 2)
    return np.asarray(z**2 / 4 + root / (4 * z) - 11 / (8 * z**2) + 5 * root / (8 * z**3) - 1 / 8)


def richardson_lucy(
    plane: npt.NDArray[Any], psf: float | Floats, iterations: int = ITERATIONS, *, pixel: int = 1
) -> Floats:
    """Deconvolve a plane by Richardson-Lucy (doi:10.1364/JOSA.62.000055).

    Parameters
    ----------
    plane
        ``(Y, X)``, finite.
    psf
        Standard deviation of a Gaussian point-spread function in pixels of the plane, above 0; also 0 with a `pixel`.
        Or the pixels ``(Y, X)`` of a measured one, of odd edges and sum 1.
    iterations
        Number of iterations, at least 1.
    pixel
        Edge of the pixels that were recorded, in pixels of the interpolated plane. Their area, and interpolation, are
        undone as well: a triangle twice as wide. 1 = the point-spread function alone.

    Returns
    -------
    ndarray
        ``(Y, X)``, 64-bit floats in the intensity unit of the plane.
    """
    from skimage import restoration

    kernel = _kernel(psf, pixel)
    low = float(plane.min())
    padded = _mirror(plane - np.float64(low), kernel).clip(1e-9, None)
    return _inner(restoration.richardson_lucy(padded, kernel, num_iter=iterations, clip=False), kernel) + low


def wiener(plane: npt.NDArray[Any], psf: float | Floats, balance: float) -> Floats:
    """Deconvolve a plane by Wiener's filter.

    Parameters
    ----------
    plane
        ``(Y, X)``, finite.
    psf
        Standard deviation of a Gaussian point-spread function in pixels of the plane, above 0. Or the pixels ``(Y, X)``
        of a measured one, of odd edges and sum 1.
    balance
        Weight of smoothness, above 0.

    Returns
    -------
    ndarray
        ``(Y, X)``, 64-bit floats in the intensity unit of the plane.
    """
    from skimage import restoration

    kernel = _kernel(psf)
    low = float(plane.min())
    return (
        _inner(restoration.wiener(_mirror(plane - np.float64(low), kernel), kernel, balance, clip=False), kernel) + low
    )


def _kernel(psf: float | Floats, pixel: int = 1) -> Floats:
    area = np.convolve(np.ones(pixel), np.ones(pixel)) / pixel**2
    if isinstance(psf, np.ndarray):
        from scipy.signal import convolve2d

        return np.asarray(convolve2d(psf, np.outer(area, area)))
    radius = int(np.ceil(_PSF_RADIUS * psf))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / psf) ** 2) if psf else np.ones(1)
    taps = np.convolve(taps / taps.sum(), area)
    return np.asarray(np.outer(taps, taps))


def _mirror(values: Floats, psf: Floats) -> Floats:
    # Both functions take what lies outside for dark or periodic, an error that creeps inwards with each iteration.
    return np.pad(values, [(n // 2 + _MARGIN,) * 2 for n in psf.shape], mode="symmetric")


def _inner(values: Floats, psf: Floats) -> Floats:
    rows, columns = (slice(n // 2 + _MARGIN, -(n // 2 + _MARGIN)) for n in psf.shape)
    return np.asarray(values[rows, columns], dtype=np.float64)
