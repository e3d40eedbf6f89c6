"""MRC, the format of electron cryomicroscopy and tomography, read through mrcfile."""

import warnings
from pathlib import Path

import numpy as np

from napari_superres.core.axes import validate_axes
from napari_superres.core.image import Image
from napari_superres.io.series import Series, library, reading, summary


def scan(path: Path, strict: bool) -> list[Series]:
    """Return the one image of an MRC file, memory-mapped.

    Pixel sizes are in angstrom; a size of 0, as in files that do not know it, is unknown.

    Raises
    ------
    UnreadableImageError
        If it is damaged or cut off.
    MissingExtraError
        If mrcfile is not installed.
    """
    del strict
    mrcfile = library("mrcfile")
    with reading(path, "MRC file"), warnings.catch_warnings():
        # A header that only deserves a warning is read; damage raises.
        warnings.simplefilter("ignore")
        with mrcfile.mmap(path, mode="r") as file:
            data, voxel, header = file.data, file.voxel_size, file.header
            stack = file.is_image_stack()
            sizes = np.array([float(voxel.z), float(voxel.y), float(voxel.x)])
            origin = np.array([float(header.origin.z), float(header.origin.y), float(header.origin.x)])
    usual = {2: "YX", 3: "TYX" if stack else "ZYX", 4: "TZYX"}[data.ndim]

    def open_(axes: str | None) -> Image:
        wanted = validate_axes(axes or usual, data.shape)
        n = sum(a in "ZYX" for a in wanted)
        known = bool(np.all(sizes[-n:] > 0))
        return Image.from_array(
            data,
            wanted,
            pixel_size=sizes[-n:].tolist() if known else None,
            origin=origin[-n:].tolist() if known else None,
            unit="angstrom",
            metadata={"modality": "electron microscopy"},
        )

    return [Series(path.name, summary(open_(None)), open_)]
