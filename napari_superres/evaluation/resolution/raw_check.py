"""What must be true of an image before its resolution can be measured: raw, with noise of its own in every pixel.

An interpolated, denoised or computed image has no such noise; its spectrum says how it was made, not what was seen.
First the record of how it was made is asked, then its spectrum.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError

Floats = npt.NDArray[Any]

LEAST_EDGE = 32
_OUTER, _INNER = (0.42, 0.5), (0.33, 0.41)
_LEAST_FLATNESS = 0.25
_LEAST_NOISE = 1.5
"""Variance, in units of that of rounding, below which an image of integers holds no noise of a detector."""

UNVERIFIED = "origin unverified: no file proves that it is a raw recording"


def recorded_problem(image: Image) -> str:
    """Return why an image is not a recording, by its own record; empty where nothing says so."""
    record = image.metadata.get("provenance")
    if not isinstance(record, Mapping):
        return ""
    model = record.get("model")
    name = model.get("name", "?") if isinstance(model, Mapping) else "?"
    return f"the image was computed by the model {name}; measure the resolution of its input"


def spectral_problem(planes: Iterator[Floats], dtype: np.dtype[Any]) -> str:
    """Return why planes do not hold white noise, each pixel its own; empty where they seem to.

    At the corners of the spectrum, beyond what optics transmit, white noise is flat. Interpolation and smoothing
    empty them; what rounding alone leaves is no noise of a detector.

    Parameters
    ----------
    planes
        Of one channel, finite.
    dtype
        Of the image as it was recorded.
    """
    power = np.zeros(2)
    for plane in planes:
        power += [_corner_power(plane, band) for band in (_OUTER, _INNER)]
    if not power.all() or power[0] < _LEAST_FLATNESS * power[1]:
        return (
            "the image is interpolated, denoised, compressed, smoothed or constant: its highest frequencies hold less "
            "noise than those below; give a raw recording"
        )
    if dtype.kind in "ui" and power[0] < _LEAST_NOISE / 12:
        return "the image holds no noise but that of rounding; give a raw recording"
    return ""


def planes_of(image: Image, channel: int) -> Iterator[Floats]:
    """Yield the planes of a channel as 64-bit floats.

    Raises
    ------
    EvaluationError
        If there are colour samples or no such channel, an axis is shorter than 32 pixels, or values are not finite.
    """
    if "S" in image.axes or not 0 <= channel < image.size("C"):
        had = f"channel {channel} of {image.axes}"
        raise EvaluationError(f"resolution needs one of {image.size('C')} raw channels, no RGB samples; got {had}.")
    if min(image.size(a) for a in "YX") < LEAST_EDGE:
        raise EvaluationError(f"needs at least {LEAST_EDGE} pixels along Y, X, got {image.shape}.")
    counts = [1 if a in "YX" else n for a, n in zip(image.axes, image.shape, strict=True)]
    for where in np.ndindex(*counts):
        if "C" in image.axes and where[image.axes.index("C")] != channel:
            continue
        key = tuple(slice(None) if a in "YX" else i for a, i in zip(image.axes, where, strict=True))
        yield filled(np.asarray(image.data[key], dtype=np.float64))


def filled(values: Floats) -> Floats:
    """Return values with their mean where they are not finite.

    Raises
    ------
    EvaluationError
        If none is.
    """
    finite = np.isfinite(values)
    if not finite.any():
        raise EvaluationError("an image holds no finite pixel. Nothing can be measured.")
    return values if finite.all() else np.where(finite, values, values[finite].mean())


def _corner_power(plane: Floats, band: tuple[float, float]) -> float:
    """Return the mean power density where both frequencies lie in a band, as that of white noise of this variance."""
    windows = [np.hanning(n + 2)[1:-1] for n in plane.shape]
    kernels = []
    for n, window in zip(plane.shape, windows, strict=True):
        low, high = (round(edge * n) for edge in band)
        frequency = np.arange(low, high) / n
        kernels.append(np.exp(-2j * np.pi * frequency[:, None] * np.arange(n)) * window)
    values = plane - plane.mean()
    # Frequencies (fy, fx) and (fy, -fx): the other two corners mirror these.
    rows = kernels[0] @ values
    corners = [rows @ kernels[1].T, rows @ kernels[1].conj().T]
    norm = float(np.prod([np.square(w).sum() for w in windows]))
    return float(np.mean([np.abs(c) ** 2 for c in corners])) / norm
