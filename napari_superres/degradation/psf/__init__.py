"""The point-spread function of a microscope, measured on small beads, and used at any pixel size.

Begin with `measure.measure_psf`.

``measure``  `measure_psf`: from an image of beads to `PsfMeasurement`, an average with widths and errors
``beads``    finds beads, and throws out those that touch, saturate, move or differ
``fits``     a Gaussian over pixels, and the diffraction pattern of a lens without aberrations
``average``  aligns beads to a fraction of a pixel, and averages them
``kernel``   `psf_kernel` and `psf_sigma`: what other parts of the program take from a measured file
"""

from napari_superres.degradation.psf.kernel import psf_kernel as psf_kernel
from napari_superres.degradation.psf.kernel import psf_sigma as psf_sigma
from napari_superres.degradation.psf.kernel import resample_psf as resample_psf
from napari_superres.degradation.psf.measure import PsfMeasurement as PsfMeasurement
from napari_superres.degradation.psf.measure import measure_psf as measure_psf

__all__ = ["PsfMeasurement", "measure_psf", "psf_kernel", "psf_sigma", "resample_psf"]
