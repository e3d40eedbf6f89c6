"""Write OME-TIFF (``.ome.tif``) and ImageJ TIFF (``.tif``), plane by plane.

OME-TIFF stores pixel size, units and a signed origin. It is compressed, tiled if large, and has a pyramid if Y or X
exceeds 4096 pixels. ImageJ TIFF stores the origin in pixels, and few data types. Y, X and S come last in the file. The
other axes keep their order in OME-TIFF; in ImageJ TIFF they are T, Z, C.
"""

import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_superres.core import invalid
from napari_superres.core.image import Image
from napari_superres.core.units import convert
from napari_superres.io.formats import suffix
from napari_superres.io.lazy import affine_in_unit, reorder_axes
from napari_superres.io.series import (
    Unsupported,
    drop_rotation,
    import_library,
    note_labels,
    note_no_data,
    unsupported_data_type,
    unsupported_orientation,
)
from napari_superres.io.tiff.metadata import GDAL_NO_DATA, NAMESPACE, PIXEL
from napari_superres.io.tiff.quiet import quiet_tifffile

_OME_TYPES = "uint8 uint16 uint32 int8 int16 int32 float32 float64"
_IMAGEJ_TYPES = "uint8 uint16 int16 float32"
_OME_SYMBOLS = {
    "angstrom": "Å",
    "picometer": "pm",
    "nanometer": "nm",
    "micrometer": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "inch": "in",
    "nanosecond": "ns",
    "microsecond": "µs",
    "millisecond": "ms",
    "second": "s",
    "minute": "min",
    "hour": "h",
    "day": "d",
}
_TILE = 512
# Viewers show images with a longer side slowly, unless they have a pyramid.
_PYRAMID_ABOVE = 4096
_BIGTIFF_ABOVE = 3.9e9
_SLAB_BYTES = 32 * 2**20
# Size of the tiles that wait for compression and writing.
_BUFFER_BYTES = 32 * 2**20


def find_unsupported(image: Image, suffix: str) -> list[Unsupported]:
    """Return the features of an image that a TIFF with this suffix cannot store."""
    if ".ome" in suffix:
        return [*unsupported_data_type(image, _OME_TYPES, ".ome.zarr"), *unsupported_orientation(_upwards(image))]
    larger = ".ome.tif or .ome.zarr"
    features = [*unsupported_data_type(image, _IMAGEJ_TYPES, larger), *unsupported_orientation(image)]
    if "S" in image.axes and image.dtype != np.uint8:
        colour = f"colour of type {image.dtype.name} (ImageJ has uint8 colour only)"
        features.append(Unsupported(colour, ".ome.tif", fatal=True))
    if _nbytes(image) > _BIGTIFF_ABOVE:
        features.append(Unsupported("more than 3.9 GB (ImageJ TIFF has 32-bit offsets)", larger, fatal=True))
    return features


def write(image: Image, path: Path) -> None:
    """Write an image as OME-TIFF if the suffix says so, else as ImageJ TIFF."""
    is_ome = ".ome" in suffix(path)
    if not is_ome or unsupported_orientation(_upwards(image)):
        image = drop_rotation(image)
    with quiet_tifffile(), _CheckedFile(io.FileIO(path, "w+")) as file:
        if is_ome:
            _write_ome(image, file)
        else:
            _write_imagej(image, file)


def _upwards(image: Image) -> Image:
    """Return the image with a rising Z axis. OME-TIFF has a position for each plane, which may fall."""
    if "Z" not in image.spatial or image.size("Z") == 1:
        return image
    affine, z = np.array(image.affine), image.spatial.index("Z")
    affine[:, z] *= -1.0 if affine[z, z] < 0 else 1.0
    return image.replace(affine=affine)


class _CheckedFile(io.BufferedRandom):
    """A file whose every write is checked. numpy would write past Python, and lose the last bytes on a full disk."""

    def fileno(self) -> int:
        """Keep numpy from it."""
        raise io.UnsupportedOperation


def _write_ome(image: Image, target: BinaryIO) -> None:
    image = reorder_axes(image, "".join(a for a in image.axes if a not in "YXS") + _plane_axes(image))
    height, width = image.size("Y"), image.size("X")
    levels = _levels(height, width)
    tiled = max(height, width) > _TILE
    options: dict[str, Any] = {
        "photometric": "rgb" if "S" in image.axes else "minisblack",
        "compression": "zlib",
        "predictor": True,
        "tile": (_TILE, _TILE) if tiled else None,
        "maxworkers": 2,
        "buffersize": _BUFFER_BYTES,
    }
    if image.size("S") == 4:
        options["extrasamples"] = ["unassalpha"]
    big = _nbytes(image) * 4 / 3 > _BIGTIFF_ABOVE
    with import_library("tifffile").TiffWriter(target, bigtiff=big, ome=True) as file:
        for level in range(levels + 1):
            plane = (height >> level, width >> level)
            file.write(
                _blocks(image, level, plane, tiled),
                shape=_level_shape(image, plane),
                dtype=image.dtype,
                subifds=levels if level == 0 else None,
                subfiletype=int(level > 0),
                metadata=_ome_metadata(image) if level == 0 else None,
                extratags=_extra_tags(image),
                **options,
            )


def _ome_metadata(image: Image) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": image.axes}
    unit = image.units["X"] if image.has_pixel_size else None
    affine = affine_in_unit(image, unit)
    symbol = _OME_SYMBOLS[unit] if unit else PIXEL
    known = bool(unit) or not np.array_equal(image.affine, np.eye(len(image.affine)))
    leading = [(a, n) for a, n in zip(image.axes, image.shape, strict=True) if a in "TCZ"]
    planes = list(itertools.product(*(range(n) for _, n in leading)))
    plane: dict[str, Any] = {}
    for i, axis in enumerate(image.spatial if known else ""):
        size, origin = affine[i, i], affine[i, -1]
        if unit and image.units[axis] is None:
            continue
        metadata[f"PhysicalSize{axis}"] = abs(float(size))
        metadata[f"PhysicalSize{axis}Unit"] = symbol
        at = [a for a, _ in leading].index("Z") if axis == "Z" else None
        plane[f"Position{axis}"] = [float(origin + (size * p[at] if at is not None else 0.0)) for p in planes]
        plane[f"Position{axis}Unit"] = [symbol] * len(planes)
    if plane:
        metadata["Plane"] = plane
    if image.channel_names:
        metadata["Channel"] = {"Name": list(image.channel_names)}
    time_unit = image.units.get("T")
    if "time_step" in image.metadata and time_unit:
        metadata["TimeIncrement"] = float(image.metadata["time_step"])
        metadata["TimeIncrementUnit"] = _OME_SYMBOLS[time_unit]
    note = {k: v if isinstance(v, str) else json.dumps(v) for k, v in _note(image).items()}
    metadata["MapAnnotation"] = {"Namespace": NAMESPACE, "Value": note}
    return metadata


def _write_imagej(image: Image, target: BinaryIO) -> None:
    image = reorder_axes(image, "".join(a for a in "TZC" if a in image.axes) + _plane_axes(image))
    unit = image.units["X"] if image.has_pixel_size else None
    affine = affine_in_unit(image, unit)
    # All six axes are stated: with fewer, readers confuse an axis of a single pixel with another axis.
    metadata: dict[str, Any] = {"axes": "TZCYXS", "unit": {"micrometer": "um"}.get(unit or "", unit or PIXEL)}
    sizes = {a: float(affine[i, i]) for i, a in enumerate(image.spatial)}
    for i, axis in enumerate(image.spatial):
        metadata[f"{axis.lower()}origin"] = float(-affine[i, -1] / sizes[axis])
    if "Z" in sizes:
        metadata["spacing"] = sizes["Z"]
    time_unit = image.units.get("T")
    if "time_step" in image.metadata and time_unit:
        metadata["finterval"] = convert(float(image.metadata["time_step"]), time_unit, "second")
    if image.channel_names and "C" in image.axes:
        planes = image.size("T") * image.size("Z")
        metadata["Labels"] = list(image.channel_names) * planes
    metadata["Info"] = json.dumps({NAMESPACE: _note(image)})
    import_library("tifffile").imwrite(
        target,
        _blocks(image, 0, (image.size("Y"), image.size("X")), tiled=False),
        shape=tuple(image.size(a) for a in "TZCYXS"),
        dtype=image.dtype,
        imagej=True,
        resolution=(1.0 / sizes["X"], 1.0 / sizes["Y"]),
        photometric="rgb" if "S" in image.axes else "minisblack",
        metadata=metadata,
        extratags=_extra_tags(image),
    )


def _extra_tags(image: Image) -> list[tuple[int, int, int, str, bool]]:
    """Return the tag of GDAL for a single value that means "not measured", which other programs know."""
    if image.no_data is None or image.no_data[0] != image.no_data[1]:
        return []
    return [(GDAL_NO_DATA, 2, 0, f"{image.no_data[0]:.17g}", True)]


def _note(image: Image) -> dict[str, Any]:
    """Return the facts that the format has no field for: all axes, the space, values without meaning, provenance."""
    note: dict[str, Any] = {"axes": image.axes}
    if image.space:
        note["space"] = image.space
    note |= note_no_data(image) | note_labels(image)
    if image.metadata.get("provenance") is not None:
        note["provenance"] = image.metadata["provenance"]
    return note


def _plane_axes(image: Image) -> str:
    return "YXS" if "S" in image.axes else "YX"


def _level_shape(image: Image, plane: tuple[int, int]) -> tuple[int, ...]:
    return tuple({"Y": plane[0], "X": plane[1]}.get(a, n) for a, n in zip(image.axes, image.shape, strict=True))


def _levels(height: int, width: int) -> int:
    count = 0
    while max(height, width) > _PYRAMID_ABOVE or (count and max(height, width) > 2 * _TILE):
        height, width, count = height // 2, width // 2, count + 1
        if min(height, width) < 2:
            break
    return count


def _nbytes(image: Image) -> int:
    return int(np.prod(image.shape, dtype=np.int64)) * image.dtype.itemsize


def _blocks(image: Image, level: int, plane: tuple[int, int], tiled: bool) -> Iterator[npt.NDArray[Any]]:
    """Yield the planes or tiles of one level in the order of the file."""
    leading = image.shape[: image.axes.index("Y")]
    for index in np.ndindex(*leading):
        if not tiled:
            yield _rows(image, index, level, 0, *plane)
            continue
        for top in range(0, plane[0], _TILE):
            band = _rows(image, index, level, top, min(top + _TILE, plane[0]), plane[1])
            for left in range(0, plane[1], _TILE):
                yield np.ascontiguousarray(band[:, left : left + _TILE])


def _rows(image: Image, index: tuple[int, ...], level: int, start: int, stop: int, width: int) -> npt.NDArray[Any]:
    """Return rows of a plane of a pyramid level: means of ``2**level`` measured pixels along Y and X, or one label."""
    step = 1 << level
    if level == 0:
        return np.ascontiguousarray(np.asarray(image.data[(*index, slice(start, stop))]), dtype=image.dtype)
    samples, labels = image.size("S"), bool(image.metadata.get("labels"))
    out = np.empty((stop - start, width, samples), dtype=image.dtype)
    slab = max(1, _SLAB_BYTES // (width * step * step * samples * 8))
    for top in range(start, stop, slab):
        bottom = min(top + slab, stop)
        values = np.asarray(image.data[(*index, slice(top * step, bottom * step), slice(0, width * step))])
        blocks = values.reshape(bottom - top, step, width, step, samples)
        if labels:  # they have no mean
            out[top - start : bottom - start] = blocks[:, 0, :, 0]
            continue
        mean = invalid.mean_of_measured(blocks, lambda b: b.sum(axis=(1, 3)), step * step, image.no_data)
        out[top - start : bottom - start] = np.rint(mean) if image.dtype.kind in "ui" else mean
    return out if "S" in image.axes else out[..., 0]
