"""Check that JPEG data are whole, and what they state. Most decoders fill what is missing with grey and say nothing."""

from napari_superres.errors import MissingExtraError
from napari_superres.io.series import import_library

_COLORSPACES = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}
# Start of frame: all codes from C0 to CF that are no table (C4, CC) and no extension (C8).
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BOXES = b"\0\0\0\x0cjP  "
_JPEG_2000 = b"\xff\x4f\xff\x51"


def jpeg_fault(data: bytes) -> str | None:
    """Return the first warning of libjpeg about JPEG data; None if it decodes them without any.

    The data are decoded to an eighth of their size, which reads all of them and takes a third of the time. Training on
    a machine that has few libraries goes without this check: its images were checked when they were packed.
    """
    try:
        simplejpeg = import_library("simplejpeg")
    except MissingExtraError:
        return None
    try:
        colorspace = _COLORSPACES.get(simplejpeg.decode_jpeg_header(data)[2], "RGB")
        simplejpeg.decode_jpeg(data, colorspace=colorspace, min_height=1, min_width=1, strict=True)
    except ValueError as error:
        return str(error)
    return None


def has_empty_box(data: bytes) -> bool:
    """Return whether JPEG 2000 data in a file of boxes have one that is too short: pydicom would look at it forever."""
    position = len(_BOXES) + 4
    while data.startswith(_BOXES) and position < len(data) and data[position + 4 : position + 8] != b"jp2c":
        length = int.from_bytes(data[position : position + 4], "big")
        if length < 8:
            return True
        position += length
    return False


def stated_pixels(data: bytes) -> int:
    """Return the largest number of pixels that JPEG or JPEG 2000 data state; 0 if they state none."""
    start = data[:1024].find(_JPEG_2000)
    if start >= 0:
        right, bottom, left, top = (int.from_bytes(data[start + i : start + i + 4], "big") for i in (8, 12, 16, 20))
        return max(0, right - left) * max(0, bottom - top)
    most, position = 0, 2
    while data[:2] == b"\xff\xd8" and position + 9 <= len(data) and data[position] == 0xFF:
        code, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if code == 0xFF:  # padding
            position += 1
            continue
        if code in _FRAMES:
            rows, columns = (int.from_bytes(data[position + i : position + i + 2], "big") for i in (5, 7))
            most = max(most, rows * columns)
        if code == 0xDA:  # the scan begins
            break
        position += 2 + length
    return most
