"""The store in which zarr reads and writes at an address."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from napari_superres.remote import client
from napari_superres.remote.path import RemotePath

Check = Callable[[bytes, int | None], str | None]


class MissingChunkError(Exception):
    """A chunk that must be stored is not."""


class BadChunkError(Exception):
    """The bytes of a chunk must not be decoded; the text is the fault in words."""


def open_store(path: RemotePath, *, read_only: bool = True) -> Any:
    """Return zarr's store at an address."""
    client.library()
    return _store_class()(path, read_only=read_only)


@cache
def _store_class() -> Any:
    """Return the class of the store. It is made late because zarr takes long to import."""
    import zarr.storage
    from zarr.abc.store import RangeByteRequest, SuffixByteRequest

    class RemoteStore(zarr.storage.ObjectStore):  # type: ignore[misc]
        """An object store whose requests are repeated, whose errors are ours, and whose chunks are checked."""

        def __init__(self, path: RemotePath, *, read_only: bool = True) -> None:
            super().__init__(client.client(str(path)), read_only=read_only)
            self.address = path
            self._arrays: dict[str, tuple[bool, int, Check]] = {}

        def __reduce__(self) -> tuple[Any, ...]:
            return open_again, (self.address, self.read_only)

        def with_read_only(self, read_only: bool = False) -> Any:
            return open_store(self.address, read_only=read_only)

        def expect(self, array: str, *, complete: bool, most: int, check: Check) -> None:
            """Check the chunks of an array: whether each must be stored, its largest size, and its bytes.

            `check` gets the bytes and where they start in the object, None for all of it; it returns a fault in words.
            """
            self._arrays[f"{array}/".lstrip("/")] = complete, most, check

        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            expected = self._expected(key)
            most = client.MOST_METADATA if expected is None else expected[1]
            found = await self._repeated(lambda: self._get(key, prototype, byte_range, most), key)
            if expected is None:
                return found
            if found is None and expected[0]:
                raise MissingChunkError(key)
            if found is not None:
                start = byte_range.start if isinstance(byte_range, RangeByteRequest) else None
                if not isinstance(byte_range, SuffixByteRequest):
                    fault = expected[2](found.to_bytes(), start)
                    if fault:
                        raise BadChunkError(fault)
            return found

        async def _get(self, key: str, prototype: Any, byte_range: Any, most: int) -> Any:
            if byte_range is not None:
                try:
                    return await super().get(key, prototype, byte_range)
                except client.library().exceptions.GenericError:
                    # Servers answer with an error if an object has no bytes at all.
                    if (await client.library().head_async(self.store, key))["size"] == 0:
                        raise BadChunkError("empty") from None
                    raise
            try:
                answer = await client.library().get_async(self.store, key)
            except FileNotFoundError:
                return None
            if answer.meta["size"] > most:
                raise BadChunkError(f"larger than its array allows: {answer.meta['size']} bytes")
            return prototype.buffer.from_bytes(await answer.bytes_async())

        async def set(self, key: str, value: Any, *arguments: Any) -> None:
            await self._repeated(lambda: super(RemoteStore, self).set(key, value, *arguments), key, writing=True)

        def _expected(self, key: str) -> tuple[bool, int, Check] | None:
            if key.rpartition("/")[2] in ("zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata"):
                return None
            return next((found for start, found in self._arrays.items() if key.startswith(start)), None)

        async def _repeated(self, request: Callable[[], Awaitable[Any]], key: str, *, writing: bool = False) -> Any:
            refused = client.library().exceptions
            with client.in_words(self.address, writing=writing):
                for attempt in range(client.ATTEMPTS - 1):
                    try:
                        return await request()
                    except refused.PermissionDeniedError:
                        # A public bucket that may not be listed refuses metadata that do not exist.
                        if writing or self._expected(key) is not None:
                            raise
                        return None
                    except refused.GenericError:
                        await asyncio.sleep(client.FIRST_PAUSE * 2**attempt)
                return await request()

    return RemoteStore


def open_again(path: RemotePath, read_only: bool) -> Any:
    """Open a store in another process."""
    return open_store(path, read_only=read_only)
