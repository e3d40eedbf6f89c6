"""Read MRC files with mrcfile, and what mrcfile leaves to its users: axes, place and unsigned bytes."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_superres.core.axes import validate_axes
from napari_superres.core.image import Image
from napari_superres.errors import GridError, UnreadableImageError
from napari_superres.io.lazy import PlainArray, reorder_axes
from napari_superres.io.series import GUESSED, Accept, Series, check_claim, import_library, summarize, translate_errors

_KIND = "MRC file"
_HEADER_BYTES = 1024
_UNREADABLE_MODES = {3: "complex whole numbers", 4: "complex numbers", 16: "RGB colour", 101: "numbers of 4 bits"}
_STRAIGHT = (0.0, 90.0)  # degrees; 0 where a program states no angles
_IMOD_STAMP, _IMOD_SIGNED, _IMOD_HALF_BYTES = 1146047817, 1, 16


def scan(path: Path, accept: Accept) -> list[Series]:
    """Return the one image of an MRC file, not yet read.

    Pixel sizes are in angstrom. A pixel size of 0 in the file means that it is unknown. Axes are turned into the order
    Z, Y, X. The origin is that of the header or, if that is 0, the first column, row and section of the cell.

    Raises
    ------
    UnreadableImageError
        If it is damaged or cut off, or holds no real numbers.
    GridError
        If the axes of its cell are not at right angles.
    MissingExtraError
        If mrcfile is not installed.
    """
    del accept
    mrcfile = import_library("mrcfile")
    with translate_errors(path, _KIND), warnings.catch_warnings():
        # mrcfile warns of small faults in a header, which do no harm. Damage still raises.
        warnings.simplefilter("ignore")
        is_unsigned = _check_header(path)
        # The map is only asked for its place in the file: reading it would kill the process if the file is cut off.
        with mrcfile.mmap(path, mode="r") as file:
            mapped, header = file.data, file.header.copy()
            sizes = {a: float(file.voxel_size[a.lower()]) for a in "XYZ"}
            dtype = mapped.dtype
            if dtype == np.int8 and (is_unsigned or 0 <= header.dmin < np.iinfo(np.int8).max < header.dmax <= 255):
                dtype = np.dtype(np.uint8)
            data = PlainArray(path, _KIND, mapped.offset, mapped.shape, dtype)
            # Tomography writes the space group of image stacks into volumes, but not their single section per cell.
            is_stack = file.is_image_stack() and int(header.mz) == 1 and path.suffix.lower() != ".rec"
    stored = _stored_axes(header, data.ndim, is_stack=is_stack)
    doubts = _doubts(header)
    angles = [float(angle) for angle in header.cellb.item()]
    if any(angle not in _STRAIGHT for angle in angles):
        raise GridError(
            f"the cell of {path} must have right angles, got {angles} degrees.",
            remedy="Resample it to a straight grid first.",
        )

    def open_image(axes: str | None) -> Image:
        letters = validate_axes(axes or stored, data.shape)
        spatial = [a for a in letters if a in "ZYX"]
        known = all(sizes[a] > 0 for a in spatial)
        origin = _origin(header, stored, sizes)
        image = Image.from_array(
            data,
            letters,
            pixel_size=[sizes[a] for a in spatial] if known else None,
            origin=[origin[a] for a in spatial] if known else None,
            unit="angstrom",
            metadata={"modality": "electron microscopy", **doubts},
        )
        return image if axes else reorder_axes(image, "".join(a for a in "TZYX" if a in letters))

    return [Series(path.name, summarize(open_image(None)), open_image)]


def _stored_axes(header: Any, ndim: int, *, is_stack: bool) -> str:
    """Return the axes in the order of the file: sections, rows and columns may be any of Z, Y and X."""
    numbers = [int(header[name]) for name in ("maps", "mapr", "mapc")]
    letters = "".join("?XYZ"[n] for n in numbers) if sorted(numbers) == [1, 2, 3] else "ZYX"
    if ndim == 2:
        return letters[1:] if set(letters[1:]) == {"Y", "X"} else "YX"
    if is_stack:
        return "T" + (letters[1:] if set(letters[1:]) == {"Y", "X"} else "YX")
    return letters if ndim == 3 else "T" + letters


def _doubts(header: Any) -> dict[str, Any]:
    """Return a note for the metadata if the order of the axes is stated, but none; many programs state zeros."""
    numbers = [int(header[name]) for name in ("mapc", "mapr", "maps")]
    if sorted(numbers) == [1, 2, 3] or not any(numbers):
        return {}
    stated = ", ".join(map(str, numbers))
    note = f"the order of its axes (MAPC, MAPR, MAPS) is stated as {stated}, which is none: X, Y, Z was assumed"
    return {GUESSED: True, "notes": (note,)}


def _origin(header: Any, stored: str, sizes: Mapping[str, float]) -> dict[str, float]:
    origin = {a: float(header.origin[a.lower()]) for a in "XYZ"}
    if any(origin.values()):
        return origin
    first = {"sections": int(header.nzstart), "rows": int(header.nystart), "columns": int(header.nxstart)}
    places = dict(zip(reversed(stored.replace("T", "")), ("columns", "rows", "sections"), strict=False))
    return {a: first[places[a]] * sizes[a] if a in places else 0.0 for a in "XYZ"}


def _check_header(path: Path) -> bool:
    """Check the type of the pixels and the length of the extended header, and return whether bytes are unsigned.

    mrcfile allocates the extended header before it reads it, and knows nothing of the marks of IMOD.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    order: Literal["little", "big"] = "big" if header[212:213] == b"\x11" else "little"

    def number(position: int) -> int:
        return int.from_bytes(header[position : position + 4], order, signed=True)

    check_claim(path, _KIND, _HEADER_BYTES + max(0, number(92)), path.stat().st_size)
    flags = number(156) if number(152) == _IMOD_STAMP else _IMOD_SIGNED
    mode = 101 if flags & _IMOD_HALF_BYTES and number(12) == 0 else number(12)
    if mode in _UNREADABLE_MODES:
        raise UnreadableImageError(
            f"{path} must hold real numbers of whole bytes, but holds {_UNREADABLE_MODES[mode]} (MRC mode {mode}).",
            remedy="Convert it to mode 1 or 2 first; take the magnitude of complex numbers.",
        )
    return not flags & _IMOD_SIGNED
