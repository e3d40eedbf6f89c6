"""Arrays that read only what is sliced out of them, and images with their axes or units changed without reading."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Array, Image
from napari_superres.core.units import METRES

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
