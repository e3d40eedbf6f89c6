"""Find spots, nuclei and filaments with plain methods of scikit-image, the same ones in every image of a comparison.

The methods are simple on purpose. What counts is that input, result and reference are treated alike: a difference
between their objects then comes from the images. They work on planes and volumes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gamma, pi, sqrt
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_superres.errors import EvaluationError, SettingsError

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]
Kind = Literal["spots", "nuclei", "filaments"]

KINDS: tuple[Kind, ...] = ("spots", "nuclei", "filaments")

MATCH_IOU: dict[Kind, float] = {"spots": 0.2, "nuclei": 0.5, "filaments": 0.3}
"""Least intersection over union of an object with its partner. Small objects are off by a pixel at once."""

_SCALES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Standard deviations, in pixels, among which the size of spots and filaments is looked for."""

_NOISE = 6.0
"""Standard deviations of the background's response above which a spot or filament is seen."""

_CONTRAST = 6.0
"""Least contrast of nuclei, in standard deviations of the background after smoothing. Noise cut in two reaches 5."""

_SMALLEST = 0.1
"""Least size of a nucleus or piece of filament, as a share of a typical one."""

_FAINTEST = 0.15
"""Least response to a filament, as a share of that to the brightest ones: the rest is their own side lobes."""

_MAD = 1.4826


@dataclass(frozen=True, slots=True)
class Detector:
    """A kind of objects and their size.

    Attributes
    ----------
    kind
        Bright round spots, nuclei, or filaments.
    diameter
        Of a typical object, or the width of a filament, in pixels along each axis ``(Z)YX``. Above 1.
    """

    kind: Kind
    diameter: tuple[float, ...]

    def __post_init__(self) -> None:
        check_kind(self.kind)
        if not all(1 <= d < np.inf for d in self.diameter):
            widths = ", ".join(f"{d:.3g}" for d in self.diameter)
            raise SettingsError(
                f"an object must be at least one pixel wide, got {widths} pixels.",
                remedy="Give its diameter as `object_size`, in the unit of the image.",
            )

    def on_grid(self, factors: Sequence[int]) -> "Detector":
        """Return the detector for pixels that are larger by a factor along each axis."""
        return replace(self, diameter=tuple(max(d / f, 1.0) for d, f in zip(self.diameter, factors, strict=True)))

    def find(self, values: npt.NDArray[Any]) -> Labels:
        """Return the objects of an image.

        Parameters
        ----------
        values
            ``(Z)YX``, bright objects on a dark background. Pixels that are not finite belong to no object.

        Returns
        -------
        ndarray of int32
            1, 2, ... in the pixels of each object, 0 in the background.
        """
        array = np.asarray(values, dtype=np.float64)
        finite = np.isfinite(array)
        if not finite.any() or np.ptp(array[finite]) == 0:
            return np.zeros(array.shape, np.int32)
        filled = np.where(finite, array, np.median(array[finite]))
        labels = {"spots": _spots, "nuclei": _nuclei, "filaments": _filaments}[self.kind](filled, self.diameter)
        return np.asarray(np.where(finite, labels, 0), np.int32)


def check_kind(kind: str) -> Kind:
    """Return a kind of objects if it is known.

    Raises
    ------
    SettingsError
        If it is not one of `KINDS`.
    """
    for known in KINDS:
        if kind == known:
            return known
    raise SettingsError(f"unknown kind of objects {kind!r}.", remedy=f"Valid kinds: {', '.join(KINDS)}.")


def measure_diameter(values: npt.NDArray[Any], kind: Kind, steps: Sequence[float]) -> tuple[float, ...]:
    """Return the size of the objects of an image, in pixels along each axis.

    Spots and filaments have the size at which a Laplacian of Gaussian responds most; nuclei the median diameter of
    what is brighter than Otsu's threshold.

    Parameters
    ----------
    values
        ``(Z)YX``.
    kind
        Of objects.
    steps
        Size of a pixel along each axis, in units of that along X.

    Raises
    ------
    EvaluationError
        If nothing is found.
    """
    from scipy.ndimage import gaussian_laplace

    array = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(array)
    array = np.where(finite, array, np.median(array[finite]) if finite.any() else 0.0)
    ndim = array.ndim
    if kind == "nuclei":
        found = Detector("nuclei", tuple(5.0 / s for s in steps)).find(array) if np.ptp(array) > 0 else np.zeros(1, int)
        return label_diameter(found, steps)
    power = 2 if kind == "spots" else 1.5  # of a line, a Laplacian normalised by 2 responds most at larger scales
    response = [np.percentile(-(s**power) * gaussian_laplace(array, [s / t for t in steps]), 99.9) for s in _SCALES]
    sigma = _SCALES[int(np.argmax(response))]
    width = 2 * sigma * (sqrt(ndim) if kind == "spots" else sqrt(ndim - 1))
    return tuple(max(width / s, 1.0) for s in steps)


def label_diameter(labels: npt.NDArray[np.integer[Any]], steps: Sequence[float]) -> tuple[float, ...]:
    """Return the median diameter of discs or balls of the objects' sizes, in pixels along each axis.

    Raises
    ------
    EvaluationError
        If there is no object.
    """
    sizes = np.bincount(labels.ravel())[1:]
    if not (sizes := sizes[sizes > 0]).size:
        raise EvaluationError(
            "no object was found, so their size is not known.", remedy="Give their diameter as `object_size`."
        )
    ndim = labels.ndim
    unit_ball = pi ** (ndim / 2) / gamma(ndim / 2 + 1)
    diameter = 2 * (float(np.median(sizes)) * float(np.prod(steps)) / unit_ball) ** (1 / ndim)
    return tuple(max(diameter / s, 1.0) for s in steps)


def _spots(values: Floats, diameter: Sequence[float]) -> Labels:
    """Return discs around the maxima of a Laplacian of Gaussian that rise above its noise."""
    from scipy.ndimage import distance_transform_edt, gaussian_laplace
    from skimage.feature import peak_local_max

    sigma = [d / (2 * sqrt(values.ndim)) for d in diameter]
    response = -gaussian_laplace(values, sigma)
    peaks = peak_local_max(
        response, min_distance=max(1, round(min(diameter) / 2)), threshold_abs=_NOISE * _noise(response)
    )
    seeds = np.zeros(values.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    if not len(peaks):
        return seeds
    distance, nearest = distance_transform_edt(seeds == 0, sampling=[1 / d for d in diameter], return_indices=True)
    return np.asarray(np.where(distance <= 0.5, seeds[tuple(nearest)], 0), np.int32)


def _nuclei(values: Floats, diameter: Sequence[float]) -> Labels:
    """Return what is brighter than Otsu's threshold, cut where two touch by the watershed of the distance."""
    from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, label
    from skimage.feature import peak_local_max
    from skimage.filters import threshold_otsu
    from skimage.segmentation import watershed

    smooth = gaussian_filter(values, [d / 12 for d in diameter])
    limit = threshold_otsu(smooth)
    bright = smooth > limit
    dark = smooth[~bright]
    if not bright.any() or smooth[bright].mean() - np.median(dark) < _CONTRAST * _MAD * _deviation(dark):
        return np.zeros(values.shape, np.int32)
    filled = binary_fill_holes(bright)
    distance = gaussian_filter(
        distance_transform_edt(filled, sampling=[1 / d for d in diameter]), [d / 12 for d in diameter]
    )
    reach = max(1, round(min(diameter) / 3))
    peaks = peak_local_max(distance, min_distance=reach, labels=label(filled)[0], exclude_border=False)
    seeds = np.zeros(values.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    ball = pi ** (values.ndim / 2) / gamma(values.ndim / 2 + 1) * np.prod([d / 2 for d in diameter])
    return _without_small(watershed(-distance, seeds, mask=filled), _SMALLEST * float(ball))


def _filaments(values: Floats, diameter: Sequence[float]) -> Labels:
    """Return the ridges of an image, cut where their middle lines meet."""
    from scipy.ndimage import convolve, distance_transform_edt, label
    from skimage.feature import hessian_matrix, hessian_matrix_eigvals
    from skimage.morphology import skeletonize

    sigma = [d / (2 * sqrt(max(values.ndim - 1, 1))) for d in diameter]
    hessian = hessian_matrix(values, sigma=sigma, order="rc", use_gaussian_derivatives=False)
    response = -hessian_matrix_eigvals(hessian)[-1]
    everywhere = np.ones((3,) * values.ndim)
    limit = max(_NOISE * _noise(response), _FAINTEST * float(np.percentile(response, 99.5)))
    middle = skeletonize(response > limit) > 0
    neighbours = convolve(middle.astype(int), everywhere.astype(int), mode="constant") - 1
    pieces, _ = label(middle & (neighbours <= 2), everywhere)
    pieces = _without_small(pieces, max(2.0, 1.5 * max(diameter)))
    if not pieces.any():
        return pieces
    distance, nearest = distance_transform_edt(pieces == 0, sampling=[1 / d for d in diameter], return_indices=True)
    return np.asarray(np.where(distance <= 0.5, pieces[tuple(nearest)], 0), np.int32)


def _without_small(labels: npt.NDArray[Any], least: float) -> Labels:
    """Return the objects of at least so many pixels, numbered without gaps."""
    sizes = np.bincount(labels.ravel())
    kept = sizes >= least
    kept[0] = False
    return np.asarray(np.where(kept, np.cumsum(kept), 0)[labels], np.int32)


def _noise(response: Floats) -> float:
    """Return the standard deviation of a filter's response where there is nothing."""
    return max(_MAD * _deviation(response), 1e-6 * float(np.ptp(response)), 1e-300)


def _deviation(values: Floats) -> float:
    return float(np.median(np.abs(values - np.median(values))))
