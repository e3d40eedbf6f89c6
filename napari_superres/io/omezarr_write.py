"""Writing OME-Zarr 0.5: sharded, multiscale, block by block so that memory stays small."""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.grid import Matrix, downscaled_affine
from napari_superres.core.image import Image
from napari_superres.io.lazy import in_order
from napari_superres.io.losses import Loss, orientation, straightened
from napari_superres.io.reading import library

# Key of our own attributes, beside "ome".
NOTE = "napari_superres"
CHUNK = 512
SHARD = 4096
# Edge of the blocks that are averaged at once, in pixels of the coarser level.
_BLOCK = 1024
_SAMPLE_NAMES: tuple[str, ...] = ("red", "green", "blue", "alpha")
_COLORS: tuple[str, ...] = ("FFFFFF", "00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")
_SAMPLE_COLORS: tuple[str, ...] = ("FF0000", "00FF00", "0000FF", "FFFFFF")


def losses(image: Image, ending: str) -> list[Loss]:
    """Return what an OME-Zarr would lose."""
    del ending
    found = orientation(image)
    if "C" in image.axes and "S" in image.axes:
        found.append(Loss("colour samples beside channels", ".ome.tif", fatal=True))
    return found


def write(image: Image, path: Path) -> None:
    """Write an image as OME-Zarr 0.5 with a pyramid of means of 2 x 2 pixels.

    Axes are stored in the order TCZYX; the samples of RGB images as channels red, green, blue.
    """
    stored = in_order(straightened(image), "".join(a for a in "TCSZYX" if a in image.axes))
    group = library("zarr").open_group(str(path), mode="w", zarr_format=3)
    shapes = level_shapes(stored.shape)
    names = [a.lower().replace("s", "c") for a in stored.axes]
    array = _create(group, "0", shapes[0], stored.dtype, names)
    for box in blocks(array):
        array[box] = np.asarray(stored.data[box]).astype(stored.dtype, copy=False)
    for level, shape in enumerate(shapes[1:], start=1):
        coarser = _create(group, str(level), shape, stored.dtype, names)
        for box in blocks(coarser):
            coarser[box] = _means(array, box)
        array = coarser
    group.attrs.update(_attributes(stored, image, len(shapes)))


def level_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the shapes of the levels: Y and X halved until both fit into one chunk."""
    shapes = [shape]
    while max(shapes[-1][-2:]) > CHUNK and min(shapes[-1][-2:]) >= 2:
        shapes.append((*shape[:-2], shapes[-1][-2] // 2, shapes[-1][-1] // 2))
    return shapes


def blocks(array: Any) -> Iterator[tuple[slice, ...]]:
    """Yield boxes that fill the array and lie each in one shard, so that none is written twice."""
    steps = array.shards or array.chunks
    starts = [range(0, n, s) for n, s in zip(array.shape, steps, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(slice(c, min(c + s, n)) for c, s, n in zip(corner, steps, array.shape, strict=True))


def _create(group: Any, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], names: list[str]) -> Any:
    codecs = library("zarr.codecs", "zarr")
    outer = (1,) * (len(shape) - 2)
    chunks = (*outer, *(min(CHUNK, n) for n in shape[-2:]))
    shards = (*outer, *(c * math.ceil(min(SHARD, n) / c) for c, n in zip(chunks[-2:], shape[-2:], strict=True)))
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        shards=shards if shards != chunks else None,
        compressors=codecs.BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle"),
        dimension_names=names,
    )


def _means(finer: Any, box: tuple[slice, ...]) -> npt.NDArray[Any]:
    """Return the means of 2 x 2 pixels of the finer level that fill a box of the coarser one."""
    out = np.empty([b.stop - b.start for b in box], dtype=finer.dtype)
    rows, columns = box[-2:]
    for top in range(rows.start, rows.stop, _BLOCK):
        for left in range(columns.start, columns.stop, _BLOCK):
            bottom, right = min(top + _BLOCK, rows.stop), min(left + _BLOCK, columns.stop)
            fine = np.asarray(finer[(*box[:-2], slice(2 * top, 2 * bottom), slice(2 * left, 2 * right))])
            pairs = fine.reshape(*fine.shape[:-2], bottom - top, 2, right - left, 2)
            mean = pairs.mean(axis=(-3, -1), dtype=np.float64)
            part = (
                ...,
                slice(top - rows.start, bottom - rows.start),
                slice(left - columns.start, right - columns.start),
            )
            out[part] = np.rint(mean) if out.dtype.kind in "ui" else mean
    return out


def _attributes(stored: Image, image: Image, levels: int) -> dict[str, Any]:
    v05 = library("yaozarrs.v05", "yaozarrs")
    multiscale = v05.Multiscale(
        name="image",
        axes=[_axis(v05, a, stored) for a in stored.axes],
        datasets=[_dataset(v05, stored, level) for level in range(levels)],
        type="mean",
    )
    model = v05.Image(multiscales=[multiscale], omero=_omero(v05, stored))
    note: dict[str, Any] = {"samples": True} if "S" in image.axes else {}
    if image.space:
        note["space"] = image.space
    if image.metadata.get("provenance") is not None:
        note["provenance"] = image.metadata["provenance"]
    ome = model.model_dump(mode="json", exclude_none=True)
    return {"ome": ome, NOTE: note} if note else {"ome": ome}


def _axis(v05: Any, axis: str, image: Image) -> Any:
    if axis in "CS":
        return v05.ChannelAxis(name="c")
    kind = v05.TimeAxis if axis == "T" else v05.SpaceAxis
    unit = image.units.get(axis)
    return kind(name=axis.lower(), unit=unit) if unit else kind(name=axis.lower())


def _dataset(v05: Any, image: Image, level: int) -> Any:
    factor = [1 if a == "Z" else 2**level for a in image.spatial]
    affine: Matrix = downscaled_affine(image.affine, factor)
    scale, translation = [], []
    for axis in image.axes:
        at = image.spatial.find(axis)
        step = image.metadata.get("time_step", 1.0) if axis == "T" and image.units.get("T") else 1.0
        scale.append(float(affine[at, at]) if at >= 0 else float(step))
        translation.append(float(affine[at, -1]) if at >= 0 else 0.0)
    return v05.Dataset(
        path=str(level),
        coordinateTransformations=[
            v05.ScaleTransformation(scale=scale),
            v05.TranslationTransformation(translation=translation),
        ],
    )


def _omero(v05: Any, image: Image) -> Any:
    """Return names, colours and display ranges of the channels; None where there is nothing to say."""
    if "S" in image.axes:
        names, colors = _SAMPLE_NAMES[: image.size("S")], _SAMPLE_COLORS
    elif image.channel_names:
        names, colors = image.channel_names, _COLORS
    else:
        return None
    low, high = (0.0, 1.0)
    if image.dtype.kind in "ui":
        low, high = float(np.iinfo(image.dtype).min), float(np.iinfo(image.dtype).max)
    window = v05.OmeroWindow(start=low, min=low, end=high, max=high)
    channels = [
        v05.OmeroChannel(window=window, label=name, color=colors[i % len(colors)], active=True)
        for i, name in enumerate(names)
    ]
    return v05.Omero(channels=channels)
