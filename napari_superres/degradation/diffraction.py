"""Diffraction at the aperture of a widefield or confocal microscope, for planes in focus.

Incoherent imaging through a circular pupil, scalar and paraxial: Born, Wolf: Principles of Optics, 7th ed., section
9.5, doi:10.1017/CBO9781139644181. A confocal microscope with a closed pinhole, whose excitation and detection have the
same wavelength, squares the point-spread function: Wilson, Sheppard: Theory and Practice of Scanning Optical
Microscopy, 1984, ISBN 0-12-757760-2. The Gaussian core of the widefield function has a sigma of 0.21 wavelength / NA,
the confocal one 0.71 of that (doi:10.1364/AO.46.001819).
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_GRID, _GRID_CUTOFF = 1024, 1 / 16
"""Pixels per axis, and widefield cutoff in cycles per pixel, on which the confocal transfer is computed."""


def transfer(frequency: npt.NDArray[Any] | float, cutoff: float, *, confocal: bool = False) -> Floats:
    """Return the modulation transfer: the contrast of a wave in the image, as a share of that in the object.

    Parameters
    ----------
    frequency
        Frequency of the wave, at least 0, in cycles per unit of length.
    cutoff
        Highest frequency that a widefield microscope transmits, 2 NA / wavelength. A confocal one transmits up to
        twice that.
    confocal
        Whether the microscope is confocal.

    Returns
    -------
    ndarray
        0 to 1, of the shape of `frequency`.
    """
    nu = np.asarray(frequency, dtype=np.float64) / cutoff
    if confocal:
        grid, values = _confocal()
        return np.interp(nu, grid, values, right=0.0)
    nu = nu.clip(max=1.0)
    return np.asarray(2 / np.pi * (np.arccos(nu) - nu * np.sqrt(1 - nu * nu)))


def diffract(
    values: npt.NDArray[Any],
    cutoff: float,
    *,
    spacing: Sequence[float] = (1.0, 1.0),
    confocal: bool = False,
    axes: tuple[int, int] = (-2, -1),
) -> Floats:
    """Return planes as a microscope images them. Borders are mirrored, so no light is lost.

    Parameters
    ----------
    values
        Any shape and real type.
    cutoff, confocal
        As in `transfer`.
    spacing
        Pixel size along both axes, in the unit of length of `cutoff`.
    axes
        The two axes of the planes.
    """
    from scipy import fft

    wide = np.moveaxis(np.asarray(values, dtype=np.float64), axes, (-2, -1))
    # A cosine transform mirrors the borders: its waves are those that fit between two mirrors.
    fy, fx = (np.arange(n) / (2 * n * s) for n, s in zip(wide.shape[-2:], spacing, strict=True))
    waves = fft.dctn(wide, axes=(-2, -1)) * transfer(np.hypot(fy[:, None], fx), cutoff, confocal=confocal)
    return np.moveaxis(fft.idctn(waves, axes=(-2, -1)), (-2, -1), axes)


@cache
def _confocal() -> tuple[Floats, Floats]:
    """Return frequencies in units of the widefield cutoff, and the confocal transfer at each."""
    frequency = np.fft.fftfreq(_GRID)
    spread = np.fft.fft2(transfer(np.hypot(frequency[:, None], frequency), _GRID_CUTOFF)).real
    line = np.fft.fft2(spread**2).real[0, : int(2 * _GRID * _GRID_CUTOFF) + 1]
    return np.arange(len(line)) / (_GRID * _GRID_CUTOFF), line / line[0]
