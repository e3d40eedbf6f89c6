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
    plane: npt.NDArray[Any], psf_sigma: float, iterations: int = ITERATIONS, *, pixel: int = 1
) -> Floats:
    """Deconvolve a plane by Richardson-Lucy (doi:10.1364/JOSA.62.000055) with a Gaussian point-spread function.

    Parameters
    ----------
    plane
        ``(Y, X)``, finite.
    psf_sigma
        Standard deviation of the point-spread function in pixels of the plane, above 0; also 0 with a `pixel`.
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

    psf = _gaussian(psf_sigma, pixel)
    low = float(plane.min())
    padded = _mirror(plane - np.float64(low), psf).clip(1e-9, None)
    return _inner(restoration.richardson_lucy(padded, psf, num_iter=iterations, clip=False), psf) + low


def wiener(plane: npt.NDArray[Any], psf_sigma: float, balance: float) -> Floats:
    """Deconvolve a plane by Wiener's filter with a Gaussian point-spread function.

    Parameters
    ----------
    plane
        ``(Y, X)``, finite.
    psf_sigma
        Standard deviation of the point-spread function in pixels of the plane, above 0.
    balance
        Weight of smoothness, above 0.

    Returns
    -------
    ndarray
        ``(Y, X)``, 64-bit floats in the intensity unit of the plane.
    """
    from skimage import restoration

    psf = _gaussian(psf_sigma)
    low = float(plane.min())
    return _inner(restoration.wiener(_mirror(plane - np.float64(low), psf), psf, balance, clip=False), psf) + low


def _gaussian(sigma: float, pixel: int = 1) -> Floats:
    radius = int(np.ceil(_PSF_RADIUS * sigma))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2) if sigma else np.ones(1)
    taps = np.convolve(taps, np.convolve(np.ones(pixel), np.ones(pixel)))
    return np.asarray(np.outer(taps, taps) / taps.sum() ** 2)


def _mirror(values: Floats, psf: Floats) -> Floats:
    # Both functions take what lies outside for dark or periodic, an error that creeps inwards with each iteration.
    return np.pad(values, psf.shape[0] // 2 + _MARGIN, mode="symmetric")


def _inner(values: Floats, psf: Floats) -> Floats:
    margin = psf.shape[0] // 2 + _MARGIN
    return np.asarray(values[margin:-margin, margin:-margin], dtype=np.float64)
