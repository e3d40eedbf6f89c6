"""Full-reference metrics: plain arrays in, floats out, the data range always said.

Non-finite pixels of either array are left out; everything is computed in 64-bit floats.
"""

from math import inf, nan
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import EvaluationError
from napari_superres.evaluation.metrics import ssim as structure
from napari_superres.evaluation.metrics.ssim import Moments, pyramid

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def psnr(reference: Array, candidate: Array, *, data_range: float) -> float:
    """Return the peak signal-to-noise ratio, ``10 log10(data_range^2 / mean squared error)``.

    Parameters
    ----------
    reference, candidate
        Any shape, both the same.
    data_range
        Distance of the largest to the smallest intensity that could be, above 0.

    Returns
    -------
    float
        In dB; infinite for equal arrays, nan where no pixel is valid.

    Raises
    ------
    EvaluationError
        If shapes differ or `data_range` is not above 0.
    """
    from skimage.metrics import mean_squared_error

    _check_range(data_range)
    a, b = _valid(reference, candidate)
    if a.size == 0:
        return nan
    error = float(mean_squared_error(a, b))
    return inf if error == 0 else float(10 * np.log10(data_range**2 / error))


def ssim(reference: Array, candidate: Array, *, data_range: float) -> float:
    """Return the mean structural similarity with Wang's window (Wang et al. 2004, doi:10.1109/TIP.2003.819861).

    Parameters
    ----------
    reference, candidate
        ``(Z)YX``, the same shape, at least 11 pixels per axis.
    data_range
        As in `psnr`.

    Returns
    -------
    float
        -1 to 1; nan where every window holds a non-finite pixel.

    Raises
    ------
    EvaluationError
        As `psnr`; or if an axis is shorter than the window.

    Notes
    -----
    ``structural_similarity`` of scikit-image has another window by default (7 pixels, uniform).
    """
    _check_range(data_range)
    return Moments.of(reference, candidate).mean(data_range)


def ssim_map(reference: Array, candidate: Array, *, data_range: float) -> Floats:
    """Return the structural similarity around each pixel, borders mirrored; nan near non-finite pixels.

    Parameters and errors are those of `ssim`.
    """
    _check_range(data_range)
    return Moments.of(reference, candidate).map(data_range)


def ms_ssim(reference: Array, candidate: Array, *, data_range: float) -> float:
    """Return multi-scale structural similarity, 0 to 1; see `structure.ms_ssim`.

    nan below 176 pixels per axis. Parameters and errors are those of `ssim`.
    """
    _check_range(data_range)
    return structure.ms_ssim(pyramid(reference, candidate, Moments.of(reference, candidate)), data_range=data_range)


def nmi(reference: Array, candidate: Array) -> float:
    """Return normalised mutual information, 1 to 2, from 100 bins per array (Studholme et al. 1999).

    doi:10.1016/S0031-3203(98)00091-0. Any one-to-one change of intensities gives 2, inverted contrast too.
    nan where both are constant; shapes must be the same.
    """
    from skimage.metrics import normalized_mutual_information

    a, b = _valid(reference, candidate)
    vary = [v.size > 0 and np.ptp(v) > 1e-12 * np.abs(v).max() for v in (a, b)]
    if not all(vary):
        return 1.0 if any(vary) else nan
    return float(normalized_mutual_information(a, b, bins=100))


def hfen(reference: Array, candidate: Array) -> float:
    """Return the high-frequency error norm, that of a Laplacian of Gaussian over the reference's.

    Ravishankar, Bresler 2011, doi:10.1109/TMI.2010.2090538: 15 pixels, standard deviation 1.5; normalised; about
    the mean, so that an offset does not matter. Shapes must be the same.

    Returns
    -------
    float
        0 = equal edges, 1 = none; nan where the reference has none. Non-finite pixels are left out with a margin.
    """
    _check_shapes(reference, candidate)
    edges = [laplacian_of_gaussian(v) for v in (reference, candidate)]
    return relative_norm(*edges)


def laplacian_of_gaussian(values: Array) -> Floats:
    """Return what `hfen` compares; nan within 7 pixels of non-finite ones."""
    from scipy.ndimage import gaussian_laplace, maximum_filter

    filled = np.asarray(values, dtype=np.float64)
    bad = ~np.isfinite(filled)
    level = float(filled[~bad].mean()) if not bad.all() else 0.0
    filled = np.where(bad, 0.0, filled - level)
    # The truncated taps do not sum to 0: without the mean they make nothing of an offset.
    found = gaussian_laplace(filled, 1.5, truncate=4.5)
    return np.where(maximum_filter(bad, 15), nan, found) if bad.any() else np.asarray(found)


def relative_norm(true: Floats, found: Floats) -> float:
    """Return the norm of the difference over the norm of what is true, over pixels finite in both."""
    keep = np.isfinite(true) & np.isfinite(found)
    size = float(np.linalg.norm(true[keep]))
    return float(np.linalg.norm(true[keep] - found[keep])) / size if size > 0 else nan


def nrmse(reference: Array, candidate: Array) -> float:
    """Return the root mean squared error divided by the root mean square of the reference.

    Not symmetric. nan where the reference is zero everywhere or no pixel is valid; shapes must be the same.
    """
    from skimage.metrics import normalized_root_mse

    a, b = _valid(reference, candidate)
    return float(normalized_root_mse(a, b, normalization="euclidean")) if a.any() else nan


def mae(reference: Array, candidate: Array) -> float:
    """Return the mean absolute error, in the reference's intensity unit; shapes must be the same."""
    a, b = _valid(reference, candidate)
    return float(np.abs(a - b).mean()) if a.size else nan


def pearson(reference: Array, candidate: Array) -> float:
    """Return the correlation coefficient, -1 to 1; nan where an array is constant. Shapes must be the same."""
    a, b = _valid(reference, candidate)
    if a.size < 2:
        return nan
    a -= a.mean()
    b -= b.mean()
    # One norm at a time: their product under one root overflows earlier.
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.clip(a @ b / scale, -1.0, 1.0)) if scale > 0 else nan


def count_invalid(reference: Array, candidate: Array) -> int:
    """Return how many pixels are non-finite in either array and are therefore left out."""
    if reference.dtype.kind != "f" and candidate.dtype.kind != "f":
        return 0
    return int(np.count_nonzero(~(np.isfinite(reference) & np.isfinite(candidate))))


def _valid(reference: Array, candidate: Array) -> tuple[Floats, Floats]:
    _check_shapes(reference, candidate)
    a, b = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    keep = np.isfinite(a) & np.isfinite(b)
    return a[keep], b[keep]


def _check_shapes(reference: Array, candidate: Array) -> None:
    if reference.shape != candidate.shape:
        raise EvaluationError(f"the arrays must have one shape, got {reference.shape} and {candidate.shape}.")


def _check_range(data_range: float) -> None:
    if not (np.isfinite(data_range) and data_range > 0):
        raise EvaluationError(
            f"data_range must be finite and above 0, got {data_range}. "
            "A constant reference has no range of its own: give one as fixed:VALUE."
        )
