"""The lazy array of a TIFF series."""

import weakref
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.io.lazy import Box, LazyArray, PlainArray
from napari_superres.io.series import Accept, import_library, translate_errors
from napari_superres.io.tiff.every_axis import series_of, shape_of
from napari_superres.io.tiff.ome_set import open_tiff
from napari_superres.io.tiff.quiet import quiet_tifffile
from napari_superres.io.tiff.strict import decode_strictly


class TiffArray(LazyArray):
    """One series of a TIFF file. The first slicing opens the file; it closes when the array is deleted.

    Parameters
    ----------
    path
        The file.
    series, level
        Index of the series, and of its resolution level.
    keep
        Axes of tifffile's full shape that the array has. The other axes have one element.
    shape, dtype
        Shape and data type of the array.
    accept
        As for the reader.
    """

    def __init__(
        self,
        path: Path,
        series: int,
        level: int,
        keep: tuple[int, ...],
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        accept: Accept,
    ) -> None:
        super().__init__(shape, dtype)
        self._facts = (path, series, level, keep, shape, np.dtype(dtype).str, accept)
        self._zarr: Any = None
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return TiffArray, self._facts

    def read_box(self, box: Box) -> npt.NDArray[Any]:
        """Read the strips or tiles that the box touches."""
        path, _, _, keep, *_ = self._facts
        with translate_errors(path, "TIFF"), quiet_tifffile():
            array = self._open()
            full: list[Any] = [0] * array.ndim
            for axis, item in zip(keep, box, strict=True):
                full[axis] = item
            return np.array(array[tuple(full)], dtype=self.dtype)

    def level(self, number: int, shape: tuple[int, ...]) -> "TiffArray":
        """Return the array of a coarser level.

        Parameters
        ----------
        number
            Index of the level.
        shape
            Its full shape, as tifffile states it.
        """
        path, series, _, keep, _, dtype, accept = self._facts
        return TiffArray(path, series, number, keep, tuple(shape[i] for i in keep), dtype, accept)

    def _open(self) -> Any:
        with self._lock:
            if self._zarr is None:
                path, index, level, *_, accept = self._facts
                file = open_tiff(path, accept)
                weakref.finalize(self, file.close)
                series = series_of(file)[index].levels[level]
                if series.dataoffset is not None:  # one block of plain numbers, any part of which can be read
                    dtype, shape = series.dtype.newbyteorder(file.byteorder), shape_of(series)
                    self._zarr = PlainArray(path.with_name(file.filename), "TIFF", series.dataoffset, shape, dtype)
                else:
                    decode_strictly(series)
                    store = series_of(file)[index].aszarr(level=level, squeeze=False)
                    self._zarr = import_library("zarr").open_array(store, mode="r")
            return self._zarr
