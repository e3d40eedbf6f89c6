"""The engine: one plan, one loop over tiles, results exactly as if computed at once.

Begin with ``images.upscale`` and follow it down: ``prepare`` makes the run, ``run_in_memory`` computes it. Only
``files``, ``batch_files``, ``stream``, ``verify`` and ``planning.estimate`` import `io`; the page
docs/explanation/architecture.md lists all imports.

The road of an image
    ``images``      `upscale` and `iter_upscale`: an `Image` in, an `Image` out
    ``files``       `upscale_file` and `upscale_files`: the same for files and folders
    ``batch_files``  the files of a batch, and where their results go
    ``options``     the options of all of them, with their defaults
    ``provenance``  the record and the notes that every result carries

Folders
    ``planning``  image, computer, model and options become one frozen run; every check is there
    ``engine``    the loop over tiles: load, compute, crop, store
    ``stream``    results larger than memory: box by box, resumed, by several processes
    ``remote``    windows that travel to the workers of a dask scheduler
    ``machine``   devices, memory, threads, speed
    ``verify``    is a file the output of its recorded input and model?
    ``measure``   what a model's card says, held against measurements; throughput

Pixels that are NaN or infinite are filled before a model sees them and put back after it: ``engine.tile_io``.

Resuming: ``stream.stream_file`` continues an unfinished OME-Zarr, box by box. ``files`` only skips results that are
finished: an interrupted run into any other format starts again.

The tile size is chosen in ``planning.tile_size``. Two files change it later: ``stream.boxes`` fits it to the boxes of
a result on disk, and ``engine.sweep`` makes tiles smaller if memory runs short.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_superres.inference.files import Outcome as Outcome
    from napari_superres.inference.files import upscale_file as upscale_file
    from napari_superres.inference.files import upscale_files as upscale_files
    from napari_superres.inference.images import Progress as Progress
    from napari_superres.inference.images import iter_upscale as iter_upscale
    from napari_superres.inference.images import upscale as upscale
    from napari_superres.inference.planning.plan import Plan as Plan
    from napari_superres.inference.planning.plan import resolve as resolve
    from napari_superres.inference.verify.steps import degrade_file as degrade_file
    from napari_superres.inference.verify.steps import degrade_files as degrade_files
    from napari_superres.inference.verify.steps import measure_psf_file as measure_psf_file
    from napari_superres.inference.verify.steps import resample_file as resample_file
    from napari_superres.inference.verify.verify import Check as Check
    from napari_superres.inference.verify.verify import Verification as Verification
    from napari_superres.inference.verify.verify import verify_result as verify_result

_HOMES = {
    "Outcome": "files",
    "upscale_file": "files",
    "upscale_files": "files",
    "Plan": "planning.plan",
    "resolve": "planning.plan",
    "Progress": "images",
    "iter_upscale": "images",
    "upscale": "images",
    "degrade_file": "verify.steps",
    "degrade_files": "verify.steps",
    "measure_psf_file": "verify.steps",
    "resample_file": "verify.steps",
    "Check": "verify.verify",
    "Verification": "verify.verify",
    "verify_result": "verify.verify",
}
__all__ = [*_HOMES]  # noqa: PLE0604 - the names are strings


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
