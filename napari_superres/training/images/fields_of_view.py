"""Read images for training, as planes or volumes on the intensity scale of the model."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.binning import bin_mean
from napari_superres.core.color import luma
from napari_superres.core.image import Image
from napari_superres.core.intensity import fit_normalisation
from napari_superres.core.units import METRES
from napari_superres.errors import SuperResError, TrainingError
from napari_superres.io import READ_SUFFIXES, InputPath, find_images, read_image, short_label, suffix

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of view.

    Attributes
    ----------
    hr
        High-resolution plane or volume.
    lr
        Low-resolution plane or volume, if an instrument recorded one.
    pixel_size
        Pixel size of `hr` along X in micrometres; None = unknown.
    target_variance
        Mean variance of the noise of `hr`, if it is a noisy repeat of `lr`; 0 = it counts as the truth.
    weight
        Chance of the field to be drawn, in any unit; None = by its size.
    """

    hr: Plane
    lr: Plane | None = None
    pixel_size: float | None = None
    weight: float | None = None
    target_variance: float = 0.0


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Images for training.

    Attributes
    ----------
    images
        The fields of view of each image: its planes or volumes, channels and sizes.
    notes
        What the user should know about these images.
    """

    images: Sequence[Sequence[Field]]
    notes: tuple[str, ...] = ()


def read_fields(
    folders: Iterable[Path], *, channel: str, shrink: Sequence[int] = (1,), ndim: int = 2, shares: Sequence[float] = ()
) -> ImageSet:
    """Read every plane, or every volume, of every image in some folders.

    Parameters
    ----------
    folders
        Folders of images in any readable format. A note names each image that cannot be read.
    channel
        ``"luma"``: 8-bit luma divided by 255; ``"each"``: every channel, normalised as `core.intensity` does for the
        kind ``"percentile"``.
    shrink
        Factors by which each plane is binned; one field is returned for each factor.
    ndim
        2 for planes; 3 for volumes, from images with an axis Z.
    shares
        Share of each folder in what is drawn; within a folder, an image is drawn by the square root of its size.
        Empty = every field is drawn by its size.

    Raises
    ------
    TrainingError
        If a folder has no readable image, or no volume with ``ndim=3``; or if an image holds NaN, has one intensity
        everywhere, or has not 8 bits with ``channel="luma"``.
    """
    images: list[list[Field]] = []
    notes: list[str] = []
    for number, folder in enumerate(folders):
        found, unreadable = _read_folder(folder, channel, shrink, ndim)
        if not found:
            kind = "volume (Z, Y, X)" if ndim == 3 else "image"
            raise TrainingError(
                f"no {kind} in {InputPath(folder)} could be read. {' '.join(unreadable)}".strip(),
                remedy="Choose a folder with at least one.",
            )
        images += _weigh(found, shares[number]) if shares else found
        notes += unreadable
    return ImageSet(images, tuple(notes))


def pixel_size_um(image: Image) -> float | None:
    """Return the pixel size of an image along X in micrometres, or None if it is unknown."""
    unit = image.units.get("X")
    if unit not in METRES:
        return None
    return image.pixel_size[image.spatial.index("X")] * METRES[unit] / METRES["micrometer"]


def _read_folder(folder: Path, channel: str, shrink: Sequence[int], ndim: int) -> tuple[list[list[Field]], list[str]]:
    """Return the fields of each image in a folder, and a note for each image that cannot be read."""
    images, notes = [], []
    for path in find_images(folder):
        name = short_label(path)
        try:
            image = read_image(path)
        except SuperResError as error:
            if suffix(path) in READ_SUFFIXES:  # a folder of images may hold other files too
                notes.append(f"{name} is left out: {error}")
            continue
        if ndim == 3 and "Z" not in image.axes:
            continue  # a plane among volumes
        if channel == "luma" and image.dtype != np.uint8:
            raise TrainingError(
                f"{name} holds {image.dtype}, and luma needs 8 bits.", remedy="Use channel = 'each' in the recipe."
            )
        _check_pixels(image, name)
        size = pixel_size_um(image)
        planes = _fields_of(image, channel, ndim)
        images.append([Field(_bin(p, s), pixel_size=size and size * s) for p in planes for s in shrink])
    return images, notes


def _weigh(images: list[list[Field]], share: float) -> list[list[Field]]:
    """Return the images of a folder with weights that add up to `share`."""
    sizes = [sum(field.hr.size for field in fields) for fields in images]
    total = sum(size**0.5 for size in sizes)
    return [
        [replace(field, weight=share * field.hr.size / (size**0.5 * total)) for field in fields]
        for fields, size in zip(images, sizes, strict=True)
    ]


def _check_pixels(image: Image, name: str) -> None:
    values = np.asarray(image.data)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise TrainingError(f"{name} holds NaN or infinite pixels.", remedy="Fill these pixels or crop the image.")
    if values.size == 0 or values.min() == values.max():
        raise TrainingError(f"{name} has one intensity everywhere and teaches nothing.", remedy="Remove the image.")


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
    return [field for values in samples for field in _normalise(values, image.axes.replace("S", ""), ndim)]


def _normalise(values: npt.NDArray[Any], axes: str, ndim: int) -> Iterator[Plane]:
    """Yield the planes or volumes of an image, normalised once per channel of the whole image, as in upscaling."""
    norm = fit_normalisation(Image.from_array(values, axes), "percentile")
    channels = np.moveaxis(values, axes.index("C"), 0) if "C" in axes else values[None]
    for c, channel in enumerate(channels):
        yield from norm.apply(channel, c, np.float32).reshape(-1, *channel.shape[-ndim:])


def _bin(field: Plane, factor: int) -> Plane:
    return bin_mean(field, (factor,) * field.ndim).astype(np.float32) if factor > 1 else field
