"""File > Open: images at their place in the world, with channels as layers and pixels read on demand.

JPEG, BMP and zarr arrays without OME metadata are left to napari's own reader.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.io import READ_SUFFIXES, read_pyramids, stem, suffix
from napari_superres.io.formats import DICOM, PICTURE, find_format, is_zarr
from napari_superres.io.lazy import Box, LazyArray, reorder_axes
from napari_superres.plugin.host.contrast import find_contrast
from napari_superres.plugin.host.labels import as_labels
from napari_superres.plugin.host.layers import LayerData
from napari_superres.plugin.host.orientation import empty_share, lay_along_world

Reader = Callable[[str | Path | Sequence[str | Path]], list[LayerData]]

# What napari opens as completely stays its own. Of PNG, it drops eight bits of sixteen if there are colours.
SUFFIXES = tuple(s for s in READ_SUFFIXES if s not in PICTURE.read or s == ".png")
_OME_MARKS = (b'"multiscales"', b'"bioformats2raw.layout"', b'"plate"')
_COLORMAPS = {1: ("gray",), 2: ("magenta", "green")}
_MANY_COLORMAPS = ("cyan", "magenta", "yellow", "blue", "green", "red")
_LARGEST_CHUNK = 2**24
# Largest plane, in pixels, that napari reads at once. Larger planes get levels of every n-th pixel down to an overview.
# Showing a whole plane then takes as long as before but little memory, and showing a part is fast.
_LARGEST_SHOWN, _OVERVIEW = 2**26, 2**22
# Edge of the blocks that are read to take every n-th pixel.
_READ = 2**12
_NOTABLY_EMPTY = 0.05
# Larger planes take many seconds to read. Their layers are hidden until the user shows them.
_LARGEST_DRAWN = 2**29


def get_reader(path: str | Path | Sequence[str | Path]) -> Reader | None:
    """Return `read` if this plugin reads the file or folder, otherwise None.

    It reads what the command line reads: files but JPEG and BMP, OME-Zarr folders and folders of DICOM files. It does
    not read several paths at once, which napari would stack.
    """
    if not isinstance(path, str | Path):
        if len(path) != 1:
            return None
        path = path[0]
    path = Path(path)
    return read if (_claims_folder(path) if path.is_dir() else suffix(path) in SUFFIXES) else None


def read(path: str | Path | Sequence[str | Path]) -> list[LayerData]:
    """Return one layer per series and channel of a file or folder. Large data stay lazy.

    A file with coarser levels becomes a multiscale layer. So does one of very large planes without such levels: its
    coarser levels are every n-th pixel.

    Raises
    ------
    UnreadableImageError
        If it is damaged or no image.
    """
    try:
        return _read(path if isinstance(path, str | Path) else path[0])
    except SuperResError as error:  # napari shows it.
        raise type(error)(as_labels(error.message), remedy=as_labels(error.remedy)) from error


def _read(path: str | Path) -> list[LayerData]:
    from napari.utils.notifications import show_warning

    layers: list[LayerData] = []
    file_format = find_format(path)
    for index, (label, (image, *coarser)) in enumerate(read_pyramids(path)):
        # napari shows the name to nobody but the user, who knows the file by it.
        name = Path(path).name if file_format is not None and file_format.folder.startswith("volume") else label
        channels = image_layers(image, _title(name), coarser)
        for _, keywords, _ in channels if index else ():
            keywords["metadata"] = {**keywords["metadata"], "series": index}
        layers += map(_as_labels, channels) if image.metadata.get("labels") else channels
        for note in image.metadata.get("notes", ()):
            show_warning(f"{_title(name)}: {note}.")
        if (empty := empty_share(lay_along_world([image])[0])) > _NOTABLY_EMPTY:
            _announce_tilt(_title(name), empty)
        if _is_larger((image, *coarser)[-1], _LARGEST_DRAWN):
            _announce_hidden(_title(name), (image, *coarser)[-1])
    return layers


def image_layers(image: Image, name: str, coarser: Sequence[Image] = ()) -> list[LayerData]:
    """Return the layers of an image: one per channel, with pixel size, origin, orientation and units.

    Parameters
    ----------
    image
        Image in memory or lazy. Lazy data stay lazy.
    name
        Name of the layer. A channel's name is put before it.
    coarser
        Coarser levels of the image, as `napari_superres.io.read_pyramids` returns them.
    """
    levels = [_drawable(level, damaged=level is not image) for level in (image, *coarser)]
    image, *coarser = levels = lay_along_world(levels)
    arrays, axes = _with_overviews(levels), levels[0].axes
    shared = {**_geometry(image, axes.replace("C", "").replace("S", "")), "rgb": "S" in axes}
    shared["multiscale"] = len(arrays) > 1
    if _is_larger(levels[-1], _LARGEST_DRAWN):
        shared["visible"] = False
    if "C" not in axes:
        return [(_pixels(arrays), {"name": name, **shared, **find_contrast(levels[-1].data, axes)}, "image")]
    count = image.size("C")
    names = image.channel_names or tuple(f"channel {i}" for i in range(count))
    colormaps = _COLORMAPS.get(count, _MANY_COLORMAPS)
    return [
        (
            _pixels([_channel(a, axes.index("C"), i) for a in arrays]),
            {
                "name": f"{names[i]} - {name}" if count > 1 or image.channel_names else name,
                "blending": "additive" if count > 1 else "translucent",
                **({} if "S" in axes else {"colormap": colormaps[i % len(colormaps)]}),
                **find_contrast(_channel(levels[-1].data, axes.index("C"), i), axes.replace("C", "")),
                **shared,
                "metadata": {**shared["metadata"], **_optics(image, i), "channel": i, "channel_name": names[i]},
            },
            "image",
        )
        for i in range(count)
    ]


def _optics(image: Image, channel: int) -> dict[str, Any]:
    """Return what the file states of the optics of a channel, for its layer."""
    optics = image.metadata.get("optics")
    return {"optics": optics[channel : channel + 1]} if optics else {}


def _as_labels(layer: LayerData) -> LayerData:
    """Return the layer of a label image as one of napari's labels, which have colours of their own."""
    data, keywords, _ = layer
    left_out = {"rgb", "contrast_limits", "colormap", "blending"}
    return data, {key: value for key, value in keywords.items() if key not in left_out}, "labels"


class _Part(LazyArray):
    """One channel of a lazy array, or every n-th pixel of it, without dask's list of all its chunks."""

    def __init__(self, base: LazyArray, key: Sequence[int | slice], chunks: Sequence[int] | None = None) -> None:
        sides = zip(key, base.shape, strict=True)
        super().__init__([len(range(*k.indices(n))) for k, n in sides if isinstance(k, slice)], base.dtype)
        self._base, self._key, self.chunks = base, tuple(key), chunks

    def read_box(self, box: Box) -> npt.NDArray[Any]:
        """Read the pixels of a box from the base."""
        sides = iter(box)
        key = [_steps(next(sides), k.step or 1) if isinstance(k, slice) else k for k in self._key]
        return np.asarray(self._base[tuple(key)])


def _steps(side: slice, step: int) -> slice:
    """Return a side of a box, counted in every n-th pixel, on the full grid."""
    return slice(side.start * step, (side.stop - 1) * step + 1, (side.step or 1) * step)


def _drawable(image: Image, *, damaged: bool) -> Image:
    """Return an image for drawing: colour samples last, missing chunks filled and, on request, damaged ones, too."""
    image = reorder_axes(image, image.axes.replace("S", "") + "S") if "S" in image.axes else image
    if isinstance(image.data, LazyArray):
        image = image.replace(data=image.data.fill_bad_chunks(damaged=damaged))
    return image


def _with_overviews(levels: Sequence[Image]) -> list[Any]:
    """Return the arrays of the levels, followed by every n-th pixel of the last level if that is still large."""
    arrays, last, step = [level.data for level in levels], levels[-1], 1
    while _is_larger(last, _LARGEST_SHOWN) and _plane_pixels(last) > _OVERVIEW * step**2:
        step *= 2
        arrays.append(_every_nth(last, step))
    return arrays


def _every_nth(image: Image, step: int) -> _Part:
    key = [slice(None, None, step if a in "YX" else 1) for a in image.axes]
    chunk = {"Y": max(1, _READ // step), "X": max(1, _READ // step), "S": image.size("S")}
    return _Part(image.data, key, [chunk.get(a, 1) for a in image.axes])


def _plane_pixels(image: Image) -> int:
    return image.size("Y") * image.size("X")


def _is_larger(image: Image, limit: int) -> bool:
    """Return whether an image is lazy and its planes have more pixels than the limit."""
    return isinstance(image.data, LazyArray) and _plane_pixels(image) > limit


def _channel(data: Any, axis: int, index: int) -> Any:
    key: list[int | slice] = [slice(None)] * len(data.shape)
    key[axis] = index
    if not isinstance(data, LazyArray):
        return data[tuple(key)]
    chunks = getattr(data, "chunks", None)
    return _Part(data, key, chunks and (*chunks[:axis], *chunks[axis + 1 :]))


def _pixels(arrays: Sequence[Any]) -> Any:
    """Return the data of a layer: an array, or a list of levels, finest first."""
    levels = [sliceable(array) for array in arrays]
    return levels if len(levels) > 1 else levels[0]


def _announce_hidden(name: str, coarsest: Image) -> None:
    from napari.utils.notifications import show_info

    show_info(
        f"{name} is hidden: its planes of {coarsest.size('Y')} x {coarsest.size('X')} pixels take long to read. "
        "Click the layer's eye to show it, or save it as OME-Zarr with coarser levels and open that file."
    )


def _announce_tilt(name: str, empty: float) -> None:
    from napari.utils.notifications import show_info

    show_info(
        f"{name} lies obliquely. napari shows its slices without their tilt, and none at {empty:.0%} of the places "
        "of a slider. Show it in 3D to see how it lies."
    )


def _title(name: str) -> str:
    return stem(name) if suffix(name) in READ_SUFFIXES else name


def _geometry(image: Image, axes: str) -> dict[str, Any]:
    """Return scale, translation or affine, units, axis labels and metadata of a layer with these axes."""
    n = len(axes)
    spatial = [axes.index(a) for a in image.spatial]
    scale, translate = np.ones(n), np.zeros(n)
    scale[spatial] = image.pixel_size
    if "T" in axes:
        scale[axes.index("T")] = image.metadata.get("time_step", 1.0)
    keywords: dict[str, Any] = {"scale": scale, "axis_labels": tuple(axes.lower())}
    direction = image.affine[:-1, :-1] / np.asarray(image.pixel_size)
    if np.allclose(direction, np.eye(len(spatial)), atol=1e-9):
        translate[spatial] = image.origin
        keywords["translate"] = translate
    else:
        affine = np.eye(n + 1)
        affine[np.ix_(spatial, spatial)] = direction
        affine[spatial, -1] = image.origin
        keywords["affine"] = affine
    if any(image.units.values()):
        keywords["units"] = tuple(image.units.get(a) or "pixel" for a in axes)
    metadata = {**image.metadata, "space": image.space} if image.space else dict(image.metadata)
    if image.no_data is not None:
        metadata["no_data"] = image.no_data
    return {**keywords, "metadata": metadata}


def sliceable(data: Any) -> Any:
    """Return lazy data as a dask array, which napari slices efficiently, and numpy arrays unchanged."""
    if isinstance(data, np.ndarray):
        return data
    import dask.array as da

    if isinstance(data, da.Array):
        return data
    chunks = getattr(data, "chunks", None)
    if chunks is None:
        # One plane at a time, or parts of a large plane.
        chunks = [1] * len(data.shape)
        chunks[-2:] = data.shape[-2:]
        if len(data.shape) > 2 and data.shape[-1] in (3, 4):
            chunks[-3] = data.shape[-3]
        if math.prod(chunks) > _LARGEST_CHUNK:
            chunks = [min(c, 2048) for c in chunks]
    return da.from_array(data, chunks=tuple(chunks), name=False)


def _claims_folder(folder: Path) -> bool:
    if not is_zarr(folder):
        return find_format(folder) is DICOM
    if suffix(folder) == ".ome.zarr":
        return True
    marks = [folder / name for name in ("zarr.json", ".zattrs") if (folder / name).is_file()]
    return any(mark in file.read_bytes() for file in marks for mark in _OME_MARKS)
