"""Images for training, as planes on the model's intensity scale."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.color import luma
from napari_superres.core.image import Image
from napari_superres.core.intensity import fit_normalisation
from napari_superres.core.units import METRES
from napari_superres.degradation.fit import fit_camera
from napari_superres.degradation.optics import bin_mean
from napari_superres.errors import SuperResError, SuperResWarning, TrainingError
from napari_superres.io import READ_SUFFIXES, find_images, read_image, suffix

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of view.

    Attributes
    ----------
    high
        High-resolution plane or volume.
    low
        The low-resolution one, where it was recorded.
    pixel_size
        Of `high` along X, in micrometers; None = unknown.
    """

    high: Plane
    low: Plane | None = None
    pixel_size: float | None = None


def read_fields(
    folders: Iterable[Path], *, channel: str, shrink: Sequence[int] = (1,), ndim: int = 2
) -> list[list[Field]]:
    """Read every plane, or every volume, of every image in some folders, one list per image.

    Parameters
    ----------
    folders
        Folders of images of any readable format.
    channel
        ``"luma"``: 8-bit luminance over 255; ``"each"``: every channel, normalised as `core.intensity` does
        for the kind ``"percentile"``.
    shrink
        Factors by which each plane is binned; one plane for each factor is returned.
    ndim
        2 = planes; 3 = volumes, of images that have the axis Z.

    Raises
    ------
    TrainingError
        If a folder holds no image, or no volume where volumes are wanted, that can be read; if one holds NaN or
        nothing but one intensity, or has not 8 bits where luminance is wanted.

    Warns
    -----
    SuperResWarning
        If an image cannot be read and is left out.
    """
    images: list[list[Field]] = []
    for folder in folders:
        found = 0
        for path in find_images(folder):
            try:
                image = read_image(path)
            except SuperResError as error:
                if suffix(path) in READ_SUFFIXES:  # a folder of images may hold other files
                    warnings.warn(f"{path.name} is left out: {error}", SuperResWarning, stacklevel=3)
                continue
            if ndim == 3 and "Z" not in image.axes:
                continue  # planes among volumes
            if channel == "luma" and image.dtype != np.uint8:
                raise TrainingError(f"{path.name} holds {image.dtype}; luminance needs 8 bits. Use channel = 'each'.")
            _check(image, path.name)
            found += 1
            size = pixel_size(image)
            images.append(
                [
                    Field(_binned(p, s), pixel_size=size and size * s)
                    for p in _fields_of(image, channel, ndim)
                    for s in shrink
                ]
            )
        if not found:
            what = "volume (Z, Y, X)" if ndim == 3 else "image"
            raise TrainingError(f"no {what} in {folder} could be read. Training needs at least one per folder.")
    return images


def fit_instrument(folder: Path, psf_sigma: tuple[float, float]) -> dict[str, Any]:
    """Return the settings of a recipe's degradation that suit the low-resolution images of one's instrument.

    Parameters
    ----------
    folder
        A few raw images, neither denoised nor interpolated.
    psf_sigma
        Of its point-spread function, in high-resolution pixels, from, to: noise does not tell it.

    Raises
    ------
    SettingsError
        If they are too few, or hold no noise.
    UnreadableImageError
        If there are none.
    """
    planes = []
    for path in find_images(folder):
        image = read_image(path)
        values = np.asarray(image.data)
        values = np.moveaxis(values, image.axes.index("S"), 0) if "S" in image.axes else values
        planes += list(values.reshape(-1, *values.shape[-2:]))
    return fit_camera(planes).optics(psf_sigma)


def pixel_size(image: Image) -> float | None:
    """Return the size of an image's pixels along X in micrometers, None if unknown."""
    unit = image.units.get("X")
    if unit not in METRES:
        return None
    return image.pixel_size[image.spatial.index("X")] * METRES[unit] / METRES["micrometer"]


def _check(image: Image, name: str) -> None:
    values = np.asarray(image.data)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise TrainingError(f"{name} holds NaN or infinite pixels. Training needs finite ones: fill or crop them.")
    if values.size == 0 or values.min() == values.max():
        raise TrainingError(f"{name} has one intensity everywhere: nothing can be learnt from it. Remove it.")


def _fields_of(image: Image, channel: str, ndim: int) -> list[Plane]:
    data = np.asarray(image.data)
    if "S" in image.axes:
        data = np.moveaxis(data, image.axes.index("S"), -1)
        if channel == "luma":
            values = np.rint(luma(data)) / 255.0
            return list(values.reshape(-1, *values.shape[-ndim:]).astype(np.float32))
        samples = list(np.moveaxis(data[..., :3], -1, 0))
    elif channel == "luma":
        return list((data / 255.0).reshape(-1, *data.shape[-ndim:]).astype(np.float32))
    else:
        samples = [data]
    return [field for values in samples for field in _normalised(values, image.axes.replace("S", ""), ndim)]


def _normalised(values: npt.NDArray[Any], axes: str, ndim: int) -> Iterator[Plane]:
    """Yield the planes or volumes of an image, mapped once per channel of the whole image, as when a model is used."""
    norm = fit_normalisation(Image.from_array(values, axes), "percentile")
    channels = np.moveaxis(values, axes.index("C"), 0) if "C" in axes else values[None]
    for c, channel in enumerate(channels):
        yield from norm.apply(channel, c, np.float32).reshape(-1, *channel.shape[-ndim:])


def _binned(field: Plane, factor: int) -> Plane:
    return bin_mean(field, (factor,) * field.ndim).astype(np.float32) if factor > 1 else field
