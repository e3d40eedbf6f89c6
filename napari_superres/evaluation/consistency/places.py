"""The place where a result differs most from its input or its reference, at any size from a pixel to a wide haze.

Differences are measured in units of what the interpolated input leaves there. Interpolation invents nothing, and is
wrong where there is structure: a result that is much more wrong at some place shows something else than the sample.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.evaluation.consistency.check import Consistency
from napari_superres.evaluation.consistency.field_pair import read_field

Floats = npt.NDArray[np.float64]

_EDGES_OF_INPUT = (1, 3, 5, 9, 17)
_EDGES_OF_RESULT = (3, 5, 9, 17, 33)
"""Edges in pixels of the squares over which differences are averaged."""

_TOLERANCE = 2.0
"""Multiple of the difference that interpolation leaves nearby, which a sound result may have."""

_ACCURACY, _OFFSET = 0.03, 0.01
"""Shares of the local brightness, and of the contrast of the image, by which intensities may be wrong."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image differs most from another.

    Attributes
    ----------
    score
        Difference, averaged over a square, over that which a sound result may have.
    difference
        The same in the intensity unit of the images, or in standard deviations of the input's noise. Above 0, the
        result is the brighter one.
    edge
        Edge of the square in pixels.
    index
        Pixel in its middle, by the letters of the axes of the images that were compared.
    position
        The same in words; empty until it is known which result they are of.
    """

    score: float
    difference: float
    edge: int
    index: Mapping[str, int]
    position: str = ""


def denied_by_input(found: Consistency, base: Consistency, lr: Image) -> Place | None:
    """Return the place that the input denies most; None where the noise of the input cannot be measured.

    Parameters
    ----------
    found, base
        The result, and the interpolated input, each compared with the input.
    lr
        The input: one channel, over the field of both residuals.
    """
    if found.noise is None or base.noise is None or found.residual.shape != base.residual.shape:
        return None
    values = read_field(lr, tuple(slice(None) for _ in lr.axes), {})
    if values.shape != found.residual.shape:
        return None
    slope, constant = found.noise
    sigma = np.sqrt(np.maximum(slope * values + constant, 1e-12))
    tolerated = _tolerated(values) / sigma
    ours, usual = (np.asarray(i.residual.data, np.float64) for i in (found, base))
    return _worst(ours, usual, tolerated, found.residual.axes, _EDGES_OF_INPUT, noise=1.0)


def denied_by_reference(result: Image, base: Image, reference: Image) -> Place | None:
    """Return the place where a result is most wrong; None in an image that is too small.

    Parameters
    ----------
    result, base, reference
        Images of one channel on one grid.
    """
    values, low, truth = (np.asarray(i.data, np.float64) for i in (result, base, reference))
    return _worst(values - truth, low - truth, _tolerated(truth), result.axes, _EDGES_OF_RESULT, noise=None)


def _worst(
    found: Floats, usual: Floats, tolerated: Floats, axes: str, edges: tuple[int, ...], noise: float | None
) -> Place | None:
    best = None
    for edge in edges:
        if 3 * edge > min(found.shape[-2:]):
            continue
        for index, difference, allowed in _squares((found, usual, tolerated), edge, noise):
            score = np.abs(difference) / np.sqrt(allowed)
            at = np.unravel_index(score.argmax(), score.shape)
            if best is None or score[at] > best.score:
                middle = dict(zip(axes, (*index, *(int(i) for i in at)), strict=True))
                best = Place(float(score[at]), float(difference[at]), edge, middle)
    return best


def _squares(
    images: tuple[Floats, Floats, Floats], edge: int, noise: float | None
) -> Iterator[tuple[tuple[int, ...], Floats, Floats]]:
    """Yield for each plane its index, the difference around each pixel, and the square of what is allowed there."""
    from scipy.ndimage import gaussian_filter, uniform_filter

    found, usual, tolerated = (np.nan_to_num(values, posinf=0, neginf=0) for values in images)
    # Differences in deviations of noise are summed, so that the mean of many counts for more.
    weight = 1.0 if noise is None else float(edge)
    means = {i: uniform_filter(usual[i], edge) * weight for i in np.ndindex(*usual.shape[:-2])}
    floor = noise if noise is not None else _TOLERANCE**2 * float(np.median(np.square(list(means.values()))))
    floor = max(floor, 1e-20 * float(np.abs(tolerated).max()) ** 2, 1e-300)
    for index, usually in means.items():
        nearby = gaussian_filter(usually**2, max(edge, 3 if noise is None else 2))
        allowed = floor + _TOLERANCE**2 * nearby
        allowed += (weight * uniform_filter(tolerated[index], edge)) ** 2
        yield tuple(int(i) for i in index), uniform_filter(found[index], edge) * weight, allowed


def _tolerated(values: Floats) -> Floats:
    """Return by how much intensities may be wrong at each pixel."""
    from scipy.ndimage import gaussian_filter

    low, high = (float(v) for v in np.nanpercentile(values, [1, 99.9]))
    smooth = gaussian_filter(np.nan_to_num(values, nan=low), [0.0] * (values.ndim - 2) + [1.0, 1.0])
    return np.asarray(_ACCURACY * np.maximum(smooth - low, 0) + _OFFSET * (high - low))
