"""An OME-Zarr that is written box by box, its pyramid made of each box while that is in memory."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.io.lazy import Box, in_order
from napari_superres.io.lossy import straightened
from napari_superres.io.omezarr.attributes import attributes
from napari_superres.io.omezarr.layout import Layout, on_disk
from napari_superres.io.series import library

# Rows of the coarser level that are averaged at once.
_BAND = 64


class ZarrTarget:
    """A multiscale, sharded OME-Zarr 0.5 on a disk, written box by box.

    A box holds whole shards of the levels it owns, so that boxes may be written in any order, by
    several processes at once, and again. Made by `create` or `open`.

    Attributes
    ----------
    path
        The folder.
    layout
        How it is cut, in the order of axes on the disk.
    """

    def __init__(self, path: str | Path, axes: str, layout: Layout, levels: list[Any]) -> None:
        self.path = Path(path)
        self.layout = layout
        self._levels = levels
        self._to_disk = [axes.index(a) for a in layout.axes]
        self._from_disk = [layout.axes.index(a) for a in axes]

    @classmethod
    def create(cls, path: str | Path, outline: Image, *, volume: bool = False) -> Self:
        """Make the folder with its empty levels; what is at `path` is replaced.

        Parameters
        ----------
        path
            Folder to make.
        outline
            Image with the shape, data type and axes of the result; its pixels are not read.
        volume
            Chunks and boxes deep along Z, for results that are computed as volumes.
        """
        layout = Layout.plan(outline.shape, outline.axes, volume=volume)
        group = library("zarr").open_group(str(path), mode="w", zarr_format=3)
        levels = [_create(group, level, layout, outline.dtype) for level in range(len(layout.levels))]
        target = cls(path, outline.axes, layout, levels)
        target._flush([Path(path, "zarr.json"), *(Path(path, str(k), "zarr.json") for k in range(len(levels)))])
        return target

    @classmethod
    def open(cls, path: str | Path, axes: str) -> Self:
        """Open a folder that `create` made, to go on writing.

        Parameters
        ----------
        path
            The folder.
        axes
            Those of the outline it was created with.
        """
        group = library("zarr").open_group(str(path), mode="r+")
        first = group["0"]
        layout = Layout(on_disk(axes), first.shape, first.chunks, first.shards or first.chunks)
        # Not kept by zarr: an array opened anew would leave out chunks of zeros.
        levels = [group[str(k)].with_config({"write_empty_chunks": True}) for k in range(len(layout.levels))]
        return cls(path, axes, layout, levels)

    @property
    def nbytes(self) -> int:
        """Bytes of all levels, not compressed."""
        return self.layout.nbytes(self._levels[0].dtype)

    def boxes(self) -> list[Box]:
        """Return the boxes to write, in the outline's order of axes: disjoint, and together the whole array.

        C is slowest, then T, Z, Y and X.
        """
        return [tuple(box[i] for i in self._from_disk) for box in self.layout.boxes()]

    def store(self, box: Box, values: npt.NDArray[Any]) -> None:
        """Write a box to level 0 and to every level it owns; when this returns, it is safe on the disk.

        Parameters
        ----------
        box
            One of `boxes`.
        values
            Its pixels, in the outline's order of axes; cast to the data type of the target.

        Raises
        ------
        OSError
            If the disk is full or fails.
        """
        owned = tuple(box[i] for i in self._to_disk)
        part = np.asarray(values).transpose(self._to_disk).astype(self._levels[0].dtype, copy=False)
        files = []
        for level in range(self.layout.owned):
            part = halved(part) if level else part
            if part.size:
                files.append(self._write(level, self.layout.share(owned, level), part))
        self._flush(files)

    def is_stored(self, box: Box) -> bool:
        """Return whether the files of a box of `boxes` are there, and not empty."""
        owned = tuple(box[i] for i in self._to_disk)
        shares = [(level, self.layout.share(owned, level)) for level in range(self.layout.owned)]
        files = [self._file(level, share) for level, share in shares if all(b.stop > b.start for b in share)]
        return all(file.is_file() and file.stat().st_size > 0 for file in files)

    def finish(self, outline: Image) -> None:
        """Make the levels that no box owns and write the attributes: from now on it is an image.

        Parameters
        ----------
        outline
            The image given to `create`, with what is to be said of it: grid, units, names, and
            ``metadata["provenance"]``.

        Raises
        ------
        OSError
            If the disk is full or fails.
        """
        for level in range(self.layout.owned, len(self._levels)):
            for box in self.layout.shard_boxes(level):
                self._flush([self._write(level, box, self._averaged(level, box))])
        for left in self.path.rglob("*.partial"):
            left.unlink()
        stored = in_order(straightened(outline), self.layout.axes)
        group = library("zarr").open_group(str(self.path), mode="r+")
        group.attrs.update(attributes(stored, outline, len(self._levels)))
        self._flush([self.path / "zarr.json"])

    def _write(self, level: int, box: Box, values: npt.NDArray[Any]) -> Path:
        """Write a whole shard and return its file."""
        file = self._file(level, box)
        # Otherwise zarr reads the old shard first, which may be damaged.
        file.unlink(missing_ok=True)
        self._levels[level][box] = values
        return file

    def _file(self, level: int, box: Box) -> Path:
        """Return the file of a shard."""
        corner = tuple(b.start // s for b, s in zip(box, self.layout.shards(level), strict=True))
        return self.path.joinpath(str(level), self._levels[level].metadata.encode_chunk_key(corner))

    def _averaged(self, level: int, box: Box) -> npt.NDArray[Any]:
        """Return the pixels of a coarser level, made of the finer one by rows of chunks so that memory stays small."""
        finer = self._levels[level - 1]
        out = np.empty([b.stop - b.start for b in box], finer.dtype)
        rows, columns = box[-2:]
        step = self.layout.chunk[-2] // 2
        for top in range(rows.start, rows.stop, step):
            bottom = min(top + step, rows.stop)
            fine = finer[(*box[:-2], slice(2 * top, 2 * bottom), slice(2 * columns.start, 2 * columns.stop))]
            out[..., top - rows.start : bottom - rows.start, :] = halved(fine)
        return out

    def _flush(self, files: list[Path]) -> None:
        """Wait until files, and the folders that name them, are on the disk."""
        folders = {f for file in files for f in file.parents if f.is_relative_to(self.path)}
        for path in (*files, *folders):
            # Windows does not open folders, and has no need to.
            with suppress(PermissionError):
                handle = os.open(path, os.O_RDONLY if path in folders else os.O_RDWR)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)


def halved(fine: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the means of 2 x 2 pixels of ``(..., Y, X)``, rounded to even for integers; an odd last row is dropped."""
    height, width = fine.shape[-2] // 2, fine.shape[-1] // 2
    out = np.empty((*fine.shape[:-2], height, width), fine.dtype)
    for plane in np.ndindex(*fine.shape[:-2]):
        for top in range(0, height, _BAND):
            band = fine[plane][2 * top : 2 * min(top + _BAND, height), : 2 * width].astype(np.float64)
            rows = band[::2] + band[1::2]
            mean = (rows[:, ::2] + rows[:, 1::2]) / 4
            out[plane][top : top + _BAND] = np.rint(mean) if fine.dtype.kind in "ui" else mean
    return out


def _create(group: Any, level: int, layout: Layout, dtype: np.dtype[Any]) -> Any:
    codecs = library("zarr.codecs", "zarr")
    chunks, shards = layout.chunks(level), layout.shards(level)
    return group.create_array(
        str(level),
        shape=layout.levels[level],
        dtype=dtype,
        chunks=chunks,
        shards=shards if shards != chunks else None,
        # lz4 decodes bytes that were overwritten without a word; the checksum notices.
        compressors=[codecs.BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle"), codecs.Crc32cCodec()],
        dimension_names=[a.lower().replace("s", "c") for a in layout.axes],
        # A missing shard then means damage, never zeros.
        config={"write_empty_chunks": True},
    )
