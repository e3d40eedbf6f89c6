"""`degrade`: from a high-resolution image to the low-resolution one an instrument would have recorded."""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_superres.core import intensity, invalid
from napari_superres.core.axes import guess_axes
from napari_superres.core.grid import downscale_affine
from napari_superres.core.image import Array, Image
from napari_superres.core.units import METRES
from napari_superres.degradation import kspace
from napari_superres.degradation.camera import Camera
from napari_superres.degradation.diffraction import diffract
from napari_superres.degradation.jpeg import check_quality, compressed
from napari_superres.degradation.optics import bin_mean, blur
from napari_superres.degradation.resample import resize_bicubic
from napari_superres.errors import SettingsError

Kernel = Literal["bicubic", "gaussian", "widefield", "confocal", "kspace"]
_LONGEST = 30.0
"""Micrometres: infrared microscopes see no longer waves."""

_LENSES = ("widefield", "confocal")
Floats = npt.NDArray[np.float64]
Lens = tuple[float, tuple[float, float]]


def degrade(
    image: Image | Array,
    scale: int | Sequence[int],
    *,
    axes: str | None = None,
    kernel: Kernel = "bicubic",
    psf_sigma: float | Sequence[float] | None = None,
    na: float | None = None,
    wavelength: float | None = None,
    photons: float | None = None,
    read_noise: float | None = None,
    offset: float = 0.0,
    saturation: float | None = None,
    jpeg: float | None = None,
    seed: int = 0,
) -> Image:
    """Return the low-resolution image that an instrument with larger pixels would have recorded.

    The order is that of nature: optics, pixel, photons, read-out, offset, saturation, the limits and steps of
    the data type, and last compression.

    Parameters
    ----------
    image
        High-resolution image, or a bare array. Lazy data are read. NaN and infinite pixels are computed
        around; a low-resolution pixel that covers one becomes NaN.
    scale
        Integer factor along Y and X, or one per spatial axis (or one each for Y and X).
        Pixels at the far end that do not fill a whole low-resolution pixel are left out.
    axes
        Axes of a bare array; its usual ones by default.
    kernel
        ``"bicubic"``: antialiased bicubic, the convention of super-resolution benchmarks;
        ``"gaussian"``: blur by `psf_sigma`, then the mean over each pixel's area; ``"widefield"``,
        ``"confocal"``: planes in focus, blurred by diffraction at the lens (`na`, `wavelength`), then that mean;
        ``"kspace"``: the lowest spatial frequencies only, as a magnetic resonance scanner records them.
    psf_sigma
        Standard deviation of the point-spread function, in high-resolution pixels: one number for
        Y and X, or one per spatial axis. None = no blur beyond the pixel. Needs ``kernel="gaussian"``.
    na, wavelength
        Numerical aperture, and wavelength in micrometres; the image's pixel size must be known.
    photons
        Mean photons in a low-resolution pixel at each channel's high intensity (99.9 percentile).
        0 must mean darkness. None = no photon noise.
    read_noise
        Standard deviation of the read-out noise, in electrons (photons) where `photons` is given,
        else in the image's own intensity unit. With ``kernel="kspace"`` of the real and the imaginary part,
        of which the magnitude is taken (Rician noise).
    offset
        Added to every pixel, in the image's own intensity unit.
    saturation
        Intensity at which a pixel is full, in the image's own unit; None = only the data type's limit.
    jpeg
        Quality of JPEG compression at the very end, 1 to 100, of planes with 8 bits. None = not compressed.
    seed
        Of the noise: the same seed gives the same image.

    Returns
    -------
    Image
        Same axes, dtype, units and channel names; mean intensity kept. The grid is
        that of `image` with ``scale`` pixels united per axis, so nothing moves in the world.
        ``metadata["degradation"]`` records the settings.

    Raises
    ------
    SettingsError
        If an option is out of range, or photons are asked of an image with negative intensities.
    AxesError
        If the axes do not fit the array.
    """
    if not isinstance(image, Image):
        array = image if hasattr(image, "shape") else np.asarray(image)
        image = Image.from_array(array, axes or guess_axes(tuple(array.shape)))
    elif axes is not None and axes.upper() != image.axes:
        raise SettingsError(f"axes are the image's own, {image.axes}, got {axes!r}. Leave axes out.")
    factors = _factors(image, scale)
    sigmas = _sigmas(image, kernel, psf_sigma)
    lens = _lens(image, kernel, na, wavelength)
    camera = _camera(photons, read_noise, offset, saturation)
    if kernel == "kspace" and photons is not None:
        raise SettingsError("a magnetic resonance scanner counts no photons. Leave photons out and give read_noise.")
    highs = _highs(image) if camera.photons is not None else [1.0] * image.size("C")
    data = _reduce(image, factors, sigmas, lens, kernel, camera, highs, np.random.default_rng(seed))
    optics = {"psf_sigma": sigmas} if lens is None else {"na": na, "wavelength": wavelength}
    record = {"kernel": kernel, "scale": factors, **optics, **camera.describe(), "seed": seed}
    if jpeg is not None:
        data = _compressed(image, data, check_quality(jpeg))
        record["jpeg"] = jpeg
    metadata = {k: v for k, v in image.metadata.items() if k != "provenance"}
    return image.replace(
        data=data, affine=downscale_affine(image.affine, factors), metadata={**metadata, "degradation": record}
    )


def per_axis(spatial: str, value: Any, idle: Any, name: str) -> tuple[Any, ...]:
    """Return one value per spatial axis from one number for Y and X, or one per axis, or one each for Y and X.

    Raises
    ------
    SettingsError
        If the count of numbers fits neither.
    """
    values = [value, value] if np.ndim(value) == 0 else list(value)
    if len(values) == len(spatial):
        return tuple(values)
    if len(values) == 2:
        plane = dict(zip((a for a in spatial if a in "YX"), values, strict=True))
        return tuple(plane.get(a, idle) for a in spatial)
    raise SettingsError(f"{name} needs one number, or one per axis of {spatial}, got {len(values)}: {tuple(values)}.")


def _factors(image: Image, scale: int | Sequence[int]) -> tuple[int, ...]:
    factors = per_axis(image.spatial, scale, 1, "scale")
    for axis, factor in zip(image.spatial, factors, strict=True):
        if isinstance(factor, bool) or not isinstance(factor, int | np.integer) or factor < 1:
            raise SettingsError(f"scale must be a whole number of at least 1, got {factor!r} along {axis}.")
        if image.size(axis) < factor:
            raise SettingsError(f"axis {axis} has {image.size(axis)} pixels and cannot be reduced by {factor}.")
    return tuple(int(f) for f in factors)


def _sigmas(image: Image, kernel: str, psf_sigma: float | Sequence[float] | None) -> tuple[float, ...]:
    if kernel not in get_args(Kernel):
        raise SettingsError(f"unknown kernel {kernel!r}. Use one of {', '.join(get_args(Kernel))}.")
    if psf_sigma is None:
        return (0.0,) * len(image.spatial)
    if kernel != "gaussian":
        raise SettingsError(f"psf_sigma belongs to kernel='gaussian'; {kernel!r} has a width of its own.")
    sigmas = tuple(float(s) for s in per_axis(image.spatial, psf_sigma, 0.0, "psf_sigma"))
    if any(not isfinite(s) or s < 0 for s in sigmas):
        raise SettingsError(f"psf_sigma must be finite and at least 0 high-resolution pixels, got {psf_sigma}.")
    return sigmas


def _lens(image: Image, kernel: str, na: float | None, wavelength: float | None) -> Lens | None:
    """Return the cutoff frequency, and the pixel size along Y and X, in micrometres."""
    if kernel not in _LENSES:
        if na is not None or wavelength is not None:
            raise SettingsError(f"na and wavelength belong to kernel={' or '.join(_LENSES)}, got {kernel!r}.")
        return None
    if na is None or wavelength is None:
        raise SettingsError(f"{kernel} optics need na and wavelength (in micrometres, such as 0.52).")
    if not (isfinite(na) and isfinite(wavelength) and na > 0 and wavelength > 0):
        raise SettingsError(f"na and wavelength must be finite and above 0, got {na} and {wavelength}.")
    if wavelength > _LONGEST:
        raise SettingsError(f"wavelength is in micrometres, got {wavelength:g}. Did you mean {wavelength / 1000:g}?")
    unit = image.units.get("X")
    if unit is None or not image.has_pixel_size:
        raise SettingsError("a lens blurs by its size in the world: give the image's pixel size (--pixel-size).")
    micrometres = METRES[unit] / METRES["micrometer"]
    y, x = (image.pixel_size[image.spatial.index(a)] * micrometres for a in "YX")
    return 2 * na / wavelength, (y, x)


def _camera(photons: float | None, read_noise: float | None, offset: float, saturation: float | None) -> Camera:
    if photons is not None and not (isfinite(photons) and photons > 0):
        raise SettingsError(f"photons must be finite and above 0, got {photons}. Leave it out for no photon noise.")
    if read_noise is not None and not (isfinite(read_noise) and read_noise >= 0):
        raise SettingsError(f"read_noise must be finite and at least 0, got {read_noise}.")
    if not isfinite(offset):
        raise SettingsError(f"offset must be finite, got {offset}.")
    if saturation is not None and not (isfinite(saturation) and saturation > offset):
        raise SettingsError(f"saturation must lie above the offset, {offset:g}, got {saturation}.")
    return Camera(photons, read_noise, offset, saturation)


def _highs(image: Image) -> list[float]:
    highs = []
    for channel in range(image.size("C")):
        values = intensity.sample(image, channel)
        if values.size and values.min() < 0:
            raise SettingsError(
                f"photons need intensities of at least 0, got {values.min():.6g}. "
                "Subtract the darkest value first, or leave photons out and give read_noise in intensity units."
            )
        high = float(np.percentile(values, intensity.HIGH_PERCENTILE)) if values.size else 0.0
        high = high if high > 0 else float(values.max(initial=0))
        highs.append(high if high > 0 else 1.0)
    return highs


def _reduce(
    image: Image,
    factors: tuple[int, ...],
    sigmas: tuple[float, ...],
    lens: Lens | None,
    kernel: Kernel,
    camera: Camera,
    highs: Sequence[float],
    random: np.random.Generator,
) -> npt.NDArray[Any]:
    factor = dict(zip(image.spatial, factors, strict=True))
    sigma = dict(zip(image.spatial, sigmas, strict=True))
    # Slices that neither blur nor unite along Z are taken one by one: less memory.
    inner = "YXS" if factor.get("Z", 1) == 1 and sigma.get("Z", 0.0) == 0 else "ZYXS"
    block_axes = "".join(a for a in image.axes if a in inner)
    steps = [factor.get(a, 1) for a in block_axes]
    widths = [sigma.get(a, 0.0) for a in block_axes]
    out = np.empty([n // factor.get(a, 1) for a, n in zip(image.axes, image.shape, strict=True)], dtype=image.dtype)
    for index, channel in _blocks(image, inner):
        block = np.asarray(image.data[index], dtype=np.float64)
        bad = ~np.isfinite(block)
        broken = bool(bad.any())
        if broken:
            block = _filled(block, block_axes)
        if kernel == "bicubic":
            small = resize_bicubic(block, steps, axes=range(block.ndim))
        elif kernel == "kspace":
            small = kspace.truncate(block, steps)
        elif lens is not None:
            planes = block_axes.index("Y"), block_axes.index("X")
            confocal = kernel == "confocal"
            small = bin_mean(diffract(block, lens[0], spacing=lens[1], confocal=confocal, axes=planes), steps)
        else:
            small = bin_mean(blur(block, widths), steps)
        if kernel == "kspace":
            small = camera.digitise(kspace.rician(small, camera.read_noise or 0.0, random))
        else:
            small = camera.expose(small, highs[channel], random)
        if broken:
            small[bin_mean(bad, steps) > 0] = np.nan
        out[index] = intensity.cast(small, image.dtype)[0]
    return out


def _compressed(image: Image, data: npt.NDArray[Any], quality: int) -> npt.NDArray[Any]:
    if data.dtype != np.uint8:
        raise SettingsError(f"JPEG holds 8 bits, and the image is {data.dtype}. Convert it, or leave jpeg out.")
    out = np.empty_like(data)
    for index, _ in _blocks(image, "YXS"):
        out[index] = compressed(data[index], quality)
    return out


def _filled(block: Floats, axes: str) -> Floats:
    """Return `block` with invalid pixels filled from their spatial neighbours, colour samples apart."""
    fallback = float(np.median(block[np.isfinite(block)])) if np.isfinite(block).any() else 0.0
    if "S" not in axes:
        return np.asarray(invalid.fill(block, fallback))
    at = axes.index("S")
    return np.stack([invalid.fill(np.take(block, s, at), fallback) for s in range(block.shape[at])], axis=at)


def _blocks(image: Image, inner: str) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Yield the index of every block over the axes `inner`, and its channel."""
    counts = [1 if a in inner else n for a, n in zip(image.axes, image.shape, strict=True)]
    for where in np.ndindex(*counts):
        index = tuple(slice(None) if a in inner else i for a, i in zip(image.axes, where, strict=True))
        yield index, where[image.axes.index("C")] if "C" in image.axes else 0
