"""Read NIfTI with nibabel's header: values as they are stored, or scaled by slope and intercept.

The world is the patient's left-posterior-superior frame, in the unit of the file; one without a unit is in millimeters
by convention. NaN and infinite values stay.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import UnreadableImageError
from napari_superres.io.lazy import reorder_axes, with_axes
from napari_superres.io.series import Accept, Series, noted_no_data, summarize, translate_errors
from napari_superres.io.volume.nifti.forms import FACTS, read_forms, to_array_order
from napari_superres.io.volume.nifti.header import KIND, NiftiHeader, read_header, read_pixels
from napari_superres.io.volume.nifti.write import NOTE

_LENGTHS = {"micron": "micrometer", "mm": "millimeter", "meter": "meter", "unknown": "millimeter"}
_TIMES = {"sec": "second", "msec": "millisecond", "usec": "microsecond"}
_NOT_TIME = ("hz", "ppm", "rads")


def scan(path: Path, accept: Accept) -> list[Series]:
    """Read a NIfTI file and return its one image.

    Raises
    ------
    UnreadableImageError
        If the file is damaged or cut off, or holds something that is no image.
    """
    del accept
    with translate_errors(path, KIND):
        header = read_header(path)
        image = _image(path, header, _values(header, read_pixels(path, header)))
    return [Series("NIfTI volume", summarize(image), lambda axes: with_axes(image, axes))]


def _values(header: NiftiHeader, pixels: bytearray) -> npt.NDArray[Any]:
    """Return the values with the last axis first, colour samples at the end, in native byte order."""
    shape = header.shape[::-1]
    if header.samples:
        return np.frombuffer(pixels, np.uint8).reshape(*shape, header.samples)
    data = np.frombuffer(pixels, header.dtype).reshape(shape)
    data = data.astype(header.dtype.newbyteorder("="), copy=False)
    slope, intercept = header.raw.get_slope_inter()
    if slope is None or (slope, intercept) == (1.0, 0.0):
        return data
    # The 24 bits of a 32-bit number hold all steps of a 16-bit integer.
    is_short = data.dtype.itemsize <= 2 or data.dtype == np.float32
    scaled = np.empty(shape, np.float32 if is_short else np.result_type(data, np.float64))
    for part, stored in zip(scaled, data, strict=True):  # in parts, because 64 bits take more memory
        part[...] = stored * np.float64(slope) + np.float64(intercept)
    return scaled


def _image(path: Path, header: NiftiHeader, data: npt.NDArray[Any]) -> Image:
    affine, facts, notes = read_forms(header.raw, header.shape)
    length, time = header.raw.get_xyzt_units()
    data, axes = _with_letters(path, header, data, time)
    affine = to_array_order(affine)
    if len(header.shape) == 2:
        data, axes, affine = _plane(data, axes, affine)
    unit = _LENGTHS[length] if header.has_sizes or facts["used"] != "none" else None
    units: dict[str, str | None] = dict.fromkeys((a for a in axes if a in "ZYX"), unit)
    version = 2 if type(header.raw).__name__.startswith("Nifti2") else 1
    metadata: dict[str, Any] = {FACTS: {**facts, "unit": unit, "version": version}}
    if notes:
        metadata["notes"] = notes
    if header.raw.get_intent()[0] == "label":
        metadata["labels"] = True
    step = abs(float(header.raw["pixdim"][4]))
    if "T" in axes and time in _TIMES and 0 < step < math.inf:
        units["T"], metadata["time_step"] = _TIMES[time], step
    image = Image(data, axes, affine, units, "LPS", (), metadata, _no_data(header))
    return reorder_axes(image, "".join(a for a in "TCZYXS" if a in axes))


def _no_data(header: NiftiHeader) -> tuple[float, float] | None:
    """Return the values that mean "not measured", which only files of this package state."""
    description = bytes(header.raw["descrip"]).decode("ascii", "replace").strip("\0")
    name, _, text = description.removeprefix(NOTE).partition(" ")
    return noted_no_data({name: text}) if description.startswith(NOTE) else None


def _with_letters(path: Path, header: NiftiHeader, data: npt.NDArray[Any], time: str) -> tuple[npt.NDArray[Any], str]:
    """Return the values with at most five axes, and their letters; an axis of length 1 after Z is left out of five."""
    shape, samples = header.shape, "S" if header.samples else ""
    if len(shape) == 1:
        raise UnreadableImageError(
            f"{path} must be an image, but holds one row of {shape[0]} values.", remedy="Read it with nibabel."
        )
    if len(shape) <= 4:
        fourth = "C" if time in _NOT_TIME else "T"
        return data, f"{fourth}ZYX"[-len(shape) :] + samples
    longer = [n for n in shape[4:] if n > 1]
    if len(longer) > 1:
        raise UnreadableImageError(
            f"{path} must have at most one axis after time, but is {' x '.join(map(str, shape))}.",
            remedy="Save each part as a volume of its own.",
        )
    data = data.reshape(*(longer or [1]), *shape[3::-1], *data.shape[len(shape) :])
    return (data[:, 0], f"CZYX{samples}") if shape[3] == 1 else (data, f"CTZYX{samples}")


def _plane(data: npt.NDArray[Any], axes: str, affine: npt.NDArray[np.float64]) -> tuple[Any, str, Any]:
    """Return a plane without its place along Z; as a volume of one slice if it does not lie across Z."""
    if np.any(affine[0, [1, 2, 3]]) or np.any(affine[1:3, 0]):
        return data[None], f"Z{axes}", affine
    return data, axes, affine[1:, 1:]
