"""Results that do not fit into memory: computed on disk as OME-Zarr and shown from there."""

import shutil
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_superres.core.image import Image
from napari_superres.errors import OutputError
from napari_superres.plugin.host.preferences import Preferences

if TYPE_CHECKING:
    from napari_superres.inference import Progress
    from napari_superres.inference.planning.upscale_run import UpscaleRun
    from napari_superres.inference.remote.elsewhere import OtherComputers

FILE = "superres_file"
"""Metadata key of a result's image: the path of its OME-Zarr."""

_CHUNK = 1024


def is_too_large(size: int, settings: Preferences) -> bool:
    """Return whether a result of `size` bytes is written to disk."""
    import psutil

    limit = settings.memory_gb * 1e9 or psutil.virtual_memory().available / 2
    return size > limit


def upscale_onto_disk(
    image: Image,
    run: "UpscaleRun",
    focus: Mapping[str, float] | None,
    settings: Preferences,
    elsewhere: "OtherComputers | None" = None,
) -> "Generator[Progress, None, None]":
    """Yield the steps of a run whose result is written to disk. The last image has the path of its OME-Zarr as `FILE`.

    Parameters
    ----------
    image, run, focus, elsewhere
        As for `napari_superres.inference.images.run_in_memory`.
    settings
        The user's preferences: the folder.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disk is too small.
    """
    import zarr

    from napari_superres.inference.images import run_in_memory
    from napari_superres.io import write_image

    folder = _folder(2 * run.result_bytes, settings)
    raw, target = folder / "pixels.zarr", folder / "result.ome.zarr"
    largest = {"Y": _CHUNK, "X": _CHUNK, "S": 4}
    chunks = tuple(min(n, largest.get(a, 1)) for a, n in zip(image.axes, run.shape, strict=True))
    try:
        out = zarr.create_array(raw, shape=run.shape, chunks=chunks, dtype=image.dtype)
        last = None
        for last in run_in_memory(image, run, out, focus, elsewhere):
            yield replace(last, region=None, image=last.image.replace(metadata={}))
        assert last is not None
        write_image(last.image, target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(raw, ignore_errors=True)
    yield replace(last, image=last.image.replace(metadata={**last.image.metadata, FILE: str(target)}))


def _folder(needed: int, settings: Preferences) -> Path:
    parent = Path(settings.folder).expanduser() if settings.folder else Path(tempfile.gettempdir())
    try:
        parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(parent).free
        if free < needed:
            raise OutputError(
                f"the result does not fit into memory, and {parent} has {free / 1e9:.1f} GB free of the "
                f"{needed / 1e9:.1f} GB that it needs.",
                remedy="Choose another folder in Preferences, or a smaller `roi`.",
            )
        return Path(tempfile.mkdtemp(prefix="superres-", dir=parent))
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"the folder for large results {parent} cannot be written: {error.strerror}.",
            remedy="Choose another folder in Preferences.",
        ) from error
