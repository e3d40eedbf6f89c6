"""How far a result can be trusted: metrics against a reference scan, always beside interpolation.

``metrics``     PSNR, SSIM, MS-SSIM, NRMSE, MAE, NMI, Pearson, HFEN: plain arrays
``structure``   SSIM, MS-SSIM and MicroSSIM from the same local moments
``intensity``   gain, gamma, flux, SI-PSNR: what other metrics do not see
``align``       the intensity line between two images
``conventions`` what is compared: values, crop, data range
``match``       two images on one physical grid
``scores``      the rows of a report
``compare``     `evaluate`
``folder``      `evaluate_folder`
``maps``        `difference_map` and `ssim_map` as aligned images
``resolution``  the finest detail that one or two recordings hold, where it can be measured
``selftest``    `run_selftest`: answers that follow from formulas
"""

from napari_superres.evaluation.folder import evaluate_folder as evaluate_folder
from napari_superres.evaluation.image import evaluate as evaluate
from napari_superres.evaluation.maps import difference_map as difference_map
from napari_superres.evaluation.maps import ssim_map as ssim_map
from napari_superres.evaluation.report import Report as Report
from napari_superres.evaluation.resolution import decorrelation as decorrelation
from napari_superres.evaluation.resolution import local_agreement as local_agreement
from napari_superres.evaluation.resolution import ring_correlation as ring_correlation
from napari_superres.evaluation.resolution import single_image_correlation as single_image_correlation
from napari_superres.evaluation.selftest import KnownAnswer as KnownAnswer
from napari_superres.evaluation.selftest import run_selftest as run_selftest

__all__ = [
    "KnownAnswer",
    "Report",
    "decorrelation",
    "difference_map",
    "evaluate",
    "evaluate_folder",
    "local_agreement",
    "ring_correlation",
    "run_selftest",
    "single_image_correlation",
    "ssim_map",
]
