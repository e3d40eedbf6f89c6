"""Tiles against whole images: planes and volumes, statistics of whole images, turns."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from helpers.networks import least_tile, make, whole

from gpu.cases import ROUNDING, Case, Facts, Settings, image_for, model_of, run, share_off

_EXACT = 1e-10
_KEPT = (5, 13, 17)
"""Pixels of a tile besides the halo, along Z, Y and X."""

_MODELS = ("fsrcnn-x2", "fluo-x2", "em-x4", "movie-x2", "stereo-x2", "fluo3d-z2", "mri3d-z5", "bicubic-x3")
_STATISTICS = ("rcan", "instance", "group", "squeeze", "windows")


def cases(settings: Settings) -> Iterator[Case]:
    """Yield cases for tiles in 32 and 64 bits, with and without turns, and for layers that look at the whole image."""
    for name in settings.pick(("fsrcnn-x2", "fluo3d-z2"), _MODELS):
        for precision in ("fp32",) if settings.tiny and "3d" in name else ("fp32", "fp64"):
            yield Case(f"{name}, {precision}", partial(_tiled, settings, name, precision=precision))
    for name in settings.pick(("fsrcnn-x2",), ("fsrcnn-x2", "fluo-x2", "fluo3d-z2")):
        yield Case(f"{name}, turns", partial(_tiled, settings, name, tta=True))
    for name in settings.pick(("squeeze", "windows"), _STATISTICS):
        yield Case(f"{name}, statistics of the image, fp64", partial(_statistics, settings, name, "fp64", _EXACT))
        yield Case(f"{name}, statistics of the image, fp32", partial(_statistics, settings, name, "fp32", ROUNDING))


def _tiled(settings: Settings, name: str, **options: Any) -> Facts:
    """Compare tiles of odd sizes, several at once, with one tile."""
    model = model_of(name)
    image = image_for(model, settings.pick(36, 150), "float32")
    sizes = [image.size(a) for a in "ZYX"[-model.card.ndim :]]
    one = run(image, model, settings.device, tile=sizes, batch=1, **options).data
    tile = [min(n, 2 * h + e) for n, h, e in zip(sizes, model.card.halo, _KEPT[-len(sizes) :], strict=True)]
    error = share_off(run(image, model, settings.device, tile=tile, batch=3, **options).data, one)
    most = _EXACT if options.get("precision") == "fp64" else ROUNDING
    return {"tile": tile, "error": error, "passed": error <= most}


def _statistics(settings: Settings, name: str, precision: str, most: float) -> Facts:
    """Compare tiles with the network's own result for the whole image, computed in 64 bits without the engine."""
    model = make(name)
    data = np.random.default_rng(0).random((61, settings.pick(50, 83))) - 0.05
    given = data if precision == "fp64" else data.astype(np.float32)
    options = {"axes": "YX", "tile": least_tile(model), "batch": 3, "max_passes": 99, "intensity_range": None}
    found = run(given, model, settings.device, precision=precision, **options)  # type: ignore[arg-type]
    error = share_off(found.data, whole(model, given[None].astype(np.float64))[0])
    statistics = found.metadata["provenance"].get("statistics", {})
    return {"error": error, "passes": statistics.get("passes", 0), "passed": error <= most}
