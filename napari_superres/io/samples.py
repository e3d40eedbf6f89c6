"""The sample images that come with the package."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from napari_superres.errors import SettingsError, UnreadableImageError


def list_samples() -> list[dict[str, Any]]:
    """List the sample images.

    Returns
    -------
    list of dict
        Name, title, files of the low- and high-resolution image, model, scale, licence and origin of each sample; and
        the `psf_sigma` that it was blurred with, in pixels of the result, where the model can be told.

    Raises
    ------
    UnreadableImageError
        If the package was installed without its samples.
    """
    return [dict(entry) for entry in _entries()]


def sample_path(name: str) -> Path:
    """Return the path of a sample.

    Parameters
    ----------
    name
        Name of a sample, for the path of its low-resolution image, or the name of any file of the samples.

    Raises
    ------
    SettingsError
        If no sample has this name. The message lists the names.
    """
    folder = _folder()
    entry = next((e for e in _entries() if e["name"] == name), None)
    path = folder / (name if entry is None else str(entry["lr"]))
    if path.resolve().is_relative_to(folder.resolve()) and path.resolve() != folder.resolve() and path.exists():
        return path
    raise SettingsError(
        f"no sample has the name {name!r}.", remedy=f"Samples: {', '.join(e['name'] for e in _entries())}."
    )


@cache
def _entries() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads((_folder() / "samples.json").read_text(encoding="utf-8")))


def _folder() -> Path:
    package = Path(__file__).resolve().parent.parent
    # The samples are inside an installed package, and at the top of a source checkout.
    for folder in (package / "sample_data", package.parent / "sample_data"):
        if (folder / "samples.json").is_file():
            return folder
    raise UnreadableImageError(
        f"the sample images are missing from {package / 'sample_data'}.", remedy="Install the package again."
    )
