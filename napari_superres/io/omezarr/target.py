"""An OME-Zarr that is written box by box. Each box also writes its part of the pyramid, without being read again.

At an address, it is written where it will be: stores rename no folders. Its OME metadata, which make it an image, come
last.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from napari_superres.core import invalid
from napari_superres.core.image import Image
from napari_superres.errors import OutputError
from napari_superres.io.lazy import Box, reorder_axes
from napari_superres.io.omezarr.attributes import NOTE, make_attributes
from napari_superres.io.omezarr.layout import Layout, disk_order
from napari_superres.io.omezarr.sparse import COMPLETE
from napari_superres.io.series import drop_rotation, import_library, note_labels, note_no_data, noted_no_data, sha256
from napari_superres.limits import is_link_or_special
from napari_superres.storage import RemotePath, as_path, client
from napari_superres.storage.atomic import flush, replacing
from napari_superres.storage.zarr_store import open_store

# Number of rows of the coarser level that are averaged at once.
_BAND = 64


class ZarrTarget:
    """A multiscale, sharded OME-Zarr 0.5 on a disk or in an object store, written box by box.

    A box fills whole shards of the levels that it owns. Boxes can therefore be written in any order, more than once,
    and by several processes at the same time. Use `create` or `open` to get a target.

    Attributes
    ----------
    path
        The folder or address.
    layout
        Its levels, chunks, shards and boxes, in the order of axes on the disk.
    """

    def __init__(self, path: str | Path, axes: str, layout: Layout, levels: list[Any]) -> None:
        self.path = as_path(path)
        self.layout = layout
        self._levels = levels
        note = dict(levels[0].attrs).get(NOTE) or {}
        self._reduce: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] = (
            take_pairs if note.get("labels") else partial(average_pairs, no_data=noted_no_data(note))
        )
        self._to_disk = [axes.index(a) for a in layout.axes]
        self._from_disk = [layout.axes.index(a) for a in axes]

    @classmethod
    def create(cls, path: str | Path, outline: Image, *, volume: bool = False, apart: bool = False) -> Self:
        """Create the folder with empty levels. It must not exist.

        Parameters
        ----------
        path
            Folder to create.
        outline
            Image with the shape, data type and axes of the result, values without a measurement, and whether it holds
            labels. Its pixels are not read.
        volume
            Whether chunks and boxes are deep along Z, for results of 3-D models.
        apart
            Whether no box holds several channels, for results of several models.
        """
        layout = Layout.plan(outline.shape, outline.axes, volume=volume, apart=apart)
        levels = _create_levels(_writable_store(path), layout, outline)
        target = cls(path, outline.axes, layout, levels)
        target._flush(["zarr.json", *(f"{k}/zarr.json" for k in range(len(levels)))])
        return target

    @classmethod
    def restore(cls, path: str | Path, outline: Image, *, volume: bool = False, apart: bool = False) -> Self:
        """Open a folder that `create` made with the same arguments, to continue writing.

        Its metadata are not trusted: those that are missing or differ are written again.

        Raises
        ------
        OutputError
            If the folder holds links, which may lead anywhere, or pipes, which may never end.
        OSError
            If the disk is full or fails.
        """
        path = as_path(path)
        remote = isinstance(path, RemotePath)
        if not remote and any(map(is_link_or_special, (path, *path.rglob("*")))):
            raise OutputError(
                f"the unfinished result {path} must not hold links and pipes.", remedy=f"Remove {path.parent}."
            )
        metadata: dict[str, Any] = {}
        store = import_library("zarr.storage", "zarr").MemoryStore(metadata)
        layout = Layout.plan(outline.shape, outline.axes, volume=volume, apart=apart)
        _create_levels(store, layout, outline)
        for name, content in metadata.items():
            file = path / name
            if isinstance(file, RemotePath):
                if client.get(file) != content.to_bytes():
                    client.put(file, content.to_bytes())
            elif not file.is_file() or file.read_bytes() != content.to_bytes():
                file.parent.mkdir(exist_ok=True)
                with replacing(file) as (temporary,):
                    temporary.write_bytes(content.to_bytes())
        return cls.open(path, outline.axes)

    @classmethod
    def open(cls, path: str | Path, axes: str) -> Self:
        """Open a folder that `create` made, to continue writing.

        Parameters
        ----------
        path
            The folder.
        axes
            Axes of the outline that was passed to `create`.
        """
        group = import_library("zarr").open_group(_writable_store(path), mode="r+")
        first = group["0"]
        layout = Layout(disk_order(axes), first.shape, first.chunks, first.shards or first.chunks)
        # zarr does not store this setting. Without it, chunks of zeros would get no files.
        levels = [group[str(k)].with_config({"write_empty_chunks": True}) for k in range(len(layout.levels))]
        return cls(path, axes, layout, levels)

    @property
    def nbytes(self) -> int:
        """Uncompressed size of all levels, in bytes."""
        return self.layout.nbytes(self._levels[0].dtype)

    def boxes(self) -> list[Box]:
        """Return the disjoint boxes that fill the array, in the outline's order of axes.

        The list is ordered by C, then T, Z, Y and X.
        """
        return [tuple(box[i] for i in self._from_disk) for box in self.layout.boxes()]

    def store(self, box: Box, values: npt.NDArray[Any]) -> dict[str, str]:
        """Write a box to level 0 and to every other level that it owns, and wait until it is on the disk.

        Parameters
        ----------
        box
            One of `boxes`.
        values
            Pixels of the box, in the outline's order of axes. They are cast to the data type of the target.

        Returns
        -------
        dict of str to str
            The sha256 of each file of the box, by its name in the folder; at an address its size and tag.

        Raises
        ------
        OSError
            If the disk is full or fails.
        """
        owned = tuple(box[i] for i in self._to_disk)
        part = np.asarray(values).transpose(self._to_disk).astype(self._levels[0].dtype, copy=False)
        files = []
        for level in range(self.layout.owned_levels):
            part = self._reduce(part) if level else part
            if part.size:
                files.append(self._write(level, self.layout.share(owned, level), part))
        self._flush(files)
        return {name: self._digest(name) for name in files}

    def is_stored(self, box: Box, digests: Mapping[str, str]) -> bool:
        """Return whether the files of a box are still those of which `store` returned the digests."""
        owned = tuple(box[i] for i in self._to_disk)
        shares = [(level, self.layout.share(owned, level)) for level in range(self.layout.owned_levels)]
        names = {self._name(level, share) for level, share in shares if all(b.stop > b.start for b in share)}
        if digests.keys() != names:
            return False
        try:
            return all(self._digest(name) == digests[name] for name in names)
        except OSError:
            return False

    def finish(self, outline: Image) -> None:
        """Write the levels that no box owns, and the metadata that make the folder an image.

        Parameters
        ----------
        outline
            The image passed to `create`, with the grid, units, names and ``metadata["provenance"]`` to store.

        Raises
        ------
        OSError
            If the disk is full or fails.
        """
        for level in range(self.layout.owned_levels, len(self._levels)):
            for box in self.layout.shard_boxes(level):
                self._flush([self._write(level, box, self._average(level, box))])
        if not isinstance(self.path, RemotePath):
            for left in self.path.rglob("*.partial"):
                left.unlink()
        stored = reorder_axes(drop_rotation(outline), self.layout.axes)
        group = import_library("zarr").open_group(_writable_store(self.path), mode="r+")
        group.attrs.update(make_attributes(stored, outline, len(self._levels)))
        self._flush(["zarr.json"])

    def _write(self, level: int, box: Box, values: npt.NDArray[Any]) -> str:
        """Write a whole shard and return the name of its file."""
        name = self._name(level, box)
        file = self.path / name
        # zarr would first read an old shard, which may be damaged.
        if isinstance(file, RemotePath):
            client.delete(file)
        else:
            file.unlink(missing_ok=True)
        self._levels[level][box] = values
        return name

    def _name(self, level: int, box: Box) -> str:
        """Return the name of the file of a shard."""
        corner = tuple(b.start // s for b, s in zip(box, self.layout.shards(level), strict=True))
        return f"{level}/{self._levels[level].metadata.encode_chunk_key(corner)}"

    def _digest(self, name: str) -> str:
        file = self.path / name
        return client.tag_of(file) if isinstance(file, RemotePath) else sha256(file)

    def _average(self, level: int, box: Box) -> npt.NDArray[Any]:
        """Return pixels of a level, averaged from the finer level one row of chunks at a time to save memory."""
        finer = self._levels[level - 1]
        out = np.empty([b.stop - b.start for b in box], finer.dtype)
        rows, columns = box[-2:]
        step = self.layout.chunk[-2] // 2
        for top in range(rows.start, rows.stop, step):
            bottom = min(top + step, rows.stop)
            fine = finer[(*box[:-2], slice(2 * top, 2 * bottom), slice(2 * columns.start, 2 * columns.stop))]
            out[..., top - rows.start : bottom - rows.start, :] = self._reduce(fine)
        return out

    def _flush(self, names: list[str]) -> None:
        """Wait until the files, and the entries of their folders, are on the disk. Stores have no buffers."""
        if isinstance(self.path, RemotePath):
            return
        files = [self.path / name for name in names]
        for path in (*files, *{f for file in files for f in file.parents if f.is_relative_to(self.path)}):
            flush(path)


def _writable_store(path: str | Path) -> Any:
    path = as_path(path)
    return open_store(path, read_only=False) if isinstance(path, RemotePath) else str(path)


def take_pairs(fine: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return one of 2 x 2 labels, which have no mean. An odd last row or column is dropped."""
    height, width = fine.shape[-2] // 2 * 2, fine.shape[-1] // 2 * 2
    return fine[..., :height:2, :width:2]


def average_pairs(fine: npt.NDArray[Any], no_data: tuple[float, float] | None = None) -> npt.NDArray[Any]:
    """Return the means of 2 x 2 pixels, of those among them that were measured.

    Parameters
    ----------
    fine
        ``(..., Y, X)``. An odd last row or column is dropped.
    no_data
        As in `Image`.

    Returns
    -------
    ndarray
        Means in the data type of `fine`; means of integers are rounded half to even.
    """
    height, width = fine.shape[-2] // 2, fine.shape[-1] // 2
    out = np.empty((*fine.shape[:-2], height, width), fine.dtype)
    for plane in np.ndindex(*fine.shape[:-2]):
        for top in range(0, height, _BAND):
            band = fine[plane][2 * top : 2 * min(top + _BAND, height), : 2 * width]
            mean = invalid.mean_of_measured(band, _add_pairs, 4, no_data)
            out[plane][top : top + _BAND] = np.rint(mean) if fine.dtype.kind in "ui" else mean
    return out


def _add_pairs(band: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    rows = band[::2] + band[1::2]
    return rows[:, ::2] + rows[:, 1::2]


def _create_levels(store: Any, layout: Layout, outline: Image) -> list[Any]:
    """Create a group with empty levels in a store, whose content is replaced, and return the levels."""
    group = import_library("zarr").open_group(store, mode="w", zarr_format=3)
    return [_create(group, level, layout, outline) for level in range(len(layout.levels))]


def _create(group: Any, level: int, layout: Layout, outline: Image) -> Any:
    codecs = import_library("zarr.codecs", "zarr")
    chunks, shards = layout.chunks(level), layout.shards(level)
    return group.create_array(
        str(level),
        shape=layout.levels[level],
        dtype=outline.dtype,
        chunks=chunks,
        shards=shards if shards != chunks else None,
        # lz4 decodes overwritten bytes without an error. The checksum detects them.
        compressors=[codecs.BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle"), codecs.Crc32cCodec()],
        dimension_names=[a.lower().replace("s", "c") for a in layout.axes],
        # A missing shard therefore means damage, never zeros.
        config={"write_empty_chunks": True},
        # What the coarser levels are made by, also in other processes.
        attributes={NOTE: {COMPLETE: True, **note_no_data(outline), **note_labels(outline)}},
    )
