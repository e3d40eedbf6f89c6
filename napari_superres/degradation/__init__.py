"""Physics that turns a high-resolution image into the low-resolution one an instrument would have recorded.

Begin with `simulate.degrade`, which chains the operators in the order of nature. This layer imports only ``core`` and
``errors``. Training, evaluation, the command line and the plugin import it; docs/explanation/architecture.md lists all
imports.

``simulate``    `degrade`: optics, pixels, noise, read-out, compression
``optics``      Gaussian point-spread function
``diffraction`` blur by the aperture of a widefield or confocal microscope, in focus
``kspace``      truncation of spatial frequencies and Rician noise, for magnetic resonance
``camera``      photon noise, read noise, offset, saturation
``jpeg``        compression of photographs
``resample``    `resample`: another pixel size; antialiased bicubic reduction
``fit``         gain, offset, noise and blur of an instrument, measured on its images
``psf``         the point-spread function of a microscope, measured on beads
``instruments`` the same operators for batches of training patches, with random strengths
"""

from napari_superres.degradation.psf import PsfMeasurement as PsfMeasurement
from napari_superres.degradation.psf import measure_psf as measure_psf
from napari_superres.degradation.resample import resample as resample
from napari_superres.degradation.simulate import degrade as degrade

__all__ = ["PsfMeasurement", "degrade", "measure_psf", "resample"]
