"""The engine: one plan, one loop over tiles, results exactly as if computed at once.

From wishes to a plan:
``device``      which device computes, and in which precision
``memory``      how much memory a pass may use; the allocator of our own processes
``tuning``      how fast a model runs here: measured once, remembered
``windows``     how large the model's windows are, how many it gets at once and side by side
``plan``        `resolve`: wishes, image and model become one frozen `Plan`; every check is there
``precision``   half precision, where one window shows that it does not matter
``estimate``    what a run will take: memory, disk, passes, time

From a plan to pixels:
``blocks``      reads a window of the image, writes a core of the result
``color``       one-channel and colour networks on grey and RGB images
``sweep``       the loop over windows, and what gives way when memory is short
``lanes``       windows side by side on the CPU; ``pipeline`` through an accelerator
``passes``      statistics of the whole image, for layers that look at all of it
``engine``      windows into results: load, compute, crop, store

From images to images:
``run``         `upscale` and `iter_upscale`: an `Image` in, an `Image` out
``files``       `upscale_file` and `upscale_files`: the same for files and folders
``stream``      results larger than memory: box by box, resumed, on several workers
``provenance``  the record that every result carries

``check``       `check_model`: what a model's card says, measured
``bench``       `iter_throughput`: speed on this machine, beside the network alone
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

_HOMES = {
    "Outcome": "files",
    "upscale_file": "files",
    "upscale_files": "files",
    "Plan": "planning.plan",
    "resolve": "planning.plan",
    "Progress": "images",
    "iter_upscale": "images",
    "upscale": "images",
}
__all__ = [*_HOMES]  # noqa: PLE0604 - the names are strings


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
