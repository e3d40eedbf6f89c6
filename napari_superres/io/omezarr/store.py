"""The store of a zarr folder that is read: its metadata must be files, in the folder itself."""

from functools import cache
from pathlib import Path
from typing import Any

from napari_superres.errors import UnreadableImageError
from napari_superres.io.formats import ZARR_METADATA
from napari_superres.io.series import import_library
from napari_superres.limits import is_inside, is_special
from napari_superres.storage import RemotePath
from napari_superres.storage import zarr_store as remote_store


def open_store(path: Path) -> Any:
    """Return zarr's store of a folder or an address, for reading."""
    if isinstance(path, RemotePath):
        return remote_store.open_store(path)
    return _store_class()(path, read_only=True)


@cache
def _store_class() -> Any:
    """Return the class of the store. It is made late because zarr takes long to import."""
    local: Any = import_library("zarr.storage", "zarr").LocalStore

    class CheckedStore(local):  # type: ignore[misc]
        """A local store that opens no pipe or device as metadata, and follows no link to another folder."""

        async def get(self, key: str, *arguments: Any, **options: Any) -> Any:
            _check(self.root, key)
            return await super().get(key, *arguments, **options)

        def get_sync(self, key: str, *arguments: Any, **options: Any) -> Any:
            _check(self.root, key)
            return super().get_sync(key, *arguments, **options)

    return CheckedStore


def _check(root: Path, key: str) -> None:
    file = root / key
    # Chunks are checked by `ZarrArray`, once.
    if file.name in ZARR_METADATA and file.exists() and (is_special(file) or not is_inside(file, root)):
        raise UnreadableImageError(
            f"{root} must hold its own metadata, but {key} is a link to another folder, a pipe or a device.",
            remedy="Copy the data there.",
        )
