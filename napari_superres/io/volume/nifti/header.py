"""Read the header of a NIfTI file with nibabel, and check that the file holds as many bytes as it claims."""

import gzip
import logging
import math
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.errors import UnreadableImageError
from napari_superres.io.series import check_claim, damage_error, import_library

KIND = "NIfTI file"

_HEADER_BYTES = 540  # of NIfTI-2; NIfTI-1 has 348
_PIECE = 2**22
# CIFTI-2 has these intents. Its "images" are matrices over points of the cortex.
_CIFTI_INTENTS = range(3000, 3100)
_COLOUR = {("R", "G", "B"): 3, ("R", "G", "B", "A"): 4}


@dataclass(frozen=True, slots=True)
class NiftiHeader:
    """The header of a file that holds what it claims.

    Attributes
    ----------
    raw
        nibabel's header, with faulty fields mended.
    shape
        Lengths of the axes, X first.
    dtype
        Type of a stored value, in the byte order of the file. Colours are structured.
    samples
        Number of colours of a pixel, or 0.
    has_sizes
        Whether the header states the distances of pixels without its matrices.
    """

    raw: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    samples: int
    has_sizes: bool

    @property
    def offset(self) -> int:
        """Position of the first pixel in the unpacked file, in bytes."""
        return int(self.raw["vox_offset"])


def open_packed(path: Path) -> gzip.GzipFile | BufferedReader:
    """Open a file for reading; unpack it if its content is zipped, whatever its name says."""
    with path.open("rb") as file:
        is_zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if is_zipped else path.open("rb")


def read_header(path: Path) -> NiftiHeader:
    """Return the header of a NIfTI file.

    Raises
    ------
    UnreadableImageError
        If the file is damaged, cut off, of another format, or holds something that is no image.
    """
    with open_packed(path) as file:
        raw, has_sizes = _parse(path, file.read(_HEADER_BYTES))
        is_zipped = isinstance(file, gzip.GzipFile)
    _refuse_others(path, raw)
    count = int(raw["dim"][0])
    if not 1 <= count <= 7:
        raise damage_error(path, KIND, f"its number of axes is {count}")
    shape = tuple(int(n) for n in raw.get_data_shape())
    if min(shape) < 1:
        raise damage_error(path, KIND, f"its dimensions are {shape}")
    dtype, samples = _data_type(path, raw)
    header = NiftiHeader(raw, shape, dtype, samples, has_sizes)
    needed = header.offset + math.prod(shape) * dtype.itemsize
    check_claim(path, KIND, needed, path.stat().st_size, "deflate" if is_zipped else "none")
    return header


def read_pixels(path: Path, header: NiftiHeader) -> bytearray:
    """Return the bytes of the pixels, never more than the file holds.

    Raises
    ------
    UnreadableImageError
        If the file ends before them.
    """
    needed, pixels = math.prod(header.shape) * header.dtype.itemsize, bytearray()
    with open_packed(path) as file:
        try:
            file.seek(header.offset)
            while len(pixels) < needed and (piece := file.read(min(_PIECE, needed - len(pixels)))):
                pixels += piece
            file.read(1)  # at the end of zipped data their checksum is compared
        except EOFError as error:
            raise damage_error(path, KIND, "its compressed data are cut off") from error
    check_claim(path, KIND, needed, len(pixels))
    return pixels


def _parse(path: Path, block: bytes) -> tuple[Any, bool]:
    nibabel = import_library("nibabel")
    for kind, size in ((nibabel.Nifti1Header, 348), (nibabel.Nifti2Header, _HEADER_BYTES)):
        if len(block) < size or not kind.may_contain_header(block):
            continue
        raw = kind(block[:size], check=False)
        if bytes(raw["magic"])[:3] in (b"ni1", b"ni2"):
            raise UnreadableImageError(
                f"{path} must hold its pixels, but is the header of a pair of files.",
                remedy="Convert the pair to NIfTI.",
            )
        sizes = raw["pixdim"][1:4][: int(raw["dim"][0])]
        has_sizes = bool(np.all(np.isfinite(sizes)) and np.all(sizes != 0))
        raw.check_fix(logger=_silent(), error_level=100)
        return raw, has_sizes
    if len(block) >= 348 and nibabel.AnalyzeHeader.may_contain_header(block):
        raise UnreadableImageError(
            f"{path} must be a NIfTI file, but has a header of ANALYZE 7.5, which states no orientation.",
            remedy="Convert it to NIfTI.",
        )
    raise damage_error(path, KIND)


def _silent() -> logging.Logger:
    logger = logging.getLogger("napari_superres.nifti")
    logger.propagate, logger.disabled = False, True
    return logger


def _refuse_others(path: Path, raw: Any) -> None:
    code = int(raw["intent_code"])
    if code in _CIFTI_INTENTS:
        raise UnreadableImageError(
            f"{path} must be an image, but is a CIFTI-2 file: values on the cortex, not on a grid of pixels.",
            remedy="Open it in Connectome Workbench, or export its volume part as NIfTI.",
        )


def _data_type(path: Path, raw: Any) -> tuple[np.dtype[Any], int]:
    code = int(raw["datatype"])
    codes = import_library("nibabel.nifti1").data_type_codes
    if code not in codes.dtype:
        raise damage_error(path, KIND, f"the code of its data type is {code}")
    dtype = np.dtype(codes.dtype[code]).newbyteorder(raw.endianness)
    samples = _COLOUR.get(dtype.names or (), 0)
    if not samples and dtype.kind not in "iufc":
        raise UnreadableImageError(
            f"{path} must have numbers or colours as pixels, but its data type has the code {code}, which is neither.",
            remedy="Convert it to integers of 8 bits or more.",
        )
    return dtype, samples
