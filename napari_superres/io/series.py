"""What readers and writers share: `Series`, which readers return, `Unsupported`, which writers find, and errors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.core.grid import make_affine
from napari_superres.core.image import Image
from napari_superres.errors import MissingExtraError, SuperResError, UnreadableImageError

# Off-diagonal elements below this part of a pixel are rounding errors.
_ROUNDING = 1e-6
_DAMAGE = "its content is damaged, cut off, or of another format"


@dataclass(frozen=True, slots=True)
class Series:
    """One image of a file or folder, not yet opened.

    Attributes
    ----------
    name
        Name to display.
    summary
        Shape, data type and pixel size in words, for the error that lists several series.
    open
        Return the image. The argument replaces the axes that the file states; None keeps them.
    """

    name: str
    summary: str
    open: Callable[[str | None], Image]


def import_library(name: str, install: str | None = None) -> Any:
    """Import and return a format library.

    Parameters
    ----------
    name
        Module to import, such as ``"zarr.codecs"``.
    install
        Name of its package for pip; the first part of `name` by default.

    Raises
    ------
    MissingExtraError
        If the library is not installed. The remedy is the pip command.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = install or name.partition(".")[0]
        raise MissingExtraError(
            f"{package} must be installed to read or write this file format, but was not found.",
            remedy=f"Run: pip install {package}",
        ) from error


def check_present(path: Path) -> None:
    """Check that `path` exists and is not empty.

    Raises
    ------
    UnreadableImageError
        If it is missing, empty, or may not be read.
    """
    try:
        if not path.exists():
            raise UnreadableImageError(f"{path} does not exist.", remedy="Check the path.")
        if path.is_file() and path.stat().st_size == 0:
            raise UnreadableImageError(f"{path} is empty (0 bytes).", remedy="Copy or export it again.")
    except PermissionError as error:
        raise _permission_error(path) from error


@contextmanager
def translate_errors(path: Path, kind: str) -> Iterator[None]:
    """Turn every exception that a format library raises in this block into an `UnreadableImageError`.

    Errors of this package and `MemoryError` pass unchanged.

    Parameters
    ----------
    path
        File that is read in the block.
    kind
        Name of its format for the message, such as ``"TIFF"``.
    """
    try:
        yield
    except (SuperResError, MemoryError):
        raise
    except PermissionError as error:
        raise _permission_error(path) from error
    except Exception as error:  # parsers raise any exception on damaged files; it stays as the cause
        raise damage_error(path, kind) from error


def damage_error(path: Path, kind: str, problem: str = _DAMAGE) -> SuperResError:
    """Return the error for a file that is not a complete file of the format `kind`."""
    return UnreadableImageError(f"{path} must be a complete {kind}, but {problem}.", remedy="Copy or export it again.")


def summarize(image: Image) -> str:
    """Return axes, shape, data type and pixel size of an image in words."""
    sizes = " x ".join(f"{size:.4g}" for size in image.pixel_size)
    unit = image.units.get("X")
    pixel = f"pixel {sizes} {unit}" if unit else "pixel size unknown"
    return f"{image.axes} {' x '.join(map(str, image.shape))} {image.dtype}, {pixel}"


def _permission_error(path: Path) -> UnreadableImageError:
    return UnreadableImageError(f"{path} may not be read: permission denied.", remedy="Ask for read access.")


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
