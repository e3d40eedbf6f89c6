"""Does a result hold the reference's own noise? No input can give it, so a result that holds it was made from it.

Window by window and band by band, the noise measured in the reference says how far a sound result can correlate with
it at most: as far as the reference is signal there. What correlates beyond that is the reference's noise. Bands begin
where the noise is visible beside the structure, so a copy is found without its finest detail, too, and in a part.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.noise import Noise, measure_noise
from napari_superres.errors import SettingsError

Floats = npt.NDArray[np.float64]

_BANDS = ((0.26, 0.34), (0.34, 0.42), (0.42, 0.75))
"""Bands of frequencies, in cycles per pixel."""

_WINDOW, _LEAST = 48, 16
"""Edge of a window in pixels, and its smallest."""

_NOISE, _POWER = 0.45, 0.02
"""Share of the reference's power that must be noise, and power of the result over it, to say anything of a band."""

_CHANCE, _INDEPENDENT = 2.5, 0.22
"""Standard deviations that chance explains in the worst of some hundred windows, and independent coefficients of all.

Half of those of a real image are conjugates, and a Hann window joins neighbours.
"""

_PLANES = 24
"""Most planes that are looked at."""


@dataclass(frozen=True, slots=True)
class Copied:
    """The window in which a result holds most of the reference's noise.

    Attributes
    ----------
    share
        Share of the power of that noise that the result holds: about 0 for results of an input, 1 for copies.
    place
        Plane, row and column of the window's middle.
    edge
        Edge of the window in pixels.
    """

    share: float
    place: tuple[int, int, int]
    edge: int


def copied_noise(result: Floats, reference: Floats) -> Copied | None:
    """Return where a result holds most of the reference's noise.

    Parameters
    ----------
    result, reference
        Planes ``(P, Y, X)``; windows in which a pixel is not finite are left out.

    Returns
    -------
    Copied
        None where the reference shows no noise of its own, or the result has no power where it does.
    """
    if min(reference.shape[-2:]) < _LEAST:
        return None
    at = sorted({round(i) for i in np.linspace(0, len(reference) - 1, min(len(reference), _PLANES))})
    try:
        noise = measure_noise([reference[i] for i in at])
    except SettingsError:
        return None
    edge = min(_WINDOW, *reference.shape[-2:])
    best = None
    for plane in at:
        for share, row, column in _shares(result[plane], reference[plane], noise, edge):
            if best is None or share > best.share:
                best = Copied(share, (plane, row, column), edge)
    return best


def _shares(result: Floats, reference: Floats, noise: Noise, edge: int) -> Iterator[tuple[float, int, int]]:
    """Yield for each band the largest share of noise in a window, and the window's middle."""
    taper = np.multiply.outer(*(np.hanning(edge + 2)[1:-1],) * 2)
    taper /= np.sqrt(np.square(taper).sum())
    whole = np.isfinite(result) & np.isfinite(reference)
    result, reference = (np.where(whole, a, 0.0) for a in (result, reference))
    ours, theirs, variances = (_windows(a, edge) for a in (result, reference, noise.sigma(reference) ** 2))
    usable = _windows(whole, edge).all(axis=(-2, -1))
    spectra = [np.fft.fft2((w - w.mean(axis=(-2, -1), keepdims=True)) * taper) for w in (ours, theirs)]
    expected = (variances * taper**2).sum(axis=(-2, -1))
    frequency = np.hypot(np.fft.fftfreq(edge)[:, None], np.fft.fftfreq(edge))
    for low, high in _BANDS:
        band = (frequency > low) & (frequency <= high)
        first, second = (s[..., band] for s in spectra)
        powers = [np.square(np.abs(s)).sum(axis=-1) for s in (first, second)]
        cross = (first * second.conj()).real.sum(axis=-1)
        noisy = np.minimum(expected * band.sum() / np.maximum(powers[1], 1e-300), 1.0)
        common = np.maximum(cross, 0.0) ** 2 / np.maximum(powers[0] * powers[1], 1e-300)
        known = usable & (noisy > _NOISE) & (powers[0] > _POWER * powers[1])
        if known.any():
            # Of N coefficients, a squared correlation c is known to (1 - c) sqrt(2 c / N).
            chance = _CHANCE * (1 - common) * np.sqrt(2 * common / (band.sum() * _INDEPENDENT))
            share = np.where(known, (common - chance - (1 - noisy)) / np.maximum(noisy, _NOISE), -np.inf)
            y, x = np.unravel_index(share.argmax(), share.shape)
            step = edge // 2
            yield max(0.0, float(share[y, x])), int(y) * step + step, int(x) * step + step


def _windows(plane: npt.NDArray[Any], edge: int) -> npt.NDArray[Any]:
    """Return windows ``(rows, columns, edge, edge)`` that overlap by half."""
    step = edge // 2
    return np.lib.stride_tricks.sliding_window_view(plane, (edge, edge))[::step, ::step]
