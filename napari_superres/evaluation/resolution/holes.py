"""Leave pixels that are not finite out of spectra.

A hole that is filled with the mean has an outline, and two images with the same hole share it: they would agree in the
finest detail. Here, single pixels take the mean of their neighbours, and images fade to 0 around larger holes, which is
as soft as the window at their borders.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from napari_superres.core.invalid import REACH, fill
from napari_superres.errors import EvaluationError

Floats = npt.NDArray[np.float64]

_FADE = 16
"""Distance from a hole, in pixels, at which an image is whole again."""


def without_holes(*images: npt.NDArray[np.generic]) -> tuple[Floats, ...] | None:
    """Return images without the pixels at which any of them is not finite; None if no pixel is left.

    Parameters
    ----------
    images
        Arrays ``(Z)YX`` of one shape.

    Returns
    -------
    tuple of ndarray
        The images themselves where all pixels are finite; else with a mean of 0.
    """
    from scipy.ndimage import distance_transform_edt, minimum_filter

    values = tuple(np.asarray(image, np.float64) for image in images)
    valid = np.logical_and.reduce([np.isfinite(v) for v in values])
    if valid.all():
        return values
    if not valid.any():
        return None
    # Pixels without a valid one within reach of the fill are holes.
    hole = minimum_filter(~valid, 2 * REACH + 1, mode="nearest")
    weight = np.ones(valid.shape)
    if hole.any():
        away = np.minimum(np.asarray(distance_transform_edt(~hole)) / _FADE, 1.0)
        weight = 0.5 - 0.5 * np.cos(np.pi * away)
    if not weight.any():
        return None
    filled = [fill(np.where(valid, v, np.nan), float(v[valid].mean())) for v in values]
    return tuple((v - np.average(v, weights=weight)) * weight for v in filled)


def each_without_holes(groups: Iterable[tuple[npt.NDArray[np.generic], ...]]) -> Iterator[tuple[Floats, ...]]:
    """Yield each group of images as `without_holes` returns it; groups without a finite pixel are left out.

    Raises
    ------
    EvaluationError
        If no group has a finite pixel.
    """
    empty = True
    for group in groups:
        whole = without_holes(*group)
        if whole is not None:
            empty = False
            yield whole
    if empty:
        raise EvaluationError(
            "an image holds no finite pixel, so that nothing can be measured.",
            remedy="Choose another plane or channel.",
        )
