"""Fine detail of a result: how strong it is next to coarser detail, and whether it holds the reference's own noise."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_FINEST = 0.42
"""Frequency in cycles per pixel beyond which a recording holds little but its own noise."""

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


def shared_noise(result: Floats, reference: Floats) -> float | None:
    """Return the correlation of two images at their highest frequencies, where recordings hold their own noise.

    Parameters
    ----------
    result, reference
        Planes ``(P, Y, X)``, finite.

    Returns
    -------
    float
        About 0 for recordings of their own, 1 for equal images; None where either has no power there.
    """
    shape = result.shape[-2:]
    window = np.multiply.outer(*(np.hanning(n + 2)[1:-1] for n in shape))
    finest = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])) > _FINEST
    cross, power = 0.0, np.zeros(2)
    for pair in zip(result, reference, strict=True):
        first, second = (np.fft.fft2((plane - plane.mean()) * window)[finest] for plane in pair)
        cross += float((first * second.conj()).real.sum())
        power += [float(np.square(np.abs(s)).sum()) for s in (first, second)]
    return float(cross / np.sqrt(power.prod())) if power.all() else None
