"""Decode the JPEG tiles of a TIFF strictly.

tifffile fills what is missing in a tile with grey, and allocates as many pixels as the tile itself states.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from napari_superres.io.picture.jpeg import jpeg_fault, stated_pixels

_JPEG, _JPEG_2000 = {7}, {33003, 33005, 34712}


def decode_strictly(series: Any) -> None:
    """Make a series raise an error where a JPEG tile is cut off or larger than the series states."""
    for keyframe in {id(p.keyframe): p.keyframe for p in series.pages if p is not None}.values():
        if int(keyframe.compression) in _JPEG | _JPEG_2000 and keyframe.jpegheader is None:
            most = math.prod(keyframe.chunks[:2])
            keyframe.decode = partial(_decode, keyframe.decode, most, int(keyframe.compression) in _JPEG)


def _decode(
    decode: Callable[..., Any],
    most: int,
    is_jpeg: bool,
    data: bytes | None,
    index: int,
    *,
    jpegtables: bytes | None = None,
    **options: Any,
) -> Any:
    """Decode a tile with tifffile, whose options these are, after a check."""
    if data is not None:
        # The tables that all tiles share lie between the marks of a stream of their own.
        whole = jpegtables[:-2] + data[2:] if jpegtables else data
        if stated_pixels(whole) > most:
            raise ValueError(f"a tile states more than {most} pixels")
        fault = jpeg_fault(whole) if is_jpeg else None
        if fault and "remature end" in fault:
            raise ValueError(fault)
    if jpegtables is not None:
        options["jpegtables"] = jpegtables
    return decode(data, index, **options)
