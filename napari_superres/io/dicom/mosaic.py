"""Siemens mosaics: the slices of a volume side by side in one plane, as functional and diffusion MRI are stored.

nibabel reads Siemens's private header, which says how many slices there are, and where the first one lies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import UnreadableImageError
from napari_superres.io.dicom.dataset import KIND, quiet_pydicom, read_elements
from napari_superres.io.dicom.header import SliceHeader, Vector, need_spacing
from napari_superres.io.dicom.values import Pixels, read_pixels
from napari_superres.io.series import import_library, translate_errors

# The creators of private blocks in group 0029, and the image header in each block.
_PRIVATE = tuple(0x00290000 + i for i in range(0x10, 0x18)) + tuple(0x00290010 + (i << 8) for i in range(0x10, 0x18))


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Where the slices of a mosaic lie.

    Attributes
    ----------
    count, per_side
        Number of slices, and of tiles along each side of the plane.
    affine
        Index-to-world matrix of ``ZYX``.
    """

    count: int
    per_side: int
    affine: Vector


def read_mosaic(header: SliceHeader) -> Mosaic:
    """Read where the slices of a mosaic lie.

    Raises
    ------
    UnreadableImageError
        If the file does not say how its plane is divided.
    """
    need_spacing(header)
    with translate_errors(header.path, KIND), quiet_pydicom():
        nicom = import_library("nibabel.nicom.dicomwrappers", "nibabel")
        tags = read_elements(header.path, others=_PRIVATE).tags
        csa = nicom.csar.get_csa_header(tags)
        wrapper = None if csa is None or not nicom.csar.get_n_mosaic(csa) else nicom.MosaicWrapper(tags, csa)
        if wrapper is None or header.position is None or header.orientation is None:
            raise UnreadableImageError(
                f"{header.path} is a mosaic of slices, but does not say where they lie: Siemens's private header "
                "(tag 0029,1010) is missing.",
                remedy="Export it again with private tags, or convert it to NIfTI on the scanner's side.",
            )
        columns, rows = header.size[:2]
        count, per_side = int(wrapper.n_mosaic), int(wrapper.mosaic_size)
        if count > per_side**2 or rows % per_side or columns % per_side:
            raise UnreadableImageError(
                f"{header.path} must be a plane of {per_side} x {per_side} tiles, but has {columns} x {rows} pixels.",
                remedy="Copy or export it again.",
            )
        own = np.asarray(wrapper.affine, dtype=np.float64)  # of row, column and slice, to X, Y and Z
    affine = np.eye(4)
    affine[:3, :3] = own[:3][::-1][:, [2, 0, 1]]
    affine[:3, 3] = own[:3, 3][::-1]
    return Mosaic(count, per_side, affine)


def read_volumes(headers: Sequence[SliceHeader]) -> tuple[list[Pixels], Mosaic]:
    """Read mosaics of one series as volumes ``ZYX``, in the order of their instance numbers.

    Raises
    ------
    UnreadableImageError
        If they do not lie at the same place, or their order is unknown.
    """
    ordered = sorted(headers, key=lambda h: h.instance)
    mosaics = [read_mosaic(h) for h in ordered]
    for header, mosaic, before in zip(ordered[1:], mosaics[1:], ordered, strict=False):
        same = (header.size, mosaic.count) == (ordered[0].size, mosaics[0].count)
        if not same or not np.allclose(mosaic.affine, mosaics[0].affine, atol=1e-2):
            raise UnreadableImageError(
                f"{header.path} must have the slices of the other mosaics of its series, but lies elsewhere than "
                f"{ordered[0].path}.",
                remedy="Move the mosaics that belong together to a folder of their own.",
            )
        if header.instance == before.instance:
            raise UnreadableImageError(
                f"{header.path} must have a number of its own (tag 0020,0013), but has that of {before.path}.",
                remedy="Remove copies, and move other series to folders of their own.",
            )
    return [_tiles(read_pixels(h.path), mosaics[0]) for h in ordered], mosaics[0]


def _tiles(pixels: Pixels, mosaic: Mosaic) -> Pixels:
    plane: npt.NDArray[Any] = pixels.data[0]
    side = mosaic.per_side
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    tiles = plane.reshape(side, rows, side, columns).swapaxes(1, 2).reshape(-1, rows, columns)
    return Pixels(tiles[: mosaic.count], pixels.no_data)
