"""What other parts take from a measured point-spread function: its width, or its pixels at their own pixel size."""

import base64
import zlib
from collections.abc import Mapping, Sequence
from math import ceil, prod
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.binning import bin_mean
from napari_superres.core.image import Image
from napari_superres.core.units import METRES
from napari_superres.degradation.psf.fits import Shape, fit_gaussian
from napari_superres.errors import SettingsError

Floats = npt.NDArray[np.float64]

_REACH = 4.0
"""Sigmas around the centre beyond which a kernel is 0: the noise of many dark pixels would blur more than the tails."""

_MOST_PIXELS = 1e7
"""Pixels of a resampled kernel, at most."""

_OVERSAMPLING = 3
"""Samples per pixel and axis from which the mean over a larger pixel is computed."""


def psf_sigma(psf: Image) -> dict[str, float]:
    """Return the sigma of the Gaussian that fits a measured point-spread function best, in micrometres.

    Parameters
    ----------
    psf
        As `measure_psf` returns it, or from another program: one bright point, axes ``(Z)YX``, of known pixel size.

    Returns
    -------
    dict
        Sigma per axis, without the blur by the pixels of `psf`; "Z" is missing for a plane.

    Raises
    ------
    SettingsError
        If the image shows no single point, or its pixel size is unknown.
    """
    values, sizes = _values(psf)
    fitted = _fit(values)
    by_axis = dict(zip("ZYX", (w * s for w, s in zip(fitted.width, sizes, strict=True)), strict=True))
    return {axis: sigma for axis, sigma in by_axis.items() if axis in psf.spatial and psf.size(axis) > 1}


def psf_kernel(psf: Image, pixel_size: Sequence[float]) -> Floats:
    """Return the pixels of a measured point-spread function at another pixel size.

    Parameters
    ----------
    psf
        As for `psf_sigma`.
    pixel_size
        Pixel size in micrometres along Y and X, or Z, Y and X. A plane through the focus is returned for two.

    Returns
    -------
    ndarray
        Odd edges, at least 0, of sum 1, with the centre in the middle pixel.
    """
    values, sizes = _values(psf)
    fitted = _fit(values)
    wanted = [*pixel_size] if len(pixel_size) == 3 else [sizes[0], *pixel_size]
    if len(pixel_size) == 3 and values.shape[0] == 1:
        raise SettingsError(
            "the point-spread function is a plane, and the image is blurred along Z too.",
            remedy="Measure it on a stack of beads.",
        )
    kernel = _resample(values - fitted.background, fitted.centre, fitted.width, sizes, wanted)
    if len(pixel_size) == 2:
        kernel = kernel[kernel.shape[0] // 2]
    kernel = np.maximum(kernel, 0)
    return np.asarray(kernel / kernel.sum())


def resample_psf(psf: Image, pixel_size: float | Sequence[float]) -> Image:
    """Return a measured point-spread function at another pixel size, in its own unit.

    Parameters
    ----------
    psf
        As for `psf_sigma`.
    pixel_size
        One number for Y and X, or one per axis.

    Raises
    ------
    SettingsError
        As `psf_sigma`; or if the pixel size is not above 0, or so small that the result has more than
        ten million pixels.
    """
    given = [float(v) for v in np.atleast_1d(np.asarray(pixel_size, dtype=np.float64))]
    own = list(psf.pixel_size)
    new = [*own[: len(own) - 2], given[0], given[0]] if len(given) == 1 else given
    if len(new) != len(own) or not all(np.isfinite(v) and v > 0 for v in new):
        raise SettingsError(
            f"the new pixel size must be above 0: one number, or one per axis of {psf.spatial}, got {given}."
        )
    count = prod(n * o / v for n, o, v in zip(psf.shape, own, new, strict=True))
    if count > _MOST_PIXELS:
        raise SettingsError(
            f"the new pixel size {given} is too small: the point-spread function would have {count:.2g} pixels, and at "
            f"most {_MOST_PIXELS:.0e} make sense.",
            remedy=f"It was measured at {own}: choose one nearer to that.",
        )
    factors = [_micrometres(psf, a) for a in psf.spatial]
    kernel = psf_kernel(psf, [v * f for v, f in zip(new, factors, strict=True)])
    return Image.from_array(
        kernel.astype(np.float32), psf.spatial, pixel_size=new, unit=psf.units["X"], metadata=psf.metadata
    )


def blur_with(values: npt.NDArray[Any], kernel: Floats) -> Floats:
    """Return an array blurred by a kernel along its last axes. Borders are mirrored, so the sum stays the same."""
    from scipy.signal import oaconvolve

    reach = [n // 2 for n in kernel.shape]
    still = values.ndim - kernel.ndim
    wide = np.pad(np.asarray(values, np.float64), [(0, 0)] * still + [(r, r) for r in reach], mode="symmetric")
    axes = range(still, values.ndim)
    return np.asarray(oaconvolve(wide, kernel.reshape((1,) * still + kernel.shape), mode="valid", axes=list(axes)))


def to_record(psf: Image) -> dict[str, Any]:
    """Return a point-spread function as plain values, for the record of a result."""
    values = np.asarray(psf.data, dtype="<f4")
    return {
        "axes": psf.axes,
        "shape": list(psf.shape),
        "pixel_size": list(psf.pixel_size),
        "unit": psf.units["X"],
        "float32": base64.b64encode(zlib.compress(values.tobytes())).decode("ascii"),
    }


def from_record(record: Mapping[str, Any]) -> Image:
    """Return the point-spread function of a record.

    Raises
    ------
    SettingsError
        If the record is damaged.
    """
    try:
        shape = tuple(int(n) for n in record["shape"])
        unpacker, size = zlib.decompressobj(), 4 * int(np.prod(shape, dtype=np.int64))
        raw = unpacker.decompress(base64.b64decode(record["float32"]), size + 1)
        values = np.frombuffer(raw, "<f4").reshape(shape)
        return Image.from_array(values, record["axes"], pixel_size=record["pixel_size"], unit=record["unit"])
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise SettingsError("the recorded point-spread function is damaged.", remedy="Simulate again.") from error


def _values(psf: Image) -> tuple[Floats, tuple[float, float, float]]:
    """Return the pixels ``(Z, Y, X)`` and their size in micrometres."""
    if set(psf.axes) - set("ZYX"):
        raise SettingsError(
            f"a point-spread function has the axes ZYX or YX, got {psf.axes}.", remedy="Choose one channel and frame."
        )
    if not psf.has_pixel_size:
        raise SettingsError(
            "the pixel size of the point-spread function is unknown.", remedy="Set the image's `pixel_size`."
        )
    values = np.asarray(psf.data, dtype=np.float64)
    values = np.moveaxis(values, [psf.axes.index(a) for a in psf.spatial], range(values.ndim))
    if not np.isfinite(values).all() or values.min() == values.max():
        raise SettingsError("the point-spread function must be finite and hold a bright point.")
    sizes = dict(zip(psf.spatial, psf.pixel_size, strict=True))
    z, y, x = (sizes.get(a, 1.0) * (_micrometres(psf, a) if a in sizes else 1.0) for a in "ZYX")
    return values.reshape((1,) * (3 - values.ndim) + values.shape), (z, y, x)


def _micrometres(image: Image, axis: str) -> float:
    unit = image.units.get(axis)
    if unit not in METRES:
        raise SettingsError(f"the pixel size along {axis} is unknown.", remedy="Set the image's `pixel_size`.")
    return float(METRES[unit] / METRES["micrometer"])


def _fit(values: Floats) -> Shape:
    """Fit a Gaussian, with all pixels alike: the noise of an average is not known."""
    low = float(np.median(values))
    bright = np.where(values - low > 0.5 * (values.max() - low), values - low, 0)
    centre, widths = [], []
    for axis, n in enumerate(values.shape):
        line = bright.sum(axis=tuple(a for a in range(3) if a != axis))
        middle = float(line @ np.arange(n) / line.sum())
        centre.append(middle)
        # Above a half, a Gaussian has two thirds of its sigma left.
        widths.append(max(0.5, 1.5 * float(line @ (np.arange(n) - middle) ** 2 / line.sum()) ** 0.5))
    return fit_gaussian(values, centre, widths, np.ones_like)


def _resample(
    values: Floats, centre: Sequence[float], width: Sequence[float], sizes: Sequence[float], wanted: Sequence[float]
) -> Floats:
    from scipy.ndimage import map_coordinates

    axes, parts = [], []
    for n, c, w, own, new in zip(values.shape, centre, width, sizes, wanted, strict=True):
        if n == 1:
            axes.append(np.zeros(1))
            parts.append(1)
            continue
        # The mean over a larger pixel, from samples within it; a smaller one is interpolated.
        part = _OVERSAMPLING if new > own else 1
        radius = max(1, ceil(min(_REACH * w, (n - 1) / 2) * own / new))
        fine = np.arange(-radius * part - part // 2, radius * part + part // 2 + 1) * new / part
        axes.append(c + fine / own)
        parts.append(part)
    grid = np.meshgrid(*axes, indexing="ij")
    fine = map_coordinates(values, grid, order=3, mode="constant", cval=0.0)
    squares = sum(((g - c) / w) ** 2 for g, c, w, n in zip(grid, centre, width, values.shape, strict=True) if n > 1)
    return bin_mean(np.where(squares <= _REACH**2, fine, 0.0), parts)
