"""Programs that the user allowed to run, by sha256, in a file of the library's folder.

Whoever may write to that folder may replace models as well: the list prevents surprises, not attacks from there.
"""

import hashlib
import json
from pathlib import Path

from napari_superres.errors import UntrustedModelError
from napari_superres.models.library_folder import library_folder
from napari_superres.models.model_file import digest
from napari_superres.storage.atomic import write_text

_FILE = "trusted.json"


def fingerprint(path: Path) -> str:
    """Return the sha256 of a file; for a folder, that of the names and sha256 of all files in it."""
    if path.is_file():
        return digest(path)
    files = sorted((p.relative_to(path).as_posix(), digest(p)) for p in path.rglob("*") if p.is_file())
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def is_trusted(sha256: str) -> bool:
    """Return whether the user allowed a file to run."""
    return sha256 in _trusted()


def grant_trust(*sha256: str) -> None:
    """Remember that the user allowed files to run."""
    path = library_folder() / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(sorted(_trusted() | set(sha256)), indent=1) + "\n")


def require_trust(name: str, kind: str, sha256: str) -> None:
    """Refuse a file that the user did not allow to run.

    Parameters
    ----------
    name
        Name of the file, for the message.
    kind
        Kind of program, such as ``"TorchScript"``, for the message.
    sha256
        Fingerprint of the file.

    Raises
    ------
    UntrustedModelError
        If it is not trusted.
    """
    if not is_trusted(sha256):
        raise UntrustedModelError(
            f"{name} is a program ({kind}, sha256 {sha256}), which could do anything that you can do on this machine.",
            remedy="If you trust its author, call `add_model()` with `trust`.",
        )


def _trusted() -> set[str]:
    try:
        entries = json.loads((library_folder() / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    return {entry for entry in entries if isinstance(entry, str)} if isinstance(entries, list) else set()
