"""Arrays that read only what is sliced out of them, and images with their axes or units changed without reading."""

import itertools
import math
import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.axes import spatial_axes, validate_axes
from napari_superres.core.image import Array, Image
from napari_superres.core.units import METRES
from napari_superres.io.series import GUESSED, damage_error, translate_errors

Box = tuple[slice, ...]


class LazyArray(ABC):
    """Base class of arrays that read their values when they are sliced with integers and slices.

    Subclasses implement `read_box`. ``numpy.asarray`` reads the whole array.

    Attributes
    ----------
    shape, dtype, ndim
        Those of the numpy array that slicing returns. The byte order is native.
    """

    def __init__(self, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype).newbyteorder("=")
        self.ndim = len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the whole array in memory, in bytes."""
        return self.size * self.dtype.itemsize

    @property
    def bad_chunks(self) -> list[str]:
        """Names of the missing or damaged chunks that have been filled so far. Empty if the format cannot tell."""
        return []

    def fill_bad_chunks(self, *, damaged: bool = True) -> "LazyArray":
        """Return the array with missing chunks filled and listed in `bad_chunks`, and damaged ones too by default.

        An array whose format cannot tell returns itself.
        """
        del damaged
        return self

    @abstractmethod
    def read_box(self, box: Box) -> npt.NDArray[Any]:
        """Return the values of a box: one slice per axis, with positive steps."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        box: list[slice] = []
        after: list[Any] = []  # index of the values read: it drops an axis or reverses it
        for item, size in zip(_full_key(key, self.ndim), self.shape, strict=True):
            if isinstance(item, slice):
                start, stop, step = item.indices(size)
                count = len(range(start, stop, step))
                if step > 0:
                    box.append(slice(start, max(stop, start), step))
                    after.append(slice(None))
                else:
                    last = start + (count - 1) * step
                    box.append(slice(last, start + 1, -step) if count else slice(0, 0, 1))
                    after.append(slice(None, None, -1))
                continue
            index = int(item) + size * (int(item) < 0)
            if not 0 <= index < size:
                raise IndexError(f"index {item} is out of bounds for an axis of {size} elements")
            box.append(slice(index, index + 1, 1))
            after.append(0)
        shape = tuple(len(range(b.start, b.stop, b.step)) for b in box)
        values = self.read_box(tuple(box)) if 0 not in shape else np.empty(shape, self.dtype)
        return np.asarray(values).astype(self.dtype, copy=False)[tuple(after)]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("a lazy array must be read to become a numpy array, but copy=False forbids it")
        values: npt.NDArray[Any] = self[...]
        return values if dtype is None else values.astype(dtype, copy=False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype})"


class TransposedArray(LazyArray):
    """A view of a sliceable array with its axes in another order.

    Parameters
    ----------
    base
        Array to view.
    order
        Index of the axis of `base`, for each axis of the view.
    """

    def __init__(self, base: Array, order: Sequence[int]) -> None:
        super().__init__([base.shape[i] for i in order], base.dtype)
        self._base = base
        self._order = tuple(order)

    @property
    def bad_chunks(self) -> list[str]:
        """Names of the bad chunks of the base."""
        return self._base.bad_chunks if isinstance(self._base, LazyArray) else []

    def fill_bad_chunks(self, *, damaged: bool = True) -> LazyArray:
        """Return the same view of the base, whose bad chunks are filled."""
        if not isinstance(self._base, LazyArray):
            return self
        return TransposedArray(self._base.fill_bad_chunks(damaged=damaged), self._order)

    def read_box(self, box: Box) -> npt.NDArray[Any]:
        """Read the box from the base and reorder its axes."""
        inner = [slice(None)] * self.ndim
        for axis, item in zip(self._order, box, strict=True):
            inner[axis] = item
        return np.asarray(self._base[tuple(inner)]).transpose(self._order)


class FlippedArray(LazyArray):
    """A view of a lazy array with some axes reversed.

    Parameters
    ----------
    base
        Array to view.
    axes
        Indices of the reversed axes.
    """

    def __init__(self, base: LazyArray, axes: Sequence[int]) -> None:
        super().__init__(base.shape, base.dtype)
        self._base, self._axes = base, tuple(axes)

    def read_box(self, box: Box) -> npt.NDArray[Any]:
        """Read the mirrored box from the base, backwards."""
        inner = list(box)
        for axis in self._axes:
            at = range(self.shape[axis])[::-1][box[axis]]
            inner[axis] = slice(at.start, at.stop if at.stop >= 0 else None, at.step)
        return np.asarray(self._base[tuple(inner)])


class PlainArray(LazyArray):
    """Uncompressed numbers in one block of a file, in C order.

    The file is read, never mapped into memory: reading a map of a file that has been cut off kills the process.

    Parameters
    ----------
    path
        The file. The first slicing opens it; it closes when the array is deleted.
    kind
        Name of the format for error messages, such as ``"TIFF"``.
    offset
        Number of bytes before the block.
    shape, dtype
        Shape and data type, with the byte order of the file.
    """

    def __init__(self, path: Path, kind: str, offset: int, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
        super().__init__(shape, dtype)
        self._facts = (path, kind, int(offset), self.shape, np.dtype(dtype).str)
        self._file: FileIO | None = None
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return PlainArray, self._facts

    def read_box(self, box: Box) -> npt.NDArray[Any]:
        """Read the rows that the box touches.

        Raises
        ------
        UnreadableImageError
            If the file ends before the box.
        """
        path, kind, offset, _, stored = self._facts
        # Every axis after `last` is read whole, so that the pixels of a run lie in the file one after another.
        last = max((a for a, b in enumerate(box) if len(range(*b.indices(self.shape[a]))) < self.shape[a]), default=0)
        outer = [range(b.start, b.stop, b.step or 1) for b in box[:last]]
        runs = np.empty((*map(len, outer), box[last].stop - box[last].start, *self.shape[last + 1 :]), stored)
        steps = [math.prod(self.shape[axis + 1 :]) * runs.itemsize for axis in range(last + 1)]
        pixels, size = runs.reshape(-1).view(np.uint8).data, math.prod(runs.shape[last:]) * runs.itemsize
        with translate_errors(path, kind), self._lock:
            if self._file is None:
                # Unbuffered: a buffer would hold what the file contained before.
                self._file = path.open("rb", buffering=0)
                weakref.finalize(self, self._file.close)
            for number, index in enumerate(itertools.product(*outer)):
                start = sum(i * step for i, step in zip((*index, box[last].start), steps, strict=True))
                self._fill(pixels[number * size : (number + 1) * size], offset + start)
        return runs[(slice(None),) * last + (slice(None, None, box[last].step),)]

    def _fill(self, pixels: memoryview, position: int) -> None:
        """Fill a buffer with the bytes of the file from a position on."""
        assert self._file is not None
        self._file.seek(position)
        while pixels:
            count = self._file.readinto(pixels)
            if not count:
                raise damage_error(self._facts[0], self._facts[1], "the file ends before its pixels do")
            pixels = pixels[count:]


def without_map(array: Array) -> Array:
    """Return an array that reads the file that a numpy array maps into memory, and other arrays unchanged.

    Reading a map of a file that has been cut off kills the process; reading the file is an error.
    """
    if not isinstance(array, np.memmap) or array.filename is None or array.mode == "c" or not array.flags.c_contiguous:
        return array
    mapped = array
    while isinstance(mapped.base, np.memmap):
        mapped = mapped.base
    offset = mapped.offset + array.ctypes.data - mapped.ctypes.data
    return PlainArray(Path(array.filename), "mapped file", offset, array.shape, array.dtype)


def reorder_axes(image: Image, axes: str) -> Image:
    """Return the image with its axes in another order. Lazy data are not read.

    Parameters
    ----------
    image
        Image to reorder.
    axes
        The letters of ``image.axes`` in their new order.
    """
    if axes == image.axes:
        return image
    order = [image.axes.index(a) for a in axes]
    data = image.data
    data = data.transpose(order) if isinstance(data, np.ndarray) else TransposedArray(data, order)
    rows = [image.spatial.index(a) for a in axes if a in image.spatial]
    affine = image.affine[np.ix_([*rows, len(rows)], [*rows, len(rows)])]
    return image.replace(data=data, axes=axes, affine=affine)


def with_axes(image: Image, axes: str | None) -> Image:
    """Return the image with other letters for its axes; None keeps them.

    Its place is kept if the spatial axes stay where they are. Otherwise only their pixel sizes are.

    Raises
    ------
    AxesError
        If the letters do not fit the shape.
    """
    if axes is None:
        return image
    axes = validate_axes(axes, image.shape)
    spatial = spatial_axes(axes)
    sizes = dict(zip(image.spatial, image.pixel_size, strict=True))
    affine = image.affine if spatial == image.spatial else np.diag([*(sizes.get(a, 1.0) for a in spatial), 1.0])
    units = {**dict.fromkeys(spatial, image.units["X"]), "T": image.units.get("T")}
    names = image.channel_names if "C" in axes and "C" in image.axes else ()
    metadata = {k: v for k, v in image.metadata.items() if k != GUESSED}
    return image.replace(axes=axes, affine=affine, units=units, channel_names=names, metadata=metadata)


def affine_in_unit(image: Image, unit: str | None) -> npt.NDArray[np.float64]:
    """Return the affine of an image with its lengths in one unit.

    Axes without a unit keep their numbers, and so do all axes if `unit` is None.
    """
    affine = np.array(image.affine)
    for row, axis in enumerate(image.spatial):
        name = image.units.get(axis)
        if name is not None and unit is not None and name != unit:
            affine[row] *= METRES[name] / METRES[unit]
    return affine


def _full_key(key: Any, ndim: int) -> list[Any]:
    items = list(key) if isinstance(key, tuple) else [key]
    gaps = [i for i, item in enumerate(items) if item is Ellipsis]
    for item in items:
        if not isinstance(item, (int, np.integer, slice)) and item is not Ellipsis:
            raise TypeError(f"a lazy array is sliced with integers and slices, got {type(item).__name__}")
    position = gaps[0] if gaps else len(items)
    rest = [slice(None)] * (ndim - len(items) + bool(gaps))
    full = items[:position] + rest + items[position + bool(gaps) :]
    if len(full) != ndim or len(gaps) > 1:
        raise IndexError(f"too many indices: the array has {ndim} axes, {len(items)} were given")
    return full
