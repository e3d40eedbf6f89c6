"""How far a result can be trusted: measured against a reference scan, its own input, and repeats of the run.

Begin with ``images.evaluate``, which asks every question of one result; ``folder`` asks them of many. Only ``folder``,
``pairing`` and ``uncertainty.fit_calibration`` read files. docs/explanation/architecture.md lists all imports.

``images``        `evaluate`: one result; ``folder`` `evaluate_folder`: many
``compare``       the scores of a result, models and baselines against one reference
``candidates``    the images that are scored, one at a time
``baselines``     interpolation and classical restoration of the same input
``classical``     that restoration, on planes: denoising and deconvolution
``consistency``   whether a result, degraded again, gives its input
``maps``          where a result differs from its reference or its input
``pairing``       which files of several folders show the same image
``metrics``       PSNR, SSIM and others, and the rules they are measured by
``registration``  two images on one grid
``resolution``    the finest detail that recordings and results share
``uncertainty``   spread of results, calibrated intervals, and masks of failures
``reporting``     questions and answers, tables, pages, gates
``selftest``      every metric against answers that follow from formulas
"""

from napari_superres.evaluation.consistency import check_consistency as check_consistency
from napari_superres.evaluation.folder import evaluate_folder as evaluate_folder
from napari_superres.evaluation.folder.many import BatchFile as BatchFile
from napari_superres.evaluation.folder.many import report_files as report_files
from napari_superres.evaluation.images import evaluate as evaluate
from napari_superres.evaluation.maps import agreement_map as agreement_map
from napari_superres.evaluation.maps import average_samples as average_samples
from napari_superres.evaluation.maps import difference_map as difference_map
from napari_superres.evaluation.maps import residual_map as residual_map
from napari_superres.evaluation.maps import ssim_map as ssim_map
from napari_superres.evaluation.registration.register import register as register
from napari_superres.evaluation.registration.shifts import local_shifts as local_shifts
from napari_superres.evaluation.reporting.paper.methods import write_methods as write_methods
from napari_superres.evaluation.reporting.report import Report as Report
from napari_superres.evaluation.resolution import decorrelation as decorrelation
from napari_superres.evaluation.resolution import local_agreement as local_agreement
from napari_superres.evaluation.resolution import ring_correlation as ring_correlation
from napari_superres.evaluation.resolution import single_image_correlation as single_image_correlation
from napari_superres.evaluation.selftest import KnownAnswer as KnownAnswer
from napari_superres.evaluation.selftest import run_selftest as run_selftest
from napari_superres.evaluation.uncertainty.calibration import intervals as intervals
from napari_superres.evaluation.uncertainty.failure import failure_mask as failure_mask
from napari_superres.evaluation.uncertainty.fit_calibration import calibrate_folder as calibrate_folder
from napari_superres.evaluation.uncertainty.spread import iter_spread as iter_spread
from napari_superres.evaluation.uncertainty.spread import spread as spread

__all__ = [
    "BatchFile",
    "KnownAnswer",
    "Report",
    "agreement_map",
    "average_samples",
    "calibrate_folder",
    "check_consistency",
    "decorrelation",
    "difference_map",
    "evaluate",
    "evaluate_folder",
    "failure_mask",
    "intervals",
    "iter_spread",
    "local_agreement",
    "local_shifts",
    "register",
    "report_files",
    "residual_map",
    "ring_correlation",
    "run_selftest",
    "single_image_correlation",
    "spread",
    "ssim_map",
    "write_methods",
]
