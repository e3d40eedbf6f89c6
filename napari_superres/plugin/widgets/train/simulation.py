"""Simulate an instrument on an image, and measure a real instrument. Runs in a thread; without Qt.

torch is imported inside functions.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.intensity import fit_normalisation
from napari_superres.errors import SettingsError, UnreadableImageError

if TYPE_CHECKING:
    from napari_superres.degradation.fit import CameraFit

Plane = npt.NDArray[Any]

_PICTURE_EDGE = 96
"""Edge of the picture in high-resolution pixels."""
_MEASURED_PLANES, _MEASURED_EDGE = 8, 256
_MARGIN, _PSF_MARGIN = 1.5, 1.2
"""Factors by which a range extends below and above the measured value."""
_MIN_CORRELATION = 0.5
"""Correlation from which two images count as the same field."""
_MANY_PHOTONS = 1e5
"""Photons where noise does not grow with brightness: so many that photon noise is negligible."""


def simulate(
    sample: Image | Path, scale: tuple[int, ...], degradation: Mapping[str, Any], real: Image | None
) -> tuple[Plane, Plane, Plane | None]:
    """Return a part of a high-resolution image, its simulated low-resolution image, and a part of a real one.

    Parameters
    ----------
    sample
        High-resolution image, or a folder of them.
    scale
        Factor per axis. Of volumes, a section along Z and X is returned.
    degradation
        As for `make_instrument`; the middle of each range is used.
    real
        Low-resolution image of the real instrument.

    Returns
    -------
    tuple
        Planes ``YX`` with 0 as black and 1 as white. The last two have one size; the last is None without `real`.

    Raises
    ------
    SuperResError
        If the image cannot be read, or is too small.
    """
    from napari_superres.degradation.instruments import make_instrument
    from napari_superres.training.images.fields_of_view import Field
    from napari_superres.training.validation import iter_recordings

    volume = len(scale) == 3
    field = _field(sample if isinstance(sample, Image) else _first_image(sample), volume=volume)
    edges = [min(_PICTURE_EDGE, n) // s * s for n, s in zip(field.shape, scale, strict=True)]
    if min(edges) < 1:
        raise SettingsError(
            f"the image has {field.shape} pixels, fewer than the scale {scale} combines into one.",
            remedy="Choose a larger image.",
        )
    part = _detailed_part(field, edges)
    instrument = make_instrument(_middle(degradation))
    ((lr, hr, _),) = iter_recordings([Field(part)], scale=scale, instrument=instrument)
    simulated = lr[0, (instrument.frames - 1) // 2].numpy()
    recorded = None
    if real is not None:
        real_field = _field(real, volume=volume)
        recorded = _detailed_part(
            real_field, [min(n, m) for n, m in zip(simulated.shape, real_field.shape, strict=True)]
        )
    return section(hr), section(simulated), None if recorded is None else section(recorded)


def _first_image(folder: Path) -> Image:
    """Read the first image of a folder.

    Raises
    ------
    UnreadableImageError
        If the folder holds no image, or it cannot be read.
    """
    from napari_superres.io import find_images, read_image

    path = next(iter(find_images(folder)), None)
    if path is None:
        raise UnreadableImageError(f"{folder.name} holds no image.", remedy="Choose another folder.")
    return read_image(path)


def middle_plane(image: Image) -> Plane:
    """Return the middle plane ``YX`` of an image, from about 0 to 1.

    Raises
    ------
    SuperResError
        If it cannot be read.
    """
    return _field(image, volume=False)


def _middle(degradation: Mapping[str, Any]) -> dict[str, Any]:
    """Return a degradation with each range reduced to its middle: the geometric mean for photons."""
    fixed = dict(degradation)
    for name, value in degradation.items():
        if isinstance(value, Sequence) and not isinstance(value, str):
            low, high = value
            fixed[name] = [float(np.sqrt(low * high)) if name == "photons" else (low + high) / 2] * 2
    return fixed


def _field(image: Image, *, volume: bool) -> Plane:
    """Return the middle plane of an image, or the middle section of a volume along Z and X, normalised for a model.

    The section keeps its axis Y, with one pixel.
    """
    if volume and "Z" not in image.axes:
        raise SettingsError(
            f"this scale needs volumes with the axis Z, and the image has the axes {image.axes}.",
            remedy="Choose a volume, or another `scale`.",
        )
    index: list[slice | int] = []
    for axis, size in zip(image.axes, image.shape, strict=True):
        middle = size // 2
        if axis in ("ZX" if volume else "YX"):
            index.append(slice(None))
        elif axis == "Y":
            index.append(slice(middle, middle + 1))
        else:
            index.append(1 if axis == "S" else middle)  # the green channel
    values = np.asarray(image.data[tuple(index)])
    return fit_normalisation(Image.from_array(values, "ZYX" if volume else "YX"), "percentile").apply(values, 0)


def _detailed_part(field: Plane, edges: Sequence[int]) -> Plane:
    """Return the part of a plane with the highest contrast, in steps of half its size."""
    steps = [range(0, n - e + 1, max(1, e // 2)) for n, e in zip(field.shape, edges, strict=True)]
    parts = (
        field[tuple(slice(a, a + e) for a, e in zip(start, edges, strict=True))]
        for start in np.stack(np.meshgrid(*steps), axis=-1).reshape(-1, field.ndim)
    )
    return max(parts, key=lambda part: float(part.std()))


def section(values: Plane) -> Plane:
    """Return the middle section of a volume along Z and X; a plane is returned as it is."""
    return values[:, values.shape[1] // 2] if values.ndim == 3 else values


def measure(
    real: Image, hr: Image | None, scale: tuple[int, ...], settings: Sequence[str]
) -> tuple[dict[str, tuple[float, float]], str]:
    """Measure an instrument on an image that it recorded.

    Parameters
    ----------
    real
        Raw low-resolution image of the instrument.
    hr
        High-resolution image. If it shows the same field as `real`, the point-spread function is measured.
    scale
        Factor per axis.
    settings
        Settings to measure, of ``"psf_sigma", "photons", "read_noise", "noise"``.

    Returns
    -------
    tuple
        Ranges around the measured values by setting, and the values in words.

    Raises
    ------
    SettingsError
        If nothing can be measured, because the image is too small or holds no noise.
    """
    from napari_superres.degradation.fit import fit_camera

    sigma = None
    if "psf_sigma" in settings and len(scale) == 2 and hr is not None:
        sigma = _measure_psf(real, hr, scale[0])
    try:
        ranges, text = _camera_ranges(fit_camera(_planes(real)), settings)
    except SettingsError as error:
        if sigma is None:
            raise
        ranges, text = {}, f"Noise was not measured: {error}"
    if sigma is not None:
        ranges["psf_sigma"] = (sigma / _PSF_MARGIN, sigma * _PSF_MARGIN)
        text = f"PSF {sigma:.2f} px. {text}"
    elif "psf_sigma" in settings:
        text += (
            " The PSF was not measured, because no checked high-resolution layer shows the same field. For a lens it "
            "is 0.21 × wavelength / NA / pixel size."
        )
    return ranges, text


def _planes(image: Image) -> list[Plane]:
    """Return some planes of an image, spread over all other axes; of colour images, the green channel."""
    outer = [n for a, n in zip(image.axes, image.shape, strict=True) if a not in "YXS"]
    total = int(np.prod(outer))
    chosen = np.unique(np.linspace(0, total - 1, min(total, _MEASURED_PLANES)).astype(int))
    indices = (np.unravel_index(i, outer) if outer else () for i in chosen)
    planes = [np.asarray(image.data[tuple(int(i) for i in index)]) for index in indices]
    return [plane[..., 1] for plane in planes] if "S" in image.axes else planes


def _camera_ranges(camera: "CameraFit", settings: Sequence[str]) -> tuple[dict[str, tuple[float, float]], str]:
    """Return ranges around the noise and photons of a camera, and their values in words."""
    span = camera.high - camera.offset
    noise = "noise" if "noise" in settings else "read_noise"

    def around(value: float) -> tuple[float, float]:
        return value / _MARGIN, value * _MARGIN

    offset = f"offset {_number(camera.offset)}"
    if "photons" not in settings:
        share = float(np.sqrt(camera.read_noise**2 + camera.gain * span / 2)) / span
        return {noise: around(share)}, f"Measured: noise {100 * share:.2g} % of the brightest value, {offset}."
    photons = camera.photons or _MANY_PHOTONS
    electrons = camera.read_noise * photons / span
    brightness = f"{_number(photons)} photons in the brightest pixel" if camera.photons else "no photon noise"
    gain = f"gain {_number(camera.gain)} grey levels per electron, " if camera.photons else ""
    text = f"Measured: {brightness}, read noise {electrons:.2g} electrons, {gain}{offset}."
    return {"photons": around(photons), noise: around(electrons)}, text


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _measure_psf(real: Image, hr: Image, scale: int) -> float | None:
    """Return the width of the point-spread function in high-resolution pixels; None for images of different fields."""
    from napari_superres.core.binning import bin_mean
    from napari_superres.degradation.fit import fit_psf

    low, high = (_field(image, volume=False) for image in (real, hr))
    if high.shape != tuple(n * scale for n in low.shape):
        return None
    starts = [max(0, (n - _MEASURED_EDGE) // 2) for n in low.shape]
    low = low[tuple(slice(a, a + _MEASURED_EDGE) for a in starts)]
    high = high[tuple(slice(a * scale, (a + _MEASURED_EDGE) * scale) for a in starts)]
    correlation = np.corrcoef(low.ravel(), bin_mean(high, (scale, scale)).ravel())[0, 1]
    return fit_psf(low, high, scale) if correlation > _MIN_CORRELATION else None
