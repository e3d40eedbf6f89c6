"""Does a result agree with its own input? Degraded again, it must give the input, except for the input's noise.

Begin with ``check``. Of the other folders of `napari_superres.evaluation`, this one imports ``metrics``,
``registration`` and ``resolution``.

``check``                 `check_consistency`: degrades the result, compares it with its input, and says what differs
``field_pair``            result and input over their common field of view
``spectral_degradation``  blur and binning of a cosine spectrum
``fit``                   width of the point-spread function, gain and offset of the intensities
``input_noise``           variance of the input's noise over brightness
``bands``                 spectral energy of the result, and the share that the input does not show
``places``                the place where a result differs most from its input or its reference
``kept``                  detail of the input that the result does not show
``sums``                  windows over which result and input sum up to something else
``patterns``              periodic patterns that the sample does not have
``grids``                 grids, seams and stripes that follow the pixels of a result
``detail``                strength of fine detail
``copied``                noise of the reference that a result holds
"""

from napari_superres.evaluation.consistency.bands import Band as Band
from napari_superres.evaluation.consistency.check import Consistency as Consistency
from napari_superres.evaluation.consistency.check import check_consistency as check_consistency

__all__ = ["Band", "Consistency", "check_consistency"]
