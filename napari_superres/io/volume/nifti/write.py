"""Write NIfTI with nibabel: both matrices with their codes, colours as colours, shear as it is.

NIfTI has no place for an unknown pixel size: readers would take it for 1 mm. Values that mean "not measured" stand in
its field for a description, which only this package understands.
"""

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.units import convert
from napari_superres.io.lazy import affine_in_unit, reorder_axes
from napari_superres.io.series import Unsupported, import_library, note_no_data, unsupported_data_type
from napari_superres.io.volume.nifti.forms import FACTS, to_file_order, write_forms

_TYPES = "uint8 int8 uint16 int16 uint32 int32 uint64 int64 float32 float64"
_LENGTHS = {"micrometer": "micron", "millimeter": "mm", "meter": "meter"}
_TIMES = {"second": "sec", "millisecond": "msec", "microsecond": "usec"}
_LONGEST = 2**15 - 1  # axis of NIfTI-1
NOTE = "napari_superres "
"""Start of the description of a file with values that mean "not measured"."""


def find_unsupported(image: Image, suffix: str) -> list[Unsupported]:
    """Return the features of an image that NIfTI cannot store."""
    del suffix
    features = unsupported_data_type(image, _TYPES, ".ome.zarr")
    if "T" in image.axes and "Z" not in image.axes:
        features.append(Unsupported("time without Z", ".ome.tif or .ome.zarr", fatal=True))
    if "C" in image.axes and "S" in image.axes:
        features.append(Unsupported("both colour samples and channels", ".ome.tif", fatal=True))
    if not image.has_pixel_size:
        features.append(Unsupported("an unknown pixel size (it would be read as 1 mm)", ".nrrd, .ome.tif or .ome.zarr"))
    if image.channel_names and "C" in image.axes:
        features.append(Unsupported("channel names", ".nrrd, .ome.tif or .ome.zarr"))
    if "S" in image.axes and not _has_colours(image):
        features.append(Unsupported("colours of other types than uint8", ".nrrd or .ome.tif"))
    return features


def write(image: Image, path: Path) -> None:
    """Write a volume; NIfTI-2 if its input was one or an axis is too long for NIfTI-1.

    Raises
    ------
    OSError
        If the disk is full or the file cannot be written.
    """
    nibabel = import_library("nibabel")
    last = next((a for a in "CS" if a in image.axes), "")
    order = "".join(a for a in "TZYX" if a in image.axes)
    image = reorder_axes(image, f"C{order}" if last == "C" else order + last)
    data = np.asarray(image.data[...], dtype=image.dtype)
    if _has_colours(image):
        letters = "RGBA"[: image.size("S")]
        data = np.ascontiguousarray(data).view([(letter, "u1") for letter in letters])[..., 0]
    elif last:
        data = np.moveaxis(data, -1, 0) if last == "S" else data
        # Components come after X, Y, Z and T.
        data = data.reshape(len(data), *[1] * (4 - len(order)), *data.shape[1:])
    facts = image.metadata.get(FACTS, {})
    facts = facts if facts.get("unit") == image.units["X"] else {}
    is_second = facts.get("version") == 2 or max(data.shape) > _LONGEST
    kind = nibabel.Nifti2Image if is_second else nibabel.Nifti1Image
    stored = kind(data.T, None, dtype=data.dtype)
    unit = str(image.units["X"]) if facts.get("unit") else "millimeter"
    _set_grid(stored.header, image, unit, facts)
    if last and not _has_colours(image) and "T" not in image.axes:
        stored.header.set_intent("vector")
    elif image.metadata.get("labels"):
        stored.header.set_intent("label")
    for name, text in note_no_data(image).items():
        stored.header["descrip"] = f"{NOTE}{name} {text}"
    # To a stream, because nibabel changes names whose suffix is in capitals.
    with path.open("wb") as file:
        if path.suffix.lower() != ".gz":
            stored.to_stream(file)
            return
        with gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed:
            stored.to_stream(packed)


def _set_grid(header: Any, image: Image, unit: str, facts: dict[str, Any]) -> None:
    affine, n = np.eye(4), len(image.spatial)
    affine[-n - 1 :, -n - 1 :] = affine_in_unit(image, unit)
    write_forms(header, to_file_order(affine), facts)
    time = image.units.get("T")
    if time and "time_step" in image.metadata:
        name = time if time in _TIMES else "second"
        header["pixdim"][4] = convert(float(image.metadata["time_step"]), time, name)
        header.set_xyzt_units(_LENGTHS[unit], _TIMES[name])
    else:
        header.set_xyzt_units(_LENGTHS[unit])


def _has_colours(image: Image) -> bool:
    return image.size("S") in (3, 4) and image.dtype == np.uint8 and "S" in image.axes
