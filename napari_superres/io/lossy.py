"""What a format would lose of an image, found out before anything is written."""

from dataclasses import dataclass

import numpy as np

from napari_superres.core.grid import make_affine
from napari_superres.core.image import Image

# An off-diagonal element this much smaller than the pixel is rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that a format cannot hold.

    Attributes
    ----------
    what
        What would be lost, in words.
    instead
        A format that holds it; empty where none does.
    fatal
        True where nothing can be written at all, even when loss is allowed.
    """

    what: str
    instead: str
    fatal: bool = False


def orientation(image: Image, rotated: str = ".nii.gz, .nrrd or .mha") -> list[Loss]:
    """Return the loss of any rotation, flip or shear, for formats that know only sizes and origin."""
    linear = image.affine[:-1, :-1]
    sizes = np.asarray(image.pixel_size)
    if np.all(np.abs(linear - np.diag(sizes)) <= _ROUNDING * sizes):
        return []
    if is_sheared(image):
        return [Loss("the shear of the pixel grid", "")]
    return [Loss("the rotation or flip of the pixel grid", ".nrrd or .mha" if len(image.spatial) == 2 else rotated)]


def straightened(image: Image) -> Image:
    """Return what is left of an image whose rotation is lost: pixel sizes and origin, axes along the world's."""
    return image.replace(affine=make_affine(image.pixel_size, image.origin)) if orientation(image) else image


def is_sheared(image: Image) -> bool:
    """Return whether the axes of the pixel grid are not at right angles."""
    direction = image.affine[:-1, :-1] / np.asarray(image.pixel_size)
    return bool(np.max(np.abs(direction.T @ direction - np.eye(len(direction)))) > _ROUNDING)


def data_type(image: Image, held: str, instead: str) -> list[Loss]:
    """Return the loss of a data type that is not among those held, given as names split by spaces."""
    if image.dtype.name in held.split():
        return []
    return [Loss(f"the data type {image.dtype.name} (it holds {held.replace(' ', ', ')})", instead, fatal=True)]
