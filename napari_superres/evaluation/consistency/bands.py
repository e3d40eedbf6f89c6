"""Spectral energy of a result, band by band, and the share of it that its input does not show."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np
import numpy.typing as npt

from napari_superres.evaluation.consistency.spectral_degradation import Blur, degrade_spectrum

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Band:
    """A band of spatial frequencies of a result.

    Attributes
    ----------
    low, high
        Limits in cycles per pixel of the result, 0 to 0.5. The frequency of a cosine is the highest of those along the
        axes that became finer.
    energy
        Share of the spectral energy of the result, without its mean.
    invented
        Share of the energy of this band that the input does not show: the energy of the result minus its own degraded
        copy (interpolated by zero padding). Detail that a deconvolution restores counts as well. 1 beyond the Nyquist
        frequency of the input; nan for an empty band.
    """

    low: float
    high: float
    energy: float
    invented: float


def band_energies(spectrum: Floats, factor: Sequence[int], blur: Blur) -> Floats:
    """Return the energies of each band of a cosine spectrum.

    Parameters
    ----------
    spectrum, factor, blur
        As in `degrade_spectrum`.

    Returns
    -------
    ndarray
        ``(3, bands)``: energy of the result, energy that its degraded copy lacks, and energy beyond the Nyquist
        frequency of the input.
    """
    spectrum = spectrum.copy()
    spectrum.flat[0] = 0.0  # This coefficient is the mean.
    low = degrade_spectrum(spectrum, factor, blur)
    inner = tuple(slice(0, n) for n in low.shape)
    lacking, beyond = spectrum.copy(), spectrum.copy()
    lacking[inner] -= low * np.sqrt(prod(factor))
    beyond[inner] = 0.0
    # With this number of bands, the Nyquist frequency of the input is the edge of a band.
    count = max(factor) * max(1, round(8 / max(factor)))
    orders = np.ogrid[tuple(slice(0, n) for n in spectrum.shape)]
    bands = [k * count // n for k, n, m in zip(orders, spectrum.shape, factor, strict=True) if m > 1]
    band = np.broadcast_to(np.max(np.broadcast_arrays(*bands), axis=0), spectrum.shape).ravel()
    return np.stack([np.bincount(band, part.ravel() ** 2, count) for part in (spectrum, lacking, beyond)])


def to_bands(energy: Floats, lacking: Floats) -> tuple[Band, ...]:
    """Return bands from their energies and from the energies that the degraded copy lacks."""
    edges = np.linspace(0, 0.5, len(energy) + 1).tolist()
    shares = energy / energy.sum()
    invented = np.divide(lacking, energy, out=np.full_like(lacking, np.nan), where=energy > 0)
    return tuple(
        Band(*ends, float(share), float(part))
        for ends, share, part in zip(pairwise(edges), shares, invented, strict=True)
    )
