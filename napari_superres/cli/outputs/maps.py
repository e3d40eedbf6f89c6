"""Files of maps: ``superres evaluate --maps`` and ``superres trust`` write one image per map into a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_superres.cli import terminal
from napari_superres.errors import OutputError, SettingsError
from napari_superres.storage.atomic import make_folder

if TYPE_CHECKING:
    from napari_superres import Image


def map_targets(
    folder: Path, stem: str, names: Sequence[str], extension: str, *, overwrite: bool, inputs: Sequence[Path]
) -> dict[str, Path]:
    """Make the folder and return the file of each map, after checks that all of them can be written.

    Parameters
    ----------
    folder
        Folder of the maps.
    stem
        First part of the files' names.
    names
        Names of the maps, the second part.
    extension
        Format of the files, with or without a dot.
    overwrite
        Replace existing files.
    inputs
        Files that the maps are made from.

    Raises
    ------
    OutputError, OutputExistsError
        If the folder cannot be made or is a file, or a map exists.
    SettingsError
        If this format cannot hold 32-bit floating-point numbers.
    """
    from napari_superres import io

    suffix = extension if extension.startswith(".") else f".{extension}"
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file, and maps need a folder.", remedy="Choose another name.")
    suitable = [s for s in io.WRITE_SUFFIXES if _can_hold_maps(s)]
    if suffix not in suitable:
        raise SettingsError(f"maps cannot be written as {suffix}.", remedy=f"Use one of: {', '.join(suitable)}.")
    targets = {name: folder / f"{stem}_{name}{suffix}" for name in names}
    make_folder(folder)
    for target in targets.values():
        io.check_target(target, overwrite=overwrite, inputs=inputs)
    return targets


def write_maps(maps: "Mapping[str, Image]", targets: Mapping[str, Path], *, overwrite: bool) -> None:
    """Write each map to its file, and say so."""
    from napari_superres import io

    for name, image in maps.items():
        terminal.say(f"wrote {io.write_image(image, targets[name], overwrite=overwrite)}")


def _can_hold_maps(suffix: str) -> bool:
    """Return whether files with this suffix can hold a plane of 32-bit floating-point numbers."""
    import numpy as np

    from napari_superres import Image
    from napari_superres.io.formats import format_to_write

    plane = Image.from_array(np.zeros((1, 1), np.float32), "YX", pixel_size=1.0)
    unsupported = format_to_write(Path(f"map{suffix}")).import_writer().find_unsupported(plane, suffix)
    return not any(feature.fatal for feature in unsupported)
