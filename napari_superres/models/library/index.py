"""The index of the library: which file each model is. Several processes may change the folder."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from napari_superres.errors import ModelFileError, OutputError, SettingsError
from napari_superres.models.library_folder import FOLDER_VARIABLE, library_folder
from napari_superres.models.model_file import SUFFIX, digest
from napari_superres.storage.atomic import PARTIAL, replacing, write_text

_INDEX, _LOCK = "library.json", ".lock"
_FORMAT = 1
_PATIENCE_S = 60.0
_NAME = re.compile(r"\w[\w.-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index states about a model.

    Attributes
    ----------
    sha256
        sha256 of the model file in the library.
    size
        Size of that file in bytes.
    added
        Time when the model was added, in UTC (ISO 8601).
    file
        Name of the file that the user added, without its folder.
    source
        sha256 of the file that the user added. It differs from `sha256` if the file was converted.
    """

    sha256: str
    size: int
    added: str
    file: str
    source: str


def library_entries() -> dict[str, Entry]:
    """Return the entries of the index, by model name.

    Raises
    ------
    ModelFileError
        If the index is damaged or made by a newer version.
    """
    path = library_folder() / _INDEX
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ModelFileError(f"the index of the model library {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError):
        content = None
    version = content.get("format") if isinstance(content, dict) else None
    if isinstance(version, int) and version > _FORMAT:
        raise ModelFileError(
            f"the model library {path.parent} was made by a newer version.",
            remedy="Update with: pip install -U napari-superres-torch",
        )
    try:
        entries = {name: Entry(**entry) for name, entry in content["models"].items()}
    except (TypeError, KeyError, AttributeError):
        entries = {}
        version = None
    if version != _FORMAT or not all(is_valid_name(name) and _is_sound(entry) for name, entry in entries.items()):
        raise ModelFileError(
            f"the index of the model library {path} is damaged.",
            remedy="Move it away, then add the models in its folder again.",
        )
    return entries


def library_path(name: str) -> Path:
    """Return the path of a model's file in the library, whether or not it exists."""
    return library_folder() / f"{name}{SUFFIX}"


def is_valid_name(name: str) -> bool:
    """Return whether a model in the library may have this name; a text that ends in the suffix is a path."""
    return _NAME.fullmatch(name) is not None and not name.endswith(SUFFIX)


def _is_sound(entry: Entry) -> bool:
    texts = (entry.sha256, entry.added, entry.file, entry.source)
    return (
        all(isinstance(t, str) for t in texts) and isinstance(entry.size, int) and bool(_SHA256.fullmatch(entry.sha256))
    )


@contextmanager
def locked_entries() -> Iterator[dict[str, Entry]]:
    """Lock the library for this process and yield its entries; partial files of killed processes are removed.

    Raises
    ------
    OutputError
        If the folder may not be written, the disk is full, or another process holds the lock for a minute.
    """
    from filelock import FileLock, Timeout

    folder = library_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK, timeout=_PATIENCE_S):
            for partial in folder.glob(f".*{PARTIAL}.*"):
                with suppress(OSError):
                    partial.unlink()
            yield library_entries()
    except Timeout as error:
        raise OutputError(
            f"another program is changing the model library {folder}.", remedy="Try again later."
        ) from error
    except ModelFileError:
        raise
    except OSError as error:
        if isinstance(error, OutputError) and not isinstance(error.__cause__, OSError):
            raise
        reason = error.message if isinstance(error, OutputError) else (error.strerror or str(error)).lower()
        raise OutputError(
            f"the model library {folder} cannot be changed: {reason.rstrip('.')}.",
            remedy=f"Name another folder in the environment variable {FOLDER_VARIABLE}.",
        ) from error


def copy_model(source: Path, target: Path, sha256: str) -> int:
    """Copy a model file of this sha256 into the library, completely or not at all, and return its size in bytes.

    Raises
    ------
    ModelFileError
        If the source has another sha256 by now.
    SettingsError
        If the target is a file that was not added.
    """
    if target.exists() and digest(target) == sha256 and not target.is_symlink():
        return target.stat().st_size
    if target.exists() and target.stem not in library_entries():
        raise SettingsError(
            f"{target} exists in the library's folder, but was not added.",
            remedy=f"Move it away, or rename {source.name} to add it under another name.",
        )
    with replacing(target) as (partial,):
        shutil.copyfile(source, partial)
        if digest(partial) != sha256:
            raise ModelFileError(
                f"{source.name} changed while it was added.", remedy="Add it again when it is complete."
            )
    return target.stat().st_size


def write_index(entries: Mapping[str, Entry]) -> None:
    """Write the index; it is replaced completely or not at all."""
    path = library_folder() / _INDEX
    content = {"format": _FORMAT, "models": {name: asdict(entry) for name, entry in sorted(entries.items())}}
    write_text(path, json.dumps(content, indent=1) + "\n")
