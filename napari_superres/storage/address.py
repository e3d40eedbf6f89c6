"""Addresses as paths, so that everything that handles a path handles an address."""

import io
import os
import re
import stat
from collections.abc import Generator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from napari_superres.errors import SettingsError

_SCHEMES = ("https:", "http:", "s3:", "gs:")
_ADDRESS = re.compile(r"(https?|s3|gs):[/\\]", re.IGNORECASE)
_MEDICAL = re.compile(r"\.(nii(\.gz)?|nrrd|nhdr|mha|mhd|dicom|dcm|ima|svs|ndpi)$", re.IGNORECASE)
_SECRET = re.compile(
    r"^[^=]*(token|key|signature|passw|pwd|secret|credential|x-amz-|x-goog-)|^(sig|auth|authorization|jwt)(=|$)",
    re.IGNORECASE,
)
_METADATA = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
WRITABLE = ("s3:", "gs:")
"""Schemes of stores that can be written."""

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # Python 3.11 cannot derive classes from Path itself.


class RemotePath(_Path):
    """An address as a path: ``name``, ``parent``, ``with_name`` and ``/`` work on its text, the rest asks its server.

    An address that holds a zarr is a folder. All other objects are files.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return f"{self.parts[0]}//{'/'.join(self.parts[1:])}"

    def __fspath__(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __format__(self, spec: str) -> str:
        return format(f"the file on {self.parts[1]}" if self.is_medical else str(self), spec)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.parts

    @property
    def is_medical(self) -> bool:
        """Whether its name is that of a medical image, and so perhaps of a patient."""
        return _MEDICAL.search(self.name) is not None

    @property
    def server(self) -> str:
        """Address of the bucket or server. `root` is pathlib's own: from Python 3.12 on, `parts` is made of it."""
        return f"{self.parts[0]}//{self.parts[1]}"

    @property
    def key(self) -> str:
        """Name of the object, or of the folder of objects, in the bucket or on the server."""
        return "/".join(self.parts[2:])

    @property
    def is_writable(self) -> bool:
        """Whether its kind of store can be written."""
        return self.parts[0] in WRITABLE

    def is_dir(self, **_: Any) -> bool:
        """Return whether a zarr lies here."""
        return any((self / name).is_file() for name in _METADATA)

    def is_file(self, **_: Any) -> bool:
        """Return whether an object lies here."""
        from napari_superres.storage.client import size_of

        return size_of(self) is not None

    def exists(self, **_: Any) -> bool:
        """Return whether a zarr or an object lies here."""
        return self.is_dir() or self.is_file()

    def is_symlink(self) -> bool:
        """Return False: stores have no links."""
        return False

    def stat(self, **_: Any) -> os.stat_result:
        """Return the kind of what lies here; of an object also the size."""
        from napari_superres.storage.client import size_of

        if self.is_dir():
            return os.stat_result((stat.S_IFDIR | 0o755, *(0,) * 9))
        size = size_of(self)
        if size is None:
            raise FileNotFoundError(str(self))
        return os.stat_result((stat.S_IFREG | 0o644, 0, 0, 0, 0, 0, size, 0, 0, 0))

    def iterdir(self) -> Generator["RemotePath", None, None]:
        """Yield nothing: web servers list no folders, and a zarr names its parts."""
        yield from ()

    def read_bytes(self) -> bytes:
        """Return the content of an object."""
        from napari_superres.storage.client import get

        content = get(self)
        if content is None:
            raise FileNotFoundError(str(self))
        return content

    def open(self, mode: str = "r", *_: Any, **__: Any) -> Any:
        """Open an object for reading."""
        if mode not in ("r", "rb"):
            raise PermissionError("objects are written as a whole")
        return io.BytesIO(self.read_bytes()) if "b" in mode else io.StringIO(self.read_bytes().decode())

    def absolute(self) -> "RemotePath":
        """Return the address itself."""
        return self

    def resolve(self, strict: bool = False) -> "RemotePath":
        """Return the address itself."""
        del strict
        return self

    def __truediv__(self, key: Any) -> "RemotePath":
        return type(self)(*self.parts, *str(key).split("/"))

    def relative_to(self, other: Any, *_: Any, **__: Any) -> PurePosixPath:  # type: ignore[override]
        """Return the part of the address after another, as a relative path."""
        return PurePosixPath(*self.parts).relative_to(PurePosixPath(*as_path(other).parts))

    def samefile(self, other_path: Any) -> bool:
        """Return whether two addresses are the same."""
        return str(self) == str(other_path)


class HiddenRemotePath(RemotePath):
    """An address that no message shows."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return format("the zarr at the address", spec)


def is_address(path: Any) -> bool:
    """Return whether a path or text is an address."""
    return isinstance(path, RemotePath) or _ADDRESS.match(str(path)) is not None


def as_path(path: str | Path) -> Path:
    """Return a path, which is a `RemotePath` if it is an address.

    Raises
    ------
    SettingsError
        If an address holds a password, a key, a token, or anything after ``?``.
    """
    if isinstance(path, RemotePath):
        return path
    if not _ADDRESS.match(str(path)):
        return path if isinstance(path, Path) else Path(path)
    scheme, rest = split_address(path)
    if "?" in rest or "#" in rest:
        raise SettingsError(
            "an address of an image must not hold a password, a key or a token, nor anything else after ? or #.",
            remedy="Leave out what stands there.",
        )
    return RemotePath(f"{scheme}:", *rest.split("/"))


def split_address(path: str | Path) -> tuple[str, str]:
    """Return the scheme of an address in lower case, such as ``"https"``, and what stands after ``//``.

    Raises
    ------
    SettingsError
        If it holds a password, a key or a token, or names no server.
    """
    scheme, _, rest = str(path).partition(":")
    before, mark, query = rest.partition("?")
    rest = before.replace("\\", "/") + mark + query
    rest = rest.removeprefix("//") if rest.startswith("//") else rest[1:]  # `Path` drops one of two slashes.
    if "@" in rest.partition("/")[0] or any(_SECRET.search(unquote(part)) for part in re.split("[&;#]", query)):
        # The address is not repeated: it would carry the secret into logs.
        raise SettingsError(
            "an address must not hold a password, a key or a token.",
            remedy="Leave out what stands before @ or after ?, and give credentials by environment variables such as "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    if not rest.partition("/")[0]:
        raise SettingsError(f"an address must name a server or bucket, got {str(path)!r}.")
    return scheme.lower(), rest
