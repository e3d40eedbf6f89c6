"""What a degradation does to an image, and what can be measured of the instrument that it imitates; without Qt.

To be called in a thread: torch is imported here, inside functions.
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

_SHOWN = 96  # high-resolution pixels
_MEASURED_PLANES, _MEASURED_EDGE = 8, 256
_SPREAD, _PSF_SPREAD = 1.5, 1.2
_LEAST_LIKENESS = 0.5
_MANY_PHOTONS = 1e5
"""Where noise does not grow with light: so many that their own noise is nothing."""


def preview(
    sample: Image | Path, scale: tuple[int, ...], degradation: Mapping[str, Any], real: Image | None
) -> tuple[Plane, Plane, Plane | None]:
    """Return a part of a high-resolution image, what the middle of the degradation makes of it, and a real one.

    Parameters
    ----------
    sample
        A high-resolution image, or a folder with some.
    scale
        Factor per axis. Of volumes a section along Z and X is shown.
    degradation
        As for `make_instrument`.
    real
        A low-resolution image of the instrument.

    Returns
    -------
    tuple
        Planes with 0 as black and 1 as white; the last two are as large as each other.

    Raises
    ------
    SuperResError
        If the image cannot be read, or is too small.
    """
    from napari_superres.degradation.instruments import make_instrument
    from napari_superres.training.fields_of_view import Field
    from napari_superres.training.validation import iter_recordings

    volume = len(scale) == 3
    field = _field(sample if isinstance(sample, Image) else _first_image(sample), volume=volume)
    edges = [min(_SHOWN, n) // s * s for n, s in zip(field.shape, scale, strict=True)]
    if min(edges) < 1:
        raise SettingsError(f"the image has {field.shape} pixels, fewer than the scale {scale} unites in one.")
    part = _with_structure(field, edges)
    instrument = make_instrument(_middle(degradation))
    ((seen, high),) = iter_recordings([Field(part)], scale=scale, instrument=instrument)
    low = seen[0, instrument.frames // 2].numpy()
    recorded = None
    if real is not None:
        other = _field(real, volume=volume)
        recorded = _with_structure(other, [min(n, m) for n, m in zip(low.shape, other.shape, strict=True)])
    return section(high), section(low), None if recorded is None else section(recorded)


def _first_image(folder: Path) -> Image:
    """Return the first image of a folder.

    Raises
    ------
    UnreadableImageError
        If there is none, or it cannot be read.
    """
    from napari_superres.io import find_images, read_image

    found = next(iter(find_images(folder)), None)
    if found is None:
        raise UnreadableImageError(f"there is no image in {folder.name}.")
    return read_image(found)


def _middle(degradation: Mapping[str, Any]) -> dict[str, Any]:
    """Return a degradation with the middle of each range, of photons the geometric one."""
    found = dict(degradation)
    for name, value in degradation.items():
        if isinstance(value, Sequence) and not isinstance(value, str):
            low, high = value
            found[name] = [float(np.sqrt(low * high)) if name == "photons" else (low + high) / 2] * 2
    return found


def _field(image: Image, *, volume: bool) -> Plane:
    """Return the middle plane of an image, or of a volume the middle section along Z and X, on the model's scale."""
    if volume and "Z" not in image.axes:
        raise SettingsError(f"this scale needs volumes, with the axis Z; the image has the axes {image.axes}.")
    index: list[slice | int] = []
    for axis, size in zip(image.axes, image.shape, strict=True):
        at = size // 2
        if axis in ("ZX" if volume else "YX"):
            index.append(slice(None))
        elif axis == "Y":
            index.append(slice(at, at + 1))
        else:
            index.append(1 if axis == "S" else at)  # green
    values = np.asarray(image.data[tuple(index)])
    return fit_normalisation(Image.from_array(values, "ZYX" if volume else "YX"), "percentile").apply(values, 0)


def _with_structure(field: Plane, edges: Sequence[int]) -> Plane:
    """Return the window with the greatest contrast."""
    steps = [range(0, n - e + 1, max(1, e // 2)) for n, e in zip(field.shape, edges, strict=True)]
    windows = (
        field[tuple(slice(a, a + e) for a, e in zip(start, edges, strict=True))]
        for start in np.stack(np.meshgrid(*steps), axis=-1).reshape(-1, field.ndim)
    )
    return max(windows, key=lambda window: float(window.std()))


def section(values: Plane) -> Plane:
    """Return a plane as it is, and of a volume its middle section along Z and X."""
    return values[:, values.shape[1] // 2] if values.ndim == 3 else values


# What an instrument does


def measure(
    real: Image, sample: Image | None, scale: tuple[int, ...], strengths: Sequence[str]
) -> tuple[dict[str, tuple[float, float]], str]:
    """Return what can be measured of a degradation, as ranges around it, and in words.

    Parameters
    ----------
    real
        A raw low-resolution image of the instrument.
    sample
        A high-resolution image; where it shows the same field as `real`, the point-spread function is measured.
    scale
        Factor per axis.
    strengths
        Those that the degradation has, of ``"psf_sigma", "photons", "read_noise", "noise"``.

    Raises
    ------
    SettingsError
        If nothing can be measured: the image is too small, or holds no noise.
    """
    from napari_superres.degradation.fit import fit_camera

    sigma = None
    if "psf_sigma" in strengths and len(scale) == 2 and sample is not None:
        sigma = _psf(real, sample, scale[0])
    try:
        found, words = _ranges(fit_camera(_planes(real)), strengths)
    except SettingsError as error:
        if sigma is None:
            raise
        found, words = {}, f"Noise is not measured: {error}"
    if sigma is not None:
        found["psf_sigma"] = (sigma / _PSF_SPREAD, sigma * _PSF_SPREAD)
        words = f"PSF {sigma:.2f} px. {words}"
    elif "psf_sigma" in strengths:
        words += (
            " The PSF is not measured: that needs a checked high-resolution layer of the same field. Of a lens it is "
            "0.21 × wavelength / NA / pixel size."
        )
    return found, words


def _planes(image: Image) -> list[Plane]:
    """Return some planes of an image, spread over all other axes; of colours the green."""
    outer = [n for a, n in zip(image.axes, image.shape, strict=True) if a not in "YXS"]
    total = int(np.prod(outer))
    chosen = np.unique(np.linspace(0, total - 1, min(total, _MEASURED_PLANES)).astype(int))
    places = (np.unravel_index(i, outer) if outer else () for i in chosen)
    planes = [np.asarray(image.data[tuple(int(i) for i in place)]) for place in places]
    return [plane[..., 1] for plane in planes] if "S" in image.axes else planes


def _ranges(camera: "CameraFit", strengths: Sequence[str]) -> tuple[dict[str, tuple[float, float]], str]:
    span = camera.high - camera.offset
    noise = "noise" if "noise" in strengths else "read_noise"

    def around(value: float) -> tuple[float, float]:
        return value / _SPREAD, value * _SPREAD

    offset = f"offset {_number(camera.offset)}"
    if "photons" not in strengths:
        share = float(np.sqrt(camera.read_noise**2 + camera.gain * span / 2)) / span
        return {noise: around(share)}, f"Measured: noise {100 * share:.2g} % of the brightest, {offset}."
    photons = camera.photons or _MANY_PHOTONS
    electrons = camera.read_noise * photons / span
    light = f"{_number(photons)} photons at the brightest" if camera.photons else "no photon noise"
    gain = f"gain {_number(camera.gain)} grey levels per electron, " if camera.photons else ""
    words = f"Measured: {light}, read noise {electrons:.2g} electrons, {gain}{offset}."
    return {"photons": around(photons), noise: around(electrons)}, words


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _psf(real: Image, sample: Image, scale: int) -> float | None:
    """Return the width of the point-spread function in high-resolution pixels, None if it is of another field."""
    from napari_superres.degradation.fit import fit_psf
    from napari_superres.degradation.optics import bin_mean

    low, high = (_field(image, volume=False) for image in (real, sample))
    if high.shape != tuple(n * scale for n in low.shape):
        return None
    starts = [max(0, (n - _MEASURED_EDGE) // 2) for n in low.shape]
    low = low[tuple(slice(a, a + _MEASURED_EDGE) for a in starts)]
    high = high[tuple(slice(a * scale, (a + _MEASURED_EDGE) * scale) for a in starts)]
    alike = np.corrcoef(low.ravel(), bin_mean(high, (scale, scale)).ravel())[0, 1]
    return fit_psf(low, high, scale) if alike > _LEAST_LIKENESS else None
