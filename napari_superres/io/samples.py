"""The sample images that come with the package."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from napari_superres.errors import SettingsError, UnreadableImageError


def list_samples() -> list[dict[str, Any]]:
    """Return the samples: name, title, files of the low- and high-resolution image, model, scale, licence, origin.

    Raises
    ------
    UnreadableImageError
        If the package was installed without its samples.
    """
    return [dict(entry) for entry in _entries()]


def sample_path(name: str) -> Path:
    """Return the path of a sample's low-resolution image, or of any file of the sample folder.

    Parameters
    ----------
    name
        Name of a sample (its low-resolution image is returned), or a file's name.

    Raises
    ------
    SettingsError
        If there is no such sample; the message lists them.
    """
    folder = _folder()
    entry = next((e for e in _entries() if e["name"] == name), None)
    path = folder / (name if entry is None else str(entry["lr"]))
    if path.resolve().is_relative_to(folder.resolve()) and path.resolve() != folder.resolve() and path.exists():
        return path
    raise SettingsError(f"there is no sample {name!r}. Samples: {', '.join(e['name'] for e in _entries())}.")


@cache
def _entries() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads((_folder() / "samples.json").read_text(encoding="utf-8")))


def _folder() -> Path:
    package = Path(__file__).resolve().parent.parent
    # Inside an installed package; at the top of a checkout.
    for folder in (package / "sample_data", package.parent / "sample_data"):
        if (folder / "samples.json").is_file():
            return folder
    raise UnreadableImageError(
        f"the sample images are not where they should be ({package / 'sample_data'}). Install the package again."
    )
