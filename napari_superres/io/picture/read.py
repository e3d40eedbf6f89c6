"""Read PNG, JPEG and BMP strictly: a picture that is not whole is an error.

Grey and colour of 8 and 16 bits, with and without transparency, and palettes can be read; PNG by imagecodecs, JPEG and
BMP by Pillow. Grey with transparency becomes RGBA, which keeps the transparency. The picture is turned as the camera's
orientation mark says.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_superres.core.axes import validate_axes
from napari_superres.core.image import Image
from napari_superres.io.picture.jpeg import jpeg_fault
from napari_superres.io.picture.png import SIGNATURE, check_png
from napari_superres.io.series import (
    Accept,
    Series,
    check_claim,
    damage_error,
    import_library,
    summarize,
    translate_errors,
)

# Pillow's modes of JPEG and BMP, and the modes that they are converted to. Other modes keep their values.
_CONVERTED = {"P": "RGB", "CMYK": "RGB", "1": "L"}

_BIT_DEPTH = 24
"""Place of the number of bits in a PNG."""

_ORIENTATION = 0x0112
# How the marks of the camera turn rows and columns.
_TURNS: dict[int, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    2: lambda a: np.flip(a, 1),
    3: lambda a: np.rot90(a, 2),
    4: lambda a: np.flip(a, 0),
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def scan(path: Path, accept: Accept) -> list[Series]:
    """Read a picture file and return its one image.

    Raises
    ------
    UnreadableImageError
        If it is damaged or cut off.
    """
    del accept
    with translate_errors(path, "picture"), warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")  # Pillow warns of small faults in metadata. Damage still raises.
        picture = _open(path, file)
        if getattr(picture, "n_frames", 1) > 1:
            raise damage_error(path, "still picture", "it is an animation")
        data = _png_pixels(path, picture) if picture.format == "PNG" else _pixels(picture)

    def open_image(axes: str | None) -> Image:
        return Image.from_array(data, validate_axes(axes or ("YX" if data.ndim == 2 else "YXS"), data.shape))

    return [Series(path.name, summarize(open_image(None)), open_image)]


def _open(path: Path, file: BinaryIO) -> Any:
    """Open a picture with Pillow after a check that it is whole.

    ``PIL.Image.open`` would try all formats of Pillow, of which EPS starts a program, and refuse large pictures.
    """
    start, size = file.read(len(SIGNATURE)), path.stat().st_size
    file.seek(0)
    if start == SIGNATURE:
        check_png(path)
        return import_library("PIL.PngImagePlugin", "pillow").PngImageFile(file)
    if start.startswith(b"\xff\xd8"):
        picture = import_library("PIL.JpegImagePlugin", "pillow").jpeg_factory(file)
        check_claim(path, "JPEG", picture.width * picture.height * len(picture.getbands()), size, "jpeg")
        fault = jpeg_fault(path.read_bytes())
        if fault:
            raise damage_error(path, "JPEG", f"it is damaged or cut off ({fault})")
        return picture
    if start.startswith(b"BM"):
        picture = import_library("PIL.BmpImagePlugin", "pillow").BmpImageFile(file)
        codec, _, offset, arguments = picture.tile[0]
        row_bytes = arguments[1] if codec == "raw" else picture.width
        check_claim(path, "BMP", picture.height * row_bytes, size - offset, "none" if codec == "raw" else "other")
        return picture
    raise damage_error(path, "picture")


def _pixels(picture: Any) -> npt.NDArray[Any]:
    import_library("PIL.ImageOps", "pillow").exif_transpose(picture, in_place=True)  # without a copy
    return np.asarray(picture.convert(_CONVERTED[picture.mode]) if picture.mode in _CONVERTED else picture)


def _png_pixels(path: Path, picture: Any) -> npt.NDArray[Any]:
    """Return the pixels of a PNG, of which Pillow drops eight bits of sixteen and the transparent colour.

    libpng replaces palettes by their colours, a transparent colour by alpha, and fewer than eight bits by eight.
    """
    raw = path.read_bytes()
    if raw[_BIT_DEPTH] == 8 and picture.mode in ("L", "RGB") and "transparency" not in picture.info:
        return _pixels(picture)  # nothing is lost
    data: npt.NDArray[Any] = import_library("imagecodecs").png_decode(raw)
    if data.ndim == 3 and data.shape[-1] == 2:
        data = data[..., [0, 0, 0, 1]]
    # Pillow decodes the whole picture to look for a mark after the pixels.
    marked = any(name in raw for name in (b"eXIf", b"Raw profile type exif"))
    turn = _TURNS.get(picture.getexif().get(_ORIENTATION)) if marked else None
    return data if turn is None else np.ascontiguousarray(turn(data))
