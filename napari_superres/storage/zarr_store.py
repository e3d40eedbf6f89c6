"""The store in which zarr reads and writes at an address."""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from napari_superres.storage import client
from napari_superres.storage.address import RemotePath

Check = Callable[[bytes, int | None], str | None]
"""Gets bytes and where they start in their object, None for all of it; returns their fault in words, or None."""

_METADATA = ("zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata")


class MissingChunkError(Exception):
    """A chunk that must be stored is not."""


class BadChunkError(Exception):
    """The bytes of a chunk must not be decoded; the text is the fault in words."""


def open_store(path: RemotePath, *, read_only: bool = True) -> Any:
    """Return zarr's store at an address."""
    client.library()
    return _store_class()(path, read_only)


class _Requests:
    """Requests that are repeated, whose errors are ours, and whose chunks are checked; mixed into zarr's store."""

    address: RemotePath
    store: Any
    read_only: bool
    _arrays: dict[str, tuple[bool, int, Check]]

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_again, (self.address, self.read_only)

    def with_read_only(self, read_only: bool = False) -> Any:
        """Return the same store for reading, or for reading and writing."""
        return open_store(self.address, read_only=read_only)

    def expect(self, array: str, *, complete: bool, most: int, check: Check) -> None:
        """Check the chunks of an array: whether each must be stored, its largest size, and its bytes."""
        self._arrays[f"{array}/".lstrip("/")] = complete, most, check

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """Return the bytes of an object or of a part of it; None if there is none."""
        expected = self._expected(key)
        most = client.MOST_METADATA if expected is None else expected[1]
        found = await self._repeated(lambda: self._get(key, prototype, byte_range, most), key)
        if expected is None:
            return found
        complete, _, check = expected
        if found is None and complete:
            raise MissingChunkError(key)
        # What is read from the end is the table of a shard.
        if found is not None and not hasattr(byte_range, "suffix"):
            fault = check(found.to_bytes(), getattr(byte_range, "start", None))
            if fault:
                raise BadChunkError(fault)
        return found

    async def _get(self, key: str, prototype: Any, byte_range: Any, most: int) -> Any:
        library = client.library()
        if byte_range is not None:
            try:
                return await super().get(key, prototype, byte_range)  # type: ignore[misc]
            except library.exceptions.GenericError:
                # Servers answer with an error if an object has no bytes at all.
                if (await library.head_async(self.store, key))["size"] == 0:
                    raise BadChunkError("empty") from None
                raise
        try:
            answer = await library.get_async(self.store, key)
        except FileNotFoundError:
            return None
        if answer.meta["size"] > most:
            raise BadChunkError(f"larger than its array allows: {answer.meta['size']} bytes")
        return prototype.buffer.from_bytes(await answer.bytes_async())

    async def set(self, key: str, value: Any) -> None:
        """Write an object, completely or not at all."""
        write = super().set  # type: ignore[misc]
        await self._repeated(lambda: write(key, value), key, writing=True)

    def _expected(self, key: str) -> tuple[bool, int, Check] | None:
        if key.rpartition("/")[2] in _METADATA:
            return None
        return next((found for start, found in self._arrays.items() if key.startswith(start)), None)

    async def _repeated(self, request: Callable[[], Awaitable[Any]], key: str, *, writing: bool = False) -> Any:
        import asyncio  # which zarr imports; files of other formats are opened without it

        refused = client.library().exceptions
        with client.in_words(self.address, writing=writing):
            for attempt in range(client.ATTEMPTS):
                try:
                    return await request()
                except refused.PermissionDeniedError:
                    # A public bucket that may not be listed refuses metadata that do not exist.
                    if writing or self._expected(key) is not None:
                        raise
                    return None
                except refused.GenericError:
                    if attempt == client.ATTEMPTS - 1:
                        raise
                    await asyncio.sleep(client.FIRST_PAUSE * 2**attempt)
        return None


@cache
def _store_class() -> Any:
    """Return the class of the store. It is made late because zarr takes long to import."""
    from zarr.storage import ObjectStore

    class RemoteStore(_Requests, ObjectStore):  # type: ignore[misc]
        """An object store whose requests are repeated, whose errors are ours, and whose chunks are checked."""

        def __init__(self, path: RemotePath, read_only: bool) -> None:
            ObjectStore.__init__(self, client.client(str(path)), read_only=read_only)
            self.address = path
            self._arrays = {}

    return RemoteStore


def _open_again(path: RemotePath, read_only: bool) -> Any:
    """Open a store in another process."""
    return open_store(path, read_only=read_only)
