"""Blur and binning of a field, computed on its cosine spectrum.

A field that is mirrored at its borders is a sum of cosines. A symmetric blur scales each cosine. Binning scales and
aliases them. One cosine transform of a result therefore serves every width of the point-spread function.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_MAX_MISSING = 0.05
"""Largest share of a pixel's intensity that may come from where the result is not finite."""


Blur = float | Floats
"""Standard deviation of a Gaussian in pixels after binning, along axes that become coarser; or a kernel of fine pixels.

A kernel has an edge per axis of the field, odd, with its centre in the middle. It counts as mirrored along each axis:
that is what a sum of cosines keeps of it.
"""


def degrade_spectrum(spectrum: Floats, factor: Sequence[int], blur: Blur) -> Floats:
    """Return the cosine spectrum of a field after blur and binning.

    Parameters
    ----------
    spectrum
        Orthonormal cosine spectrum (DCT-II) of the fine field.
    factor
        Number of pixels that are averaged along each axis.
    blur
        The blur before.

    Returns
    -------
    ndarray
        Orthonormal cosine spectrum of the binned field; each axis is shorter by its factor.
    """
    sigma = 0.0
    if isinstance(blur, np.ndarray):
        spectrum = spectrum * _response(blur, spectrum.shape)
    else:
        sigma = blur
    for axis, m in enumerate(factor):
        if m > 1:
            angle = np.pi * np.arange(1, spectrum.shape[axis]) / spectrum.shape[axis]
            pixel = np.sin(m * angle / 2) / (m * np.sin(angle / 2))
            response = np.append(1.0, pixel * np.exp(-0.5 * (sigma * m * angle) ** 2)) / np.sqrt(m)
            spectrum = np.moveaxis(_alias(np.moveaxis(spectrum, axis, -1) * response, m), -1, axis)
    return spectrum


def degrade_field(spectrum: Floats, invalid: Floats | None, factor: Sequence[int], blur: Blur) -> Floats:
    """Return the pixels of a field after blur and binning.

    Parameters
    ----------
    spectrum
        As in `degrade_spectrum`.
    invalid
        Cosine spectrum of the mask of pixels that are not finite; None = all are finite.
    factor, blur
        As in `degrade_spectrum`.

    Returns
    -------
    ndarray
        nan where more than 5 % of the intensity would come from pixels that are not finite.
    """
    from scipy.fft import idctn

    field = np.asarray(idctn(degrade_spectrum(spectrum, factor, blur), norm="ortho"), np.float64)
    if invalid is None:
        return field
    missing = degrade_field(invalid, None, factor, blur)
    return np.where(missing > _MAX_MISSING, np.nan, field)


def _response(kernel: Floats, shape: Sequence[int]) -> Floats:
    """Return the factor of each cosine of a field of this shape."""
    for n in shape:  # each axis of the kernel becomes one of frequencies, and the last one
        offsets = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
        kernel = np.tensordot(kernel, np.cos(np.pi / n * np.outer(offsets, np.arange(n))), axes=(0, 0))
    return kernel


def _alias(spectrum: Floats, m: int) -> Floats:
    """Return the cosines along the last axis as they appear on a grid whose pixels are m times as large."""
    n = spectrum.shape[-1] // m
    low = spectrum[..., :n].copy()
    for part in range(1, m):
        piece = spectrum[..., part * n : (part + 1) * n] * (-1.0 if part % 4 in (1, 2) else 1.0)
        low[..., part % 2 :] += piece[..., :0:-1] if part % 2 else piece
    return low
