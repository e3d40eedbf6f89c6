"""A zarr array that says which of its chunks are missing or damaged, or fills and lists them."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from napari_superres.errors import UnreadableImageError
from napari_superres.io.lazy import Box, LazyArray
from napari_superres.io.series import library, reading

Fill = Literal["none", "missing", "bad"]
_MISSING = "missing"


class _Piece(NamedTuple):
    """What a box takes of one chunk: the chunk's place in the grid, where to read, where it lands in the box."""

    corner: tuple[int, ...]
    source: Box
    target: Box


class ZarrArray(LazyArray):
    """An array of a zarr folder, of any version, sharded or not.

    zarr gives the fill value where a chunk's file is missing; here that is an error, as is a chunk
    that cannot be decoded. Each file is looked at once, before it is first read.

    Parameters
    ----------
    path
        The zarr folder.
    array
        The open zarr array somewhere in it.
    fill
        Chunks that are given as the fill value and listed, instead of raising: none, those that are
        missing, or damaged ones too.

    Attributes
    ----------
    chunks
        Shape of the smallest part that is decoded by itself.
    """

    def __init__(self, path: Path, array: Any, fill: Fill = "none") -> None:
        super().__init__(array.shape, array.dtype)
        self.chunks: tuple[int, ...] = array.chunks
        self._path, self._array, self._filled = path, array, fill
        self._files: tuple[int, ...] = array.shards or array.chunks
        # Of chunks that are files of their own.
        self._blosc = not array.shards and any(type(c).__name__.startswith("Blosc") for c in array.compressors)
        self._local = isinstance(array.store, library("zarr.storage", "zarr").LocalStore)
        self._seen: set[tuple[int, ...]] = set()
        self._bad: set[str] = set()
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self._path, self._array.path, self._filled)

    @property
    def bad_chunks(self) -> list[str]:
        """Chunks found missing or damaged so far: the file within the folder, and the region in pixels."""
        with self._lock:
            return sorted(self._bad)

    def skipping_bad(self, *, damaged: bool = True) -> Self:
        """Return the same array with its missing chunks filled, and its damaged ones too."""
        return type(self)(self._path, self._array, "bad" if damaged else "missing")

    def read_box(self, box: Box) -> npt.NDArray[Any]:
        """Read the chunks that the box touches.

        Raises
        ------
        UnreadableImageError
            If one is missing or damaged and bad chunks are not skipped.
        """
        with reading(self._path, "zarr array"):
            if not self._local or self._all_sound(box):
                try:
                    return np.asarray(self._array[box])
                except (PermissionError, MemoryError):
                    raise
                except Exception:  # noqa: BLE001 - codecs raise anything; the chunk at fault is looked for below
                    pass
            return self._by_chunk(box)

    def _all_sound(self, box: Box) -> bool:
        """Return whether the files that the box touches look whole; the others are bad from now on."""
        sound = True
        for piece in _pieces(box, self._files):
            if piece.corner in self._seen:
                continue
            fault = self._fault(self._path / self._key(piece.corner))
            if fault:
                sound = False
                self._found_bad(piece.corner, self._files, fault)
            else:
                self._seen.add(piece.corner)
        return sound

    def _fault(self, file: Path) -> str | None:
        if not file.is_file():
            return f"{_MISSING}, and zarr would take it for {self._fill} everywhere"
        size = file.stat().st_size
        if not size:  # as a computer that lost its power leaves them
            return f"empty, and zarr would take it for {self._fill} everywhere"
        if self._blosc:
            # Blosc decodes what lies in memory behind a chunk cut off; its header says how long it was.
            with file.open("rb") as opened:
                header = opened.read(16)
            if size < max(16, int.from_bytes(header[12:16], "little")):
                return "cut off"
        return None

    def _by_chunk(self, box: Box) -> npt.NDArray[Any]:
        out = np.full([len(range(b.start, b.stop, b.step or 1)) for b in box], self._fill, self.dtype)
        for piece in _pieces(box, self.chunks):
            if self._local and self._file_of(piece.corner, self.chunks) not in self._seen:
                continue
            try:
                out[piece.target] = self._array[piece.source]
            except (PermissionError, MemoryError):
                raise
            except Exception as error:  # noqa: BLE001 - as above
                self._found_bad(piece.corner, self.chunks, "damaged", error)
        return out

    def _found_bad(
        self, corner: tuple[int, ...], steps: tuple[int, ...], what: str, cause: Exception | None = None
    ) -> None:
        region = [(i * s, min((i + 1) * s, n)) for i, s, n in zip(corner, steps, self.shape, strict=True)]
        file = self._key(self._file_of(corner, steps))
        name = f"{file} [{', '.join(f'{low}:{high}' for low, high in region)}]"
        if self._filled == "none" or (self._filled == "missing" and not what.startswith(_MISSING)):
            raise UnreadableImageError(
                f"every chunk of {self._path} must be there and whole, but {name} is {what}. "
                "Copy the folder again, or use skip_bad (--skip-bad) to fill and list such chunks."
            ) from cause
        with self._lock:
            self._bad.add(name)

    def _file_of(self, corner: tuple[int, ...], steps: tuple[int, ...]) -> tuple[int, ...]:
        """Return the place, among the files, of the one that holds a chunk of a finer grid."""
        return tuple(i * s // f for i, s, f in zip(corner, steps, self._files, strict=True))

    @property
    def _fill(self) -> Any:
        return 0 if self._array.fill_value is None else self._array.fill_value

    def _key(self, corner: tuple[int, ...]) -> str:
        """Return the name, within the folder, of the file that holds a chunk or shard."""
        return f"{self._array.path}/{self._array.metadata.encode_chunk_key(corner)}".lstrip("/")


def _opened(path: Path, inner: str, fill: Fill) -> ZarrArray:
    with reading(path, "zarr array"):
        return ZarrArray(path, library("zarr").open_array(str(path), path=inner, mode="r"), fill)


def _pieces(box: Box, steps: Sequence[int]) -> Iterator[_Piece]:
    """Yield what the box takes of each chunk of a regular grid that it touches."""
    sides = [_side(part, size) for part, size in zip(box, steps, strict=True)]
    for side in itertools.product(*sides):
        yield _Piece(*(tuple(column) for column in zip(*side, strict=True)))


def _side(part: slice, size: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield, along one axis, each chunk touched, the slice to read in it, and where that lands."""
    places = range(part.start, part.stop, part.step or 1)
    first = 0
    while first < len(places):
        chunk = places[first] // size
        # Number of places before the chunk's end.
        after = len(range(part.start, min((chunk + 1) * size, part.stop), places.step))
        yield chunk, slice(places[first], places[after - 1] + 1, places.step), slice(first, after)
        first = after
