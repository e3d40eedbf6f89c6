"""Physics that makes a low-resolution image out of a high-resolution one.

``resample`` antialiased bicubic reduction, the convention of the super-resolution literature
``optics``   Gaussian point-spread function and pixel binning
``camera``   photon noise, read noise, offset
``simulate`` `degrade`, which joins them and keeps the image where it lies
"""

from napari_superres.degradation.simulate import degrade as degrade

__all__ = ["degrade"]
