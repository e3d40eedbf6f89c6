"""Arrays that read only what is sliced out of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Array, Image
from napari_superres.core.units import METRES

Box = tuple[slice, ...]


class LazyArray(ABC):
    """Base of arrays that are read by slicing with integers and slices.

    Subclasses implement `read_box`. ``numpy.asarray`` of it reads everything.

    Attributes
    ----------
    shape, dtype, ndim
        As of the numpy array that slicing gives, in native byte order.
    """

    def __init__(self, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype).newbyteorder("=")
        self.ndim = len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array in memory."""
        return self.size * self.dtype.itemsize

    @property
    def bad_chunks(self) -> list[str]:
        """Parts found missing or damaged, and filled, so far; always empty where formats cannot tell."""
        return []

    def skipping_bad(self, *, damaged: bool = True) -> "LazyArray":
        """Return the array that fills such parts, or only missing ones, and lists them, where the format can tell."""
        del damaged
        return self

    @abstractmethod
    def read_box(self, box: Box) -> npt.NDArray[Any]:
        """Return the values of a box of slices whose steps are positive, one slice per axis."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        box: list[slice] = []
        after: list[Any] = []  # what remains to be done on the values read: drop an axis or turn it round
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
            raise ValueError("a lazy array cannot become a numpy array without reading it.")
        values: npt.NDArray[Any] = self[...]
        return values if dtype is None else values.astype(dtype, copy=False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype})"


class Transposed(LazyArray):
    """A view of any sliceable array with its axes in another order.

    Parameters
    ----------
    base
        The array.
    order
        For each axis of the view the axis of `base`.
    """

    def __init__(self, base: Array, order: Sequence[int]) -> None:
        super().__init__([base.shape[i] for i in order], base.dtype)
        self._base = base
        self._order = tuple(order)

    @property
    def bad_chunks(self) -> list[str]:
        """Those of the base."""
        return self._base.bad_chunks if isinstance(self._base, LazyArray) else []

    def skipping_bad(self, *, damaged: bool = True) -> LazyArray:
        """Return the same view of the base with its bad chunks filled."""
        if not isinstance(self._base, LazyArray):
            return self
        return Transposed(self._base.skipping_bad(damaged=damaged), self._order)

    def read_box(self, box: Box) -> npt.NDArray[Any]:
        """Read the same box of the base and turn it."""
        inner = [slice(None)] * self.ndim
        for axis, item in zip(self._order, box, strict=True):
            inner[axis] = item
        return np.asarray(self._base[tuple(inner)]).transpose(self._order)


def in_order(image: Image, axes: str) -> Image:
    """Return the image with its axes in another order, data not read.

    Parameters
    ----------
    image
        Any image.
    axes
        The letters of ``image.axes`` in the order wanted.
    """
    if axes == image.axes:
        return image
    order = [image.axes.index(a) for a in axes]
    data = image.data
    data = data.transpose(order) if isinstance(data, np.ndarray) else Transposed(data, order)
    rows = [image.spatial.index(a) for a in axes if a in image.spatial]
    turned = image.affine[np.ix_([*rows, len(rows)], [*rows, len(rows)])]
    return image.replace(data=data, axes=axes, affine=turned)


def lengths_in(image: Image, unit: str | None) -> npt.NDArray[np.float64]:
    """Return the affine with its lengths in one unit.

    Axes without a unit, and all of them where `unit` is None, keep their numbers.
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
