"""What a run will take: disk, memory, passes and time, before it is begun."""

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from napari_superres import io
from napari_superres.core.image import Image
from napari_superres.errors import OutputError, SuperResWarning
from napari_superres.inference.planning.plan import Plan

_LEAST_COMPRESSION = 0.5
"""Share of its uncompressed size that a result is sure to need: noise in 16 bits compresses 1.9 times."""

_PASSES = 3
"""Passes in which statistics of the whole image mostly settle."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take.

    Attributes
    ----------
    shape
        Of the result, in the image's order of axes.
    tiles
        Windows to compute, in one pass.
    passes
        Passes over the image: 1, or at most so many where a model looks at the whole image.
    memory_bytes
        Of the result, where it is made in memory, and of one pass.
    disk_bytes
        Of the result, not compressed.
    seconds
        From what earlier runs measured here; None before the first.
    """

    shape: tuple[int, ...]
    tiles: int
    passes: int
    memory_bytes: int
    disk_bytes: int
    seconds: float | None


def estimate(image: Image, plans: Sequence[Plan], *, zarr: bool = False) -> Estimate:
    """Return what a run will take.

    Parameters
    ----------
    image
        The input.
    plans
        One per model of the run.
    zarr
        Whether the result goes to an OME-Zarr, box by box.
    """
    shape = list(plans[0].out_shape)
    if "C" in image.axes:
        shape[image.axes.index("C")] = sum(len(p.channels) for p in plans)
    size = prod(shape) * image.dtype.itemsize
    volume = len(plans[0].work_axes) == 3
    several = any(p.needs_passes for p in plans)
    times = [p.seconds_per_tile for p in plans]
    seconds = None
    if all(t is not None for t in times):
        seconds = sum(p.total * (t or 0.0) * (1 + _PASSES * p.needs_passes) for p, t in zip(plans, times, strict=True))
    working = max(p.memory_bytes - prod(p.out_shape) * image.dtype.itemsize for p in plans)
    layout = io.Layout.plan(shape, image.axes, volume=volume)
    # A box of the result, what is read for it, and its pyramid while it is written.
    held = 3 * prod(layout.box) * image.dtype.itemsize if zarr else size
    return Estimate(
        shape=tuple(shape),
        tiles=sum(p.total for p in plans),
        passes=1 + max(p.max_passes for p in plans) if several else 1,
        memory_bytes=int(working + held),
        disk_bytes=layout.nbytes(image.dtype) if zarr else size,
        seconds=seconds,
    )


def in_units(size: float) -> str:
    """Return a number of bytes in MB, or in GB where there are many."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def check_disk(folder: Path, needed: int) -> None:
    """Refuse results of `needed` bytes that the disk of a folder cannot hold; warn of those that it may not hold.

    Raises
    ------
    OutputError
        If the free space is less than what any compression could need.

    Warns
    -----
    SuperResWarning
        If the free space is less than the uncompressed result.
    """
    free = shutil.disk_usage(folder).free
    sizes = f"the result takes {in_units(needed)} uncompressed, and {in_units(free)} are free in {folder}"
    if free < needed * _LEAST_COMPRESSION:
        raise OutputError(f"{sizes}. Free space, choose another folder, or compute a part (roi, channels).")
    if free < needed:
        warnings.warn(
            f"{sizes}: it may not fit. An .ome.zarr that fills the disk can be resumed.", SuperResWarning, stacklevel=4
        )
