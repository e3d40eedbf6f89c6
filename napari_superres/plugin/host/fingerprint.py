"""Notice pixels that were edited in place, of which napari tells nobody."""

import zlib
from typing import Any

import numpy as np

_WHOLE = 1 << 26
"""Bytes up to which all pixels count; reading them takes less than a tenth of a second."""


def fingerprint(pixels: Any) -> int | None:
    """Return a checksum of an array, or of evenly spaced parts of a large one; None if it is not in memory."""
    if not isinstance(pixels, np.ndarray) or isinstance(pixels, np.memmap):
        return None
    rows = pixels.reshape(-1, pixels.shape[-1]) if pixels.flags.c_contiguous and pixels.ndim > 1 else pixels
    step = max(1, -(-pixels.nbytes // _WHOLE))
    return zlib.crc32(np.ascontiguousarray(rows[::step]).view(np.uint8).data)
