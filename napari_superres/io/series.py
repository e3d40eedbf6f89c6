"""What every reader shares: the one error for damaged files, and libraries that may be missing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from napari_superres.core.image import Image
from napari_superres.errors import MissingExtraError, SuperResError, UnreadableImageError


@dataclass(frozen=True, slots=True)
class Series:
    """One image of a file or folder, not yet opened.

    Attributes
    ----------
    name
        Name to display.
    summary
        Shape, data type and pixel size in words, for the error that lists several.
    open
        Opens it. The argument overrides the axes that the file states.
    """

    name: str
    summary: str
    open: Callable[[str | None], Image]


def library(name: str, install: str | None = None) -> Any:
    """Import a format library, or say how to install it.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = install or name.partition(".")[0]
        raise MissingExtraError(
            f"{package} is needed for this file format and is not installed. Run: pip install {package}"
        ) from error


def present(path: Path) -> None:
    """Check that `path` exists and is not empty.

    Raises
    ------
    UnreadableImageError
        If it is missing, empty, or may not be read.
    """
    try:
        if not path.exists():
            raise UnreadableImageError(f"{path} does not exist. Check the path.")
        if path.is_file() and path.stat().st_size == 0:
            raise UnreadableImageError(f"{path} is empty (0 bytes). Copy or export it again.")
    except PermissionError as error:
        raise UnreadableImageError(f"{path} may not be read: permission denied. Ask for read access.") from error


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a format library raises on a damaged file into one clear line."""
    try:
        yield
    except (SuperResError, MemoryError):
        raise
    except PermissionError as error:
        raise UnreadableImageError(f"{path} may not be read: permission denied. Ask for read access.") from error
    except Exception as error:  # parsers of damaged files raise anything; the cause is kept
        raise damaged(path, kind) from error


def damaged(
    path: Path, kind: str, found: str = "its content is damaged, cut off, or of another format"
) -> SuperResError:
    """Return the error for a file that is not what it should be."""
    return UnreadableImageError(f"{path} must be a complete {kind}, but {found}. Copy or export it again.")


def summary(image: Image) -> str:
    """Return axes, shape, data type and pixel size of an image in words."""
    sizes = " x ".join(f"{size:.4g}" for size in image.pixel_size)
    unit = image.units.get("X")
    pixel = f"pixel {sizes} {unit}" if unit else "pixel size unknown"
    return f"{image.axes} {' x '.join(map(str, image.shape))} {image.dtype}, {pixel}"
