"""JPEG compression of photographs."""

from io import BytesIO

import numpy as np
import numpy.typing as npt

from napari_superres.errors import SettingsError


def check_quality(quality: float) -> int:
    """Return a JPEG quality, rounded to a whole number.

    Raises
    ------
    SettingsError
        If `quality` is not between 1 and 100.
    """
    if not 1 <= quality <= 100:
        raise SettingsError(f"JPEG quality must be between 1 and 100, got {quality}.")
    return round(quality)


def compress(pixels: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    """Return 8-bit pixels ``(Y, X)`` or ``(Y, X, 3)`` after compression and decompression.

    ISO/IEC 10918-1 with the tables of the Independent JPEG Group, without chroma subsampling.
    """
    from PIL import Image

    encoded = BytesIO()
    Image.fromarray(pixels).save(encoded, format="JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(encoded), dtype=np.uint8)
