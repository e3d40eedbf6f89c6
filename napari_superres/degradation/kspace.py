"""Magnetic resonance: a scanner records the lowest spatial frequencies, with noise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def truncate(values: npt.NDArray[Any], factor: Sequence[int]) -> Floats:
    """Return `values` with only the lowest spatial frequencies, on ``factor`` times fewer pixels per axis.

    The mean stays the same, and edges ring as in a scanner (Gibbs). Truncation alone would align pixel 0 of both
    images; a phase ramp aligns the centres of their pixels, as the grid rule requires.

    Parameters
    ----------
    values
        Any shape and real type, treated as periodic.
    factor
        Factor per array axis. Pixels at the far end that do not fill a block are left out.
    """
    out = np.asarray(values, dtype=np.float64)
    for axis, f in enumerate(factor):
        if f > 1:
            n = out.shape[axis] // f
            spectrum = np.fft.rfft(np.take(out, range(n * f), axis), axis=axis)
            kept = np.take(spectrum, range(n // 2 + 1), axis) * _ramp(n, f, +1, out.ndim, axis)
            out = np.fft.irfft(kept, n, axis=axis) / f
    return out


def fill_zeros(values: npt.NDArray[Any], factor: Sequence[int]) -> Floats:
    """Return `values` on ``factor`` times more pixels per axis by sinc interpolation: higher frequencies are zero.

    Scanners show truncated data in this way. It is the baseline of super-resolution in magnetic resonance.
    """
    out = np.asarray(values, dtype=np.float64)
    for axis, f in enumerate(factor):
        if f > 1:
            n = out.shape[axis]
            spectrum = np.fft.rfft(out, axis=axis) * _ramp(n, f, -1, out.ndim, axis)
            if n % 2 == 0:  # the highest frequency counts for both of its signs
                spectrum[(slice(None),) * axis + (-1,)] /= 2
            out = np.fft.irfft(spectrum, n * f, axis=axis) * f
    return out


def rician(values: npt.NDArray[Any], sigma: float | npt.NDArray[Any], random: np.random.Generator) -> Floats:
    """Return the magnitude of `values` with noise of standard deviation `sigma` in the real and imaginary part.

    Gudbjartsson, Patz 1995, doi:10.1002/mrm.1910340618. Where the signal is 0, the mean is 1.25 sigma.
    """
    real, imaginary = (random.normal(size=values.shape) * sigma for _ in range(2))
    return np.asarray(np.hypot(values + real, imaginary))


def _ramp(n: int, factor: int, sign: int, ndim: int, axis: int) -> npt.NDArray[np.complex128]:
    """Return the phase ramp that shifts an image by half the difference of both pixel sizes."""
    turns = np.arange(n // 2 + 1) * (factor - 1) / 2 / (n * factor)
    shape = [-1 if d == axis else 1 for d in range(ndim)]
    return np.asarray(np.exp(sign * 2j * np.pi * turns)).reshape(shape)
