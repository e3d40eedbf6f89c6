"""Full-reference metrics: two arrays in, one number out.

Pixels that are not finite in both arrays are left out. Everything is computed in 64-bit floats. Metrics that depend on
a data range require one, because a default would change the number silently.
"""

from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.options import checks_names
from napari_superres.core.units import peak_to_error_db
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.metrics.ssim import LocalMoments, combine_scales, moments_pyramid

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


@checks_names
def psnr(reference: Array, candidate: Array, *, data_range: float) -> float:
    """Return the peak signal-to-noise ratio, ``10 log10(data_range^2 / mean squared error)``.

    Parameters
    ----------
    reference, candidate
        Arrays of any shape, the same for both.
    data_range
        Difference between the largest and the smallest possible intensity, above 0.

    Returns
    -------
    float
        In dB; infinite for equal arrays, nan where no pixel is finite in both.

    Raises
    ------
    EvaluationError
        If the shapes differ or `data_range` is not above 0.

    Notes
    -----
    Defined in Huynh-Thu, Ghanbari 2008, doi:10.1049/el:20080522. Do not compare values of different data ranges.
    """
    from skimage.metrics import mean_squared_error

    _check_range(data_range)
    a, b = _finite_pixels(reference, candidate)
    if a.size == 0:
        return nan
    return peak_to_error_db(data_range, float(mean_squared_error(a, b)))


@checks_names
def ssim(reference: Array, candidate: Array, *, data_range: float) -> float:
    """Return the mean structural similarity (SSIM).

    Wang et al. 2004, doi:10.1109/TIP.2003.819861, with the Gaussian window of that paper.

    Parameters
    ----------
    reference, candidate
        Arrays ``(Z)YX`` of the same shape, at least 11 pixels per axis.
    data_range
        Difference between the largest and the smallest possible intensity, above 0.

    Returns
    -------
    float
        -1 to 1, and 1 for equal arrays; nan where every window holds a pixel that is not finite.

    Raises
    ------
    EvaluationError
        If the shapes differ, an axis is shorter than the window, or `data_range` is not above 0.

    Notes
    -----
    ``skimage.metrics.structural_similarity`` uses a uniform window of 7 pixels by default and gives other values.
    """
    _check_range(data_range)
    return LocalMoments.between(reference, candidate).mean_ssim(data_range)


@checks_names
def ssim_map(reference: Array, candidate: Array, *, data_range: float) -> Floats:
    """Return the structural similarity around each pixel.

    Parameters
    ----------
    reference, candidate, data_range
        As in `ssim`.

    Returns
    -------
    ndarray
        Same shape as the input, -1 to 1. The image is mirrored at its borders. Pixels within 5 pixels of one that is
        not finite are nan.

    Raises
    ------
    EvaluationError
        As in `ssim`.
    """
    _check_range(data_range)
    return LocalMoments.between(reference, candidate).ssim_map(data_range)


@checks_names
def ms_ssim(reference: Array, candidate: Array, *, data_range: float) -> float:
    """Return the multi-scale structural similarity (MS-SSIM).

    Wang, Simoncelli, Bovik 2003, doi:10.1109/ACSSC.2003.1292216, over five scales.

    Parameters
    ----------
    reference, candidate, data_range
        As in `ssim`.

    Returns
    -------
    float
        0 to 1; nan below 176 pixels per axis.

    Raises
    ------
    EvaluationError
        As in `ssim`.

    Notes
    -----
    A scale whose structure is inverted counts as 0, because a negative number has no real power.
    """
    _check_range(data_range)
    scales = moments_pyramid(reference, candidate, LocalMoments.between(reference, candidate))
    return combine_scales(scales, data_range=data_range)


def nmi(reference: Array, candidate: Array) -> float:
    """Return the normalised mutual information, from 100 histogram bins per array.

    Studholme, Hill, Hawkes 1999, doi:10.1016/S0031-3203(98)00091-0.

    Parameters
    ----------
    reference, candidate
        Arrays of any shape, the same for both.

    Returns
    -------
    float
        1 (independent) to 2 (one determines the other); 1 where one array is constant, nan where both are.

    Raises
    ------
    EvaluationError
        If the shapes differ.

    Notes
    -----
    Any one-to-one change of intensities gives 2. Inverted contrast therefore goes unnoticed.
    """
    from skimage.metrics import normalized_mutual_information

    a, b = _finite_pixels(reference, candidate)
    vary = [v.size > 0 and np.ptp(v) > 1e-12 * np.abs(v).max() for v in (a, b)]
    if not all(vary):
        return 1.0 if any(vary) else nan
    return float(normalized_mutual_information(a, b, bins=100))


def hfen(reference: Array, candidate: Array) -> float:
    """Return the high-frequency error norm (HFEN): how far the edges of two images differ.

    Both images are filtered by a Laplacian of Gaussian of 15 pixels and standard deviation 1.5. The norm of the
    difference is divided by the norm of the filtered reference (Ravishankar, Bresler 2011,
    doi:10.1109/TMI.2010.2090538).

    Parameters
    ----------
    reference, candidate
        Arrays ``(Z)YX`` of the same shape.

    Returns
    -------
    float
        0 for equal edges, 1 for a candidate without edges, not bounded above; nan where the reference has no edges.

    Raises
    ------
    EvaluationError
        If the shapes differ.

    Notes
    -----
    An offset does not change the value. Pixels within 7 pixels of one that is not finite are left out.
    """
    _check_shapes(reference, candidate)
    return relative_difference(laplacian_of_gaussian(reference), laplacian_of_gaussian(candidate))


def laplacian_of_gaussian(values: Array) -> Floats:
    """Return the edges that `hfen` compares; nan within 7 pixels of a pixel that is not finite."""
    from scipy.ndimage import gaussian_laplace, maximum_filter

    filled = np.asarray(values, dtype=np.float64)
    bad = ~np.isfinite(filled)
    level = float(filled[~bad].mean()) if not bad.all() else 0.0
    # The truncated taps do not sum exactly to 0. Without its mean, an offset of the image has no effect.
    filled = np.where(bad, 0.0, filled - level)
    edges = gaussian_laplace(filled, 1.5, truncate=4.5)
    return np.where(maximum_filter(bad, 15), nan, edges) if bad.any() else np.asarray(edges)


def relative_difference(reference: Floats, candidate: Floats) -> float:
    """Return the norm of the difference over the norm of the reference, over pixels finite in both."""
    keep = np.isfinite(reference) & np.isfinite(candidate)
    size = float(np.linalg.norm(reference[keep]))
    return float(np.linalg.norm(reference[keep] - candidate[keep])) / size if size > 0 else nan


def nrmse(reference: Array, candidate: Array) -> float:
    """Return the root-mean-square error divided by the root mean square of the reference.

    Parameters
    ----------
    reference, candidate
        Arrays of any shape, the same for both.

    Returns
    -------
    float
        0 for equal arrays, not bounded above; nan where the reference is 0 everywhere or no pixel is finite in both.

    Raises
    ------
    EvaluationError
        If the shapes differ.

    Notes
    -----
    This is the ``"euclidean"`` normalisation of ``skimage.metrics.normalized_root_mse``. Exchanging the two images
    changes the value.
    """
    from skimage.metrics import normalized_root_mse

    a, b = _finite_pixels(reference, candidate)
    return float(normalized_root_mse(a, b, normalization="euclidean")) if a.any() else nan


def mae(reference: Array, candidate: Array) -> float:
    """Return the mean absolute error.

    Parameters
    ----------
    reference, candidate
        Arrays of any shape, the same for both.

    Returns
    -------
    float
        In the intensity unit of the reference, at least 0; nan where no pixel is finite in both.

    Raises
    ------
    EvaluationError
        If the shapes differ.
    """
    a, b = _finite_pixels(reference, candidate)
    return float(np.abs(a - b).mean()) if a.size else nan


def pearson(reference: Array, candidate: Array) -> float:
    """Return Pearson's correlation coefficient.

    Parameters
    ----------
    reference, candidate
        Arrays of any shape, the same for both.

    Returns
    -------
    float
        -1 to 1; nan where an array is constant.

    Raises
    ------
    EvaluationError
        If the shapes differ.
    """
    a, b = _finite_pixels(reference, candidate)
    if a.size < 2:
        return nan
    a -= a.mean()
    b -= b.mean()
    # The product of the norms overflows later than the root of the product of the powers.
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.clip(a @ b / scale, -1.0, 1.0)) if scale > 0 else nan


def count_invalid(reference: Array, candidate: Array) -> int:
    """Return the number of pixels that are left out because either array is not finite there."""
    if reference.dtype.kind != "f" and candidate.dtype.kind != "f":
        return 0
    return int(np.count_nonzero(~(np.isfinite(reference) & np.isfinite(candidate))))


def _finite_pixels(reference: Array, candidate: Array) -> tuple[Floats, Floats]:
    """Return the pixels that are finite in both arrays, as 64-bit floats in one dimension."""
    _check_shapes(reference, candidate)
    a, b = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    keep = np.isfinite(a) & np.isfinite(b)
    return a[keep], b[keep]


def _check_shapes(reference: Array, candidate: Array) -> None:
    if reference.shape != candidate.shape:
        raise EvaluationError(
            f"both arrays must have one shape, got {reference.shape} and {candidate.shape}.",
            remedy="Crop or resample one of them to the shape of the other.",
        )


def _check_range(data_range: float) -> None:
    if not (np.isfinite(data_range) and data_range > 0):
        raise EvaluationError(
            f"data_range must be finite and above 0, got {data_range}; a constant reference has no range of its own.",
            remedy="Give a number above 0; in `evaluate()`, use `data_range='fixed:VALUE'`.",
        )
