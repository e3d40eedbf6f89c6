"""Half precision, used only where it was measured not to matter: one tile of the image is computed in both precisions.

A network that predicts the residual to an interpolation loses little, because the interpolation and the sum are
computed in 32 bits whatever the network is computed in.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.decibels import peak_to_error_db
from napari_superres.core.image import Image
from napari_superres.inference.engine.sweep import PlaneTile, TileRunner
from napari_superres.inference.options import UpscaleOptions
from napari_superres.inference.planning.plan import Plan
from napari_superres.inference.planning.upscale_run import Part, UpscaleRun

ENOUGH_DB = 70.0
"""Peak signal to error from which fp16 is used without being asked for: an error of a 3000th of the range."""


def confirm_precision(image: Image, run: UpscaleRun, options: UpscaleOptions) -> UpscaleRun:
    """Return a run whose half precision was measured; where nobody asked for it and it is too coarse, in 32 bits."""
    is_automatic = options.get("precision", "auto") == "auto"
    return run.with_plans([_confirmed(image, part, is_automatic=is_automatic) for part in run.parts])


def _confirmed(image: Image, part: Part, *, is_automatic: bool) -> Plan:
    plan = part.plan
    if plan.precision not in ("fp16", "bf16"):
        return plan
    measured = precision_db(image, part)
    if is_automatic and measured < ENOUGH_DB:
        return replace(plan, precision="fp32", seconds_per_tile=None)
    return replace(plan, precision_db=measured)


def precision_db(image: Image, part: Part) -> float:
    """Return the peak signal to error, in dB, of a plan's precision against 32 bits, on the middle tile of the image.

    Infinite if both are equal, 0 if half precision overflows.
    """
    planes, tiles = part.plan.planes(), part.plan.tiles()
    middle = [PlaneTile(planes[len(planes) // 2], tiles[len(tiles) // 2])]
    cores = []
    for precision in ("fp32", part.plan.precision):
        runner = TileRunner(image, part.model, replace(part.plan, precision=precision))
        cores.append(runner.run(runner.load(middle), middle).cores[0].astype(np.float64))
    return rounding_db(*cores)


def rounding_db(exact: npt.NDArray[Any], rounded: npt.NDArray[Any]) -> float:
    """Return the ratio of the range of exact values to the error of rounded ones, in dB.

    Infinite if both are equal, 0 if rounded values are not finite.
    """
    if not np.isfinite(rounded).all():
        return 0.0
    return peak_to_error_db(float(np.ptp(exact)), float(np.mean((np.float64(rounded) - exact) ** 2)))
