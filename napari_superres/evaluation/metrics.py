"""Full-reference metrics: plain arrays in, floats out, the data range always said.

Non-finite pixels of either array are left out; everything is computed in 64-bit floats.
"""

from math import inf, nan
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import EvaluationError

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

SSIM_WINDOW = 11
"""Taps of Wang's Gaussian window: standard deviation 1.5, cut at 3.5 of them."""


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
    """Return the mean structural similarity with Wang's window.

    Gaussian window of 11 pixels per axis, standard deviation 1.5, K1 = 0.01, K2 = 0.03,
    population covariance; windows that reach over the border are left out
    (Wang et al. 2004, doi:10.1109/TIP.2003.819861).

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
    _check_window(reference)
    edge = (SSIM_WINDOW - 1) // 2
    inside = ssim_map(reference, candidate, data_range=data_range)[(slice(edge, -edge),) * reference.ndim]
    inside = inside[np.isfinite(inside)]
    return float(inside.mean()) if inside.size else nan


def ssim_map(reference: Array, candidate: Array, *, data_range: float) -> Floats:
    """Return the structural similarity around each pixel, borders mirrored; nan near non-finite pixels.

    Parameters and errors are those of `ssim`.
    """
    from scipy.ndimage import maximum_filter
    from skimage.metrics import structural_similarity

    _check_shapes(reference, candidate)
    _check_range(data_range)
    _check_window(reference)
    a, b = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    valid = np.isfinite(a) & np.isfinite(b)
    if not valid.all():
        a, b = np.where(valid, a, 0.0), np.where(valid, b, 0.0)
    _, local = structural_similarity(
        a, b, data_range=data_range, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    if not valid.all():
        local[maximum_filter(~valid, SSIM_WINDOW, mode="reflect")] = nan
    return np.asarray(local, dtype=np.float64)


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
    a, b = a - a.mean(), b - b.mean()
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


def _check_window(reference: Array) -> None:
    if min(reference.shape) < SSIM_WINDOW:
        raise EvaluationError(f"SSIM needs at least {SSIM_WINDOW} pixels per axis, got {reference.shape}.")
