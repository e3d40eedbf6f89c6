"""Decode the pixels of a DICOM file with pydicom, once it is known that the file can hold them.

pydicom decodes what is not compressed, RLE and, with Pillow, the usual JPEG. For the other kinds of JPEG it is given
imagecodecs, which comes with the package: those that pydicom knows are further packages, of which the one for lossless
JPEG is under the GPL. This module is a plug-in in the form that pydicom asks for.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import UnreadableImageError
from napari_superres.io.dicom.dataset import KIND, UNDEFINED, Elements, integer, number, quiet_pydicom, text, value
from napari_superres.io.picture.jpeg import has_empty_box, jpeg_fault, stated_pixels
from napari_superres.io.series import check_claim, damage_error, import_library
from napari_superres.limits import Packing

_PREFIX = "1.2.840.10008.1.2"
_RLE, _BASELINE, _EXTENDED = f"{_PREFIX}.5", f"{_PREFIX}.4.50", f"{_PREFIX}.4.51"
_NATIVE = {_PREFIX, f"{_PREFIX}.1", f"{_PREFIX}.1.98", f"{_PREFIX}.1.99", f"{_PREFIX}.2"}
_LOSSLESS = {f"{_PREFIX}.4.57", f"{_PREFIX}.4.70"}
_JPEG_LS = {f"{_PREFIX}.4.80", f"{_PREFIX}.4.81"}
_JPEG_2000 = {f"{_PREFIX}.4.90", f"{_PREFIX}.4.91", *(f"{_PREFIX}.4.{end}" for end in (201, 202, 203))}
_OURS = {_EXTENDED, *_LOSSLESS, *_JPEG_LS, *_JPEG_2000}
_PHOTOMETRIC = {"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"}

_BITS = {1, 8, 16, 32, 64}

DECODER_DEPENDENCIES = dict.fromkeys(_OURS, ("imagecodecs",))
"""What pydicom asks of a plug-in, besides `is_available` and a function that decodes a frame."""


def is_available(uid: str) -> bool:
    """Return whether this plug-in decodes a transfer syntax."""
    return uid in _OURS


def decode_frame(data: bytes, runner: Any) -> bytearray:
    """Decode one frame of JPEG, JPEG-LS or JPEG 2000, and tell pydicom in what form its pixels are."""
    imagecodecs, syntax = import_library("imagecodecs"), str(runner.transfer_syntax)
    if syntax in _JPEG_LS:
        pixels = imagecodecs.jpegls_decode(data)
    elif syntax in _JPEG_2000:
        pixels = imagecodecs.jpeg2k_decode(data)
        if str(runner.photometric_interpretation) in ("YBR_ICT", "YBR_RCT"):
            runner.set_option("photometric_interpretation", "RGB")
    else:
        # Colours stay as they are stored, whatever the names of their model: pydicom converts them.
        model = "RGB" if runner.samples_per_pixel == 3 else None
        pixels = imagecodecs.jpeg8_decode(data, colorspace=model, outcolorspace=model)
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    runner.set_option("planar_configuration", 0)
    return bytearray(pixels.tobytes())


def frame_count(elements: Elements) -> int:
    """Return the number of frames that a file states."""
    return integer(elements.tags, "NumberOfFrames", 1)


def check_pixels(path: Path, elements: Elements) -> None:
    """Check that a file can hold as many pixels as it states.

    Raises
    ------
    UnreadableImageError
        If it cannot, or states pixels of a kind that is not read.
    """
    tags = elements.tags
    if elements.stored is None:
        raise damage_error(path, KIND, "it holds no pixels")
    missing = [name for name in ("Rows", "Columns") if integer(tags, name, 0) <= 0]
    if missing or value(tags, "PhotometricInterpretation") is None:
        raise damage_error(path, KIND, f"it does not state its {' and '.join(missing) or 'colour model'}")
    if frame_count(elements) < 1 or (number(tags, "NumberOfFrames") is None and value(tags, "NumberOfFrames")):
        raise damage_error(path, KIND, "its number of frames (tag 0028,0008) is no number above 0")
    bits = integer(tags, "BitsAllocated", 0)
    used = integer(tags, "BitsStored", bits)
    if bits not in _BITS or not 1 <= used <= bits:
        raise damage_error(path, KIND, f"its pixels use {used} of {bits} bits (tags 0028,0101 and 0028,0100)")
    model = text(tags, "PhotometricInterpretation")
    if model not in _PHOTOMETRIC:
        raise UnreadableImageError(
            f"{path} must be grey, RGB, YBR or have a palette, but has the colour model {model[:16]!a}.",
            remedy="Convert it to RGB with a DICOM tool first.",
        )
    if elements.syntax not in _NATIVE | _OURS | {_RLE, _BASELINE}:
        with quiet_pydicom() as pydicom:
            name = ascii(str(pydicom.uid.UID(elements.syntax).name)[:64])
        raise UnreadableImageError(
            f"{path} is compressed as {name}, which cannot be read.",
            remedy="Store it uncompressed with a DICOM tool such as dcmdjpeg or gdcmconv first.",
        )
    check_claim(path, KIND, _claimed_bytes(elements), elements.stored, _packing(elements.syntax))


def decode_pixels(path: Path, elements: Elements) -> npt.NDArray[Any]:
    """Return the stored values of all frames, in native byte order.

    Parameters
    ----------
    path
        The file.
    elements
        Its elements, with the pixels. `check_pixels` must have accepted them.

    Returns
    -------
    ndarray
        ``(frames, Y, X[, S])``. Colours of YBR are converted to RGB; those of a palette are indices.

    Raises
    ------
    UnreadableImageError
        If pixels are missing or damaged.
    """
    with quiet_pydicom() as pydicom:
        tags = elements.tags
        if elements.syntax not in _NATIVE:
            _check_frames(path, elements, pydicom)
        decoder = pydicom.pixels.decoders.base.Decoder(pydicom.uid.UID(elements.syntax))
        plugin = ""
        if elements.syntax in _OURS:
            decoder.add_plugin("imagecodecs", (__name__, "decode_frame"))
            plugin = "imagecodecs"
        elif elements.syntax == _BASELINE:
            decoder.add_plugin("pillow", ("pydicom.pixels.decoders.pillow", "_decode_frame"))
        elif elements.syntax == _RLE:
            decoder.add_plugin("pydicom", ("pydicom.pixels.decoders.rle", "_decode_frame"))
        values, _ = decoder.as_array(tags, decoding_plugin=plugin, allow_excess_frames=False)
    samples = integer(tags, "SamplesPerPixel", 1)
    frames = values.reshape(-1, integer(tags, "Rows", 0), integer(tags, "Columns", 0), *([samples] * (samples > 1)))
    return np.ascontiguousarray(frames, dtype=frames.dtype.newbyteorder("="))


def _check_frames(path: Path, elements: Elements, pydicom: Any) -> None:
    """Check that all compressed frames are there, none is larger than the file states, and those of JPEG are whole."""
    tags, count = elements.tags, frame_count(elements)
    if tags.get_item("PixelData").length != UNDEFINED:
        raise damage_error(path, KIND, "its pixels are not divided into frames, as those of compressed images must be")
    offsets = [value(tags, k) for k in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")]
    extended = None if None in offsets else tuple(offsets)
    frames = pydicom.encaps.generate_frames(tags.PixelData, number_of_frames=count, extended_offsets=extended)
    found, pixels = 0, integer(tags, "Rows", 0) * integer(tags, "Columns", 0)
    for index, data in enumerate(frames):
        found += 1
        if stated_pixels(data) > pixels:
            raise damage_error(path, KIND, f"frame {index} states more than {pixels} pixels")
        if has_empty_box(data):
            raise damage_error(path, KIND, f"frame {index} has a box without a length")
        fault = jpeg_fault(data) if elements.syntax in (_BASELINE, _EXTENDED) else None
        if fault and "remature end" in fault:
            raise damage_error(path, KIND, f"frame {index} is cut off ({fault})")
    if found < count:
        raise damage_error(path, KIND, f"it has {count} frames, of which {found} are present")


def _claimed_bytes(elements: Elements) -> int:
    """Return the length of the unpacked pixels, by the numbers of frames, rows, columns, samples and bits."""
    tags = elements.tags
    values = integer(tags, "Rows", 0) * integer(tags, "Columns", 0) * max(1, integer(tags, "SamplesPerPixel", 1))
    if text(tags, "PhotometricInterpretation") == "YBR_FULL_422" and elements.syntax in _NATIVE:
        values = values * 2 // 3  # two pixels share their colour
    return -(-values * frame_count(elements) * integer(tags, "BitsAllocated", 8) // 8)


def _packing(syntax: str) -> Packing:
    if syntax in _NATIVE:
        return "none"
    return "run-length" if syntax == _RLE else "jpeg" if syntax in (_BASELINE, _EXTENDED) else "other"
