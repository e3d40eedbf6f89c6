"""What readers and writers share: `Series`, what a reader accepts, what a writer cannot store, checks and errors."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from napari_superres.core.grid import make_affine
from napari_superres.core.image import Image
from napari_superres.errors import (
    AxesError,
    DataTypeError,
    GridError,
    MissingExtraError,
    SuperResError,
    UnreadableImageError,
)
from napari_superres.limits import Packing, is_inside, is_special, most_bytes
from napari_superres.storage import RemotePath

# Off-diagonal elements below this part of a pixel are rounding errors.
_ROUNDING = 1e-6
# Part of a pixel. Headers with numbers of 32 bits are never quite straight.
_MISPLACED = 0.02
GUESSED = "axes_guessed"
"""Key in the metadata of an image whose file does not name all of its axes."""

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


AnySeries = TypeVar("AnySeries", bound=Series)


@dataclass(frozen=True, slots=True)
class Accept:
    """What a reader accepts that it refuses otherwise.

    Attributes
    ----------
    unknown_pixel_size
        DICOM files without pixel spacing, because the user states the pixel size.
    outside_files
        Headers that name data outside the folder of their file, because the user trusts them.
    """

    unknown_pixel_size: bool = False
    outside_files: bool = False


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
    """Check that `path` is a file or folder and not empty, and that a folder can be listed.

    Raises
    ------
    UnreadableImageError
        If it is missing, empty, a pipe or device, or may not be read.
    """
    if isinstance(path, RemotePath):
        if not path.is_dir():
            raise UnreadableImageError(
                f"{path} holds no zarr, and only OME-Zarr is read by address.",
                remedy="Check the address and the credentials, or download the file.",
            )
        return
    try:
        if not path.exists():
            raise UnreadableImageError(f"{path} does not exist.", remedy="Check the path.")
        check_regular(path)
        if path.is_file() and path.stat().st_size == 0:
            raise UnreadableImageError(f"{path} is empty (0 bytes).", remedy="Copy or export it again.")
        if path.is_dir():
            next(path.iterdir(), None)
    except SuperResError:
        raise
    except PermissionError as error:
        raise _permission_error(path) from error
    except OSError as error:  # a disk that is gone, a name that is too long
        raise UnreadableImageError(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from error


def check_regular(path: Path) -> None:
    """Check that an existing path is a file or folder.

    Raises
    ------
    UnreadableImageError
        If it is a pipe, a socket or a device.
    """
    if is_special(path):
        raise UnreadableImageError(
            f"{path} must be a file or a folder, but is a pipe, a socket or a device.",
            remedy="Save its content as a file first.",
        )


@contextmanager
def translate_errors(path: Path, kind: str) -> Iterator[None]:
    """Turn every exception that a format library raises in this block into an `UnreadableImageError`.

    Errors of this package pass unchanged.

    Parameters
    ----------
    path
        File that is read in the block.
    kind
        Name of its format for the message, such as ``"TIFF"``.
    """
    try:
        yield
    except SuperResError:
        raise
    except MemoryError as error:
        raise UnreadableImageError(
            f"{path} must fit into memory, but there is too little.",
            remedy="Close other programs, or convert it to OME-Zarr, which is read in parts.",
        ) from error
    except PermissionError as error:
        raise _permission_error(path) from error
    except Exception as error:  # parsers raise any exception on damaged files; it stays as the cause
        raise damage_error(path, kind) from error


@contextmanager
def name_file(path: Path) -> Iterator[None]:
    """Put the file before the errors of this block that say what no image can have, but not which image it is."""
    try:
        yield
    except (AxesError, DataTypeError, GridError) as error:
        if str(path) in error.message:
            raise
        raise type(error)(f"{path}: {error.message}", remedy=error.remedy) from error


def with_name(series: AnySeries, path: Path) -> AnySeries:
    """Return a series of a file, whose errors name it."""

    def open_image(axes: str | None) -> Image:
        with name_file(path):
            return series.open(axes)

    return replace(series, open=open_image)


def damage_error(path: Path, kind: str, problem: str = _DAMAGE) -> SuperResError:
    """Return the error for a file that is not a complete file of the format `kind`."""
    return UnreadableImageError(f"{path} must be a complete {kind}, but {problem}.", remedy="Copy or export it again.")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    check_regular(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_claim(path: Path, kind: str, claimed: int, stored: int, packing: Packing = "none") -> None:
    """Check that a file can hold as many bytes of pixels as its header claims, before they are allocated.

    Parameters
    ----------
    path, kind
        As in `damage_error`.
    claimed
        Size of the unpacked pixels by the header, in bytes.
    stored
        Size of the stored pixels, in bytes.
    packing
        How the stored pixels are packed.

    Raises
    ------
    UnreadableImageError
        If they can hold less. See `napari_superres.limits`.
    """
    if claimed <= most_bytes(stored, packing):
        return
    if packing == "none":
        raise damage_error(path, kind, f"it is cut off: {claimed} bytes are needed and {stored} are present")
    raise damage_error(path, kind, f"{stored} packed bytes cannot hold the {claimed} that its header states")


def check_confined(path: Path, name: str, accept: Accept) -> Path:
    """Return the path of a file that a header names, after a check that it may be read.

    Parameters
    ----------
    path
        File with the header.
    name
        Name in the header, relative to the folder of `path`.
    accept
        Whether files outside this folder may be read.

    Raises
    ------
    UnreadableImageError
        If the file lies outside the folder and this is not accepted, or if it is a pipe or device.
    """
    # Names stay out of the messages: they are often those of patients.
    target = path.parent / name
    try:
        inside, special = is_inside(target, path.parent), target.exists() and is_special(target)
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name that is too long, a zero byte
        raise damage_error(path, "image", "what it names cannot be a file") from error
    if not inside and not accept.outside_files:
        raise UnreadableImageError(
            f"{path} must name data in its own folder, but names a file elsewhere.",
            remedy="Move the data there. If you know who wrote the file, set `trust`.",
        )
    if special:
        raise UnreadableImageError(f"{path} must name files, but names a pipe, a socket or a device.")
    return target


def find_reference(path: Path, name: str, accept: Accept) -> Path:
    """Return the path of an existing file that a header names.

    Parameters and errors are those of `check_confined`. A missing file is an error, too.
    """
    target = check_confined(path, name, accept)
    if not target.is_file():
        raise damage_error(path, "image", "a file that it names is missing")
    return target


def note_no_data(image: Image) -> dict[str, str]:
    """Return what the note of this package in a file says of values that mean "not measured"; nothing without any."""
    return {} if image.no_data is None else {"no_data": " ".join(map(repr, image.no_data))}


def note_labels(image: Image) -> dict[str, bool]:
    """Return what the note of this package in a file says if the values are labels; nothing of intensities."""
    return {"labels": True} if image.metadata.get("labels") else {}


def noted_no_data(note: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the range of values that a note says to mean "not measured"; None if it says nothing."""
    try:
        low, high = (float(v) for v in str(note.get("no_data", "")).split())
    except ValueError:
        return None
    return (low, high) if low <= high else None


def summarize(image: Image) -> str:
    """Return axes, shape, data type and pixel size of an image in words."""
    sizes = " x ".join(f"{size:.4g}" for size in image.pixel_size)
    unit = image.units.get("X")
    pixel = f"pixel {sizes} {unit}" if unit else "pixel size unknown"
    axes = f"{image.axes} (a guess)" if image.metadata.get(GUESSED) else image.axes
    return f"{axes} {' x '.join(map(str, image.shape))} {image.dtype}, {pixel}"


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
        return [Unsupported("the shear of the pixel grid", ".nii.gz")]
    plane = len(image.spatial) == 2
    return [Unsupported("the rotation or flip of the pixel grid", ".nrrd or .mha" if plane else alternative)]


def drop_rotation(image: Image) -> Image:
    """Return the image with its pixel size and origin, but with axes along those of the world."""
    if not unsupported_orientation(image):
        return image
    return image.replace(affine=make_affine(image.pixel_size, image.origin))


def is_sheared(image: Image) -> bool:
    """Return whether straight axes, the nearest to those of the image, would misplace a corner by `_MISPLACED`."""
    linear, sizes = image.affine[:-1, :-1], np.asarray(image.pixel_size)
    left, _, right = np.linalg.svd(linear / sizes)
    extent = np.array([image.size(a) - 1 for a in image.spatial])
    return bool(np.abs(linear - (left @ right) * sizes) @ extent @ (1 / sizes) > _MISPLACED)


def unsupported_data_type(image: Image, supported: str, alternative: str) -> list[Unsupported]:
    """Return the data type of an image if it is not among the `supported` names, which spaces separate."""
    if image.dtype.name in supported.split():
        return []
    types = supported.replace(" ", ", ")
    return [Unsupported(f"the data type {image.dtype.name} (it can hold {types})", alternative, fatal=True)]
