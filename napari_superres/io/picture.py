"""PNG, JPEG and BMP: photographs and screenshots, without a pixel size.

Grey, grey with 16 bits, RGB, RGBA and palette pictures are read. Grey with transparency becomes RGBA,
so that transparency is kept. A camera's orientation mark is obeyed. Only PNG is written.
"""

import warnings
from pathlib import Path

import numpy as np

from napari_superres.core.axes import validate_axes
from napari_superres.core.image import Image
from napari_superres.io.lossy import Loss, data_type, orientation
from napari_superres.io.series import Series, damaged, library, reading, summary

# Pillow's modes and what we make of them; those left out keep their values.
_CONVERTED = {
    "P": "RGB",
    "PA": "RGBA",
    "LA": "RGBA",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
    "LAB": "RGB",
    "1": "L",
}


def scan(path: Path, strict: bool) -> list[Series]:
    """Return the one image of a picture file, read.

    Raises
    ------
    UnreadableImageError
        If it is damaged or cut off.
    """
    del strict
    pillow, orient = library("PIL.Image", "pillow"), library("PIL.ImageOps", "pillow")
    with reading(path, "picture"), warnings.catch_warnings():
        # Large scientific pictures are no attack; damage raises, everything else is of no concern here.
        warnings.simplefilter("ignore")
        with pillow.open(path) as picture:
            if getattr(picture, "n_frames", 1) > 1:
                raise damaged(path, "still picture", "it is an animation")
            mode = picture.mode
            if mode == "P" and "transparency" in picture.info:
                mode = "PA"
            upright = orient.exif_transpose(picture)
            data = np.asarray(upright.convert(_CONVERTED[mode]) if mode in _CONVERTED else upright)
    if data.dtype == np.int32 and mode.startswith("I"):
        # Pillow keeps 16-bit grey in 32-bit integers in some versions.
        data = data.astype(np.uint16) if data.min() >= 0 and data.max() <= 65535 else data

    def open_(axes: str | None) -> Image:
        return Image.from_array(data, validate_axes(axes or ("YX" if data.ndim == 2 else "YXS"), data.shape))

    return [Series(path.name, summary(open_(None)), open_)]


def losses(image: Image, ending: str) -> list[Loss]:
    """Return what a PNG would lose."""
    del ending
    found = data_type(image, "uint8 uint16", ".ome.tif or .ome.zarr")
    extra = [a for a, n in zip(image.axes, image.shape, strict=True) if a in "TCZ" and n > 1]
    if extra:
        found.append(Loss(f"the axes {', '.join(extra)} (it holds one plane)", ".ome.tif or .ome.zarr", fatal=True))
    if image.has_pixel_size:
        found.append(Loss("the pixel size", ".ome.tif"))
        found += orientation(image)
    if "S" in image.axes and image.dtype == np.uint16:
        found.append(Loss("16-bit colour", ".ome.tif", fatal=True))
    return found


def write(image: Image, path: Path) -> None:
    """Write one plane as PNG."""
    keep = "YXS" if "S" in image.axes else "YX"
    order = [image.axes.index(a) for a in (*(a for a in image.axes if a not in keep), *keep)]
    data = np.asarray(image.data[...]).astype(image.dtype, copy=False).transpose(order)
    data = np.ascontiguousarray(data.reshape(data.shape[-len(keep) :]))
    library("PIL.Image", "pillow").fromarray(data).save(path, format="PNG")
