"""What readers share: the `Series` they return, digests, and errors for damaged files and missing libraries."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from napari_superres.core.image import Image
from napari_superres.errors import MissingExtraError, SuperResError, UnreadableImageError

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


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def summarize(image: Image) -> str:
    """Return axes, shape, data type and pixel size of an image in words."""
    sizes = " x ".join(f"{size:.4g}" for size in image.pixel_size)
    unit = image.units.get("X")
    pixel = f"pixel {sizes} {unit}" if unit else "pixel size unknown"
    return f"{image.axes} {' x '.join(map(str, image.shape))} {image.dtype}, {pixel}"


def _permission_error(path: Path) -> UnreadableImageError:
    return UnreadableImageError(f"{path} may not be read: permission denied.", remedy="Ask for read access.")
