"""A zarr array that names its missing or damaged chunks in an error, or fills and lists them."""

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from napari_superres.errors import SuperResError, UnreadableImageError
from napari_superres.io.lazy import Box, LazyArray
from napari_superres.io.omezarr.chunk_check import ChunkCheck
from napari_superres.io.omezarr.sparse import leaves_out_chunks, says_complete, unlisted_note, unstored_note
from napari_superres.io.omezarr.store import open_store
from napari_superres.io.series import Accept, import_library, translate_errors
from napari_superres.limits import is_inside
from napari_superres.storage import RemotePath
from napari_superres.storage.zarr_store import BadChunkError, MissingChunkError

Fill = Literal["none", "missing", "bad"]
_MISSING = "missing"
# An object of a store is refused if it is larger than twice its pixels and this.
_SPARE_BYTES = 2**20


class _Piece(NamedTuple):
    """The part of a box that lies in one chunk.

    Attributes
    ----------
    chunk
        Index of the chunk in the grid of chunks.
    source
        Region of the array.
    target
        Region of the box.
    """

    chunk: tuple[int, ...]
    source: Box
    target: Box


class ZarrArray(LazyArray):
    """An array of a zarr folder, of any version, sharded or not.

    zarr returns the fill value if the file of a chunk is missing. Here that is an error where the array stores all
    chunks, see ``sparse``. So is a chunk that cannot be decoded, or claims to be larger than it is. Each file is
    checked once, before it is first read.

    Parameters
    ----------
    path
        The zarr folder.
    array
        An open zarr array inside the folder.
    accept
        Whether links to files outside the folder are followed.
    fill
        Chunks that are replaced by the fill value and listed, instead of raising an error: ``"none"``, ``"missing"``
        ones, or all ``"bad"`` ones, both missing and damaged.

    Attributes
    ----------
    chunks
        Shape of the smallest part that can be decoded by itself.
    """

    def __init__(self, path: Path, array: Any, accept: Accept, fill: Fill = "none") -> None:
        super().__init__(array.shape, array.dtype)
        self.chunks: tuple[int, ...] = array.chunks
        self._path, self._array, self._accept, self._fill = path, array, accept, fill
        # Shape of the part of the array that one file holds.
        self._file_shape: tuple[int, ...] = array.shards or array.chunks
        self._local = isinstance(array.store, import_library("zarr.storage", "zarr").LocalStore)
        self._check = ChunkCheck(array)
        if isinstance(path, RemotePath):
            most = 2 * math.prod(self._file_shape) * self.dtype.itemsize + _SPARE_BYTES
            array.store.expect(array.path, complete=says_complete(array), most=most, check=self._check.fault_of_object)
        self._complete_files: set[tuple[int, ...]] = set()
        self._faults: dict[tuple[int, ...], str] = {}
        self._bad: set[str] = set()
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self._path, self._array.path, self._accept, self._fill)

    @property
    def bad_chunks(self) -> list[str]:
        """Missing or damaged chunks met so far: the name of the file in the folder, and the region in pixels."""
        with self._lock:
            return sorted(self._bad)

    @property
    def note(self) -> str:
        """What the user should know of the array, in a sentence; mostly empty."""
        with translate_errors(self._path, "zarr array"):
            if self._local:
                return unstored_note(self._path, self._array)
            return "" if says_complete(self._array) else unlisted_note(self._array)

    def fill_bad_chunks(self, *, damaged: bool = True) -> Self:
        """Return the same array, which fills its missing chunks, and its damaged ones too by default."""
        return type(self)(self._path, self._array, self._accept, "bad" if damaged else "missing")

    def read_box(self, box: Box) -> npt.NDArray[Any]:
        """Read the chunks that the box touches.

        Raises
        ------
        UnreadableImageError
            If a chunk is missing or damaged and must not be filled.
        """
        shape = [len(range(b.start, b.stop, b.step or 1)) for b in box]
        with translate_errors(self._path, "zarr array"):
            if self._fill != "none":
                np.empty(shape, self.dtype)  # too large a box fails here, before its chunks are looked for
            if self._is_unstored(box):
                return np.full(shape, self._fill_value, self.dtype)
            if not self._local or self.look_at_files(box):
                try:
                    return np.asarray(self._array[box])
                except (PermissionError, MemoryError, SuperResError):
                    raise
                except Exception:  # noqa: BLE001 - codecs raise any exception; the search below finds the bad chunk
                    pass
            return self._read_by_chunk(box, shape)

    def _is_unstored(self, box: Box) -> bool:
        """Return whether no chunk of a box is stored, nor need be: zarr takes a hundred times as long to find out."""
        if not self._local or not self._leaves_out:
            return False
        return not any((self._path / self._key(piece.chunk)).exists() for piece in _pieces(box, self._file_shape))

    def check_box(self, box: Box, *, read_data: bool) -> None:
        """Read the chunks that a box touches, or only look at their files; those that are bad are listed, or raise."""
        if read_data:
            self.read_box(box)
        else:
            self.look_at_files(box)

    def look_at_files(self, box: Box) -> bool:
        """Return whether all chunks that the box touches look complete. Report those that do not."""
        complete = True
        for piece in _pieces(box, self._file_shape):
            if piece.chunk in self._complete_files:
                continue
            file = self._path / self._key(piece.chunk)
            if self._leaves_out and not file.exists():
                continue
            fault = self._file_fault(file)
            if fault:
                complete = False
                self._report_bad(piece.chunk, self._file_shape, fault)
            else:
                self._faults.update(self._chunk_faults(piece.chunk))
                self._complete_files.add(piece.chunk)
        if self._faults:
            for piece in _pieces(box, self.chunks):
                if piece.chunk in self._faults:
                    complete = False
                    self._report_bad(piece.chunk, self.chunks, self._faults[piece.chunk])
        return complete

    @cached_property
    def _leaves_out(self) -> bool:
        return leaves_out_chunks(self._path, self._array)

    def _file_fault(self, file: Path) -> str | None:
        """Return the fault of a file in words; None if it is not empty."""
        if not file.is_file():
            return self._missing
        if not self._accept.outside_files and not is_inside(file, self._path):
            raise UnreadableImageError(
                f"{self._path} must hold its own chunks, but {file.name} is a link to another folder.",
                remedy="Copy the data there. If you know who made the links, set `trust`.",
            )
        if not file.stat().st_size:  # a power failure can leave empty files
            return f"empty, and zarr would take it for {self._fill_value} everywhere"
        return None

    def _chunk_faults(self, index: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], str]]:
        """Yield the index and the fault of each chunk of a file that must not be decoded."""
        per_file = [f // c for f, c in zip(self._file_shape, self.chunks, strict=True)]
        for inner in np.ndindex(*per_file):
            fault = self._check.fault(self._path / self._key(index), inner)
            if fault:
                yield tuple(i * n + k for i, n, k in zip(index, per_file, inner, strict=True)), fault

    def _read_by_chunk(self, box: Box, shape: Sequence[int]) -> npt.NDArray[Any]:
        out = np.full(shape, self._fill_value, self.dtype)
        for piece in _pieces(box, self.chunks):
            file_index = self._file_index(piece.chunk, self.chunks)
            if self._local and (file_index not in self._complete_files or piece.chunk in self._faults):
                continue
            try:
                out[piece.target] = self._array[piece.source]
            except (PermissionError, MemoryError, SuperResError):
                raise
            except MissingChunkError as error:
                self._report_bad(piece.chunk, self.chunks, self._missing, error)
            except BadChunkError as error:
                self._report_bad(piece.chunk, self.chunks, str(error), error)
            except Exception as error:  # noqa: BLE001 - as above
                self._report_bad(piece.chunk, self.chunks, "damaged", error)
        return out

    def _report_bad(
        self, index: tuple[int, ...], shape: tuple[int, ...], fault: str, cause: Exception | None = None
    ) -> None:
        """List the bad chunk with this index in a grid of chunks of this shape, or raise if it must not be filled."""
        region = [(i * s, min((i + 1) * s, n)) for i, s, n in zip(index, shape, self.shape, strict=True)]
        file = self._key(self._file_index(index, shape))
        name = f"{file} [{', '.join(f'{low}:{high}' for low, high in region)}]"
        if self._fill == "none" or (self._fill == "missing" and not fault.startswith(_MISSING)):
            raise UnreadableImageError(
                f"every chunk of {self._path} must be present and complete, but {name} is {fault}.",
                remedy="Copy the folder again, or set `skip_bad` to fill and list such chunks.",
            ) from cause
        with self._lock:
            self._bad.add(name)

    def _file_index(self, index: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the index, in the grid of files, of the file that holds a chunk of a finer grid."""
        return tuple(i * s // f for i, s, f in zip(index, shape, self._file_shape, strict=True))

    @property
    def _missing(self) -> str:
        return f"{_MISSING}, and zarr would take it for {self._fill_value} everywhere"

    @property
    def _fill_value(self) -> Any:
        return 0 if self._array.fill_value is None else self._array.fill_value

    def _key(self, index: tuple[int, ...]) -> str:
        """Return the name, inside the folder, of the file of a chunk or shard."""
        return f"{self._array.path}/{self._array.metadata.encode_chunk_key(index)}".lstrip("/")


def _open(path: Path, inner: str, accept: Accept, fill: Fill) -> ZarrArray:
    with translate_errors(path, "zarr array"):
        return ZarrArray(path, import_library("zarr").open_array(open_store(path), path=inner, mode="r"), accept, fill)


def _pieces(box: Box, chunk_shape: Sequence[int]) -> Iterator[_Piece]:
    """Yield the part of a box in each chunk that it touches, for a regular grid of chunks.

    Nothing is listed in advance: metadata may state more chunks than any computer can count, and the first is missing.
    """
    if not box:
        yield _Piece((), (), ())
        return
    for chunk, source, target in _side(box[0], chunk_shape[0]):
        for inner in _pieces(box[1:], chunk_shape[1:]):
            yield _Piece((chunk, *inner.chunk), (source, *inner.source), (target, *inner.target))


def _side(part: slice, size: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield, along one axis, the index of each chunk touched, the slice of the array, and the slice of the box."""
    pixels = range(part.start, part.stop, part.step or 1)
    first = 0
    while first < len(pixels):
        chunk = pixels[first] // size
        # Number of the box's pixels before the end of the chunk.
        after = len(range(part.start, min((chunk + 1) * size, part.stop), pixels.step))
        yield chunk, slice(pixels[first], pixels[after - 1] + 1, pixels.step), slice(first, after)
        first = after
