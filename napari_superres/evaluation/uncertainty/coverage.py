"""How often the calibrated intervals of a model contain a reference."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.uncertainty.calibration import Binding, Calibration, half_widths
from napari_superres.evaluation.uncertainty.spread import iter_spread


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a reference lies within calibrated intervals.

    Attributes
    ----------
    calibration
        The calibration that made the intervals; it promises the share ``1 - calibration.alpha``.
    share
        Share of the reference's finite pixels inside the intervals; None if no pixel is finite.
    notes
        What the runs and the calibration say of the image, in sentences.
    """

    calibration: Calibration
    share: float | None
    notes: tuple[str, ...]


def measure_coverage(
    lr: Image | None, reference: Image, models: Sequence[str], calibration: Calibration | str | Path
) -> Coverage:
    """Measure how much of a reference lies within the intervals that a model makes of its input.

    Parameters
    ----------
    lr
        The input.
    reference
        Reference scan on the grid of results.
    models
        Name of the one model that the calibration was made with.
    calibration
        The calibration, or its file.

    Raises
    ------
    EvaluationError
        If there is not one model and an input, or the calibration is for another model, scale, modality or pixel size.
    """
    if not isinstance(calibration, Calibration):
        calibration = Calibration.from_json(calibration)
    if lr is None or len(models) != 1:
        raise EvaluationError(
            "intervals are made by one model of the input.", remedy="Give both `lr` and one name as `models`."
        )
    spread = deque(iter_spread(lr, models), maxlen=1).pop()
    assert spread is not None
    width = half_widths(spread, calibration, Binding.of(spread))
    pair = match(spread.mean, reference)
    widths = match(width, reference).result
    error = np.abs(np.asarray(pair.result.data, np.float64) - np.asarray(pair.reference.data, np.float64))
    inside = error <= np.asarray(widths.data, np.float64)
    valid = np.isfinite(error)
    share = float(inside[valid].mean()) if valid.any() else None
    return Coverage(calibration, share, (*spread.notes, *width.metadata["interval"]["notes"]))
