"""How much of the detail that a result shows beyond its input is confirmed by a reference."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.evaluation.registration.lengths import pixel_sizes
from napari_superres.evaluation.resolution.frc import FrequencyRings, squared_magnitude, windowed_spectrum
from napari_superres.evaluation.resolution.holes import each_without_holes

_BANDS = 4
"""Number of bands of equal width between the input's Nyquist frequency and that of the result."""

_MIN_BAND = 0.1
"""Share of the added detail below which a band is not judged."""


@dataclass(frozen=True, slots=True)
class SharedDetail:
    """Detail of a result beyond the Nyquist frequency of its input, compared with that of the reference.

    Attributes
    ----------
    share
        Share of the result's spectral power that lies there, without its mean.
    correlation
        Correlation with the reference there, -1 to 1. Noise of the reference lowers it.
    confirmed
        Share of that power which the reference confirms: the regression of the reference on the result. 1 if all added
        detail is in the reference too, 0 if it is invented, below 0.5 if leaving it out would bring the result closer
        to the reference; above 1 if the added detail is too weak. Noise and further detail of the reference do not
        change it. Of four bands between the two Nyquist frequencies, the one that is confirmed least, among those with
        a tenth of the power at least.
    """

    share: float
    correlation: float
    confirmed: float


def shared_detail(result: Image, reference: Image, factor: float, *, channel: int = 0) -> SharedDetail | None:
    """Compare the detail that a result shows beyond its input with that of a reference.

    Parameters
    ----------
    result, reference
        Images with the same axes, shape and grid, without colour samples. All planes of the channel contribute; pixels
        that are not finite in both are left out.
    factor
        Pixel size of the input, in pixels of the result along its coarsest axis of Y and X.
    channel
        Index of the channel.

    Returns
    -------
    SharedDetail or None
        None if either image has no power there.

    Raises
    ------
    EvaluationError
        If no pixel is finite in both.
    """
    spacing = pixel_sizes(result, "YX")
    rings = FrequencyRings.of_shape([result.size(a) for a in "YX"], spacing)
    limit = 0.5 / (factor * max(spacing))
    cross, power = np.zeros(len(rings.frequency)), np.zeros((2, len(rings.frequency)))
    pairs = zip(_planes(result, channel), _planes(reference, channel), strict=True)
    for mine, other in each_without_holes(pairs):
        spectra = windowed_spectrum(mine), windowed_spectrum(other)
        cross += rings.sum((spectra[0] * spectra[1].conj()).real)
        power += [rings.sum(squared_magnitude(s)) for s in spectra]
    beyond = rings.frequency > limit * (1 + 1e-6)
    total, added, theirs = power[0].sum(), power[0, beyond].sum(), power[1, beyond].sum()
    if not (total > 0 and added > 0 and theirs > 0):
        return None
    place = (rings.frequency[beyond] - limit) / (rings.frequency[-1] - limit)
    band = np.minimum((place * _BANDS).astype(int), _BANDS - 1)
    confirmed, amount = (np.bincount(band, v[beyond], _BANDS) for v in (cross, power[0]))
    judged = amount >= _MIN_BAND * added
    return SharedDetail(
        share=float(added / total),
        correlation=float(cross[beyond].sum() / np.sqrt(added * theirs)),
        confirmed=float((confirmed[judged] / amount[judged]).min()),
    )


def _planes(image: Image, channel: int) -> npt.NDArray[np.generic]:
    """Return the planes ``(P, Y, X)`` of a channel."""
    data, axes = np.asarray(image.data), image.axes
    if "C" in axes:
        data, axes = np.take(data, channel, axis=axes.index("C")), axes.replace("C", "")
    values = np.moveaxis(data, [axes.index(a) for a in "YX"], (-2, -1))
    return values.reshape(-1, *values.shape[-2:])
