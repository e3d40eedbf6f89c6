"""How much of the detail that an input shows is left in its result: along each direction, above the noise.

An honest result keeps it, also if it is denoised: such detail is stronger than the noise. Blur takes it away.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.evaluation.consistency.check import Consistency
from napari_superres.evaluation.consistency.field_pair import read_field

Floats = npt.NDArray[np.float64]

_BAND = (0.12, 0.2)
"""Frequencies in cycles per input pixel: fine, but not so fine that interpolation dims it."""

_STRONG = 5.0
"""Power of the detail over that of the noise, from which it is looked for."""

_DIRECTIONS = (("along X", 0.0), ("along a diagonal", 45.0), ("along Y", 90.0), ("along a diagonal", 135.0))
_FEWEST = 12
"""Fewest places of the spectrum in a direction."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The detail that is kept least.

    Attributes
    ----------
    share
        Its amplitude in the result, degraded again, over that in the input: 1 if all is kept.
    direction
        Along what it changes, in words.
    """

    share: float
    direction: str


def kept_detail(found: Consistency, lr: Image) -> Kept | None:
    """Return which detail of 5 to 8 input pixels a result keeps least.

    Parameters
    ----------
    found
        The result compared with its input.
    lr
        The input: one channel, over the field of the residual.

    Returns
    -------
    Kept
        None where the noise is not known, or no such detail is five times as strong.
    """
    from scipy.ndimage import gaussian_filter

    values = read_field(lr, tuple(slice(None) for _ in lr.axes), {})
    residual = np.asarray(found.residual.data, np.float64)
    if found.noise is None or values.shape != residual.shape or min(values.shape[-2:]) < 4 / _BAND[0]:
        return None
    if not (np.isfinite(values).all() and np.isfinite(residual).all()):
        return None
    shape = values.shape[-2:]
    window = np.multiply.outer(*(np.hanning(n + 2)[1:-1] for n in shape))
    window /= np.sqrt(np.square(window).sum())
    ours, theirs, noise = np.zeros(shape), np.zeros(shape), 0.0
    for plane, rest in zip(values.reshape(-1, *shape), residual.reshape(-1, *shape), strict=True):
        variance = np.maximum(found.noise[0] * gaussian_filter(plane, 1.0) + found.noise[1], 0.0)
        spectrum, other = (np.fft.fft2((v - v.mean()) * window) for v in (plane, plane + rest * np.sqrt(variance)))
        theirs += np.square(np.abs(spectrum))
        ours += (other * spectrum.conj()).real
        noise += float((variance * window**2).sum())
    return _least(ours, theirs, noise)


def _least(ours: Floats, theirs: Floats, noise: float) -> Kept | None:
    """Return the direction in which least is kept, given cross power, power of the input, and of its noise."""
    fy, fx = (np.fft.fftfreq(n) for n in theirs.shape)
    frequency = np.hypot(fy[:, None], fx)
    band = (frequency > _BAND[0]) & (frequency <= _BAND[1])
    angle = np.rad2deg(np.arctan2(fy[:, None] + 0 * fx, fx + 0 * fy[:, None])) % 180
    best = None
    for name, middle in _DIRECTIONS:
        part = band & (np.minimum(abs(angle - middle), 180 - abs(angle - middle)) <= 22.5)
        total, floor = float(theirs[part].sum()), noise * int(part.sum())
        if part.sum() >= _FEWEST and total - floor > _STRONG * floor:
            share = float(ours[part].sum()) / (total - floor)
            best = Kept(share, name) if best is None or share < best.share else best
    return best
