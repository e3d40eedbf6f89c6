"""Read MRC files with mrcfile."""

import warnings
from pathlib import Path
from typing import Literal

import numpy as np

from napari_superres.core.axes import validate_axes
from napari_superres.core.image import Image
from napari_superres.io.lazy import PlainArray
from napari_superres.io.series import Accept, Series, check_claim, import_library, summarize, translate_errors

_HEADER_BYTES = 1024


def scan(path: Path, accept: Accept) -> list[Series]:
    """Return the one image of an MRC file, not yet read.

    Pixel sizes are in angstrom. A pixel size of 0 in the file means that it is unknown.

    Raises
    ------
    UnreadableImageError
        If it is damaged or cut off.
    MissingExtraError
        If mrcfile is not installed.
    """
    del accept
    mrcfile = import_library("mrcfile")
    with translate_errors(path, "MRC file"), warnings.catch_warnings():
        # mrcfile warns of small faults in a header, which do no harm. Damage still raises.
        warnings.simplefilter("ignore")
        _check_header(path)
        # The map is only asked for its place in the file: reading it would kill the process if the file is cut off.
        with mrcfile.mmap(path, mode="r") as file:
            mapped, voxel, header = file.data, file.voxel_size, file.header
            data = PlainArray(path, "MRC file", mapped.offset, mapped.shape, mapped.dtype)
            stack = file.is_image_stack()
            sizes = np.array([float(voxel.z), float(voxel.y), float(voxel.x)])
            origin = np.array([float(header.origin.z), float(header.origin.y), float(header.origin.x)])
    usual = {2: "YX", 3: "TYX" if stack else "ZYX", 4: "TZYX"}[data.ndim]

    def open_image(axes: str | None) -> Image:
        axes = validate_axes(axes or usual, data.shape)
        n = sum(a in "ZYX" for a in axes)
        known = bool(np.all(sizes[-n:] > 0))
        return Image.from_array(
            data,
            axes,
            pixel_size=sizes[-n:].tolist() if known else None,
            origin=origin[-n:].tolist() if known else None,
            unit="angstrom",
            metadata={"modality": "electron microscopy"},
        )

    return [Series(path.name, summarize(open_image(None)), open_image)]


def _check_header(path: Path) -> None:
    """Check the length of the extended header. mrcfile allocates it before it reads it."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    order: Literal["little", "big"] = "big" if header[212:213] == b"\x11" else "little"
    extended = int.from_bytes(header[92:96], order, signed=True)
    check_claim(path, "MRC file", _HEADER_BYTES + max(0, extended), path.stat().st_size)
