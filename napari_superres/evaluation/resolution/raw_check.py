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
from napari_superres.evaluation.resolution.holes import each_without_holes
from napari_superres.evaluation.resolution.noise_blocks import processing_trace

Floats = npt.NDArray[Any]

MIN_SIZE = 32
"""Smallest number of pixels per axis for a measurement of resolution."""

_OUTER_BAND, _INNER_BAND = (0.42, 0.5), (0.33, 0.41)  # cycles per pixel
_MIN_FLATNESS, _MAX_FLATNESS = 0.25, 1.6
_BLOCK_PLANES = 4
"""Number of planes in whose blocks traces of processing are looked for."""

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
    power, kept = np.zeros(2), []
    for i, plane in enumerate(planes):
        power += [_corner_power(plane, band) for band in (_OUTER_BAND, _INNER_BAND)]
        kept += [plane] if i < _BLOCK_PLANES else []
    trace = "its highest frequencies hold less noise than those below"
    if power[0] > _MAX_FLATNESS * power[1]:
        trace = "its highest frequencies hold more noise than those below"
    elif power.all() and power[0] >= _MIN_FLATNESS * power[1]:
        if dtype.kind in "ui" and power[0] < _MIN_NOISE / 12 * max(i + 1, 1):
            return "the image holds only rounding noise; give a raw recording"
        trace = processing_trace(kept, power[0] / power[1])
    if trace:
        return f"the image is interpolated, denoised, compressed, smoothed or constant: {trace}; give a raw recording"
    return ""


def iter_planes(image: Image, channel: int) -> Iterator[Floats]:
    """Yield the planes ``(Y, X)`` of a channel as 64-bit floats, without pixels that are not finite.

    Raises
    ------
    EvaluationError
        If the image has colour samples or no such channel, an axis is shorter than 32 pixels, or no pixel is finite.
    """
    for (plane,) in each_without_holes((plane,) for plane in iter_recorded(image, channel)):
        yield plane


def iter_recorded(image: Image, channel: int) -> Iterator[Floats]:
    """Yield the planes ``(Y, X)`` of a channel as they are.

    Raises
    ------
    EvaluationError
        If the image has colour samples or no such channel, or an axis is shorter than 32 pixels.
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
        yield np.asarray(image.data[key], dtype=np.float64)


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
