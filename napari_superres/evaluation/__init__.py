"""How far a result can be trusted: against a reference scan, its own input, its repeats; always beside interpolation.

Metrics
    ``metrics`` (PSNR, SSIM, NRMSE, ...), ``structure`` (SSIM, MS-SSIM, MicroSSIM), ``intensity`` (gamma, flux,
    SI-PSNR), ``align`` (the line between two images), ``conventions`` (what is compared: values, crop, data range)
Two images on one grid
    ``match`` (by recorded position), ``register`` and ``shifts`` (by what they show), ``scale`` (of a result over
    its input)
Beyond metrics
    ``resolution`` (one or two recordings), ``consistency`` (with the input), ``disagreement`` (of models and turns),
    ``conformal``, ``calibration`` and ``intervals`` (error bars), ``maps``, ``questions`` and ``findings`` (what it all
    answers)
Reports
    ``baselines``, ``compare`` and ``scores`` (the rows), ``statistics`` (over images), ``gates`` (for pipelines),
    ``image`` and ``folder`` (`evaluate`, `evaluate_folder`), ``report``, ``page`` and ``figures``; ``selftest``
    (answers that follow from formulas)
"""

from napari_superres.evaluation.consistency import check_consistency as check_consistency
from napari_superres.evaluation.folder import evaluate_folder as evaluate_folder
from napari_superres.evaluation.images import evaluate as evaluate
from napari_superres.evaluation.maps import difference_map as difference_map
from napari_superres.evaluation.maps import ssim_map as ssim_map
from napari_superres.evaluation.registration.register import register as register
from napari_superres.evaluation.registration.shifts import local_shifts as local_shifts
from napari_superres.evaluation.reporting.report import Report as Report
from napari_superres.evaluation.resolution import decorrelation as decorrelation
from napari_superres.evaluation.resolution import local_agreement as local_agreement
from napari_superres.evaluation.resolution import ring_correlation as ring_correlation
from napari_superres.evaluation.resolution import single_image_correlation as single_image_correlation
from napari_superres.evaluation.selftest import KnownAnswer as KnownAnswer
from napari_superres.evaluation.selftest import run_selftest as run_selftest
from napari_superres.evaluation.uncertainty.conformal import calibrate_folder as calibrate_folder
from napari_superres.evaluation.uncertainty.conformal import intervals as intervals
from napari_superres.evaluation.uncertainty.spread import iter_spread as iter_spread
from napari_superres.evaluation.uncertainty.spread import spread as spread

__all__ = [
    "KnownAnswer",
    "Report",
    "calibrate_folder",
    "check_consistency",
    "decorrelation",
    "difference_map",
    "evaluate",
    "evaluate_folder",
    "intervals",
    "iter_spread",
    "local_agreement",
    "local_shifts",
    "register",
    "ring_correlation",
    "run_selftest",
    "single_image_correlation",
    "spread",
    "ssim_map",
]
