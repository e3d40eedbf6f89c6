"""Fourier ring correlation of one recording, split into interleaved halves.

After Koho et al. 2019, doi:10.1038/s41467-019-11024-z. The pixels of even rows and columns, and those of odd ones, are
two recordings with independent noise. The halves lie half a pixel apart and have pixels twice as large. Both facts are
taken into account exactly, as a phase and as a pixel size, so that no calibration is needed. Detail finer than four
pixels is out of reach: where it exists, the correlation does not cross the threshold.
"""

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.options import checks_names
from napari_superres.evaluation.registration.lengths import length_unit, pixel_sizes
from napari_superres.evaluation.resolution.frc import (
    INDEPENDENT_SHARE,
    FrequencyRings,
    RingCorrelation,
    squared_magnitude,
    windowed_spectrum,
)
from napari_superres.evaluation.resolution.raw_check import (
    ORIGIN_UNVERIFIED,
    iter_planes,
    provenance_problem,
    spectral_problem,
)

# First row and column of each half, and the signs of the half pixel between the halves.
_DIAGONALS = (((0, 0), (1, 1), (1, 1)), ((0, 1), (1, 0), (1, -1)))


@checks_names
def single_image_correlation(image: Image, *, channel: int = 0) -> RingCorrelation:
    """Measure the Fourier ring correlation of the interleaved halves of one recording.

    Parameters
    ----------
    image
        Raw recording: not denoised, interpolated, compressed or demosaiced, and not the output of a network. All planes
        of the channel contribute to one curve. Pixels that are not finite are left out.
    channel
        Index of the channel.

    Returns
    -------
    RingCorrelation
        Up to a quarter of a cycle per pixel. With a `problem` where the image is not a raw recording.

    Raises
    ------
    EvaluationError
        If an axis is shorter than 32 pixels, the image has colour samples or no such channel, or no pixel is finite.
    """
    shape = tuple(max(1, image.size(a) // 2) for a in "YX")  # images this small are refused below
    spacing = [2 * size for size in pixel_sizes(image, "YX")]
    rings = FrequencyRings.of_shape(shape, spacing)
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])
    cross, power = np.zeros(len(rings.frequency)), np.zeros((2, len(rings.frequency)))
    for plane in iter_planes(image, channel):
        for first, second, signs in _DIAGONALS:
            halves = [plane[y::2, x::2][: shape[0], : shape[1]] for y, x in (first, second)]
            spectrum_a, spectrum_b = (windowed_spectrum(half) for half in halves)
            spectrum_b = spectrum_b * np.exp(-1j * np.pi * (signs[0] * fy + signs[1] * fx))
            cross += rings.sum((spectrum_a * spectrum_b.conj()).real)
            power += [rings.sum(squared_magnitude(s)) for s in (spectrum_a, spectrum_b)]
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.nan_to_num(cross / np.sqrt(power[0] * power[1]))
    problem = provenance_problem(image) or spectral_problem(iter_planes(image, channel), image.dtype)
    count = rings.pixels * INDEPENDENT_SHARE
    return RingCorrelation(rings.frequency, correlation, count, length_unit(image), problem, ORIGIN_UNVERIFIED)
