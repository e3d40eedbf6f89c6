"""Physics that makes a low-resolution image out of a high-resolution one.

``resample`` pixels of another size: antialiased bicubic, the convention of the super-resolution literature
``optics``   Gaussian point-spread function and pixel binning
``diffraction`` what aperture and wavelength of a microscope make of a plane in focus
``kspace``   truncation of spatial frequencies and Rician noise, for magnetic resonance
``camera``   photon noise, read noise, offset
``jpeg``     what compression leaves of a photograph
``simulate`` `degrade`, which joins them and keeps the image where it lies
``fit``      finds gain, offset, noise and blur of the instrument that made some images
``instruments`` the same for batches of patches while a network is trained
"""

from napari_superres.degradation.resample import resample as resample
from napari_superres.degradation.simulate import degrade as degrade

__all__ = ["degrade", "resample"]
