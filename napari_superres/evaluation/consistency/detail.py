"""Fine detail of a result: how strong it is next to coarser detail."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_COARSE, _FINE = (0.5, 0.95), 1.05
"""Bands on both sides of the finest detail that the input holds, in units of its frequency."""

_REACH = 2.5
"""Standard deviation, in input pixels, of the neighbourhood in which detail is measured."""

_BORDER = 8


def detail_excess(planes: Floats, scale: int) -> tuple[float, tuple[int, int, int]]:
    """Return how strong detail finer than the input's pixels is, at most, over the coarser detail at the same place.

    Parameters
    ----------
    planes
        Planes ``(P, Y, X)`` of a result, finite.
    scale
        Number of its pixels to one of the input, above 1.

    Returns
    -------
    tuple
        Ratio of the two powers, and the plane, row and column of its place. An edge gives about 0.5, and so do honest
        results at most; a point without a lens, or noise in each pixel, about 4.5 at a scale of 2.
    """
    from scipy.ndimage import gaussian_filter

    best = (0.0, (0, 0, 0))
    if min(planes.shape[-2:]) < 4 * _BORDER:
        return best
    for number, plane in enumerate(planes):
        padded = np.pad(plane, _BORDER, mode="symmetric")
        frequency = np.hypot(np.fft.fftfreq(padded.shape[0])[:, None], np.fft.rfftfreq(padded.shape[1])) * 2 * scale
        spectrum = np.fft.rfft2(padded)
        powers = []
        for low, high in (_COARSE, (_FINE, np.inf)):
            band = np.fft.irfft2(np.where((frequency > low) & (frequency <= high), spectrum, 0), s=padded.shape)
            powers.append(gaussian_filter(np.square(band), _REACH * scale)[_BORDER:-_BORDER, _BORDER:-_BORDER])
        coarse, fine = powers
        floor = 0.5 * float(coarse.mean()) + 1e-12 * float(np.square(plane).mean()) + 1e-300
        ratio = (fine / (coarse + floor))[_BORDER:-_BORDER, _BORDER:-_BORDER]
        y, x = np.unravel_index(ratio.argmax(), ratio.shape)
        best = max(best, (float(ratio[y, x]), (number, int(y) + _BORDER, int(x) + _BORDER)))
    return best
