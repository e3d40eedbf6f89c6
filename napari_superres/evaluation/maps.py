"""Where a result differs from its reference: maps that lie on the result."""

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.evaluation.metrics import full_reference
from napari_superres.evaluation.metrics.conventions import ComparisonRules
from napari_superres.evaluation.metrics.score import intensity_limits
from napari_superres.evaluation.registration.match import MatchedPair, match


def difference_map(result: Image, reference: Image) -> Image:
    """Return ``result - reference`` in the intensity unit they share.

    Parameters
    ----------
    result, reference
        On one grid, as for `evaluate`. The difference of colour images is the mean over R, G and B.

    Returns
    -------
    Image
        float32, the result's axes without S, on the common part of its grid; nan where a pixel is not finite.

    Raises
    ------
    EvaluationError
        If the two do not lie on one grid.
    """
    pair = match(result, reference)
    with np.errstate(invalid="ignore"):  # infinite less infinite
        difference = np.asarray(pair.result.data, np.float64) - np.asarray(pair.reference.data, np.float64)
    difference = np.where(np.isfinite(difference), difference, np.nan)
    return _as_map(pair, _without_samples(difference, pair.result.axes))


def ssim_map(result: Image, reference: Image, *, data_range: str | float | None = None) -> Image:
    """Return the structural similarity around each pixel, per YX plane.

    Parameters
    ----------
    result, reference
        As in `difference_map`; at least 11 pixels along Y and X. Colour samples are averaged.
    data_range
        A number for all channels, or a policy as in `evaluate` (per channel; the reference's range by default).

    Returns
    -------
    Image
        float32, -1 to 1, as in `difference_map`.

    Raises
    ------
    EvaluationError
        If the two do not lie on one grid, are too small, or the reference has no range.
    """
    pair = match(result, reference)
    text = data_range if data_range is None or isinstance(data_range, str) else f"fixed:{float(data_range)!r}"
    limits = intensity_limits(pair.reference, ComparisonRules.parse("microscopy", text), None)
    axes = pair.result.axes
    a, b = np.asarray(pair.reference.data), np.asarray(pair.result.data)
    local = np.empty(a.shape, dtype=np.float64)
    outer = [1 if axis in "YX" else n for axis, n in zip(axes, a.shape, strict=True)]
    for where in np.ndindex(*outer):
        index = tuple(slice(None) if axis in "YX" else i for axis, i in zip(axes, where, strict=True))
        low, high = limits[where[axes.index("C")] if "C" in axes else 0]
        local[index] = full_reference.ssim_map(a[index], b[index], data_range=high - low)
    return _as_map(pair, _without_samples(local, axes))


def _without_samples(values: npt.NDArray[np.float64], axes: str) -> npt.NDArray[np.float64]:
    if "S" not in axes:
        return values
    at = axes.index("S")
    colours = np.take(values, range(3), axis=at)  # a fourth sample is alpha
    return np.asarray(colours.mean(axis=at))


def _as_map(pair: MatchedPair, values: npt.NDArray[np.float64]) -> Image:
    return pair.result.replace(data=values.astype(np.float32), axes=pair.result.axes.replace("S", ""), metadata={})
