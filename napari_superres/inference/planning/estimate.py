"""What a run takes: disk, memory, passes and time, before it starts."""

import shutil
from dataclasses import dataclass
from math import prod
from pathlib import Path

from napari_superres import io
from napari_superres.errors import OutputError
from napari_superres.inference.planning.upscale_run import UpscaleRun
from napari_superres.storage import RemotePath

_MIN_COMPRESSION = 0.5
"""Share of its uncompressed size that a result needs at least: noise in 16 bits compresses 1.9 times."""

_PASSES = 3
"""Passes in which statistics of the whole image mostly converge."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run takes.

    Attributes
    ----------
    shape
        Of the result, in the image's order of axes.
    tiles
        Tiles to compute in one pass.
    passes
        Passes over the image: 1, or the largest number if a model looks at the whole image.
    memory_bytes
        Of the result, if it is made in memory, and of one pass.
    disk_bytes
        Of the result, uncompressed.
    seconds
        From measurements on this computer; None if there are none.
    """

    shape: tuple[int, ...]
    tiles: int
    passes: int
    memory_bytes: int
    disk_bytes: int
    seconds: float | None


def estimate(run: UpscaleRun, *, zarr: bool = False) -> Estimate:
    """Return what a run takes.

    Parameters
    ----------
    run
        The run.
    zarr
        Whether the result goes to an OME-Zarr, box by box.
    """
    plans = run.plans
    layout = io.Layout.plan(list(run.shape), run.axes, volume=len(plans[0].work_axes) == 3)
    # A box of the result, the pixels read for it, and its pyramid while it is written.
    box_bytes = 3 * prod(layout.box) * run.dtype.itemsize
    return Estimate(
        shape=run.shape,
        tiles=run.total,
        passes=1 + max(p.max_passes for p in plans) if any(p.needs_passes for p in plans) else 1,
        memory_bytes=run.memory_bytes + (box_bytes if zarr else run.result_bytes),
        disk_bytes=layout.nbytes(run.dtype) if zarr else run.result_bytes,
        seconds=_seconds(run),
    )


def _seconds(run: UpscaleRun) -> float | None:
    seconds = 0.0
    for plan in run.plans:
        if plan.seconds_per_tile is None:
            return None
        seconds += plan.total * plan.seconds_per_tile * (1 + _PASSES * plan.needs_passes)
    return seconds


def in_units(size: float) -> str:
    """Return a number of bytes in MB, or in GB from 1 GB on."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def check_disk(folder: Path, needed: int) -> tuple[str, ...]:
    """Refuse results of `needed` bytes that the disk of a folder cannot hold; return a note if it may not hold them.

    Raises
    ------
    OutputError
        If the free space is less than any compression could need.
    """
    if isinstance(folder, RemotePath):
        return ()
    free = shutil.disk_usage(folder).free
    sizes = f"the result takes {in_units(needed)} uncompressed, and {in_units(free)} are free in {folder}"
    if free < needed * _MIN_COMPRESSION:
        raise OutputError(
            f"{sizes}.", remedy="Free space, choose another folder, or compute a part with `roi` or `channels`."
        )
    if free < needed:
        return (f"{sizes}: it may not fit. An .ome.zarr that fills the disk can be resumed.",)
    return ()
