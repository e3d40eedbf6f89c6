"""Features of an image that a file format cannot store, found before any pixel is computed or written."""

from dataclasses import dataclass

import numpy as np

from napari_superres.core.grid import make_affine
from napari_superres.core.image import Image

# Off-diagonal elements below this part of a pixel are rounding errors.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Unsupported:
    """One feature of an image that a format cannot store.

    Attributes
    ----------
    feature
        The feature in words, such as ``"the pixel size"``.
    alternative
        Suffixes of formats that can store it; empty if no format can.
    fatal
        Whether the format cannot store the image at all, even if the loss of the feature is allowed.
    """

    feature: str
    alternative: str
    fatal: bool = False


def unsupported_orientation(image: Image, alternative: str = ".nii.gz, .nrrd or .mha") -> list[Unsupported]:
    """Return any rotation, flip or shear, for formats that store only pixel size and origin.

    Parameters
    ----------
    image
        Image to write.
    alternative
        Formats that store the rotation of a volume.
    """
    linear = image.affine[:-1, :-1]
    sizes = np.asarray(image.pixel_size)
    if np.all(np.abs(linear - np.diag(sizes)) <= _ROUNDING * sizes):
        return []
    if is_sheared(image):
        return [Unsupported("the shear of the pixel grid", "")]
    plane = len(image.spatial) == 2
    return [Unsupported("the rotation or flip of the pixel grid", ".nrrd or .mha" if plane else alternative)]


def drop_rotation(image: Image) -> Image:
    """Return the image with its pixel size and origin, but with axes along those of the world."""
    if not unsupported_orientation(image):
        return image
    return image.replace(affine=make_affine(image.pixel_size, image.origin))


def is_sheared(image: Image) -> bool:
    """Return whether the axes of the pixel grid are not at right angles."""
    direction = image.affine[:-1, :-1] / np.asarray(image.pixel_size)
    return bool(np.max(np.abs(direction.T @ direction - np.eye(len(direction)))) > _ROUNDING)


def unsupported_data_type(image: Image, supported: str, alternative: str) -> list[Unsupported]:
    """Return the data type of an image if it is not among the `supported` names, which spaces separate."""
    if image.dtype.name in supported.split():
        return []
    types = supported.replace(" ", ", ")
    return [Unsupported(f"the data type {image.dtype.name} (it can hold {types})", alternative, fatal=True)]
