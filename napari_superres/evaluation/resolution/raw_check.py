"""Check that an image is a raw recording with independent noise in every pixel.

Otherwise a measured resolution is meaningless: the spectrum of an interpolated, denoised or computed image says
how it was made, not what was recorded. The provenance of the image is checked first, then its spectrum.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError

Floats = npt.NDArray[Any]

MIN_SIZE = 32
"""Smallest number of pixels per axis for a measurement of resolution."""

_OUTER_BAND, _INNER_BAND = (0.42, 0.5), (0.33, 0.41)  # cycles per pixel
_MIN_FLATNESS = 0.25
_MIN_NOISE = 1.5
"""Variance, relative to that of rounding, below which an image of integers holds no detector noise."""

ORIGIN_UNVERIFIED = "origin unverified: no file proves that it is a raw recording"


def provenance_problem(image: Image) -> str:
    """Return the reason why the provenance rules out a raw recording, or an empty string."""
    record = image.metadata.get("provenance")
    if not isinstance(record, Mapping):
        return ""
    if (step := record.get("operation")) is not None:
        return "the image was resampled; measure the resolution of its input" if step == "resample" else ""
    model = record.get("model")
    name = model.get("name", "?") if isinstance(model, Mapping) else "?"
    return f"the image was computed by the model {name}; measure the resolution of its input"


def spectral_problem(planes: Iterator[Floats], dtype: np.dtype[Any]) -> str:
    """Return why planes do not hold white noise; empty if they seem to.

    White noise is flat at the corners of the spectrum, beyond what optics transmit. Interpolation and smoothing empty
    the corners. Noise that comes from rounding alone is not detector noise.

    Parameters
    ----------
    planes
        Planes ``(Y, X)`` of one channel, finite.
    dtype
        Data type of the recording, before conversion to floats.
    """
    power = np.zeros(2)
    for plane in planes:
        power += [_corner_power(plane, band) for band in (_OUTER_BAND, _INNER_BAND)]
    if not power.all() or power[0] < _MIN_FLATNESS * power[1]:
        return (
            "the image is interpolated, denoised, compressed, smoothed or constant: its highest frequencies hold less "
            "noise than those below; give a raw recording"
        )
    if dtype.kind in "ui" and power[0] < _MIN_NOISE / 12:
        return "the image holds only rounding noise; give a raw recording"
    return ""


def iter_planes(image: Image, channel: int) -> Iterator[Floats]:
    """Yield the planes ``(Y, X)`` of a channel as 64-bit floats, non-finite pixels filled with the mean.

    Raises
    ------
    EvaluationError
        If the image has colour samples or no such channel, an axis is shorter than 32 pixels, or no pixel is finite.
    """
    if "S" in image.axes or not 0 <= channel < image.size("C"):
        raise EvaluationError(
            f"resolution needs one of {image.size('C')} raw channels, no RGB samples; got channel {channel} of "
            f"{image.axes}.",
            remedy="Choose another `channel`, or give the raw channels instead of an RGB image.",
        )
    if min(image.size(a) for a in "YX") < MIN_SIZE:
        raise EvaluationError(
            f"resolution needs at least {MIN_SIZE} pixels along Y and X, got {image.shape}.",
            remedy="Give a larger field of view.",
        )
    counts = [1 if a in "YX" else n for a, n in zip(image.axes, image.shape, strict=True)]
    for index in np.ndindex(*counts):
        if "C" in image.axes and index[image.axes.index("C")] != channel:
            continue
        key = tuple(slice(None) if a in "YX" else i for a, i in zip(image.axes, index, strict=True))
        yield fill_with_mean(np.asarray(image.data[key], dtype=np.float64))


def fill_with_mean(values: Floats) -> Floats:
    """Return values with their mean in place of those that are not finite.

    Raises
    ------
    EvaluationError
        If no value is finite.
    """
    finite = np.isfinite(values)
    if not finite.any():
        raise EvaluationError(
            "an image holds no finite pixel, so that nothing can be measured.",
            remedy="Choose another plane or channel.",
        )
    return values if finite.all() else np.where(finite, values, values[finite].mean())


def _corner_power(plane: Floats, band: tuple[float, float]) -> float:
    """Return the mean power density of the frequencies that lie in a band along both axes.

    It is scaled so that white noise gives its variance.
    """
    windows = [np.hanning(n + 2)[1:-1] for n in plane.shape]
    kernels = []
    for n, window in zip(plane.shape, windows, strict=True):
        low, high = (round(edge * n) for edge in band)
        frequency = np.arange(low, high) / n
        kernels.append(np.exp(-2j * np.pi * frequency[:, None] * np.arange(n)) * window)
    values = plane - plane.mean()
    # The corners (fy, fx) and (fy, -fx) suffice: the spectrum of a real plane mirrors them in the other two.
    rows = kernels[0] @ values
    corners = [rows @ kernels[1].T, rows @ kernels[1].conj().T]
    norm = float(np.prod([np.square(w).sum() for w in windows]))
    return float(np.mean([np.abs(c) ** 2 for c in corners])) / norm
