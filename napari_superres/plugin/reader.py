"""File > Open: images with their place in the world, channels as layers, read when they are looked at.

napari's own reader keeps TIFF files without OME metadata and zarr arrays without OME metadata.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.io import READ_SUFFIXES, read_series, stem, suffix
from napari_superres.io.formats import DICOM, family, is_zarr
from napari_superres.io.lazy import LazyArray
from napari_superres.plugin.layers import LayerData

Reader = Callable[[str | Path | Sequence[str | Path]], list[LayerData]]

SUFFIXES = (".ome.tif", ".ome.tiff", ".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".dcm")
_OME_MARKS = (b'"multiscales"', b'"bioformats2raw.layout"', b'"plate"')
_COLORMAPS = {1: ("gray",), 2: ("magenta", "green")}
_MANY_COLORMAPS = ("cyan", "magenta", "yellow", "blue", "green", "red")
_LARGEST_CHUNK = 2**24


def get_reader(path: str | Path | Sequence[str | Path]) -> Reader | None:
    """Return `read` if it is meant for what lies at `path`, else None.

    Claimed are OME-TIFF, NIfTI, NRRD, MetaImage and DICOM files, OME-Zarr folders and folders of DICOM files.
    Several paths at once, which napari would stack, are not.
    """
    if not isinstance(path, str | Path):
        if len(path) != 1:
            return None
        path = path[0]
    path = Path(path)
    return read if (_claims_folder(path) if path.is_dir() else suffix(path) in SUFFIXES) else None


def read(path: str | Path | Sequence[str | Path]) -> list[LayerData]:
    """Return one layer per series and channel of a file or folder.

    Raises
    ------
    UnreadableImageError
        If it is damaged or not an image; the message says what to do.
    """
    one = path if isinstance(path, str | Path) else path[0]
    found = []
    for index, (name, image) in enumerate(read_series(one)):
        layers = image_layers(image, _title(name))
        for _, keywords, _ in layers if index else ():
            keywords["metadata"] = {**keywords["metadata"], "series": index}
        found += layers
    return found


def image_layers(image: Image, name: str) -> list[LayerData]:
    """Return the layers of an image: one per channel, with pixel size, origin, orientation and units.

    Parameters
    ----------
    image
        Lazy data stay lazy.
    name
        Of the layer; the channels' names are put before it.
    """
    data = image.data
    if isinstance(data, LazyArray):
        # Writers may leave out empty chunks: they are shown as zarr means them. Damaged ones are errors.
        data = data.skipping_bad(damaged=False)
    data = _sliceable(data)
    axes = image.axes
    if "S" in axes and axes[-1] != "S":
        data = np.moveaxis(data, axes.index("S"), -1)
        axes = axes.replace("S", "") + "S"
    shared = {**_geometry(image, axes.replace("C", "").replace("S", "")), "rgb": "S" in axes}
    if "C" not in axes:
        return [(data, {"name": name, **shared}, "image")]
    count = image.size("C")
    names = image.channel_names or tuple(f"channel {i}" for i in range(count))
    colormaps = _COLORMAPS.get(count, _MANY_COLORMAPS)
    before = (slice(None),) * axes.index("C")
    return [
        (
            data[(*before, i)],
            {
                "name": f"{names[i]} - {name}" if count > 1 or image.channel_names else name,
                "blending": "additive" if count > 1 else "translucent",
                **({} if "S" in axes else {"colormap": colormaps[i % len(colormaps)]}),
                **shared,
                "metadata": {**shared["metadata"], "channel": i},
            },
            "image",
        )
        for i in range(count)
    ]


def _title(name: str) -> str:
    return stem(name) if suffix(name) in READ_SUFFIXES else name


def _geometry(image: Image, axes: str) -> dict[str, Any]:
    """Return scale, translate or affine, units, labels and metadata of a layer with these axes."""
    n = len(axes)
    at = [axes.index(a) for a in image.spatial]
    scale, translate = np.ones(n), np.zeros(n)
    scale[at] = image.pixel_size
    if "T" in axes:
        scale[axes.index("T")] = image.metadata.get("time_step", 1.0)
    found: dict[str, Any] = {"scale": scale, "axis_labels": tuple(axes.lower())}
    direction = image.affine[:-1, :-1] / np.asarray(image.pixel_size)
    if np.allclose(direction, np.eye(len(at)), atol=1e-9):
        translate[at] = image.origin
        found["translate"] = translate
    else:
        affine = np.eye(n + 1)
        affine[np.ix_(at, at)] = direction
        affine[at, -1] = image.origin
        found["affine"] = affine
    if any(image.units.values()):
        found["units"] = tuple(image.units.get(a) or "pixel" for a in axes)
    metadata = {**image.metadata, "space": image.space} if image.space else dict(image.metadata)
    return {**found, "metadata": metadata}


def _sliceable(data: Any) -> Any:
    """Return numpy arrays as they are and anything lazy as a dask array, which napari slices well."""
    if isinstance(data, np.ndarray):
        return data
    import dask.array as da

    if isinstance(data, da.Array):
        return data
    chunks = getattr(data, "chunks", None)
    if chunks is None:
        # One plane at a time, and parts of it where a plane is large.
        chunks = [1] * len(data.shape)
        chunks[-2:] = data.shape[-2:]
        if len(data.shape) > 2 and data.shape[-1] in (3, 4):
            chunks[-3] = data.shape[-3]
        if int(np.prod(chunks)) > _LARGEST_CHUNK:
            chunks = [min(c, 2048) for c in chunks]
    return da.from_array(data, chunks=tuple(chunks), name=False)


def _claims_folder(folder: Path) -> bool:
    if not is_zarr(folder):
        return family(folder) is DICOM
    if suffix(folder) == ".ome.zarr":
        return True
    marks = [folder / name for name in ("zarr.json", ".zattrs") if (folder / name).is_file()]
    return any(mark in file.read_bytes() for file in marks for mark in _OME_MARKS)
