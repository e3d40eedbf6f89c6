"""Half precision, used only where one window of the image, computed in both precisions, shows that it does not matter.

A network that predicts the residual to an interpolation loses little, because the interpolation and the sum are
computed in 32 bits whatever the network is computed in.
"""

from dataclasses import replace

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.tiling import balanced_tile, smallest_tile
from napari_superres.inference.engine.sweep import PlaneTile, TileRunner
from napari_superres.inference.machine.half_form import ENOUGH_DB, rounding_db
from napari_superres.inference.options import UpscaleOptions
from napari_superres.inference.planning.plan import Plan
from napari_superres.inference.planning.upscale_run import Part, UpscaleRun

_WINDOW = {2: 96, 3: 24}
"""Edge of the window on a CPU, where a whole tile may be a large part of the run."""


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
    """Return the peak signal to error, in dB, of a plan's precision against 32 bits, in the middle of the image.

    Infinite if both are equal, 0 if half precision overflows.
    """
    plan = _of_window(part.plan)
    planes, tiles = plan.planes(), plan.tiles()
    middle = [PlaneTile(planes[len(planes) // 2], tiles[len(tiles) // 2])]
    cores = []
    for precision in ("fp32", plan.precision):
        runner = TileRunner(image, part.model, replace(plan, precision=precision))
        cores.append(runner.run(runner.load(middle), middle).cores[0].astype(np.float64))
    return rounding_db(*cores)


def _of_window(plan: Plan) -> Plan:
    """Return a plan whose middle tile is compared: that of the run or, on a CPU, a small one without context.

    Both precisions lack the same context, so no pixel of the window needs to be left out.
    """
    if plan.device != "cpu" or plan.global_statistics:
        return plan
    edge = _WINDOW[len(plan.work_axes)]
    tile = (
        balanced_tile(n, min(t, max(edge, smallest_tile(0, m))), 0, m)
        for n, t, m in zip(plan.padded, plan.tile, plan.multiple, strict=True)
    )
    return replace(plan, tile=tuple(tile), halo=tuple(0 for _ in plan.halo))
