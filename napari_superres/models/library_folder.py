"""The folder of the models that a user keeps. `library` and `foreign` share it; neither imports the other for it."""

import os
from pathlib import Path

FOLDER_VARIABLE = "NAPARI_SUPERRES_MODELS"
"""Environment variable that names another folder than the default."""


def library_folder() -> Path:
    """Return the folder of the library, which may not exist yet."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen).expanduser()
    from platformdirs import user_data_path

    return user_data_path("napari-superres") / "models"
