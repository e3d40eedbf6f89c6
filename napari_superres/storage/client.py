"""Requests to object stores and web servers by the library obstore, with retries, timeouts and errors in words."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

from napari_superres.errors import MissingExtraError, OutputError, UnreadableImageError
from napari_superres.storage.address import RemotePath

T = TypeVar("T")

MOST_METADATA = 2**26
"""Largest object that is no chunk, in bytes: metadata of a zarr, records and journals."""

_CONNECT_SECONDS, _REQUEST_SECONDS = 10, 60
# The library repeats requests that were refused (429, 5xx), and we those whose answer broke off.
_RETRIES, ATTEMPTS, FIRST_PAUSE, _MOST_SECONDS = 5, 4, 0.2, 120
_CREDENTIALS = {
    "s3": {
        *("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE"),
        *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    },
    "gs": {
        *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY"),
        *("GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SKIP_SIGNATURE"),
    },
}


def library() -> Any:
    """Import and return obstore.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import obstore
        import obstore.store
    except ImportError as error:
        raise MissingExtraError(
            "addresses need the library obstore, which is not installed.",
            remedy="pip install 'napari-superres-torch[remote]'",
        ) from error
    return obstore


def client(address: str) -> Any:
    """Return the client of a bucket, a server, or a folder in it. Requests without credentials are not signed."""
    told = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "GOOGLE_"))}
    return _client(address, tuple(sorted(told.items())))


@cache
def _client(address: str, told: tuple[tuple[str, str], ...]) -> Any:
    names = dict(told)
    pauses = {"base": 2, "init_backoff": timedelta(seconds=FIRST_PAUSE), "max_backoff": timedelta(seconds=10)}
    options: dict[str, Any] = {
        "client_options": {"timeout": f"{_REQUEST_SECONDS}s", "connect_timeout": f"{_CONNECT_SECONDS}s"},
        "retry_config": {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_MOST_SECONDS), "backoff": pauses},
    }
    scheme = address.partition(":")[0]
    endpoint = names.get("AWS_ENDPOINT_URL", names.get("AWS_ENDPOINT", ""))
    # Only who asks for a connection without encryption gets one.
    if scheme == "http" or (scheme == "s3" and endpoint.startswith("http:")):
        options["client_options"]["allow_http"] = True
    # Without credentials, the library would ask the metadata service of a cloud for them.
    if scheme in _CREDENTIALS and _CREDENTIALS[scheme].isdisjoint(names):
        options["skip_signature"] = True
    stores = library().store
    maker = {"s3": stores.S3Store, "gs": stores.GCSStore}.get(scheme, stores.HTTPStore)
    return maker.from_url(address, **options)


def _of(path: RemotePath) -> Any:
    return client(path.server)


def repeated(request: Callable[[], T]) -> T:
    """Return the result of a request, which is repeated while its answer breaks off."""
    broken = library().exceptions.GenericError
    for attempt in range(ATTEMPTS - 1):
        try:
            return request()
        except broken:
            time.sleep(FIRST_PAUSE * 2**attempt)
    return request()


@contextmanager
def in_words(path: RemotePath, *, writing: bool = False) -> Iterator[None]:
    """Turn the errors of the library into those of this package. Their own texts hold addresses and keys.

    Raises
    ------
    UnreadableImageError, OutputError
        If the server refuses access or does not answer. FileNotFoundError passes.
    """
    refused = library().exceptions
    error_class, verb = (OutputError, "written") if writing else (UnreadableImageError, "read")
    try:
        yield
    except FileNotFoundError:
        raise
    except (refused.PermissionDeniedError, refused.UnauthenticatedError) as error:
        raise error_class(
            f"{path} may not be {verb}: the server refuses access.",
            remedy="Check the address, and the credentials in the environment variables of your store.",
        ) from error
    except refused.BaseError as error:
        raise error_class(
            f"{path} could not be {verb}: the server does not answer, or breaks off.",
            remedy="Check the address and the connection. A result that was begun continues with `resume`.",
        ) from error


def size_of(path: RemotePath) -> int | None:
    """Return the size of an object in bytes; None if there is none, or it may not be known."""
    if not path.key:
        return None
    with in_words(path):
        try:
            return int(repeated(lambda: library().head(_of(path), path.key))["size"])
        except (FileNotFoundError, library().exceptions.PermissionDeniedError):
            # A public bucket that may not be listed refuses what does not exist.
            return None


def get(path: RemotePath, most: int = MOST_METADATA) -> bytes | None:
    """Return the content of an object; None if there is none.

    Raises
    ------
    UnreadableImageError
        If it has more bytes than `most`, or as `in_words`.
    """

    def request() -> bytes:
        answer = library().get(_of(path), path.key)
        if answer.meta["size"] > most:
            raise UnreadableImageError(f"{path} must have at most {most} bytes, but has {answer.meta['size']}.")
        return bytes(answer.bytes())

    with in_words(path):
        try:
            return repeated(request)
        except FileNotFoundError:
            return None


def put(path: RemotePath, content: bytes) -> None:
    """Write an object, completely or not at all.

    Raises
    ------
    OutputError
        As `in_words`.
    """
    with in_words(path, writing=True):
        repeated(lambda: library().put(_of(path), path.key, content))


def delete(path: RemotePath) -> None:
    """Delete an object. A missing one is no error."""
    with in_words(path, writing=True):
        try:
            repeated(lambda: library().delete(_of(path), path.key))
        except FileNotFoundError:
            return


def tag_of(path: RemotePath) -> str:
    """Return the size and tag of an object, which change with its content.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    with in_words(path):
        meta = repeated(lambda: library().head(_of(path), path.key))
    return f"{meta['size']} {meta['e_tag']}"


def delete_folder(path: RemotePath) -> None:
    """Delete all objects in a folder."""
    for name in list_objects(path):
        delete(path / name)


def list_objects(path: RemotePath) -> dict[str, str]:
    """Return the size and tag of each object in a folder, by its name there. Only stores that can be written list."""
    with in_words(path):
        metas = repeated(lambda: [meta for some in library().list(_of(path), f"{path.key}/") for meta in some])
    return {str(meta["path"]).removeprefix(f"{path.key}/"): f"{meta['size']} {meta['e_tag']}" for meta in metas}


def state_of(path: RemotePath) -> str:
    """Return a digest that changes when a remote zarr changes.

    It is made of the names, sizes and tags of all objects where they can be listed, and else of the metadata.
    """
    total = hashlib.sha256()
    if path.is_writable:
        entries: Iterator[tuple[str, Any]] = iter(sorted(list_objects(path).items()))
    else:
        names = ("zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata", "0/zarr.json", "0/.zarray")
        entries = ((name, get(path / name)) for name in names)
    for name, value in entries:
        total.update(f"{name}\0{value!r}\n".encode())
    return total.hexdigest()
