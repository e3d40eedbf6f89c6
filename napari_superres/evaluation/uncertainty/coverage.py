"""How often calibrated intervals of a model cover a reference."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.uncertainty.calibration import Binding, Calibration, intervals
from napari_superres.evaluation.uncertainty.spread import spread

NO_CALIBRATION = "no calibration was given (superres calibrate makes one of pairs of images)"


def cover(
    lr: Image | None, reference: Image, models: Sequence[str], calibration: Calibration | str | Path
) -> tuple[Calibration, float | None, float, str]:
    """Return the calibration, the share of the reference inside its intervals, the share it promises, and why not.

    Parameters
    ----------
    lr
        Input.
    reference
        On the grid of results.
    models
        The one that the calibration is for.
    calibration
        Or its file.

    Raises
    ------
    EvaluationError
        If there is not one model and an input, or the calibration is for another model, scale, modality or pixel size.
    """
    found = calibration if isinstance(calibration, Calibration) else Calibration.from_json(calibration)
    if lr is None or len(models) != 1:
        raise EvaluationError("intervals are made by one model of the input: give both (--lr and one --model).")
    seen = spread(lr, models)
    width = intervals(seen, found, Binding.of(seen))
    both = match(seen.mean, reference)
    widths = match(width, reference).result
    off = np.abs(np.asarray(both.result.data, np.float64) - np.asarray(both.reference.data, np.float64))
    inside = off <= np.asarray(widths.data, np.float64)
    kept = np.isfinite(off)
    return found, float(inside[kept].mean()) if kept.any() else None, 1 - found.alpha, "nothing finite to compare"
