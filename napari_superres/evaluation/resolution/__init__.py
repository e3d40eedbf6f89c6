"""The finest detail that recordings hold, in physical units, or why it cannot be measured.

``origin``        what must be true of an image before a number means anything
``rings``         `ring_correlation`: two recordings (FRC, FSC)
``single``        `single_image_correlation`: one recording
``decorrelation`` `decorrelation`: one recording, from its phases
``local``         `local_agreement`: a map for two recordings
"""

from napari_superres.evaluation.resolution.decorrelation import Decorrelation as Decorrelation
from napari_superres.evaluation.resolution.decorrelation import decorrelation as decorrelation
from napari_superres.evaluation.resolution.frc import Resolution as Resolution
from napari_superres.evaluation.resolution.frc import RingCorrelation as RingCorrelation
from napari_superres.evaluation.resolution.frc import ring_correlation as ring_correlation
from napari_superres.evaluation.resolution.local import local_agreement as local_agreement
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
