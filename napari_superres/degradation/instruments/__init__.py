"""Instruments that degrade batches of training patches, each with random strengths of blur and noise.

A recipe names an instrument under ``[degradation]``. Intensities are those of the model: 0 is darkness, 1 the
brightest. Begin with the protocol; `make_instrument` builds an instrument from the plain values of a recipe.

``protocol``   `Instrument`: what all of them can do
``reductions`` `Bicubic`, `KSpace`, `Recorded`: no point-spread function
``lenses``     `Optics`, `Movie`: a lens and a camera
``views``      `Views`: two cameras before one scene
``measured``   blur by a measured point-spread function
``conditioned`` `Conditioned`: blur and noise of all strengths, which the network is told; `Strengths` of them
``noisy``      `Splits`, `Neighbours`: noisy images, of each of which one part learns from the other
``volumes``    `Slices`: thick slices of a volume
``strengths``  random strengths and the operators that apply them to a batch
``settings``   `make_instrument`: plain values, checked
"""

from napari_superres.degradation.instruments.conditioned import Conditioned as Conditioned
from napari_superres.degradation.instruments.conditioned import Strengths as Strengths
from napari_superres.degradation.instruments.lenses import Movie as Movie
from napari_superres.degradation.instruments.lenses import Optics as Optics
from napari_superres.degradation.instruments.noisy import Neighbours as Neighbours
from napari_superres.degradation.instruments.noisy import Splits as Splits
from napari_superres.degradation.instruments.noisy import tell as tell
from napari_superres.degradation.instruments.protocol import Instrument as Instrument
from napari_superres.degradation.instruments.protocol import Scale as Scale
from napari_superres.degradation.instruments.reductions import Bicubic as Bicubic
from napari_superres.degradation.instruments.reductions import KSpace as KSpace
from napari_superres.degradation.instruments.reductions import Recorded as Recorded
from napari_superres.degradation.instruments.settings import make_instrument as make_instrument
from napari_superres.degradation.instruments.views import Views as Views
from napari_superres.degradation.instruments.volumes import Slices as Slices

__all__ = [
    "Bicubic",
    "Conditioned",
    "Instrument",
    "KSpace",
    "Movie",
    "Neighbours",
    "Optics",
    "Recorded",
    "Scale",
    "Slices",
    "Splits",
    "Strengths",
    "Views",
    "make_instrument",
    "tell",
]
