"""Fourier ring correlation of one recording, split into interleaved halves.

The idea is that of Koho et al. 2019, doi:10.1038/s41467-019-11024-z: the pixels of even rows and columns and those of
odd ones are two recordings with noise of their own. The half pixel by which they lie apart, and their wider pixels,
are taken into account exactly, as a phase and as a pixel size, so that no calibration is needed. Detail finer than
four pixels cannot be seen so; where it is there, the answer is that there is no crossing.
"""

import numpy as np

from napari_superres.core.image import Image
from napari_superres.evaluation.resolution.frc import INDEPENDENT, RingCorrelation, Rings, energy, spectrum, unit_of
from napari_superres.evaluation.resolution.raw_check import UNVERIFIED, planes_of, recorded_problem, spectral_problem

# Starts along Y and X of the two halves, and the signs of the half pixel between them.
_DIAGONALS = (((0, 0), (1, 1), (1, 1)), ((0, 1), (1, 0), (1, -1)))


def single_image_correlation(image: Image, *, channel: int = 0) -> RingCorrelation:
    """Correlate the interleaved halves of one recording, frequency by frequency.

    Parameters
    ----------
    image
        Raw: neither denoised, nor interpolated, compressed, demosaiced, or a network's output. Its planes are taken
        together.
    channel
        Which one.

    Returns
    -------
    RingCorrelation
        Up to a quarter of a cycle per pixel; with a `problem` where the image is no raw recording.

    Raises
    ------
    EvaluationError
        If an axis is shorter than 32 pixels, there are colour samples, or values are not finite.
    """
    size = tuple(image.size(a) // 2 for a in "YX")
    spacing = [2 * image.pixel_size[image.spatial.index(a)] for a in "YX"]
    rings = Rings.of(size, spacing)
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])
    cross, power = np.zeros(len(rings.frequency)), np.zeros((2, len(rings.frequency)))
    for plane in planes_of(image, channel):
        for first, second, signs in _DIAGONALS:
            halves = [plane[y::2, x::2][: size[0], : size[1]] for y, x in (first, second)]
            fa, fb = (spectrum(v) for v in halves)
            fb = fb * np.exp(-1j * np.pi * (signs[0] * fy + signs[1] * fx))
            cross += rings.sum((fa * fb.conj()).real)
            power += [rings.sum(energy(f)) for f in (fa, fb)]
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.nan_to_num(cross / np.sqrt(power[0] * power[1]))
    problem = recorded_problem(image) or spectral_problem(planes_of(image, channel), image.dtype)
    return RingCorrelation(
        rings.frequency, correlation, rings.pixels * INDEPENDENT, unit_of(image), problem, UNVERIFIED
    )
