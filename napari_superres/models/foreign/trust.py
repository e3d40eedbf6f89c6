"""Programs that the user allowed to run, by sha256, in the folder of the library.

Whoever may write there may replace models as well: this keeps a file from running by surprise, not a thief out.
"""

import hashlib
import json
from pathlib import Path

from napari_superres.atomic import write_text
from napari_superres.errors import UntrustedModelError
from napari_superres.models.files import digest
from napari_superres.models.folder import library_folder

_FILE = "trusted.json"


def fingerprint(path: Path) -> str:
    """Return the sha256 of a file; of a folder, that of the names and sha256 of all files in it."""
    if path.is_file():
        return digest(path)
    files = sorted((p.relative_to(path).as_posix(), digest(p)) for p in path.rglob("*") if p.is_file())
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def is_trusted(sha256: str) -> bool:
    """Return whether the user allowed a file to run."""
    return sha256 in _trusted()


def trust(*sha256: str) -> None:
    """Remember that the user allowed files to run."""
    path = library_folder() / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(sorted(_trusted() | set(sha256)), indent=1) + "\n")


def demand_trust(name: str, kind: str, sha256: str) -> None:
    """Go on only with a file that the user allowed to run.

    Raises
    ------
    UntrustedModelError
        If it was not.
    """
    if not is_trusted(sha256):
        raise UntrustedModelError(
            f"{name} is a program ({kind}, sha256 {sha256}), which could do anything that you can do on this machine. "
            "If you trust its author, add it with --trust (Python: add_model(path, trust=True))."
        )


def _trusted() -> set[str]:
    try:
        found = json.loads((library_folder() / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return {entry for entry in found if isinstance(entry, str)} if isinstance(found, list) else set()
