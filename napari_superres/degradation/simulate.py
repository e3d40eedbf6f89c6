"""`degrade`: make the low-resolution image an instrument would have recorded of a high-resolution one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_superres.core import intensity, invalid
from napari_superres.core.axes import guess_axes
from napari_superres.core.binning import bin_mean
from napari_superres.core.grid import downscale_affine
from napari_superres.core.image import Array, Image
from napari_superres.core.options import checks_names
from napari_superres.core.units import METRES
from napari_superres.degradation import kspace
from napari_superres.degradation.camera import Camera
from napari_superres.degradation.diffraction import diffract
from napari_superres.degradation.jpeg import check_quality, compress
from napari_superres.degradation.optics import blur
from napari_superres.degradation.psf.kernel import blur_with, from_record, psf_kernel
from napari_superres.degradation.resample import resize_bicubic
from napari_superres.errors import SettingsError

Kernel = Literal["bicubic", "gaussian", "widefield", "confocal", "measured", "kspace"]
_LONGEST_WAVE = 30.0
"""Longest wavelength, in micrometres, of an infrared microscope."""

_LENSES = ("widefield", "confocal")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Lens:
    """Diffraction of a microscope: cutoff frequency in cycles per micrometre, pixel size in micrometres."""

    cutoff: float
    spacing: tuple[float, float]
    confocal: bool


@dataclass(frozen=True, slots=True)
class _Optics:
    """The noise-free part of an instrument, with one factor and one sigma per spatial axis."""

    kernel: Kernel
    factors: Mapping[str, int]
    sigmas: Mapping[str, float]
    lens: _Lens | None
    measured: Floats | None

    @property
    def joint_axes(self) -> str:
        """Axes reduced together: without blur or reduction along Z, slices are taken one by one to save memory."""
        is_deep = self.sigmas.get("Z", 0.0) > 0 or (self.measured is not None and self.measured.ndim == 3)
        return "YXS" if self.factors.get("Z", 1) == 1 and not is_deep else "ZYXS"

    def steps(self, axes: str) -> list[int]:
        """Return the factor of each axis."""
        return [self.factors.get(a, 1) for a in axes]

    def reduce(self, block: Floats, axes: str) -> Floats:
        """Return a block of finite pixels, blurred and on larger pixels."""
        steps = self.steps(axes)
        if self.kernel == "bicubic":
            return np.asarray(resize_bicubic(block, steps, axes=range(block.ndim)))
        if self.kernel == "kspace":
            return kspace.truncate(block, steps)
        if self.measured is not None:
            spatial = [axes.index(a) for a in "ZYX"[-self.measured.ndim :]]
            last = range(-self.measured.ndim, 0)
            blurred = blur_with(np.moveaxis(block, spatial, last), self.measured)
            return bin_mean(np.moveaxis(blurred, last, spatial), steps)
        if self.lens is None:
            return bin_mean(blur(block, [self.sigmas.get(a, 0.0) for a in axes]), steps)
        lens, planes = self.lens, (axes.index("Y"), axes.index("X"))
        return bin_mean(diffract(block, lens.cutoff, spacing=lens.spacing, confocal=lens.confocal, axes=planes), steps)


@checks_names
def degrade(
    image: Image | Array,
    scale: int | Sequence[int],
    *,
    axes: str | None = None,
    kernel: Kernel = "bicubic",
    psf_sigma: float | Sequence[float] | None = None,
    psf: Image | Mapping[str, Any] | None = None,
    na: float | None = None,
    wavelength: float | None = None,
    photons: float | None = None,
    read_noise: float | None = None,
    offset: float = 0.0,
    saturation: float | None = None,
    jpeg: float | None = None,
    seed: int = 0,
) -> Image:
    """Make the low-resolution image that an instrument with larger pixels would have recorded.

    The operators follow the order of nature: optics, pixels, photon noise, read noise, offset, saturation, the limits
    and steps of the data type, and compression.

    Parameters
    ----------
    image
        High-resolution image, or a bare array. Lazy data are read. Pixels without a measurement (NaN, infinite, or in
        the range `Image.no_data`) are filled from their neighbours. A low-resolution pixel that covers one has none.
    scale
        Integer factor along Y and X, or one per spatial axis, or one each for Y and X. Pixels at the far end that do
        not fill a low-resolution pixel are left out.
    axes
        Axes of a bare array, such as ``"CYX"``; guessed from its shape by default.
    kernel
        ``"bicubic"``: antialiased bicubic, the convention of super-resolution benchmarks. ``"gaussian"``: blur by
        `psf_sigma`, then the mean over the area of each pixel. ``"widefield"``, ``"confocal"``: planes in focus,
        blurred by diffraction at the lens (`na`, `wavelength`), then that mean. ``"measured"``: blurred by `psf`, along
        Z too if both are stacks, then that mean. ``"kspace"``: only the lowest spatial
        frequencies, as a magnetic resonance scanner records them.
    psf_sigma
        Standard deviation of the point-spread function in high-resolution pixels: one number for Y and X, or one per
        spatial axis. None = no blur other than by the pixel area. Needs ``kernel="gaussian"``.
    psf
        Point-spread function measured on beads, as `measure_psf` returns it, or any image of one point, of known pixel
        size; or the plain values of one in a record. Needs ``kernel="measured"``, and the pixel size of the image.
    na, wavelength
        Numerical aperture, and wavelength in micrometres. The pixel size of the image must be known.
    photons
        Mean number of photons in a low-resolution pixel at the 99.9 percentile of each channel. The intensity 0 must
        mean darkness. None = no photon noise.
    read_noise
        Standard deviation of the read noise: in electrons if `photons` is given, else in the intensity unit of the
        image. With ``kernel="kspace"``, of the real and the imaginary part, whose magnitude is returned (Rician noise).
    offset
        Constant added to every pixel, in the intensity unit of the image.
    saturation
        Largest intensity that a pixel can hold, in that unit. None = the limit of the data type.
    jpeg
        Quality of JPEG compression as the last step, 1 to 100, for 8-bit images. None = no compression.
    seed
        Seed of the noise, at least 0: the same seed gives the same image.

    Returns
    -------
    Image
        Same axes, dtype, units, channel names and mean intensity. Pixels are ``scale`` times larger, and nothing moves
        in world coordinates. ``metadata["degradation"]`` records the settings.

    Raises
    ------
    SettingsError
        If an option is unknown or out of range, or `photons` is given for an image with negative intensities.
    AxesError
        If `axes` does not fit the array.
    """
    if not isinstance(image, Image):
        array = image if hasattr(image, "shape") else np.asarray(image)
        image = Image.from_array(array, axes or guess_axes(tuple(array.shape)))
    elif axes is not None and axes.upper() != image.axes:
        raise SettingsError(f"the image has the axes {image.axes}, got axes={axes!r}.", remedy="Leave `axes` out.")
    factors = _factors(image, scale)
    sigmas = _sigmas(image, kernel, psf_sigma)
    lens = _lens(image, kernel, na, wavelength)
    measured = _measured(image, kernel, psf)
    camera = _camera(photons, read_noise, offset, saturation)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise SettingsError(f"`seed` must be a whole number of at least 0, got {seed!r}.")
    if kernel == "kspace" and photons is not None:
        raise SettingsError(
            "a magnetic resonance scanner counts no photons.", remedy="Leave `photons` out and set `read_noise`."
        )
    optics = _Optics(
        kernel,
        dict(zip(image.spatial, factors, strict=True)),
        dict(zip(image.spatial, sigmas, strict=True)),
        lens,
        measured,
    )
    data = _record(image, optics, camera, np.random.default_rng(seed))
    blur_settings = {"psf_sigma": sigmas} if lens is None else {"na": na, "wavelength": wavelength}
    blur_settings = blur_settings if measured is None else {"psf_shape": measured.shape}
    settings = {"kernel": kernel, "scale": factors, **blur_settings, **camera.describe(), "seed": seed}
    if jpeg is not None:
        lost, compressed = invalid.find_missing(data, image.no_data), _compress(image, data, check_quality(jpeg))
        data = compressed if lost is None else np.where(lost, data, compressed)
        settings["jpeg"] = jpeg
    metadata = {k: v for k, v in image.metadata.items() if k != "provenance"}
    return image.replace(
        data=data, affine=downscale_affine(image.affine, factors), metadata={**metadata, "degradation": settings}
    )


def _per_axis(spatial: str, value: Any, idle: Any, name: str) -> tuple[Any, ...]:
    """Return one value per spatial axis, from one for Y and X, one each for Y and X, or one per axis.

    Other axes get `idle`.
    """
    values = [value, value] if np.ndim(value) == 0 else list(value)
    if len(values) == len(spatial):
        return tuple(values)
    if len(values) == 2:
        plane = dict(zip((a for a in spatial if a in "YX"), values, strict=True))
        return tuple(plane.get(a, idle) for a in spatial)
    raise SettingsError(
        f"{name} must be one number, or one per axis of {spatial}, got {len(values)} numbers: {tuple(values)}."
    )


def _factors(image: Image, scale: int | Sequence[int]) -> tuple[int, ...]:
    factors = _per_axis(image.spatial, scale, 1, "scale")
    for axis, factor in zip(image.spatial, factors, strict=True):
        if isinstance(factor, bool) or not isinstance(factor, int | np.integer) or factor < 1:
            raise SettingsError(f"`scale` must be a whole number of at least 1, got {factor!r} along {axis}.")
        if image.size(axis) < factor:
            raise SettingsError(f"axis {axis} has {image.size(axis)} pixels and cannot be reduced by {factor}.")
    return tuple(int(f) for f in factors)


def _sigmas(image: Image, kernel: str, psf_sigma: float | Sequence[float] | None) -> tuple[float, ...]:
    if kernel not in get_args(Kernel):
        raise SettingsError(f"unknown kernel {kernel!r}.", remedy=f"Use one of {', '.join(get_args(Kernel))}.")
    if psf_sigma is None:
        return (0.0,) * len(image.spatial)
    if kernel != "gaussian":
        raise SettingsError(
            f"kernel={kernel!r} has a width of its own, got psf_sigma={psf_sigma}.",
            remedy="Use `kernel='gaussian'` or leave `psf_sigma` out.",
        )
    sigmas = tuple(float(s) for s in _per_axis(image.spatial, psf_sigma, 0.0, "psf_sigma"))
    if any(not isfinite(s) or s < 0 for s in sigmas):
        raise SettingsError(f"`psf_sigma` must be finite and at least 0 high-resolution pixels, got {psf_sigma}.")
    return sigmas


def _lens(image: Image, kernel: str, na: float | None, wavelength: float | None) -> _Lens | None:
    if kernel not in _LENSES:
        if na is not None or wavelength is not None:
            raise SettingsError(f"na and wavelength belong to kernel={' or '.join(_LENSES)}, got {kernel!r}.")
        return None
    if na is None or wavelength is None:
        raise SettingsError(
            f"{kernel} optics need na and wavelength.",
            remedy="Set `na` and `wavelength`, the latter in micrometres, such as 0.52.",
        )
    if not (isfinite(na) and isfinite(wavelength) and na > 0 and wavelength > 0):
        raise SettingsError(f"na and wavelength must be finite and above 0, got {na} and {wavelength}.")
    if wavelength > _LONGEST_WAVE:
        raise SettingsError(
            f"wavelength is in micrometres, got {wavelength:g}.", remedy=f"Did you mean {wavelength / 1000:g}?"
        )
    unit = image.units.get("X")
    if unit is None or not image.has_pixel_size:
        raise SettingsError(
            "the blur of a lens depends on the pixel size, and that of the image is unknown.",
            remedy="Set the image's `pixel_size`.",
        )
    micrometres = METRES[unit] / METRES["micrometer"]
    y, x = (image.pixel_size[image.spatial.index(a)] * micrometres for a in "YX")
    return _Lens(2 * na / wavelength, (y, x), kernel == "confocal")


def _measured(image: Image, kernel: str, psf: Image | Mapping[str, Any] | None) -> Floats | None:
    """Return a measured point-spread function on the pixels of the image."""
    if (kernel == "measured") != (psf is not None):
        raise SettingsError(f"kernel='measured' and psf belong together, got kernel={kernel!r}.", remedy="Set both.")
    if psf is None:
        return None
    point = psf if isinstance(psf, Image) else from_record(psf)
    if not image.has_pixel_size:
        raise SettingsError(
            "a measured blur depends on the pixel size, and that of the image is unknown.",
            remedy="Set the image's `pixel_size`.",
        )
    axes = "ZYX" if image.size("Z") > 1 and point.size("Z") > 1 else "YX"
    sizes = dict(zip(image.spatial, image.pixel_size, strict=True))
    units = {a: METRES[u] / METRES["micrometer"] for a in axes if (u := image.units[a]) in METRES}
    return psf_kernel(point, [sizes[a] * units[a] for a in axes])


def _camera(photons: float | None, read_noise: float | None, offset: float, saturation: float | None) -> Camera:
    if photons is not None and not (isfinite(photons) and photons > 0):
        raise SettingsError(
            f"photons must be finite and above 0, got {photons}.",
            remedy="Leave `photons` out for an image without photon noise.",
        )
    if read_noise is not None and not (isfinite(read_noise) and read_noise >= 0):
        raise SettingsError(f"`read_noise` must be finite and at least 0, got {read_noise}.")
    if not isfinite(offset):
        raise SettingsError(f"`offset` must be finite, got {offset}.")
    if saturation is not None and not (isfinite(saturation) and saturation > offset):
        raise SettingsError(f"`saturation` must lie above the offset, {offset:g}, got {saturation}.")
    return Camera(photons, read_noise, offset, saturation)


def _bright_levels(image: Image) -> list[float]:
    """Return the 99.9 percentile of each channel, at which `photons` are counted."""
    levels = []
    for channel in range(image.size("C")):
        values = intensity.sample(image, channel)
        if values.size and values.min() < 0:
            raise SettingsError(
                f"photons need intensities of at least 0, got {values.min():.6g}.",
                remedy="Subtract the darkest value first, or leave `photons` out and set `read_noise` in the unit of "
                "the image.",
            )
        level = float(np.percentile(values, intensity.HIGH_PERCENTILE)) if values.size else 0.0
        level = level if level > 0 else float(values.max(initial=0))
        levels.append(level if level > 0 else 1.0)
    return levels


def _record(image: Image, optics: _Optics, camera: Camera, random: np.random.Generator) -> npt.NDArray[Any]:
    """Return the pixels that the instrument records, in the dtype of the image."""
    levels = _bright_levels(image) if camera.photons is not None else [1.0] * image.size("C")
    axes = "".join(a for a in image.axes if a in optics.joint_axes)
    shape = [n // f for n, f in zip(image.shape, optics.steps(image.axes), strict=True)]
    out = np.empty(shape, dtype=image.dtype)
    for index, channel in _blocks(image, axes):
        stored = np.asarray(image.data[index])
        missing, block = invalid.find_missing(stored, image.no_data), stored.astype(np.float64)
        small = optics.reduce(block if missing is None else _fill(block, missing, axes), axes)
        if optics.kernel == "kspace":
            small = camera.digitise(kspace.rician(small, camera.read_noise or 0.0, random))
        else:
            small = camera.expose(small, levels[channel], random)
        if image.size("S") > intensity.COLOURS:  # transparency is no light: it has neither blur nor noise
            alpha = tuple(slice(intensity.COLOURS, None) if a == "S" else slice(None) for a in axes)
            small[alpha] = bin_mean(block[alpha], optics.steps(axes))
        if missing is not None:
            mark = np.nan if image.no_data is None or image.dtype.kind == "f" else image.no_data[0]
            small[bin_mean(missing, optics.steps(axes)) > 0] = mark
        out[index] = intensity.cast(small, image.dtype)[0]
    return out


def _compress(image: Image, data: npt.NDArray[Any], quality: int) -> npt.NDArray[Any]:
    if data.dtype != np.uint8:
        raise SettingsError(
            f"JPEG holds 8 bits, and the image is {data.dtype}.",
            remedy="Convert the image to uint8 or leave `jpeg` out.",
        )
    out = np.empty_like(data)
    for index, _ in _blocks(image, "YXS"):
        out[index] = compress(data[index], quality)
    return out


def _fill(block: Floats, missing: npt.NDArray[np.bool_], axes: str) -> Floats:
    """Return `block` with missing pixels filled from their spatial neighbours, each colour sample by itself."""
    fallback = 0.0 if missing.all() else float(np.median(block[~missing]))
    block = np.where(missing, np.nan, block)
    if "S" not in axes:
        return np.asarray(invalid.fill(block, fallback))
    at = axes.index("S")
    return np.stack([invalid.fill(np.take(block, s, at), fallback) for s in range(block.shape[at])], axis=at)


def _blocks(image: Image, axes: str) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Yield the index of each block that spans `axes`, and its channel."""
    counts = [1 if a in axes else n for a, n in zip(image.axes, image.shape, strict=True)]
    for where in np.ndindex(*counts):
        index = tuple(slice(None) if a in axes else i for a, i in zip(image.axes, where, strict=True))
        yield index, where[image.axes.index("C")] if "C" in image.axes else 0
