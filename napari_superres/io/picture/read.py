"""Read PNG, JPEG and BMP.

Grey (8 and 16 bits), RGB, RGBA and palette pictures can be read. Grey with transparency becomes RGBA, which keeps
the transparency. The picture is turned as the camera's orientation mark says.
"""

import warnings
from pathlib import Path

import numpy as np

from napari_superres.core.axes import validate_axes
from napari_superres.core.image import Image
from napari_superres.io.series import Series, damage_error, import_library, summarize, translate_errors

# Pillow's modes, and the modes that they are converted to. Other modes keep their values.
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


def scan(path: Path, require_pixel_size: bool) -> list[Series]:
    """Read a picture file and return its one image.

    Raises
    ------
    UnreadableImageError
        If it is damaged or cut off.
    """
    del require_pixel_size
    pillow, orient = import_library("PIL.Image", "pillow"), import_library("PIL.ImageOps", "pillow")
    with translate_errors(path, "picture"), warnings.catch_warnings():
        # Pillow warns of large pictures as a possible attack, but scientific pictures are large. Damage still raises.
        warnings.simplefilter("ignore")
        with pillow.open(path) as picture:
            if getattr(picture, "n_frames", 1) > 1:
                raise damage_error(path, "still picture", "it is an animation")
            mode = picture.mode
            if mode == "P" and "transparency" in picture.info:
                mode = "PA"
            upright = orient.exif_transpose(picture)
            data = np.asarray(upright.convert(_CONVERTED[mode]) if mode in _CONVERTED else upright)
    if data.dtype == np.int32 and mode.startswith("I"):
        # Some versions of Pillow return 16-bit grey as 32-bit integers.
        data = data.astype(np.uint16) if data.min() >= 0 and data.max() <= 65535 else data

    def open_image(axes: str | None) -> Image:
        return Image.from_array(data, validate_axes(axes or ("YX" if data.ndim == 2 else "YXS"), data.shape))

    return [Series(path.name, summarize(open_image(None)), open_image)]
