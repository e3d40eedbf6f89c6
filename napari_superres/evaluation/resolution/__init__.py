"""The finest detail that recordings hold, in physical units, or the reason why it cannot be measured.

Begin with ``frc``. Of the other folders of `napari_superres.evaluation`, this one imports only ``registration``.

``frc``               `ring_correlation`: Fourier ring (FRC) and shell (FSC) correlation of two recordings
``single_image_frc``  `single_image_correlation`: FRC of one recording, split into two halves
``decorrelation``     `decorrelation`: decorrelation analysis of one recording
``agreement_map``     `local_agreement`: a map of the finest detail in which two images agree
``raw_check``         is an image a raw recording, so that its resolution means anything?
``noise_blocks``      traces that processing leaves in the noise
``holes``             pixels that are not finite, left out of spectra
``shared_detail``     how much of the detail beyond an input its reference confirms
"""

from napari_superres.evaluation.resolution.agreement_map import local_agreement as local_agreement
from napari_superres.evaluation.resolution.decorrelation import Decorrelation as Decorrelation
from napari_superres.evaluation.resolution.decorrelation import decorrelation as decorrelation
from napari_superres.evaluation.resolution.frc import Resolution as Resolution
from napari_superres.evaluation.resolution.frc import RingCorrelation as RingCorrelation
from napari_superres.evaluation.resolution.frc import ring_correlation as ring_correlation
from napari_superres.evaluation.resolution.single_image_frc import single_image_correlation as single_image_correlation

__all__ = [
    "Decorrelation",
    "Resolution",
    "RingCorrelation",
    "decorrelation",
    "local_agreement",
    "ring_correlation",
    "single_image_correlation",
]
