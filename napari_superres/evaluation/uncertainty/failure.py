"""Failure masks: the pixels of a result whose error may exceed a tolerance, marked where its spread is large.

Of the pixels that fail, a bounded share stays unmarked, in the mean over images: conformal risk control of the miss
rate, Angelopoulos et al., ICLR 2024, doi:10.48550/arXiv.2208.02814. Where the tolerance is the question, a mask says
more than an interval: it need not cover the largest errors, only point at them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.uncertainty.conformal import Floats, least_images_in_the_mean, risk_threshold
from napari_superres.evaluation.uncertainty.spread import Spread

if TYPE_CHECKING:
    from napari_superres.evaluation.uncertainty.calibration import Binding, Calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureMask:
    """From which spread on a pixel is marked, and what that bounds.

    Attributes
    ----------
    tolerance
        Error, in the intensity unit, that counts as a failure if it is exceeded.
    alpha
        Share of an image's failing pixels that may stay unmarked, in the mean over images.
    images
        Number of images that it was made from.
    threshold
        Least spread of a marked pixel, in the intensity unit. ``-inf`` marks all pixels, because there are too few
        images or the spread tells nothing; ``inf`` none, because hardly any fails.
    failing, marked, missed
        Mean share of pixels that fail, that are marked, and of failing ones that are not, in the calibration images.
    """

    tolerance: float
    alpha: float
    images: int
    threshold: float
    failing: float
    marked: float
    missed: float

    def __post_init__(self) -> None:
        for name in ("tolerance", "alpha", "threshold", "failing", "marked", "missed"):
            object.__setattr__(self, name, float(getattr(self, name)))
        shares = (self.alpha, self.failing, self.marked, self.missed)
        if not all(0 <= share <= 1 for share in shares) or not self.tolerance > 0 or isnan(self.threshold):
            raise EvaluationError("a failure mask needs a tolerance above 0, a threshold, and shares from 0 to 1")

    def __str__(self) -> str:
        text = (
            f"{100 * self.failing:.2g} % of the pixels are off by more than {self.tolerance:.4g}; the failure mask "
            f"marks {100 * self.marked:.3g} % of an image"
        )
        if self.images < (needed := least_images_in_the_mean(self.alpha)):
            return f"{text}, because {self.images} images bound nothing: {needed} are needed"
        return (
            f"{text}, and misses at most {100 * self.alpha:.0f} % of those pixels, in the mean over images like these "
            f"({self.images}, conformal risk control)"
        )


def fit_failure(errors: Sequence[Floats], deviations: Sequence[Floats], tolerance: float, alpha: float) -> FailureMask:
    """Return the mask that bounds the share of failing pixels which it misses.

    Parameters
    ----------
    errors, deviations
        Absolute error and spread of the pixels of each image.
    tolerance, alpha
        As in `FailureMask`.

    Raises
    ------
    SettingsError
        If the tolerance is not above 0.
    """
    if not 0 < tolerance < np.inf:
        raise SettingsError(f"`tolerance` must be an intensity above 0, got {tolerance}.")
    fails = [e > tolerance for e in errors]
    scores = [-u[f] for u, f in zip(deviations, fails, strict=True)]
    threshold = -risk_threshold(scores, [int(f.sum()) for f in fails], alpha)
    missed = [float((u[f] < threshold).mean()) if f.any() else 0.0 for u, f in zip(deviations, fails, strict=True)]
    return FailureMask(
        tolerance=tolerance,
        alpha=alpha,
        images=len(fails),
        threshold=threshold,
        failing=float(np.mean([f.mean() for f in fails])),
        marked=float(np.mean([(u >= threshold).mean() for u in deviations])),
        missed=float(np.mean(missed)),
    )


def failure_mask(spread: Spread, calibration: "Calibration", binding: "Binding") -> Image:
    """Return where the error of ``spread.mean`` may exceed the tolerance of a calibration.

    Parameters
    ----------
    spread, calibration, binding
        As for `intervals`.

    Returns
    -------
    Image
        uint8 on the result's grid: 1 where a pixel may fail or its spread is not known, else 0. ``metadata["failure"]``
        holds the numbers of the `FailureMask` and ``"notes"``.

    Raises
    ------
    EvaluationError
        If the calibration does not hold for the spread, or is from a version without failure masks.
    """
    notes = calibration.check(binding)
    if calibration.failure is None:
        raise EvaluationError(
            "the calibration was made by a version without failure masks.",
            remedy="Calibrate again: `calibrate_folder()`.",
        )
    spreads = np.asarray(spread.deviation.data)
    marked = ~(spreads < calibration.failure.threshold)
    facts = {**asdict(calibration.failure), "notes": notes}
    return spread.deviation.replace(data=marked.astype(np.uint8), metadata={"failure": facts})
