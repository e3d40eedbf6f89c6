"""Half precision, only where it was measured not to matter: one window of the image in both.

A network that predicts the residual to an interpolation loses little: the interpolation and the sum are
computed in 32 bits whatever the network is computed in.
"""

from dataclasses import replace

import numpy as np

from napari_superres.core.image import Image
from napari_superres.inference.engine.sweep import State, Work
from napari_superres.inference.planning.plan import Plan
from napari_superres.models.model import Model

ENOUGH_DB = 70.0
"""Peak signal to error from which fp16 is chosen by itself: an error of a 3000th of the range."""

POOR_DB = 40.0


def worth_half(plan: Plan) -> bool:
    """Return whether a plan in 32 bits, whose precision was left open, would be faster in 16."""
    return plan.device.startswith("cuda") and plan.precision == "fp32"


def precision_db(image: Image, model: Model, plan: Plan) -> float:
    """Return the peak signal to error, in dB, of a plan's precision against 32 bits, in the middle of the image.

    Not finite where both are the same.
    """
    places = plan.places()
    tiles = plan.tiles()
    work = [Work(places[len(places) // 2], tiles[len(tiles) // 2])]
    found = []
    for precision in ("fp32", plan.precision):
        state = State(image, model, replace(plan, precision=precision))
        found.append(state.run(state.load(work), work).cores[0].astype(np.float64))
    exact, rounded = found
    if not np.isfinite(rounded).all():
        return 0.0
    peak, error = float(np.ptp(exact)), float(np.mean((rounded - exact) ** 2))
    return float(10 * np.log10(peak**2 / error)) if error > 0 and peak > 0 else float("inf")
